"""The terminal face: follows one session at a time and carries out what people type.

It holds no state of its own but what is on the screen: quit it, kill it, open it twice; the session goes on,
and what was said meanwhile is shown once. If the core's process ends, the face finds or opens the next one.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from console import commands as slash
from console import render
from console.live import Growing, grown, without_first
from console.screen import Decided, Left, Screen, Typed
from console.shown import ShownStore
from console.view import AskShown, Shown, View, fold, view_of
from sessions import commands as c
from sessions import events as e
from sessions.access import Actor
from sessions.errors import CoreLost, SessionError, SessionNotFound
from sessions.events import Feed, PartialText
from sessions.model import Lifecycle, PermissionMode, Text, Thinking

_CHANNEL = "terminal:chat"
_HISTORY_EVENTS = 300
_LISTED = 20
_FEED_ITEMS = 500
_RECONNECT_PAUSE_S = 0.5
_RECONNECTS = 5

Say = Callable[[str], None]
Reach = Callable[[Say], AbstractAsyncContextManager[c.Core]]


@dataclass(frozen=True, slots=True)
class ChatWish:
    """What the command line asked for. Without a `session_id`: the session of last time, or a new one."""

    session_id: str = ""
    project: str = ""
    model: str = ""
    mode: str = ""
    is_demo: bool = False
    greeting: tuple[str, ...] = ()


async def run_chat(reach: Reach, actor: Actor, state_directory: Path, wish: ChatWish) -> int:
    """Show the screen until the person leaves; return the exit code.

    Raises what `reach` raises on the way to the first core, and `SessionNotFound` for `wish.session_id`.
    """
    screen = Screen(is_demo=wish.is_demo)
    chat = _Chat(actor, ShownStore(state_directory), wish, screen)
    for sentence in wish.greeting:
        chat.say(sentence)
    async with AsyncExitStack() as stack:
        tries_left = _RECONNECTS
        while True:
            try:
                async with reach(chat.say) as core:
                    await chat.begin(core, stack)
                    tries_left = _RECONNECTS
                    await chat.serve(core)
                    # The screen goes first: closing the core takes a moment.
                    await stack.aclose()
                    return 0
            except CoreLost as lost:
                if not chat.has_begun or not tries_left:
                    raise
                tries_left -= 1
                chat.say(str(lost))
                await asyncio.sleep(_RECONNECT_PAUSE_S)


class _Chat:
    """One terminal."""

    def __init__(self, actor: Actor, store: ShownStore, wish: ChatWish, screen: Screen) -> None:
        self._actor = actor
        self._store = store
        self._wish = wish
        self._screen = screen
        self._session_id = ""
        self._switched = asyncio.Event()
        self._view: View | None = None
        self._growing: tuple[Growing, ...] = ()
        self._listed: Sequence[str] = ()
        self._missed_until = 0
        self.has_begun = False

    def say(self, sentence: str) -> None:
        """Print a remark of ours soon."""
        self._screen.say(render.render_line(f"· {sentence}", "dim", self._screen.columns))

    async def begin(self, core: c.Core, stack: AsyncExitStack) -> None:
        """Find the session to open and show the screen, once."""
        if self.has_begun:
            return
        self._session_id = await self._first_session(core)
        await stack.enter_async_context(self._screen)
        self.has_begun = True

    async def serve(self, core: c.Core) -> None:
        """Follow and obey until the person leaves. Raises `CoreLost`."""
        tasks = [
            asyncio.create_task(self._follow_what_is_open(core), name="chat follow"),
            asyncio.create_task(self._obey(core), name="chat wishes"),
            # Apart from the other wishes: it must not wait for one that takes long.
            asyncio.create_task(self._interrupt_when_asked(core), name="chat interrupts"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        self._say_farewell()

    def _say_farewell(self) -> None:
        if self._view is not None:
            works = self._view.is_busy or bool(self._view.waiting)
            words = "Claude goes on working. " if works else ""
            demo = " --demo" if self._wish.is_demo else ""
            self.say(f"{words}Back to this session: claude-bridge chat{demo} --session {self._view.session_id}")

    # --- what is shown ----------------------------------------------------------------------------------

    async def _follow_what_is_open(self, core: c.Core) -> None:
        """Follow the open session, whichever that is. Raises `CoreLost`."""
        while True:
            self._switched.clear()
            switched = asyncio.create_task(self._switched.wait(), name="chat switch")
            following = asyncio.create_task(self._follow(core, self._session_id), name="chat feed")
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
        self._view, self._growing, self._missed_until = None, (), 0
        self._screen.show(None)
        if not session_id:
            await asyncio.Event().wait()
        try:
            info = await core.perform(self._actor, c.GetSession(session_id=session_id))
            self._view = await self._opened(info)
            items: asyncio.Queue[Feed] = asyncio.Queue(_FEED_ITEMS)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fill(core, self._view, items), name="chat events")
                tasks.create_task(self._drain(items), name="chat print")
        except SessionError as error:
            await self._refused(error)
        except ExceptionGroup as group:
            # One of two tasks: the first error is the cause.
            await self._refused(group.exceptions[0])

    async def _refused(self, error: Exception) -> None:
        if isinstance(error, CoreLost) or not isinstance(error, SessionError):
            raise error
        self.say(str(error))
        await asyncio.Event().wait()

    async def _opened(self, info: c.SessionInfo) -> View:
        """The view to go on with; prints what session this is, and what is open in it."""
        known = self._store.load(info.id)
        view = known or view_of(info, max(0, info.last_event - _HISTORY_EVENTS))
        columns = self._screen.columns
        pieces = [
            render.render_line(f"── {view.title or info.title or 'session'} ({info.id})", "bold", columns)
        ]
        if known is not None and known.running is not None and known.last_prompt:
            pieces.append(render.render_line(f"❯ {known.last_prompt[:200]}", "dim", columns))
        if known is not None:
            pieces.append(render.render([AskShown(ask) for ask in known.asks], columns))
            self._missed_until = info.last_event
        await self._screen.print("".join(pieces))
        self._screen.show(view)
        return view

    async def _fill(self, core: c.Core, view: View, items: asyncio.Queue[Feed]) -> None:
        async with aclosing(core.follow(self._actor, view.session_id, view.number)) as feed:
            async for item in feed:
                await items.put(item)

    async def _drain(self, items: asyncio.Queue[Feed]) -> None:
        """Show what comes, as much at once as has come."""
        while True:
            batch = [await items.get()]
            while not items.empty():
                batch.append(items.get_nowait())
            shown: list[Shown] = []
            for item in batch:
                shown += self._take(item)
            self._screen.show(self._view, self._growing)
            if shown:
                await self._screen.print(render.render(shown, self._screen.columns))
            if self._view is not None and any(isinstance(item, e.Numbered) for item in batch):
                self._store.save(self._view)

    def _take(self, item: Feed) -> list[Shown]:
        if self._view is None:
            return []
        if isinstance(item, PartialText):
            self._growing = grown(self._growing, item)
            return []
        match item.event:
            case e.BlockAdded(block=Text(parent=None)):
                self._growing = without_first(self._growing, "text")
            case e.BlockAdded(block=Thinking(parent=None)):
                self._growing = without_first(self._growing, "thinking")
            case e.TurnEnded():
                self._growing = ()
            case _:
                pass
        self._view, shown = fold(self._view, item)
        if shown and item.number <= self._missed_until:
            self._missed_until = 0
            self._screen.say(render.render_line("· Since you were here:", "dim", self._screen.columns))
        return shown

    # --- what is done -----------------------------------------------------------------------------------

    async def _obey(self, core: c.Core) -> None:
        """Carry out wishes in order until the person leaves. Raises `CoreLost`."""
        while True:
            wish = await self._screen.wishes.get()
            match wish:
                case Left():
                    return
                case Decided(ask=ask, decision=decision):
                    answer = c.AnswerAsk(session_id=self._session_id, ask_id=ask.id, decision=decision)
                    await self._try(self._do(core, answer))
                case Typed(text=text):
                    command = slash.parse_slash(text)
                    if isinstance(command, slash.Quit):
                        return
                    work = self._prompt(core, text) if command is None else self._command(core, command)
                    await self._try(work)
                case _:
                    assert_never(wish)

    async def _interrupt_when_asked(self, core: c.Core) -> None:
        while True:
            await self._screen.interrupted.wait()
            self._screen.interrupted.clear()
            if self._session_id:
                await self._try(self._interrupt(core))

    async def _try(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`; a refusal is a sentence for the person. Raises `CoreLost`."""
        try:
            await work
        except CoreLost:
            raise
        except SessionError as error:
            self._screen.say(render.render_line(f"! {error}", "yellow", self._screen.columns))

    async def _do(self, core: c.Core, command: c.SessionCommand[Any]) -> None:
        await core.perform(self._actor, command)

    async def _interrupt(self, core: c.Core) -> None:
        await core.perform(self._actor, c.Interrupt(session_id=self._session_id))

    async def _prompt(self, core: c.Core, text: str) -> None:
        session_id = await self._some_session(core)
        origin = f"terminal:{uuid.uuid4()}"
        await core.perform(self._actor, c.SendMessage(session_id=session_id, content=text, origin=origin))

    async def _command(self, core: c.Core, command: slash.SlashCommand) -> None:
        match command:
            case slash.Help():
                self._screen.say(render.render_guide(slash.GUIDE, self._screen.columns))
            case slash.NotUnderstood(sentence=sentence):
                self.say(sentence)
            case slash.ListSessions():
                await self._list(core)
            case slash.SwitchTo(target=target):
                await self._switch(core, target)
            case slash.NewSession(project=project):
                self._open(await self._create(core, project))
            case slash.Quit():
                pass
            case _:
                await self._session_command(core, command)

    async def _session_command(
        self,
        core: c.Core,
        command: slash.StopTurn
        | slash.RenameSession
        | slash.ChooseModel
        | slash.ChooseMode
        | slash.GoOn
        | slash.AskAgain
        | slash.ClaudeCommand,
    ) -> None:
        session_id = await self._some_session(core)
        origin = f"terminal:{uuid.uuid4()}"
        match command:
            case slash.StopTurn():
                await self._interrupt(core)
            case slash.RenameSession(title=title):
                await self._do(core, c.Rename(session_id=session_id, title=title))
            case slash.ChooseModel(model=model):
                info = await core.perform(self._actor, c.SetModel(session_id=session_id, model=model))
                self.say(f"The model is {info.model} now.")
            case slash.ChooseMode(mode=mode):
                await self._do(core, c.SetMode(session_id=session_id, mode=mode))
                self.say(f"The mode is {mode} now.")
            case slash.GoOn():
                await self._do(core, c.Continue(session_id=session_id, origin=origin))
            case slash.AskAgain():
                await self._do(core, c.Regenerate(session_id=session_id, origin=origin))
            case slash.ClaudeCommand(name=name, arguments=arguments):
                run = c.RunCommand(session_id=session_id, name=name, arguments=arguments, origin=origin)
                await self._do(core, run)
            case _:
                assert_never(command)

    # --- sessions ---------------------------------------------------------------------------------------

    async def _first_session(self, core: c.Core) -> str:
        wish = self._wish
        if wish.session_id:
            info = await core.perform(self._actor, c.GetSession(session_id=wish.session_id))
            self._store.set_current(info.id)
            return info.id
        if wish.project or wish.model or wish.mode:
            return await self._create(core, wish.project)
        with suppress(SessionNotFound):
            info = await core.perform(self._actor, c.GetSession(session_id=self._store.current()))
            if info.lifecycle is not Lifecycle.ENDED:
                return info.id
        return ""

    async def _some_session(self, core: c.Core) -> str:
        """The open session; a new one if there is none, so that opening and leaving leaves nothing behind."""
        if not self._session_id:
            self._open(await self._create(core, self._wish.project))
        return self._session_id

    async def _create(self, core: c.Core, project: str) -> str:
        mode = PermissionMode(self._wish.mode) if self._wish.mode else None
        create = c.CreateSession(channel_id=_CHANNEL, project=project, model=self._wish.model, mode=mode)
        info = await core.perform(self._actor, create)
        self._store.set_current(info.id)
        return info.id

    def _open(self, session_id: str) -> None:
        self._session_id = session_id
        self._store.set_current(session_id)
        self._switched.set()

    async def _list(self, core: c.Core) -> None:
        page = await core.perform(self._actor, c.QuerySessions(limit=_LISTED))
        self._listed = [info.id for info in page.sessions]
        text = render.render_sessions(page.sessions, self._session_id, self._screen.columns)
        self._screen.say(text)

    async def _switch(self, core: c.Core, target: str) -> None:
        if target.isdecimal() and 1 <= int(target) <= len(self._listed):
            target = self._listed[int(target) - 1]
        info = await core.perform(self._actor, c.GetSession(session_id=target))
        self._open(info.id)
