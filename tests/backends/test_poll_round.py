"""The order of polls: hosts are looked at often while they are few, never many at once."""

import pytest

from backends.poll_round import FEWEST_SLOTS, MEMBERS_AT_ONCE, SLOT_S, PollRound


def one_round(polls: PollRound[int]) -> tuple[float, list[set[int]]]:
    """How long it takes until a slot comes again, and who is looked at on the way."""
    passed_s = 0.0
    slots: list[set[int]] = []
    while not slots or not slots[0] & set(polls.due()):
        slots.append(set(polls.due()))
        passed_s += polls.advance() or 0.0
    return passed_s, slots


@pytest.mark.parametrize(
    ("members", "round_s", "wake_ups"),
    [
        (1, 0.05, 1),
        (25, 0.05, 1),
        (50, 0.05, 2),
        (125, 0.05, 5),
        (126, 0.06, 6),
        (500, 0.2, 20),
        (1000, 0.4, 40),
    ],
)
def test_a_round_is_as_long_as_its_members_need(members: int, round_s: float, wake_ups: int) -> None:
    polls: PollRound[int] = PollRound()
    for member in range(members):
        polls.add(member)
    polls.advance()
    passed_s, slots = one_round(polls)
    assert passed_s == pytest.approx(round_s)
    assert max(map(len, slots)) <= MEMBERS_AT_ONCE
    assert set().union(*slots) == set(range(members)), "somebody was left out"
    assert len(slots) == wake_ups


def test_a_round_gets_short_again_when_most_have_left() -> None:
    polls: PollRound[int] = PollRound()
    for member in range(1000):
        polls.add(member)
    for member in range(1000):
        if member % 20:
            polls.discard(member)
            polls.advance()
    passed_s, slots = one_round(polls)
    assert passed_s == pytest.approx(FEWEST_SLOTS * SLOT_S)
    assert set().union(*slots) == set(range(0, 1000, 20))


def test_a_round_without_members_ends() -> None:
    polls: PollRound[int] = PollRound()
    assert polls.advance() is None
    polls.add(1)
    assert polls.advance() is not None
    polls.discard(1)
    assert polls.advance() is None
