"""Input lines keep their places through crashes and acknowledgements in any order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import InputLine
from sessions.draft import Draft, InputLedger
from sessions.model import SessionId
from sessions.state import Snapshot
from sessions.stored import StoredInput


def stored(number: int, start: int, text: str, *, acknowledged: bool = False) -> StoredInput:
    data = b"" if acknowledged else text.encode()
    return StoredInput(number, InputLine(start, data), text.strip(), acknowledged)


def test_lines_are_given_places_one_after_the_other() -> None:
    ledger = InputLedger((), 0)
    first = ledger.reserve([("a", b"one\n"), ("b", b"three\n")])
    assert [(each.number, each.line.start, each.line.end) for each in first] == [(1, 0, 4), (2, 4, 10)]
    ledger.commit(first)
    assert [each.line.start for each in ledger.reserve([("c", b"x\n")])] == [10]


def test_a_reservation_that_is_not_committed_leaves_no_hole() -> None:
    ledger = InputLedger((), 0)
    ledger.reserve([("a", b"dropped\n")])
    assert [(each.number, each.line.start) for each in ledger.reserve([("b", b"x\n")])] == [(1, 0)]


AFTER_A_CRASH: dict[str, tuple[list[StoredInput], int, int, int]] = {
    # rows, size of the log -> where the next line begins, where a new follower begins
    "nothing was sent": ([], 0, 0, 0),
    "the last line is in the log": ([stored(1, 0, "one\n")], 4, 4, 0),
    "the last line is torn": ([stored(1, 0, "one\n"), stored(2, 4, "two\n")], 6, 8, 0),
    "the last line is not there": ([stored(1, 0, "one\n"), stored(2, 4, "two\n")], 4, 8, 0),
    "all is acknowledged": ([stored(1, 0, "one\n", acknowledged=True)], 4, 4, 4),
    "the first is acknowledged": ([stored(1, 0, "1\n", acknowledged=True), stored(2, 2, "two\n")], 6, 6, 2),
    "one never will be, a later one is": (
        [stored(1, 0, "late answer\n"), stored(2, 12, "two\n", acknowledged=True)],
        16,
        16,
        0,
    ),
}


@pytest.mark.parametrize("case", AFTER_A_CRASH)
def test_after_a_crash_the_next_line_has_the_place_behind_all_that_are_known(case: str) -> None:
    rows, log_size, end, replay = AFTER_A_CRASH[case]
    ledger = InputLedger(rows, log_size)
    assert (ledger.end, ledger.replay_offset()) == (end, replay)
    assert ledger.next_number == len(rows) + 1


def test_what_arrived_before_an_acknowledged_line_has_arrived_too() -> None:
    """A late answer to an ask is never acknowledged; without this it would be fed to every new follower."""
    ledger = InputLedger((), 0)
    ledger.commit(ledger.reserve([("answer", b"yes\n"), ("prompt", b"hello\n"), ("next", b"x\n")]))
    arrived = ledger.matching("prompt")
    assert [each.token for each in arrived] == ["answer", "prompt"]
    ledger.acknowledge(arrived)
    assert ledger.replay_offset() == 10
    assert ledger.matching("answer") == []


def test_nobody_acknowledges_an_unknown_line() -> None:
    ledger = InputLedger((), 0)
    ledger.commit(ledger.reserve([("a", b"x\n")]))
    assert ledger.matching("z") == []


@given(st.data())
def test_a_log_is_whole_whenever_the_writer_dies(data: st.DataObject) -> None:
    """Lines are stored, appended in part, acknowledged, and the process dies at any step."""
    log = b""
    table: dict[int, StoredInput] = {}
    ledger = InputLedger((), 0)
    meant: list[bytes] = []
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.sampled_from(["line", "acknowledge", "die"])):
            case "line":
                text = b"line %d\n" % len(meant)
                reserved = ledger.reserve([(f"t{len(meant)}", text)])
                table |= {each.number: each for each in reserved}
                ledger.commit(reserved)
                meant.append(text)
                cut = data.draw(st.sampled_from([None, None, 0, 3, len(text)]))
                while (waiting := ledger.unsent()) is not None:
                    log += waiting.line.data[max(0, len(log) - waiting.line.start) :][:cut]
                    if cut is not None:  # the writer dies within the append
                        ledger = InputLedger([table[number] for number in sorted(table)], len(log))
                        break
                    ledger.sent()
            case "acknowledge":
                whole = [each for each in table.values() if each.line.end <= len(log) and not each.acknowledged]
                if whole:
                    arrived = ledger.matching(data.draw(st.sampled_from(whole)).token)
                    for each in arrived:
                        empty = InputLine(each.line.start, b"")
                        table[each.number] = StoredInput(each.number, empty, each.token, acknowledged=True)
                    ledger.acknowledge(arrived)
            case _:
                ledger = InputLedger([table[number] for number in sorted(table)], len(log))
    while (waiting := ledger.unsent()) is not None:
        assert waiting.line.start <= len(log), "a hole"
        log += waiting.line.data[max(0, len(log) - waiting.line.start) :]
        ledger.sent()
    assert log == b"".join(meant)


def test_an_empty_draft_writes_nothing() -> None:
    draft = Draft(Snapshot(SessionId("x")), 1)
    assert draft.is_empty
    draft.send("t", b"line\n")
    assert not draft.is_empty
