"""Edits and deletions that the database did not take when Discord reported them: stored as soon as it does.

Discord reports each of them once. Those of a killed bot are found at the next start (`look_at_edited`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from storage import ConstraintViolated, DatabaseClosed, StatementRefused, StorageError

log = logging.getLogger(__name__)

PAUSE_S = 2.0
_MOST = 1_000

# The next start finds the change in a closed database; another try of the others would fail in the same way.
_FINAL = (DatabaseClosed, ConstraintViolated, StatementRefused)

Change = Callable[[], Awaitable[None]]
"""Stores an edit or a deletion. Raises `StorageError`; a further call then stores it."""


class LateChanges:
    """The newest change of each message that is not stored yet. Every change must be stored under `order`.

    `start_task` starts a task that the client owns.
    """

    def __init__(
        self, order: asyncio.Lock, start_task: Callable[[Coroutine[Any, Any, None], str], Any]
    ) -> None:
        self._order = order
        self._start_task = start_task
        self._waiting: dict[int, Change] = {}
        self._resting = asyncio.Event()
        self._is_retrying = False

    async def store(self, message_id: int, change: Change) -> None:
        """Store `change` now, or later if the database does not take it now. The caller holds `order`."""
        # It replaces an older one that still waits: stored later, that one would undo this one.
        self._waiting.pop(message_id, None)
        try:
            await change()
        except _FINAL:
            raise
        except StorageError:
            log.exception("a change of a message waits for the database", extra={"message_id": message_id})
            self._waiting[message_id] = change
            if len(self._waiting) > _MOST:
                self._waiting.pop(next(iter(self._waiting)))
            if not self._is_retrying:
                self._is_retrying = True
                self._start_task(self._retry(), "changes that wait for the database")

    def rest(self) -> None:
        """Try no longer: the client closes."""
        self._resting.set()

    async def _retry(self) -> None:
        try:
            while self._waiting and not self._resting.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await self._resting.wait()
                async with self._order:
                    await self._store_waiting()
        finally:
            self._is_retrying = False

    async def _store_waiting(self) -> None:
        # Oldest first, and the rest later once one fails: the database takes none then.
        while self._waiting:
            message_id = next(iter(self._waiting))
            try:
                await self._waiting[message_id]()
            except _FINAL:
                log.exception("a change of a message is lost", extra={"message_id": message_id})
            except StorageError:
                return
            del self._waiting[message_id]
