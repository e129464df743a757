"""Edits and deletions that the database does not take at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from bot import late_changes
from bot.late_changes import LateChanges
from storage import DatabaseClosed, DatabaseFull, StatementRefused, StorageError


class Desk:
    """Stores changes by name, unless `error` is set; `rows` has those that were stored."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.error: StorageError | None = None
        self.order = asyncio.Lock()
        self.tasks: list[asyncio.Task[None]] = []
        self.late = LateChanges(self.order, self.start_task)

    def start_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))

    def change(self, name: str) -> Callable[[], Awaitable[None]]:
        async def store() -> None:
            if self.error is not None:
                raise self.error
            self.rows.append(name)

        return store

    async def store(self, message_id: int, name: str) -> None:
        async with self.order:
            await self.late.store(message_id, self.change(name))

    async def settled(self) -> None:
        await asyncio.gather(*self.tasks)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_changes, "PAUSE_S", 0.0)


async def test_changes_are_stored_in_their_order_once_the_database_takes_them() -> None:
    desk = Desk()
    desk.error = DatabaseFull("full")
    for message_id, name in enumerate(("a", "b", "c")):
        await desk.store(message_id, name)
    desk.error = None
    await desk.settled()
    assert desk.rows == ["a", "b", "c"]
    assert len(desk.tasks) == 1


async def test_a_change_that_waits_gives_way_to_a_newer_one_of_its_message() -> None:
    desk = Desk()
    desk.error = DatabaseFull("full")
    await desk.store(1, "first edit")
    await desk.store(2, "first edit of another")
    await desk.store(2, "second edit of another")
    desk.error = None
    await desk.store(1, "second edit")
    await desk.settled()
    assert desk.rows == ["second edit", "second edit of another"]


@pytest.mark.parametrize("error", [DatabaseClosed("closed"), StatementRefused("no")])
async def test_a_change_that_another_try_would_not_store_is_told_at_once(error: StorageError) -> None:
    desk = Desk()
    desk.error = error
    with pytest.raises(type(error)):
        await desk.store(1, "edit")
    assert not desk.tasks


async def test_the_end_of_the_client_ends_the_tries() -> None:
    desk = Desk()
    desk.error = DatabaseFull("full")
    await desk.store(1, "edit")
    desk.late.rest()
    await desk.settled()
    assert desk.rows == []
