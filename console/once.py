"""One turn without a screen: the answer on stdout, the session's id and remarks on stderr.

An accepted prompt is durable. If the core's process ends meanwhile, the turn goes on and is followed through
the next core. Nobody can answer asks here, so each is refused and reported.
"""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass, field

import msgspec

import api as c
from api.access import Actor, unchanging
from api.words.asks import line_words
from api.words.failures import ended_because
from api.words.notices import notice_text
from console.text import clean
from machine.own_command import typed_bridge
from sessions import events as e
from sessions.errors import CoreLost, SessionError
from sessions.model import (
    Activity,
    Ask,
    Blocker,
    Deny,
    Lifecycle,
    PermissionMode,
    Text,
    TurnId,
    TurnStatus,
)

OK, FAILED = 0, 1

_RECONNECTS = 5
_SETTLE_S = 2.0
_REFUSAL = "Nobody is here to answer. Go on without it, or say what you would need."


@dataclass(frozen=True, slots=True)
class OnePrompt:
    """The prompt and its session; an empty `session_id` means a new session."""

    prompt: str
    session_id: str = ""
    project: str = ""
    model: str = ""
    mode: str = ""
    as_json: bool = False


Reach = Callable[[], AbstractAsyncContextManager[c.Core]]


async def run_once(reach: Reach, actor: Actor, wish: OnePrompt) -> int:
    """Carry out `wish` and return the exit code. Raises the `SessionError`s of its commands."""
    run = _OnceRun(actor, wish)
    # Ctrl-C interrupts Claude and waits for the end of the turn: a killed terminal would leave it running.
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, run.interrupted.set)
    for tries_left in reversed(range(_RECONNECTS)):
        try:
            async with reach() as core:
                return await run.attempt(core)
        except CoreLost:
            if not tries_left:
                raise
    return FAILED


class _Report(msgspec.Struct, frozen=True):
    """The JSON object that `--json` prints."""

    session_id: str
    turn_id: str
    status: str
    text: str
    reason: str
    cost_usd: float
    duration_ms: int


