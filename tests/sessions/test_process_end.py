"""The end of a process: each way of ending beside each wish is a line in a table; no other file decides."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from sessions import events as e
from sessions.draft import Draft
from sessions.leaving import Departure
from sessions.model import Activity, AskId, Lifecycle, SessionId, TurnId, TurnKind
from sessions.process_end import (
    Broken,
    Exited,
    Lost,
    NoProcess,
    NotStarted,
    Outlived,
    ProcessEnd,
    events_at_end,
)
from sessions.state import OpenAsk, QueuedTurn, RunningTurn, Snapshot
from sessions.topics import Topic

REPOSITORY = Path(__file__).parents[2]
ID = SessionId("01890000-0000-7000-8000-000000000001")
HOST = 3
PARK, CLEAR = Departure(Lifecycle.PARKED, "parked"), Departure(Lifecycle.ENDED, "cleared")
KEEP = Departure(Lifecycle.PARKED, "stopped", keeps_turn=True)
HAND_OVER = Departure(Lifecycle.PARKED, "handed over", hands_over=True)

CRASHED, REBOOTED = Exited(HOST, -9, "It ended by itself."), Exited(HOST, None, "It ended by itself.")
ASKED = Exited(HOST, 0, "")
REFUSED, LOST = NotStarted("No such program."), Lost("Its log is gone.")
OUTLIVED, BROKEN = Outlived((4711,)), Broken(Topic.BROKEN, "It broke down.")


def _turn(name: str, *, prompt: bool = True) -> RunningTurn:
    return RunningTurn(TurnId(name), f"uuid {name}" if prompt else "", TurnKind.PROMPT, host=HOST)


BUSY = Snapshot(
    ID,
    lifecycle=Lifecycle.LIVE,
    activity=Activity.ASKING,
    host=HOST,
    running=_turn("runs"),
    queue=(QueuedTurn(TurnId("waits"), "uuid waits", TurnKind.PROMPT, "user"),),
    asks=(OpenAsk(AskId("ask"), "r", HOST, 0),),
)
STARTING = replace(BUSY, lifecycle=Lifecycle.STARTING, running=None, asks=())
BACKGROUND = replace(BUSY, running=_turn("unasked", prompt=False), sent=_turn("sent"))
PARKED = replace(STARTING, lifecycle=Lifecycle.PARKED)
FAILED = replace(STARTING, lifecycle=Lifecycle.FAILED)


@dataclass(frozen=True, slots=True)
class Case:
    """`gives`: the lifecycle after, what became of turns (`name:status`, `-` withdrawn), the notice's topic."""

    before: Snapshot
    end: ProcessEnd
    wished: Departure | None
    gives: str
    takes_up: bool = True


