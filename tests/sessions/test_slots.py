"""The queue for processes: bounded in all and per user, fair over users, the longest idle parked first."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.model import Activity, Lifecycle, SessionId, TurnId, TurnKind
from sessions.slots import Limits, ParkOne, SlotQueue, StartOne, Wait
from sessions.state import QueuedTurn, RunningTurn, Snapshot


def holder(name: str, user: str = "u", *, idle_since: int | None = None, lifecycle: str = "live") -> Snapshot:
    """A session with a process: working, or idle since a time."""
    if idle_since is None:
        running = RunningTurn(TurnId("t"), "p", TurnKind.PROMPT)
        return Snapshot(
            SessionId(name), user, lifecycle=Lifecycle(lifecycle), activity=Activity.WORKING, running=running
        )
    return Snapshot(SessionId(name), user, lifecycle=Lifecycle(lifecycle), last_activity_ms=idle_since)


def waiting(limits: Limits, *entries: tuple[str, str]) -> SlotQueue:
    queue = SlotQueue(limits)
    for name, user in entries:
        queue.add(SessionId(name), user)
    return queue


BUSY = holder("busy", "other")
STEPS: dict[str, tuple[Limits, list[Snapshot], tuple[str, str] | None]] = {
    "room for all": (Limits(2, 2), [BUSY], ("start", "new")),
    "full of work": (Limits(1, 1), [BUSY], None),
    "full, one idle": (Limits(2, 2), [BUSY, holder("i", "other", idle_since=5)], ("park", "i")),
    "the longest idle": (
        Limits(3, 3),
        [holder("i5", "o", idle_since=5), holder("i3", "o", idle_since=3), holder("i9", "o", idle_since=9)],
        ("park", "i3"),
    ),
    "own limit, none of its own idle": (
        Limits(9, 1),
        [holder("mine"), holder("i", "other", idle_since=1)],
        None,
    ),
    "own limit, one of its own idle": (
        Limits(9, 2),
        [holder("mine"), holder("i", idle_since=8), holder("j", "other", idle_since=1)],
        ("park", "i"),
    ),
    "one is stopping already": (
        Limits(2, 2),
        [holder("leaves", "o", lifecycle="stopping"), holder("i", "o", idle_since=3)],
        None,
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_the_next_step_follows_from_who_has_a_process(case: str) -> None:
    limits, loaded, expected = STEPS[case]
    step = waiting(limits, ("new", "u")).next_step([*loaded, Snapshot(SessionId("new"), "u")], set())
    match step:
        case StartOne(session_id):
            assert expected == ("start", session_id)
        case ParkOne(session_id, for_session):
            assert (expected, for_session) == (("park", session_id), "new")
        case Wait():
            assert expected is None


def test_an_idle_session_with_background_tasks_or_prompts_is_not_parked() -> None:
    tasks = Snapshot(SessionId("a"), "o", lifecycle=Lifecycle.LIVE, background_tasks=("t",))
    prompt = QueuedTurn(TurnId("t"), "p", TurnKind.PROMPT, "o")
    queued = Snapshot(SessionId("b"), "o", lifecycle=Lifecycle.LIVE, queue=(prompt,))
    assert waiting(Limits(2, 2), ("new", "u")).next_step([tasks, queued], set()) == Wait()


def test_a_granted_start_counts_before_its_process_is_there() -> None:
    parked = Snapshot(SessionId("a"), "u")
    queue = waiting(Limits(1, 1), ("b", "u"))
    assert queue.next_step([parked, Snapshot(SessionId("b"), "u")], {SessionId("a")}) == Wait()


def test_users_take_turns_however_much_one_of_them_wants() -> None:
    queue = waiting(Limits(), ("a1", "ann"), ("a2", "ann"), ("a3", "ann"), ("b1", "bob"), ("c1", "cy"))
    assert [name for name, _ in queue.order()] == ["a1", "b1", "c1", "a2", "a3"]
    queue.remove(SessionId("a1"))
    queue.served("ann")
    assert [name for name, _ in queue.order()] == ["b1", "c1", "a2", "a3"]
    assert [queue.place(SessionId(name)) for name in ("b1", "a2", "a1")] == [0, 2, None]


def test_a_session_waits_once() -> None:
    queue = waiting(Limits(), ("a", "u"), ("a", "u"))
    assert len(queue) == 1


def test_one_waiting_session_parks_one_session_only() -> None:
    """The second look comes while the first one is still being parked."""
    idle = [holder(f"i{n}", "o", idle_since=n) for n in range(3)]
    queue = waiting(Limits(3, 3), ("new", "u"))
    step = queue.next_step(idle, set())
    assert step == ParkOne(SessionId("i0"), SessionId("new"))
    leaving = [holder("i0", "o", idle_since=0, lifecycle="stopping"), *idle[1:]]
    assert queue.next_step(leaving, set()) == Wait()
    queue.add(SessionId("second"), "u")
    assert queue.next_step(leaving, set()) == ParkOne(SessionId("i1"), SessionId("second"))


@given(st.integers(0, 1 << 32))
def test_nobody_starves_and_no_limit_is_passed(seed: int) -> None:
    """Sessions come, work and go at random; users that always want more never push others out."""
    dice = random.Random(seed)
    limits = Limits(max_sessions=dice.randint(1, 4), max_sessions_per_user=dice.randint(1, 3))
    queue = SlotQueue(limits)
    running: dict[str, Snapshot] = {}
    served: list[str] = []
    for user in "abc":
        for n in range(4 if user == "a" else 1):
            queue.add(SessionId(f"{user}{n}"), user)
    for _ in range(200):
        while not isinstance(step := queue.next_step(running.values(), set()), Wait):
            assert isinstance(step, StartOne)
            queue.remove(step.session_id)
            queue.served(step.session_id[0])
            served.append(step.session_id)
            running[step.session_id] = holder(step.session_id, step.session_id[0])
            users = [each[0] for each in running]
            assert len(running) <= limits.max_sessions
            assert max(map(users.count, users)) <= limits.max_sessions_per_user
        if not len(queue):
            break
        del running[dice.choice(sorted(running))]
    assert len(served) == len(set(served)) == 6
    first_of_each = {user: next(n for n, name in enumerate(served) if name[0] == user) for user in "abc"}
    assert max(first_of_each.values()) <= 2, "somebody's second came before somebody's first"
