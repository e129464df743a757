"""Every line that the CLI prints becomes what it means; whatever else it prints becomes `Unrecognized`."""

import json
import math
import time
import timeit
from base64 import b64decode
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.claude.lines import (
    AnswerEchoed,
    ApiRetry,
    AskCancelled,
    AssistantBlocks,
    BackgroundTasks,
    BlockDelta,
    BlockStarted,
    BlockStopped,
    CliLine,
    CliState,
    Compacted,
    ControlFailed,
    ControlRequested,
    ControlSucceeded,
    ConversationReset,
    HookMoved,
    Ignored,
    Initialized,
    MessageStarted,
    MessageStopped,
    MessageUsage,
    ModelFellBack,
    PermissionAsked,
    PlanAsked,
    PromptEchoed,
    PromptLifecycle,
    QuestionAsked,
    RateLimit,
    StateChanged,
    StatusChanged,
    SystemNotice,
    TaskChanged,
    TextBlock,
    ThinkingTokens,
    TitleChanged,
    ToolProgress,
    ToolResult,
    ToolResults,
    TurnResult,
    Unrecognized,
    UserMessage,
)
from sessions.claude.parse import MAX_RAW_BYTES, parse
from tests.sessions.claude.record_samples import SAMPLES, kind_of

# Every kind of `facts`, and what it must become. `record_samples` says how a line's kind is named.
KINDS: dict[str, type] = {
    "assistant/redacted_thinking": AssistantBlocks,
    "assistant/server_tool_use": AssistantBlocks,
    "assistant/synthetic": AssistantBlocks,
    "assistant/text": AssistantBlocks,
    "assistant/thinking": AssistantBlocks,
    "assistant/tool_use": AssistantBlocks,
    "command_lifecycle/cancelled": PromptLifecycle,
    "command_lifecycle/completed": PromptLifecycle,
    "command_lifecycle/queued": PromptLifecycle,
    "command_lifecycle/started": PromptLifecycle,
    "control_cancel_request": AskCancelled,
    "control_request/can_use_tool": PermissionAsked,
    "control_request/can_use_tool/AskUserQuestion": QuestionAsked,
    "control_request/can_use_tool/ExitPlanMode": PlanAsked,
    "control_request/hook_callback": ControlRequested,
    "control_request/mcp_message": ControlRequested,
    "control_response/echo/allow": AnswerEchoed,
    "control_response/echo/deny": AnswerEchoed,
    "control_response/echo/tool": AnswerEchoed,
    "control_response/error": ControlFailed,
    "control_response/initialize": ControlSucceeded,
    "control_response/success": ControlSucceeded,
    "conversation_reset": ConversationReset,
    "keep_alive": Ignored,
    "rate_limit_event": RateLimit,
    "result/error_during_execution": TurnResult,
    "result/error_max_turns": TurnResult,
    "result/success": TurnResult,
    "stream_event/content_block_start": BlockStarted,
    "stream_event/content_block_stop": BlockStopped,
    "stream_event/input_json_delta": BlockDelta,
    "stream_event/message_delta": MessageUsage,
    "stream_event/message_start": MessageStarted,
    "stream_event/message_stop": MessageStopped,
    "stream_event/signature_delta": BlockDelta,
    "stream_event/text_delta": BlockDelta,
    "stream_event/thinking_delta": BlockDelta,
    "system/api_retry": ApiRetry,
    "system/background_tasks_changed": BackgroundTasks,
    "system/compact_boundary": Compacted,
    "system/hook_response": HookMoved,
    "system/hook_started": HookMoved,
    "system/init": Initialized,
    "system/model_fallback": ModelFellBack,
    "system/permission_denied": SystemNotice,
    "system/session_state_changed": StateChanged,
    "system/session_title_changed": TitleChanged,
    "system/session_writes_lost": SystemNotice,
    "system/status": StatusChanged,
    "system/task_notification": TaskChanged,
    "system/task_progress": TaskChanged,
    "system/task_started": TaskChanged,
    "system/task_updated": TaskChanged,
    "system/thinking_tokens": ThinkingTokens,
    "tool_progress": ToolProgress,
    "user": UserMessage,
    "user/replay": PromptEchoed,
    "user/tool_result": ToolResults,
}


def sample_lines() -> Iterator[bytes]:
    for path in sorted(SAMPLES.rglob("*.ndjson")):
        yield from path.read_bytes().split(b"\n")[:-1]


LINES = list(sample_lines())
BY_KIND: dict[str, list[bytes]] = {}
for _line in LINES:
    BY_KIND.setdefault(kind_of(json.loads(_line)), []).append(_line)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_line_has_samples_and_becomes_its_type(kind: str) -> None:
    assert BY_KIND.get(kind), "no sample: run record_samples, or write one by hand"
    assert {type(parse(line)) for line in BY_KIND[kind]} == {KINDS[kind]}


def test_every_sample_is_of_a_kind_in_the_table() -> None:
    assert BY_KIND.keys() == KINDS.keys()


