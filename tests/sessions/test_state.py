"""The table of legal moves; and a snapshot is the fold of its events."""

import itertools
from types import ModuleType
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from msgspec.structs import replace

from sessions import asks, forms, process_events, turn_events
from sessions import events as e
from sessions.draft import Draft
from sessions.errors import IllegalMove
from sessions.model import (
    Activity,
    Blocker,
    Lifecycle,
    PermissionMode,
    SessionId,
    Text,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.state import LEGAL_MOVES, Snapshot, apply
from sessions.topics import Topic

ID = SessionId("01890000-0000-7000-8000-000000000001")

# Said here once more, by hand: a change of the table in the code has to be meant.
MAY_FOLLOW = {
    "queued": "starting parked ended failed",
    "starting": "live stopping parked ended failed",
    "live": "stopping parked ended failed",
    "stopping": "stopping parked ended failed",
    "parked": "parked queued starting ended failed",
    "failed": "queued starting parked ended",
    "ended": "",
}


def moved(old: Lifecycle, new: Lifecycle) -> Snapshot:
    before = Snapshot(ID, lifecycle=old, activity=Activity.BLOCKED, blocker=Blocker.AUTH)
    return apply(before, e.LifecycleChanged(old, new, "because"), 7)


@pytest.mark.parametrize("event", e.SetsFields.__subclasses__())
def test_an_event_that_sets_fields_has_names_and_types_of_the_snapshot(event: type[e.SetsFields]) -> None:
    fields, known = get_type_hints(event), get_type_hints(Snapshot)
    assert fields
    assert fields == {name: known[name] for name in fields if name in known}


@pytest.mark.parametrize(
    ("module", "union"),
    [
        (e, e.Event),
        (process_events, e.ProcessEvent),
        (turn_events, e.TurnEvent),
        (asks, asks.AskBody | asks.Decision),
        (forms, asks.AskBody | asks.Decision),
    ],
)
def test_what_is_stored_under_a_tag_is_in_the_union_that_reads_it(module: ModuleType, union: Any) -> None:
    defined = {
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == module.__name__
    }
    tagged = {each for each in defined if each.__struct_config__.tag is not None}
    assert tagged
    # These two travel beside the events and are never stored as one.
    assert tagged - {e.Numbered, e.PartialText} <= set(get_args(union))


def test_an_event_that_sets_fields_sets_them_and_no_others() -> None:
    before = Snapshot(ID)
    after = apply(before, e.PinChanged(pinned=True), 7)
    assert after == replace(before, pinned=True, next_event=2, last_activity_ms=7)


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Lifecycle, Lifecycle)))
def test_a_move_is_made_exactly_where_the_table_allows_it(old: Lifecycle, new: Lifecycle) -> None:
    if new in MAY_FOLLOW[old].split():
        after = moved(old, new)
        assert (after.lifecycle, after.reason, after.next_event, after.last_activity_ms) == (
            new,
            "because",
            2,
            7,
        )
        assert after.holds_slot == (new in ("starting", "live", "stopping"))
        if not after.holds_slot:
            assert (after.activity, after.blocker) == (Activity.IDLE, None)
    else:
        with pytest.raises(IllegalMove) as refused:
            moved(old, new)
        assert refused.value.state == old


def test_the_table_of_moves_is_the_one_that_was_decided() -> None:
    assert {old.value: set(new) for old, new in LEGAL_MOVES.items()} == {
        old: set(map(Lifecycle, new.split())) for old, new in MAY_FOLLOW.items()
    }


def test_nothing_follows_the_end() -> None:
    assert LEGAL_MOVES[Lifecycle.ENDED] == frozenset()


def test_a_move_from_another_state_than_the_event_says_is_refused() -> None:
    with pytest.raises(IllegalMove):
        apply(
            Snapshot(ID, lifecycle=Lifecycle.PARKED), e.LifecycleChanged(Lifecycle.LIVE, Lifecycle.ENDED, ""), 1
        )


def test_an_illegal_move_leaves_a_draft_as_it_was() -> None:
    draft = Draft(Snapshot(ID), 5)
    draft.add(queued("one"))
    before = (draft.snapshot, list(draft.numbered))
    with pytest.raises(IllegalMove):
        draft.add(e.LifecycleChanged(Lifecycle.PARKED, Lifecycle.LIVE, "no"))
    assert (draft.snapshot, draft.numbered) == before


def queued(name: str, *, front: bool = False) -> e.TurnQueued:
    return e.TurnQueued(TurnId(name), 1, TurnKind.PROMPT, "user", "words", f"uuid {name}", name, front=front)


def after(*events: e.Event) -> Snapshot:
    draft = Draft(Snapshot(ID), 5)
    draft.add_all(events)
    return draft.snapshot


