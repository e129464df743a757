"""Follows the open session event by event and shows it, until another one is opened.

Decides when to print and when only to redraw the part below; `fold` decides what is printed.
"""

import asyncio
from contextlib import aclosing, suppress

import api as c
from api.access import Actor, unchanging
from console import render
from console.live import Growing, grown, without_first
from console.printed import AskShown, Shown
from console.screen import Screen
from console.shown_store import ShownStore
from console.text import one_line
from console.view import View, WaitingPrompt, fold, view_of, waiting_prompt, with_first_read
from sessions import events as e
from sessions.errors import CoreLost, SessionError
from sessions.events import Feed, PartialText
from sessions.model import Ask, GrowingKind, Text, Thinking

_HISTORY_EVENTS = 300
_PROMPT_CHARACTERS = 200
_FEED_ITEMS = 500


class Follower:
    """Shows one session at a time. `session_id` is the open one or empty; `view` is None until it is loaded."""

    def __init__(self, actor: Actor, store: ShownStore, screen: Screen) -> None:
        self.session_id = ""
        self.view: View | None = None
        self._actor = actor
        self._store = store
        self._screen = screen
        self._switched = asyncio.Event()
        self._growing: tuple[Growing, ...] = ()
        self._missed_until = 0
        self._first_read: tuple[tuple[Ask, ...], tuple[WaitingPrompt, ...]] | None = None
        self._opened_at = 0

    def open(self, session_id: str) -> None:
        """Show this session from now on, here and when the terminal is opened next."""
        self.session_id = session_id
        self._store.set_current(session_id)
        self._switched.set()

    async def run(self, core: c.Core) -> None:
        """Follow the open session, also after a switch to another one. Raises `CoreLost`."""
        while True:
            # Before the session is read: a switch that comes in between ends the new feed at once.
            self._switched.clear()
            switched = asyncio.create_task(self._switched.wait(), name="chat switch")
            following = asyncio.create_task(self._follow(core, self.session_id), name="chat feed")
            try:
                await asyncio.wait([switched, following], return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result()
            finally:
                for task in (switched, following):
                    task.cancel()
                    with suppress(asyncio.CancelledError, SessionError):
                        await task

    async def _follow(self, core: c.Core, session_id: str) -> None:
        self.view, self._growing, self._missed_until = None, (), 0
        self._screen.show(None)
        if not session_id:
            # Nothing to follow before the first prompt makes a session. `open` ends this wait.
            await asyncio.Event().wait()
        try:
            info = await core.perform(self._actor, c.GetSession(session_id=session_id))
            self._opened_at = info.last_event
            self._first_read = await self._asks_of(core, info), await self._queue_of(core, info)
            self.view = await self._opened(info)
            # Bounded: while the terminal is slow, the events wait in the core and not here.
            items: asyncio.Queue[Feed] = asyncio.Queue(_FEED_ITEMS)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fill(core, self.view, items), name="chat events")
                tasks.create_task(self._drain(items), name="chat print")
        except SessionError as error:
            await self._refused(error)
        except ExceptionGroup as group:
            # The first error is the cause: it ended the other task.
            await self._refused(group.exceptions[0])

    async def _asks_of(self, core: c.Core, info: c.SessionInfo) -> tuple[Ask, ...]:
        reads = [c.ReadAsk(session_id=info.id, ask_id=ask_id) for ask_id in info.open_asks]
        return tuple([(await core.perform(self._actor, read)).ask for read in reads])

    async def _queue_of(self, core: c.Core, info: c.SessionInfo) -> tuple[WaitingPrompt, ...]:
        reads = [c.ReadTurn(session_id=info.id, turn_id=turn_id) for turn_id in info.queued_turns]
        turns = [(await core.perform(self._actor, read)).turn for read in reads]
        return tuple(waiting_prompt(turn.id, turn.prompt) for turn in turns)

    async def _refused(self, error: Exception) -> None:
        if isinstance(error, CoreLost) or not isinstance(error, SessionError):
            raise error
        self._screen.remark(str(error))
        # Stay, else `run` would follow the same session again and be refused in a loop. A switch ends this
        # wait.
        await asyncio.Event().wait()

    async def _opened(self, info: c.SessionInfo) -> View:
        """Return the view to continue with; print the session's name and its running prompt and open asks."""
        known = self._store.load(info.id)
        view = known or view_of(info, max(0, info.last_event - _HISTORY_EVENTS))
        shown: list[Shown] = [AskShown(ask) for ask in view.asks]
        if view.number >= info.last_event:
            view, older = self._with_first_read(view)
            shown += older
        columns = self._screen.columns
        pieces = [
            render.render_line(f"── {view.title or info.title or 'session'} ({info.id})", "bold", columns)
        ]
        if known is not None and known.running is not None and known.last_prompt:
            prompt = one_line(known.last_prompt, _PROMPT_CHARACTERS)
            pieces.append(render.render_line(f"❯ {prompt}", "dim", columns))
        if known is not None:
            pieces.append(render.render(shown, columns))
            # Events up to this one happened while nobody looked here; they are announced with a line.
            self._missed_until = info.last_event
        await self._screen.print("".join(pieces))
        self._screen.show(view)
        return view

    async def _fill(self, core: c.Core, view: View, items: asyncio.Queue[Feed]) -> None:
        async with aclosing(core.follow(unchanging(self._actor), view.session_id, view.number)) as feed:
            async for item in feed:
                await items.put(item)

    async def _drain(self, items: asyncio.Queue[Feed]) -> None:
        """Show events as they come; all that have arrived are shown at once."""
        while True:
            batch = [await items.get()]
            while not items.empty():
                batch.append(items.get_nowait())
            shown: list[Shown] = []
            for item in batch:
                shown += self._take(item)
            self._screen.show(self.view, self._growing)
            if shown:
                await self._screen.print(render.render(shown, self._screen.columns))
            # Stored after it is printed: a kill in between shows a piece twice, and loses none.
            if self.view is not None and any(isinstance(item, e.Numbered) for item in batch):
                self._store.save(self.view)

    def _take(self, item: Feed) -> list[Shown]:
        if self.view is None:
            return []
        if isinstance(item, PartialText):
            self._growing = grown(self._growing, item)
            return []
        match item.event:
            case e.BlockAdded(block=Text(parent=None)):
                self._growing = without_first(self._growing, GrowingKind.TEXT)
            case e.BlockAdded(block=Thinking(parent=None)):
                self._growing = without_first(self._growing, GrowingKind.THINKING)
            case e.TurnEnded():
                self._growing = ()
            case _:
                pass
        self.view, shown = fold(self.view, item)
        if item.number >= self._opened_at:
            # Only now: an ask that one of the events up to here opened stands at its place in the history.
            self.view, older = self._with_first_read(self.view)
            shown += older
        if shown and item.number <= self._missed_until:
            self._missed_until = 0
            self._screen.remark("Since you were here:")
        return shown

    def _with_first_read(self, view: View) -> tuple[View, list[Shown]]:
        """Return the view with what the first read brought, once, and what to print."""
        if self._first_read is None:
            return view, []
        asks, queue = self._first_read
        self._first_read = None
        return with_first_read(view, asks, queue)