@dataclass
class _OnceRun:
    """The state of the run; it outlives the connection to one core."""

    actor: Actor
    wish: OnePrompt
    origin: str = field(default_factory=lambda: f"terminal:{uuid.uuid4()}")
    session_id: str = ""
    turn_id: TurnId = field(default=TurnId(""))
    seen: int = 0
    texts: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    is_sent: bool = False
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    async def attempt(self, core: c.Core) -> int:
        """Send the prompt unless it was sent already, and follow its turn to the end."""
        if not self.session_id:
            info = await self._session(core)
            self.session_id, self.seen = info.id, info.last_event
            # At once, and not with the answer: after a kill the person needs it to find the session again.
            print(info.id, file=sys.stderr, flush=True)
        # After a lost connection the prompt is sent again: the same origin gives the same turn.
        send = c.SendMessage(session_id=self.session_id, content=self.wish.prompt, origin=self.origin)
        self.turn_id = (await core.perform(self.actor, send)).turn_id
        interrupting = asyncio.create_task(self._interrupt_on_signal(core), name="interrupt")
        try:
            ended = await self._follow(core)
        finally:
            interrupting.cancel()
            with suppress(asyncio.CancelledError):
                await interrupting
        return self._finish(ended)

    async def _session(self, core: c.Core) -> c.SessionInfo:
        wish = self.wish
        if wish.session_id:
            return await core.perform(self.actor, c.GetSession(session_id=wish.session_id))
        create = c.GetOrCreateSession(
            channel_id="terminal:once",
            # The run's own origin is the key: if the core is lost before it answers, a repeat finds the same
            # session.
            key=self.origin,
            project=wish.project,
            model=wish.model,
            mode=PermissionMode(wish.mode) if wish.mode else None,
        )
        return await core.perform(self.actor, create)

    async def _interrupt_on_signal(self, core: c.Core) -> None:
        await self.interrupted.wait()
        # The turn may have ended in this moment. The follower tells how.
        with suppress(SessionError):
            await core.perform(self.actor, c.Interrupt(session_id=self.session_id))

    async def _follow(self, core: c.Core) -> e.TurnEnded:
        """Show the turn while it runs; return its end once Claude is idle again."""
        ended: e.TurnEnded | None = None
        async with aclosing(core.follow(unchanging(self.actor), self.session_id, self.seen)) as feed:
            async for item in feed:
                # Only whole blocks are printed: growing text may become void, and stdout takes nothing back.
                if isinstance(item, e.PartialText):
                    continue
                # `seen` moves after the event is dealt with: after a lost core it is taken again, not left out.
                ended = await self._take(core, item.event)
                self.seen = item.number
                if ended is not None:
                    break
            assert ended is not None
            if ended.status not in (TurnStatus.CUT, TurnStatus.WITHDRAWN):
                await _settle(feed)
        return ended

    async def _take(self, core: c.Core, event: e.Event) -> e.TurnEnded | None:
        match event:
            case e.BlockAdded(turn_id=self.turn_id, block=Text(text=text, parent=None)):
                self._show(text)
            case e.TurnEnded(turn_id=self.turn_id):
                return event
            case e.TurnWithdrawn(turn_id=self.turn_id):
                return e.TurnEnded(self.turn_id, TurnStatus.WITHDRAWN, "The prompt was withdrawn.")
            case e.TurnSent(turn_id=self.turn_id):
                self.is_sent = True
            case e.TurnHeldBack(turn_id=self.turn_id):
                return await self._give_up(core)
            # The limit was known before this prompt came: it would wait in the queue for hours.
            case e.ActivityChanged(blocker=Blocker.USAGE_LIMIT) if not self.is_sent:
                return await self._give_up(core)
            # A failed session starts again with any prompt, and this one would run then, with nobody here to
            # read it.
            case e.LifecycleChanged(new=Lifecycle.FAILED, cause=cause):
                await self._withdraw(core)
                return e.TurnEnded(self.turn_id, TurnStatus.CUT, cause)
            case e.LifecycleChanged(new=Lifecycle.QUEUED, cause=cause):
                self._say(f"Waiting: {cause}.")
            case e.Noticed():
                self._say(notice_text(event))
            case e.AskOpened(ask=ask):
                await self._refuse(core, ask)
            case _:
                pass
        return None

    async def _give_up(self, core: c.Core) -> e.TurnEnded:
        """End because of a usage limit: nobody is here to wait for hours."""
        await self._withdraw(core)
        return e.TurnEnded(self.turn_id, TurnStatus.FAILED, "A usage limit of the account is reached.")

    async def _withdraw(self, core: c.Core) -> None:
        """Withdraw the prompt, which is queued again; a later start would run it."""
        withdraw = c.WithdrawQueued(session_id=self.session_id, turn_id=self.turn_id)
        with suppress(SessionError):
            await core.perform(self.actor, withdraw)

    async def _refuse(self, core: c.Core, ask: Ask) -> None:
        # Its person may sit at another face: refusing it here would decide for them.
        if ask.turn_id != self.turn_id:
            self._say(
                f"An earlier prompt waits for an answer: {typed_bridge()} chat --session {self.session_id}"
            )
            return
        self._say(f"Refused, because nobody is here to answer: {line_words(ask.body)}.")
        answer = c.AnswerAsk(session_id=self.session_id, ask_id=ask.id, decision=Deny(_REFUSAL))
        with suppress(SessionError):
            await core.perform(self.actor, answer)

    def _show(self, text: str) -> None:
        self.texts.append(text)
        if not self.wish.as_json:
            gap = "\n" if len(self.texts) > 1 else ""
            # Into a file or pipe goes Claude's text as it is; a terminal would obey what hides in it.
            shown = clean(text) if sys.stdout.isatty() else _encodable(text)
            print(f"{gap}{shown}", flush=True)

    def _say(self, sentence: str) -> None:
        # After a lost core the event at which it was lost is dealt with again.
        if sentence not in self.said:
            self.said.add(sentence)
            # Cleaned, because a sentence may quote Claude or a tool, and stderr is mostly a terminal.
            print(clean(sentence), file=sys.stderr, flush=True)

    def _finish(self, ended: e.TurnEnded) -> int:
        if self.wish.as_json:
            report = _Report(
                session_id=self.session_id,
                turn_id=self.turn_id,
                status=ended.status,
                text="\n\n".join(map(_encodable, self.texts)),
                reason=ended_because(ended),
                cost_usd=ended.cost_usd,
                duration_ms=ended.duration_ms,
            )
            print(msgspec.json.encode(report).decode(), flush=True)
        if ended.status is TurnStatus.DONE:
            return OK
        self._say(ended_because(ended) or f"The turn was {ended.status}.")
        return FAILED


async def _settle(feed: AsyncGenerator[e.Feed, None]) -> None:
    """Wait briefly until Claude is idle, so that its process can be parked at once."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_S):
            async for item in feed:
                if isinstance(item, e.Numbered) and _is_at_rest(item.event):
                    break


def _is_at_rest(event: e.Event) -> bool:
    match event:
        case e.ActivityChanged(new=Activity.IDLE) | e.TurnSent():
            return True
        case e.LifecycleChanged(new=new):
            return new is not Lifecycle.LIVE
        case _:
            return False


def _encodable(text: str) -> str:
    """Replace lone surrogates in `text`: UTF-8 cannot encode them."""
    return text.encode("utf-8", "replace").decode()
