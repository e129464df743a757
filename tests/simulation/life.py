"""One life of the bot: everything that it does to the world goes through here, and ends with it.

An effect is a step that outlives the bot: a commit, bytes in a log, a message that Discord took. A life may be
told to end right after its nth effect; whoever made it never learns that it was made. From then on nothing of
this life reaches the world, whatever its tasks still do while they are taken down.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import wake

if TYPE_CHECKING:
    from tests.simulation.world import World

_MOST_ROUNDS = 200


class Undying(AssertionError):
    """A task of the bot cannot be cancelled."""


class Life:
    """`ends_after` counts effects; None lives until somebody ends it."""

    def __init__(self, world: "World", ends_after: int | None = None) -> None:
        self.world = world
        self.alive = True
        self.over: asyncio.Future[None] = world.loop.create_future()
        self._left = ends_after
        self._tasks: list[asyncio.Task[Any]] = []

    def own(self, task: asyncio.Task[Any]) -> None:
        self._tasks.append(task)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task of the bot from outside of it, as the gateway does."""
        return self.world.loop.create_task(work)

    def end(self) -> None:
        """From now on nothing of this life has an effect."""
        self.alive = False
        wake(self.over)

    def spare(self) -> None:
        """It is not to end any more."""
        self._left = None

    def check(self) -> None:
        """Raise `CancelledError` in what is left of a bot that is dead."""
        if not self.alive:
            raise asyncio.CancelledError

    async def lasts(self, at_most_s: float) -> None:
        """Sleep for a random part of `at_most_s`, rarely longer: a step takes a while."""
        self.check()
        luck = self.world.chance.random()
        # Most of what can be fast is; sometimes anything takes long.
        await self.world.loop.sleep(at_most_s * (luck**3 if luck < 0.98 else 10 * luck))
        self.check()

    def effect(self, kind: str, detail: object = "") -> None:
        """Something outlives the bot from here on; the bot may not."""
        self.world.note(kind, detail)
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.world.note("death", "")
                self.end()
        self.check()

    async def bury(self) -> None:
        """Take down every task; raise `Undying` if one does not end."""
        self.end()
        for _ in range(_MOST_ROUNDS):
            pending = [task for task in self._tasks if not task.done()]
            if not pending:
                self._tasks.clear()
                return
            for task in pending:
                task.cancel()
            await asyncio.sleep(0)
        raise Undying(", ".join(sorted(task.get_name() for task in self._tasks if not task.done())))
