"""Lines that the CLI should not print, and one day does: torn, damaged, strange, or of any shape."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.claude.lines import (
    AssistantBlocks,
    BlockDelta,
    TextBlock,
    Unrecognized,
)
from sessions.claude.parse import MAX_RAW_BYTES, parse
from tests.growing_cost import times_as_long
from tests.sessions.claude.sample_lines import BY_KIND, KINDS, LINES

# --- what the CLI should not print, and one day does ---------------------------------------------------------


def delta(text: str) -> bytes:
    event = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "@"}}
    line = json.dumps(
        {"type": "stream_event", "event": event, "parent_tool_use_id": None}, separators=(",", ":")
    )
    return line.replace("@", text).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\u2028b\u2029c", "a\u2028b\u2029c"),
        (r"half \ud83d alone", "half \ufffd alone"),
        (r"whole \ud83d\ude00", "whole \N{GRINNING FACE}"),
        ("raw half \ud83d", "raw half \ufffd\ufffd\ufffd"),
        (r"nul \u0000", "nul \x00"),
    ],
)
def test_strange_text_arrives_as_text_that_can_be_encoded(raw: str, shown: str) -> None:
    line = parse(delta(raw))
    assert line == BlockDelta(0, "text", shown)
    assert line.text.encode()


def test_a_lone_surrogate_anywhere_is_replaced_also_in_keys() -> None:
    line = parse(rb'{"type":"assistant","message":{"content":[{"type":"x\udc00","\ud800":["\udfff"]}]}}')
    assert isinstance(line, AssistantBlocks)
    json.dumps(repr(line)).encode()
    assert "\ufffd" in repr(line)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"Error: something", "not JSON"),
        (b'{"type":"assist', "not JSON"),
        (b"[1,2]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"{}", "unknown kind ''"),
        (b'{"type":"brand_new"}', "unknown kind 'brand_new'"),
        (b'{"type":7}', "unknown kind ''"),
        (b'{"type":"system","subtype":"brand_new"}', "unknown kind 'system' 'brand_new'"),
        (b'{"type":"stream_event","event":{"type":"brand_new"}}', "unknown kind 'stream_event' 'brand_new'"),
        (b'{"type":"system","subtype":"session_state_changed","state":"asleep"}', "unknown kind"),
        (b'{"type":"user","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deep"),
        (b'{"type":"user","x":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", "nested too deep"),
    ],
)
def test_a_line_that_is_not_understood_is_kept_raw(raw: bytes, reason: str) -> None:
    line = parse(raw)
    assert isinstance(line, Unrecognized)
    assert line.raw == raw[:MAX_RAW_BYTES]
    assert line.reason.startswith(reason)


def test_a_long_line_that_is_not_understood_is_kept_in_part() -> None:
    line = parse(b"x" * 1_000_000)
    assert isinstance(line, Unrecognized)
    assert len(line.raw) == MAX_RAW_BYTES


IDLE_LINE = b'{"type":"system","subtype":"session_state_changed","state":"idle","session_id":"s"}'
RESULT_LINE = BY_KIND["result/success"][0]


@pytest.mark.parametrize(
    ("raw", "recovered"),
    [
        (b'{"type":"assistant","message":{"content":[{"type":"text","te' + IDLE_LINE, [IDLE_LINE]),
        # Cut before, within and after an object or a text.
        (b"{" + IDLE_LINE, [IDLE_LINE]),
        (b'{"type":"assistant","message":{"id":"m"}' + RESULT_LINE, [RESULT_LINE]),
        (b'{"type":"assistant","message":{"text":"\\"{' + RESULT_LINE, [RESULT_LINE]),
        # Two torn ones, a whole one whose line end is lost, several behind one.
        (b'{"type":"assist{"type":"us' + IDLE_LINE, [IDLE_LINE]),
        (IDLE_LINE + RESULT_LINE, [IDLE_LINE, RESULT_LINE]),
        (b'{"type":"us' + IDLE_LINE + RESULT_LINE, [IDLE_LINE, RESULT_LINE]),
        # The end is torn off too: nothing is whole.
        (b'{"type":"us' + IDLE_LINE[:-1], []),
        # A JSON object inside of a line is not a line, even if it looks like one.
        (b'{"type":"assistant","message":{"content":[{"input":{"type":"result","is_error":true}', []),
        (b"no line {}", []),
    ],
)
def test_whole_lines_behind_a_torn_one_are_recovered(raw: bytes, recovered: list[bytes]) -> None:
    line = parse(raw)
    assert isinstance(line, Unrecognized)
    assert line.is_torn
    assert list(line.recovered) == [parse(each) for each in recovered]


@pytest.mark.parametrize(
    ("damaged", "at_most"),
    [
        (b'{"type":"assistant","message":{"content":[' + b'{"a":{"b":1}},' * 60_000 + IDLE_LINE, 8),
        (b'{"' * 300_000 + b"}", 8),
        (b"x" + b'{"a":1}' * 120_000, 8),
        (b"x" + b'{"a":1}' * 60_000 + b"}", 8),
        # Each object that begins here is read to the same wrong bracket at the end.
        (b'{"a":' * 900 + b'"' + b"x" * 400_000 + b'"]' + b"}" * 900, 1),
        (b'{"a":' * 900 + b'"' + b"\\" * 400_000 + b'"' + b"}" * 900, 1),
    ],
)
def test_a_torn_line_costs_at_most_some_times_a_whole_one(damaged: bytes, at_most: float) -> None:
    """Objects begin in it a hundred thousand times, or are read to its end: each is tried only so often."""
    whole = json.dumps({"type": "new", "lines": [{"a": {"b": 1}}] * (len(damaged) // 14)}).encode()
    assert isinstance(parse(damaged), Unrecognized)
    assert times_as_long(lambda: parse(damaged), lambda: parse(whole)) < at_most


def test_a_line_of_8_megabytes_is_read_whole() -> None:
    text = "word " * (8 * 1024 * 1024 // 5)
    body = {
        "type": "assistant",
        "message": {"id": "m", "model": "x", "content": [{"type": "text", "text": text}]},
    }
    line = parse(json.dumps(body).encode())
    assert isinstance(line, AssistantBlocks)
    assert line.blocks == (TextBlock(text),)
    assert parse(delta(text)) == BlockDelta(0, "text", text)


# --- whatever the bytes -----------------------------------------------------------------------------------

KEYS = sorted(
    {key for line in LINES for key in json.loads(line)} | {"content", "text", "index", "tasks", "input"}
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, -1, 2**63, ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@given(st.binary())
def test_any_bytes_are_parsed(raw: bytes) -> None:
    parse(raw)


@given(st.sampled_from(LINES), st.data())
def test_cut_and_damaged_lines_are_parsed(line: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, len(line)))
    parse(line[:start] + data.draw(st.binary(max_size=4)) + line[end:])


@given(st.sampled_from(LINES), st.data())
def test_lines_with_any_field_replaced_are_parsed(line: bytes, data: st.DataObject) -> None:
    body = json.loads(line)
    place = body
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        inner = place[key]
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            inner = inner[0]
        if not isinstance(inner, dict) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(JSON)
    parse(json.dumps(body).encode())


@given(st.fixed_dictionaries({"type": st.sampled_from([*{kind.partition("/")[0] for kind in KINDS}])}), JSON)
def test_any_json_under_a_known_type_is_parsed(head: dict[str, str], rest: object) -> None:
    body = (
        {**rest, **head}
        if isinstance(rest, dict)
        else {**head, "message": rest, "event": rest, "request": rest}
    )
    parse(json.dumps(body).encode())
