"""Ids: in order of time, all different, in the form that RFC 9562 gives."""

import threading
import time
import uuid

import pytest

from storage import UuidMaker


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    text = UuidMaker().make()
    after = time.time_ns() // 1_000_000
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= after


def test_ids_of_many_threads_differ_and_each_thread_sees_them_rise() -> None:
    maker = UuidMaker()
    made: list[list[str]] = [[] for _ in range(8)]

    def make(mine: list[str]) -> None:
        mine += [maker.make() for _ in range(2000)]

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({text for mine in made for text in mine}) == 16_000


def test_a_clock_that_steps_back_does_not_break_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = UuidMaker()
    times = iter([2_000_000_000_000, 1_000_000_000_000, 1_000_000_000_000, 3_000_000_000_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(times) * 1_000_000)
    made = [maker.make() for _ in range(4)]
    assert made == sorted(made)
    assert all(uuid.UUID(text).version == 7 for text in made)


def test_an_id_is_greater_than_one_of_an_earlier_process_whose_clock_was_ahead() -> None:
    earlier = "ffffffff-ffff-7fff-bfff-fffffffffff0"
    assert UuidMaker().make(after=earlier) == "ffffffff-ffff-7fff-bfff-fffffffffff1"
    made = UuidMaker().make()
    assert UuidMaker().make(after=made) > made
