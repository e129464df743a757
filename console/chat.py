"""The terminal face: follows one session at a time and carries out what people type.

Its only state is the screen. If it is quit, killed or opened twice, the session goes on, and the text that came
meanwhile is shown once. If the core's process ends, the face finds or opens the next one.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import api as c
from api.access import Actor
from console.follower import Follower
from console.screen import Screen
from console.shown_store import ShownStore
from console.typed_input import ChatWish, TypedInput
from machine.own_command import typed_bridge
from sessions.errors import CoreLost

__all__ = ["ChatWish", "run_chat"]

_RECONNECT_PAUSE_S = 0.5
_RECONNECTS = 5

Say = Callable[[str], None]
Reach = Callable[[Say], AbstractAsyncContextManager[c.Core]]


async def run_chat(reach: Reach, actor: Actor, state_directory: Path, wish: ChatWish) -> int:
    """Show the screen until the person leaves; return the exit code.

    Raises the errors of `reach` for the first core, and `SessionNotFound` for `wish.session_id`.
    """
    screen = Screen(is_demo=wish.is_demo)
    chat = _Chat(actor, ShownStore(state_directory), wish, screen)
    for sentence in wish.greeting:
        screen.remark(sentence)
    async with AsyncExitStack() as stack:
        tries_left = _RECONNECTS
        while True:
            try:
                async with reach(screen.remark) as core:
                    await chat.begin(core, stack)
                    # Counted anew: a chat that lasts for days may lose many cores, but not five in a row.
                    tries_left = _RECONNECTS
                    await chat.serve(core)
                    # Close the screen first: closing the core takes a moment.
                    await stack.aclose()
                    return 0
            except CoreLost as lost:
                # Before the screen is shown, the error is the answer: the person reads it in the shell.
                if not chat.has_begun or not tries_left:
                    raise
                tries_left -= 1
                screen.remark(str(lost))
                await asyncio.sleep(_RECONNECT_PAUSE_S)


class _Chat:
    """One terminal: its screen, the follower of its session, and the object that carries out typed input."""

    def __init__(self, actor: Actor, store: ShownStore, wish: ChatWish, screen: Screen) -> None:
        self._is_demo = wish.is_demo
        self._screen = screen
        self._follower = Follower(actor, store, screen)
        self._servant = TypedInput(actor, store, wish, screen, self._follower)
        self.has_begun = False

    async def begin(self, core: c.Core, stack: AsyncExitStack) -> None:
        """Find the session to open and show the screen, once."""
        if self.has_begun:
            return
        self._follower.session_id = await self._servant.first_session(core)
        await stack.enter_async_context(self._screen)
        self.has_begun = True

    async def serve(self, core: c.Core) -> None:
        """Follow and obey until the person leaves. Raises `CoreLost`."""
        tasks = [
            asyncio.create_task(self._follower.run(core), name="chat follow"),
            asyncio.create_task(self._servant.run(core), name="chat wishes"),
            # A task of its own: an interrupt must not wait for a slow command.
            asyncio.create_task(self._servant.interrupt_when_asked(core), name="chat interrupts"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        # All three have ended by now: an error of one must not leave the others behind.
        for result in results:
            if isinstance(result, Exception):
                raise result
        self._say_farewell()

    def _say_farewell(self) -> None:
        view = self._follower.view
        if view is not None:
            words = "Claude goes on working. " if view.is_busy or view.waiting else ""
            back = f"{typed_bridge()} chat{' --demo' * self._is_demo} --session {view.session_id}"
            self._screen.remark(f"{words}Back to this session: {back}")