def of_kind(kind: str, /, **facts: object) -> CliLine:
    """The first sample of a kind whose parsed form has these attributes."""
    for line in map(parse, BY_KIND[kind]):
        if all(getattr(line, name) == value for name, value in facts.items()):
            return line
    raise AssertionError(f"no {kind} with {facts}")


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("system/init", {"model": "claude-opus-5-5", "permission_mode": "default", "cwd": "/home/demo/work"}),
        ("system/session_state_changed", {"state": CliState.REQUIRES_ACTION}),
        ("system/session_state_changed", {"state": CliState.IDLE}),
        ("system/status", {"status": "requesting"}),
        ("system/status", {"status": "compacting"}),
        ("system/status", {"status": None, "compact_result": "success"}),
        ("system/status", {"permission_mode": "dontAsk"}),
        ("stream_event/message_stop", {"abandoned_from": 1}),
        ("stream_event/content_block_start", {"kind": "tool_use", "tool_name": "Bash"}),
        ("stream_event/message_delta", {"stop_reason": "tool_use"}),
        ("stream_event/text_delta", {"kind": "text", "text": "DEMO: "}),
        ("stream_event/thinking_delta", {"kind": "thinking"}),
        ("assistant/text", {"aborted": True}),
        ("assistant/synthetic", {"synthetic": True, "api_error_status": 400}),
        ("assistant/synthetic", {"error": "rate_limit", "api_error_status": 429}),
        ("user", {"text": "[Request interrupted by user]", "synthetic": False}),
        ("user", {"synthetic": True}),
        ("tool_progress", {"tool_name": "Bash", "elapsed_s": 30.0, "parent": None}),
        ("result/success", {"is_error": True, "api_error_status": 400, "terminal_reason": "api_error"}),
        ("result/success", {"is_error": False, "terminal_reason": "completed", "context_window": 1_000_000}),
        ("result/success", {"origin": "task-notification", "prompt_uuids": ()}),
        ("result/success", {"local_command": "clear", "cost_usd": 0.0}),
        (
            "result/error_during_execution",
            {"is_error": True, "terminal_reason": "aborted_streaming", "text": ""},
        ),
        ("result/error_during_execution", {"terminal_reason": "aborted_tools"}),
        ("system/api_retry", {"attempt": 1, "status": 529, "error": "overloaded"}),
        ("system/api_retry", {"status": None, "error": "unknown"}),
        ("system/model_fallback", {"fallback_model": "claude-haiku-5-5"}),
        ("system/compact_boundary", {"trigger": "auto", "tokens_before": 99024, "tokens_after": 2617}),
        ("system/task_notification", {"status": "completed", "phase": "notification"}),
        ("system/task_updated", {"status": "completed", "phase": "updated"}),
        ("system/session_title_changed", {"title": "a title"}),
        ("control_request/can_use_tool", {"tool_name": "Bash", "agent_id": None}),
        ("control_request/can_use_tool/ExitPlanMode", {}),
        ("control_response/echo/deny", {"behavior": "deny", "message": "not now"}),
        ("control_response/error", {"error_code": "unsupported_request"}),
        (
            "rate_limit_event",
            {"status": "rejected", "kind": "seven_day", "resets_ms": 1795191116000, "utilization": None},
        ),
        ("rate_limit_event", {"status": "allowed_warning", "utilization": 0.93}),
        ("conversation_reset", {"trigger": "clear"}),
        ("command_lifecycle/cancelled", {"state": "cancelled"}),
    ],
)
def test_what_a_line_says_is_read(kind: str, facts: dict[str, object]) -> None:
    of_kind(kind, **facts)


def test_an_ask_of_a_subagent_names_the_agent_whose_task_was_started() -> None:
    asks = [
        ask
        for line in BY_KIND["control_request/can_use_tool"]
        if isinstance(ask := parse(line), PermissionAsked)
    ]
    started = [task for line in BY_KIND["system/task_started"] if isinstance(task := parse(line), TaskChanged)]
    agents = {ask.agent_id for ask in asks if ask.agent_id}
    assert agents
    assert agents <= {task.task_id for task in started}


def test_an_ask_carries_what_always_could_mean() -> None:
    ask = of_kind("control_request/can_use_tool", agent_id=None)
    assert isinstance(ask, PermissionAsked)
    assert [suggestion.kind for suggestion in ask.suggestions] == ["addRules", "addDirectories", "setMode"]
    assert ask.suggestions[0].body["rules"] == [{"toolName": "Bash", "ruleContent": "touch one *"}]


def test_a_second_initialize_returns_the_asks_that_are_open() -> None:
    answers = [parse(line) for line in BY_KIND["control_response/initialize"]]
    pending = [ask for answer in answers if isinstance(answer, ControlSucceeded) for ask in answer.pending_asks]
    asked = of_kind("control_request/can_use_tool", agent_id=None)
    assert asked in pending


def test_after_clear_the_conversation_is_the_one_that_results_name() -> None:
    lines = [parse(line) for line in (SAMPLES / "streams" / "commands.ndjson").read_bytes().split(b"\n")[:-1]]
    at = next(i for i, line in enumerate(lines) if isinstance(line, ConversationReset))
    before = {
        line.conversation_id for line in lines[:at] if isinstance(line, TurnResult | Initialized | PromptEchoed)
    }
    after = {
        line.conversation_id for line in lines[at:] if isinstance(line, TurnResult | Initialized | PromptEchoed)
    }
    assert len(before) == len(after) == 1
    assert before.isdisjoint(after)