def names(snapshot: Snapshot) -> list[str]:
    return [turn.turn_id for turn in snapshot.queue]


QUEUES: dict[str, tuple[list[e.Event], str]] = {
    "in order": ([queued("a"), queued("b"), queued("c")], "a b c"),
    "one in front": ([queued("a"), queued("b", front=True)], "b a"),
    "moved to the front": ([queued("a"), queued("b"), e.TurnMovedToFront(TurnId("b"))], "b a"),
    "withdrawn": ([queued("a"), queued("b"), e.TurnWithdrawn(TurnId("a"), "user")], "b"),
    "sent": ([queued("a"), queued("b"), e.TurnSent(TurnId("a"), 1)], "b"),
    "moving one that is not there": ([queued("a"), e.TurnMovedToFront(TurnId("z"))], "a"),
    "taken up again": (
        [queued("a"), e.TurnRequeued(TurnId("z"), TurnKind.PROMPT, "user", "uuid z", 3)],
        "z a",
    ),
}


@pytest.mark.parametrize("case", QUEUES)
def test_the_queue_has_the_order_that_people_gave_it(case: str) -> None:
    events, expected = QUEUES[case]
    assert names(after(*events)) == expected.split()


def test_a_turn_is_queued_then_sent_then_running_then_over() -> None:
    begun: list[e.Event] = [queued("a"), e.TurnSent(TurnId("a"), 1)]
    sent = after(*begun)
    assert (sent.sent and sent.sent.turn_id, sent.running, sent.activity) == ("a", None, Activity.WORKING)
    running = after(*begun, e.TurnStarted(TurnId("a")))
    assert (running.sent, running.running and running.running.prompt_uuid) == (None, "uuid a")
    assert (running.conversation_begun, running.last_prompt_uuid) == (True, "uuid a")
    ended = after(*begun, e.TurnStarted(TurnId("a")), e.TurnEnded(TurnId("a"), TurnStatus.DONE, cost_usd=0.5))
    assert (ended.current, ended.cost_usd) == (None, 0.5)


def test_a_turn_that_goes_on_keeps_the_place_of_its_blocks() -> None:
    block = e.BlockAdded(TurnId("a"), 0, Text("x"), "u1")
    began: list[e.Event] = [queued("a"), e.TurnSent(TurnId("a"), 1), e.TurnStarted(TurnId("a")), block]
    again = after(*began, e.TurnSent(TurnId("a"), 2), e.TurnStarted(TurnId("a")))
    assert again.running is not None
    assert (again.running.next_ordinal, again.running.last_uuid) == (1, "u1")


CARD_WORDS: dict[str, tuple[Snapshot, str]] = {
    "parked": (Snapshot(ID), "idle"),
    "live and idle": (Snapshot(ID, lifecycle=Lifecycle.LIVE), "idle"),
    "working": (Snapshot(ID, lifecycle=Lifecycle.LIVE, activity=Activity.WORKING), "active"),
    "prompts wait": (after(queued("a")), "active"),
    "failed": (Snapshot(ID, lifecycle=Lifecycle.FAILED), "stopped"),
    "ended": (Snapshot(ID, lifecycle=Lifecycle.ENDED), "stopped"),
}


@pytest.mark.parametrize("case", CARD_WORDS)
def test_the_words_of_the_card_are_derived_from_the_state(case: str) -> None:
    snapshot, word = CARD_WORDS[case]
    assert snapshot.standing == word


def test_a_new_process_forgets_what_the_old_one_was_blocked_by() -> None:
    limited = after(
        e.ActivityChanged(Activity.IDLE, Activity.BLOCKED, "limit", Blocker.USAGE_LIMIT),
        e.Noticed(Topic.USAGE_LIMIT, "limit", 99),
        e.BackgroundTasksChanged(("t1",)),
    )
    assert (limited.limit_until_ms, limited.background_tasks) == (99, ("t1",))
    fresh = apply(limited, e.HostStarted(2), 6)
    assert (fresh.blocker, fresh.limit_until_ms, fresh.background_tasks) == (None, 0, ())


def test_the_mode_and_the_title_are_what_was_said_last() -> None:
    said = after(
        e.ModeChanged(PermissionMode.PLAN), e.TitleChanged("Mine", by_person=True), e.ModelChanged("opus")
    )
    assert (said.mode, said.title, said.model) == ("plan", "Mine", "opus")


def test_measuring_the_context_is_no_activity() -> None:
    measured = apply(Snapshot(ID, last_activity_ms=5), e.ContextMeasured(1, 2), 9)
    assert (measured.last_activity_ms, measured.context_used, measured.next_event) == (5, 1, 2)