CASES = {
    "crashed in a turn, which goes on": Case(BUSY, CRASHED, None, "parked | process_ended"),
    "crashed in a turn": Case(BUSY, CRASHED, None, "parked runs:cut | process_ended", takes_up=False),
    "crashed in a turn of its own": Case(BACKGROUND, CRASHED, None, "parked unasked:cut | process_ended"),
    "crashed at the start": Case(STARTING, CRASHED, None, "failed | process_ended"),
    "the machine went down at the start": Case(STARTING, REBOOTED, None, "parked | process_ended"),
    "crashed while being parked": Case(BUSY, CRASHED, PARK, "parked runs:interrupted | process_ended"),
    "parked": Case(BUSY, ASKED, PARK, "parked runs:interrupted |"),
    "parked for a stop of the bridge": Case(BUSY, ASKED, KEEP, "parked |"),
    "cleared": Case(BUSY, ASKED, CLEAR, "ended waits- runs:interrupted |"),
    "handed over": Case(replace(BUSY, running=None, queue=()), ASKED, HAND_OVER, "parked over |"),
    "refused to start": Case(STARTING, REFUSED, None, "failed | start_failed"),
    "refused to start while being parked": Case(STARTING, REFUSED, PARK, "parked |"),
    "refused to start while being cleared": Case(STARTING, REFUSED, CLEAR, "ended waits- |"),
    "lost": Case(BUSY, LOST, None, "parked |"),
    "lost, and turns do not go on": Case(BUSY, LOST, None, "parked runs:cut |", takes_up=False),
    "lost while being parked": Case(BUSY, LOST, PARK, "parked runs:interrupted |"),
    "lost while the bridge stopped": Case(BUSY, LOST, KEEP, "parked |"),
    "lost while being cleared": Case(BUSY, LOST, CLEAR, "ended waits- runs:interrupted |"),
    "unkillable": Case(BUSY, OUTLIVED, None, "failed runs:cut | process_stuck"),
    "unkillable though cleared": Case(BUSY, OUTLIVED, CLEAR, "failed runs:cut | process_stuck"),
    "broken down": Case(BUSY, BROKEN, None, "failed runs:cut | broken"),
    "broken down with two turns": Case(BACKGROUND, BROKEN, None, "failed unasked:cut sent:cut | broken"),
    "broken down while being parked": Case(BUSY, BROKEN, PARK, "failed runs:cut | broken"),
    "broken down while being cleared": Case(BUSY, BROKEN, CLEAR, "ended waits- runs:interrupted | broken"),
    "broken down without a process": Case(PARKED, BROKEN, None, "failed | broken"),
    "cleared without a process": Case(PARKED, NoProcess(), CLEAR, "ended waits- |"),
    "parked without a process": Case(FAILED, NoProcess(), PARK, "parked |"),
    "handed over without a process": Case(PARKED, NoProcess(), HAND_OVER, "parked over |"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_end_of_a_process_leads_where_the_table_says(name: str) -> None:
    case = CASES[name]
    draft = Draft(case.before, 7)
    draft.add_all(events_at_end(case.before, case.end, case.wished, takes_up_cut_turns=case.takes_up))
    happened = [each.event for each in draft.numbered]
    after = draft.snapshot
    words = [
        after.lifecycle.value,
        *(["over"] if after.handed_over else []),
        *(f"{each.turn_id}-" for each in happened if isinstance(each, e.TurnWithdrawn)),
        *(f"{each.turn_id}:{each.status}" for each in happened if isinstance(each, e.TurnEnded)),
        "|",
        *(each.topic for each in happened if isinstance(each, e.Noticed)),
    ]
    assert " ".join(words) == case.gives
    # Whatever the end: its host is recorded as ended, nobody can answer it any more, and a reason stands there.
    hosts = [each.number for each in happened if isinstance(each, e.HostEnded)]
    assert hosts == ([HOST] if case.before.holds_slot else [])
    assert not after.asks
    assert not after.holds_slot
    assert after.reason
    assert after.leads_to is None


@pytest.mark.parametrize(
    ("before", "end"),
    [
        (replace(BUSY, host=HOST + 1), CRASHED),
        (PARKED, CRASHED),
        (PARKED, LOST),
        (PARKED, REFUSED),
        (FAILED, OUTLIVED),
        (FAILED, BROKEN),
        (replace(PARKED, lifecycle=Lifecycle.ENDED), BROKEN),
        (replace(PARKED, lifecycle=Lifecycle.ENDED), NoProcess()),
    ],
)
def test_an_end_that_was_recorded_already_changes_nothing(before: Snapshot, end: ProcessEnd) -> None:
    assert events_at_end(before, end, CLEAR, takes_up_cut_turns=True) == []


def test_only_one_file_writes_the_end_of_a_host() -> None:
    makes = re.compile(r"\bHostEnded\((?!\)(:| \|))(?!msgspec)")
    product = [
        path
        for room in REPOSITORY.iterdir()
        if room.is_dir() and room.name != "tests" and not room.name.startswith(".")
        for path in room.rglob("*.py")
    ]
    assert [path.name for path in product if makes.search(path.read_text())] == ["process_end.py"]