def test_a_question_has_its_options() -> None:
    ask = of_kind("control_request/can_use_tool/AskUserQuestion")
    assert isinstance(ask, QuestionAsked)
    assert ask.questions[0].text == "Which way shall the demo go?"
    assert [option.label for option in ask.questions[0].options]


def test_a_tool_result_has_its_text_its_images_and_its_detail() -> None:
    results = [result for line in BY_KIND["user/tool_result"] for result in _results(parse(line))]
    (pictured,) = {result.pictures for result in results if result.images == 1}
    assert [b64decode(data)[:4] for data in pictured] == [b"\x89PNG"]
    assert any(result.is_error and result.text == "not now" for result in results)
    assert any(result.detail for result in results)


def _results(line: CliLine) -> tuple[ToolResult, ...]:
    assert isinstance(line, ToolResults)
    return line.results


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
        # What nests within a line is none, whatever it says of itself.
        (b'{"type":"assistant","message":{"content":[{"input":{"type":"result","is_error":true}', []),
        (b"no line {}", []),
    ],
)
def test_whole_lines_behind_a_torn_one_are_recovered(raw: bytes, recovered: list[bytes]) -> None:
    line = parse(raw)
    assert isinstance(line, Unrecognized)
    assert line.is_torn
    assert list(line.recovered) == [parse(each) for each in recovered]


def test_a_torn_line_of_megabytes_costs_no_more_than_reading_it() -> None:
    """Objects begin in it a hundred thousand times, and each is tried only so often."""
    torn = b'{"type":"assistant","message":{"content":[' + b'{"a":{"b":1}},' * 60_000
    began = time.process_time()
    line = parse(torn + IDLE_LINE)
    assert isinstance(line, Unrecognized)
    assert time.process_time() - began < 10


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


def test_numbers_that_are_none_count_as_missing() -> None:
    line = parse(b'{"type":"result","duration_ms":1e999,"num_turns":"3","total_cost_usd":NaN,"ttft_ms":true}')
    assert isinstance(line, TurnResult)
    assert (line.duration_ms, line.num_turns, line.cost_usd, line.first_token_ms) == (0, 0, 0.0, None)


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 10**400, 1e300])
def test_numbers_beyond_what_anything_is_counted_in_count_as_missing(number: float) -> None:
    body = {"type": "result", "duration_ms": number, "total_cost_usd": number, "ttft_ms": number}
    line = parse(json.dumps(body).encode())
    assert isinstance(line, TurnResult)
    assert (line.duration_ms, line.cost_usd, line.first_token_ms) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("1795978300", 1_795_978_300_000),
        ("1795978300.5", 1_795_978_300_500),
        ("1795978300123", 1_795_978_300_123),
        ('"1795978300"', 1_795_978_300_000),
        ('"2026-11-29T18:51:40Z"', 1_795_978_300_000),
        ('"2026-11-29T18:51:40"', 1_795_978_300_000),
        ('"2026-11-29T19:51:40+01:00"', 1_795_978_300_000),
        ("253402300799", 253_402_300_799),
        ("253402300800000", None),
        ("-1", None),
        ('"tomorrow"', None),
        ("null", None),
    ],
)
def test_the_time_of_a_limit_is_read_however_it_is_written(at: str, expected: int | None) -> None:
    line = parse(
        b'{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":%s}}' % at.encode()
    )
    assert isinstance(line, RateLimit)
    assert line.resets_ms == expected


def test_the_structured_form_is_given_to_a_lone_result_only() -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "text", "text": "a"}, {"type": "x"}],
    }
    for results, detail in (([result], {"x": 1}), ([result, result], None)):
        body = {"type": "user", "message": {"content": results}, "tool_use_result": {"x": 1}}
        found = _results(parse(json.dumps(body).encode()))
        assert [one.detail for one in found] == [detail] * len(results)
        assert found[0].text == "a"


def test_unknown_fields_change_nothing() -> None:
    for line in LINES:
        body = json.loads(line)
        more = {**body, "brand_new": {"a": [1]}, "another": None}
        assert parse(json.dumps(more).encode()) == parse(line)


def test_the_order_of_keys_changes_nothing() -> None:
    for line in LINES:
        turned = json.dumps(dict(reversed(json.loads(line).items()))).encode()
        assert parse(turned) == parse(line)


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


@pytest.mark.bench
def test_a_text_delta_costs_less_than_half_of_what_json_does() -> None:
    line = BY_KIND["stream_event/text_delta"][0]
    ours = theirs = math.inf
    for _ in range(50):  # in turns, and short: what else the machine does hits both alike, and not every time
        ours = min(ours, timeit.timeit(lambda: parse(line), number=500))
        theirs = min(theirs, timeit.timeit(lambda: json.loads(line), number=500))
    assert ours < theirs / 2
