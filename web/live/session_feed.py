"""One session's events as changes of its page.

Blocks come from the events. Everything else (a turn's head and foot, asks, the status line) is rendered from
the rows as they are now: a change that is sent twice shows the same.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from html import escape

import api as c
from api.access import Action, Actor, ActorSource
from api.words.asks import asked_texts
from sessions import events as e
from sessions.errors import SessionNotFound, TurnNotFound
from sessions.events import Feed, Numbered, PartialText
from sessions.model import (
    AskStatus,
    GrowingKind,
    Text,
    Thinking,
)
from sessions.stored import StoredAsk
from texts.pieces import pieces_of
from web.live.frames import Change, Put, Remove, Stale
from web.live.growing import GrowingText
from web.pages import asks, fragments
from web.pages.fragments import Reader
from web.parts import WebParts
from web.rendering import Renderer

REVIEW = "review"
"""The id of the comments and changes on a review's page."""
_READ_AHEAD = 500
_GATHER_S = 0.02
"""Pieces that come within this time go into one frame: a person sees no difference, the wire does."""


async def reader_of(parts: WebParts, actor: Actor, info: c.SessionInfo) -> Reader:
    """Return `actor` as a reader of the session."""
    may, session_id = parts.core.may, info.id
    return Reader(
        prompt=await may(actor, Action.PROMPT, session_id),
        approve=await may(actor, Action.APPROVE, session_id),
        manage=await may(actor, Action.MANAGE, session_id),
        directory=info.work_directory_name,
        names=parts.people.names,
        chat=f"{parts.options.base_path}/chat/{session_id}",
        in_discord=info.channel_id.startswith("discord:"),
    )


async def rendered_block(
    renderer: Renderer, turn_id: str, placed: c.PlacedBlock, directory: str, chat: str
) -> str:
    """Return a block's HTML; a very long one is cut, with a link to the whole.

    `chat` is the path of the session's page. Paths are shown relative to the work directory `directory`.
    """
    body, shown = placed.block, ""
    whole = f"{chat}/turns/{turn_id}/blocks/{placed.ordinal}"
    if isinstance(body, Text | Thinking):
        text, more = body.text, ""
        if len(text) > fragments.MOST_CHARS:
            text = next(pieces_of(text, fragments.MOST_CHARS))
            more = fragments.show_all(whole, len(body.text.encode(errors="replace")))
        shown = f"{await renderer.markdown(text)}{more}"
    return fragments.block(turn_id, placed, shown, directory, whole)


async def rendered_ask(renderer: Renderer, stored: StoredAsk, reader: Reader) -> str:
    """Return an ask's HTML."""
    texts = asked_texts(stored.ask.body)
    rendered = {text: await renderer.markdown(text) for text in texts}
    return asks.ask(stored, rendered, reader)


@dataclass(slots=True)
class _Touched:
    """The parts of a session, beside blocks, that a batch of events touched."""

    turns: dict[str, None] = field(default_factory=dict)
    asks: dict[str, None] = field(default_factory=dict)
    info: bool = False


@asynccontextmanager
async def gathered(
    parts: WebParts, who: ActorSource, session_id: str, after: int
) -> AsyncIterator[AsyncGenerator[list[Feed], None]]:
    """Yield a stream of batches of what came meanwhile. Raises the errors of `Core.follow`."""
    # Bounded: slow rendering holds back the core's stream instead of filling the memory.
    items: asyncio.Queue[Feed] = asyncio.Queue(_READ_AHEAD)

    async def read() -> None:
        async with aclosing(parts.core.follow(who, session_id, after)) as feed:
            async for item in feed:
                await items.put(item)

    # A context manager around the generator: it ends the reader also if the generator is never run to its end.
    reading = asyncio.create_task(read(), name="web feed")

    async def batches() -> AsyncGenerator[list[Feed], None]:
        loop, gathered_until = asyncio.get_running_loop(), 0.0
        while True:
            first = asyncio.create_task(items.get(), name="web feed item")
            try:
                await asyncio.wait([first, reading], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not first.done():
                    first.cancel()
            if not first.done():
                # The follower has ended and the queue is empty: its error, or its end, is that of the stream.
                reading.result()
                return
            batch = [first.result()]
            # What comes after a silence is shown at once; only what follows soon is gathered.
            await asyncio.sleep(max(0.0, gathered_until - loop.time()))
            gathered_until = loop.time() + _GATHER_S
            while not items.empty() and len(batch) < _READ_AHEAD:
                batch.append(items.get_nowait())
            yield batch

    try:
        yield batches()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class SessionChanges:
    """Turns batches of events into changes of the page, for readers with the same rights."""

    def __init__(self, parts: WebParts, who: ActorSource, session_id: str) -> None:
        self._parts = parts
        self._who = who
        self._session_id = session_id
        self._chat = f"{parts.options.base_path}/chat/{session_id}"
        self._growing = GrowingText(parts.renderer)
        self._directory = ""
        self._known: tuple[Actor, Reader] | None = None

    async def of(self, batch: Sequence[Feed]) -> list[Change]:
        """Return the changes for `batch`, in order."""
        found: list[Change] = []
        touched = _Touched()
        for item in batch:
            if isinstance(item, PartialText):
                found += self._growing.take(item)
            else:
                found += await self._of_event(item, touched)
        framed = await self._of_touched(touched) if touched.turns or touched.asks or touched.info else []
        # Frames of new turns first: blocks and growing text go into them.
        return [*framed, *found, *await self._growing.changes()]

    def growing_now(self) -> list[Change]:
        """Return all of the text that is being written, for a tab that has nothing of it yet."""
        return self._growing.whole()

    async def _of_event(self, item: Numbered, touched: _Touched) -> list[Change]:
        event = item.event
        match event:
            case e.BlockAdded():
                placed = c.PlacedBlock(event.ordinal, event.block, event.before)
                before = "" if event.before is None else fragments.block_id(event.turn_id, event.before)
                directory = await self._directory_name()
                html = await rendered_block(self._parts.renderer, event.turn_id, placed, directory, self._chat)
                name = fragments.block_id(event.turn_id, event.ordinal)
                put = Put(name, html, f"bs-{escape(event.turn_id)}", before)
                # The growing text goes in the same frame, so no page shows the text twice.
                return [*self._whole(event), put]
            case e.AskOpened():
                touched.asks[event.ask.id] = None
            case e.AskDecided() | e.AskWithdrawn():
                touched.asks[event.ask_id] = None
            case e.Noticed():
                return [Put(f"n-{item.number}", fragments.notice(item.number, event), "notices")]
            case e.TurnEnded():
                touched.turns[event.turn_id] = None
                touched.info = True
                return self._growing.end_turn(event.turn_id)
            case e.RequestFailed():
                return []
            case e.ReviewChanged():
                return [Stale(REVIEW)]
            case e.TurnQueued():
                touched.turns[event.turn_id] = None
                touched.info = True
                return [Stale(REVIEW)]  # the comments may have gone with this prompt
            case e.SharesChanged():
                self._known = None
            # Every other event on a turn changes its head or its foot.
            case _ if (turn_id := getattr(event, "turn_id", None)) is not None:
                touched.turns[turn_id] = None
        touched.info = True
        return []

    async def _reader_as_of(self, actor: Actor, info: c.SessionInfo) -> Reader:
        """Return the reader; their rights are looked up again only after something that can change them."""
        known = self._known
        # Each right reads the shares: asked at every event, they made frames three times as late for 50 tabs.
        if known is None or known[0] != actor or known[1].directory != info.work_directory_name:
            known = self._known = (actor, await reader_of(self._parts, actor, info))
        self._directory = info.work_directory_name
        return known[1]

    async def _directory_name(self) -> str:
        if not self._directory:
            command = c.GetSession(session_id=self._session_id)
            info = await self._parts.core.perform(await self._who(), command)
            self._directory = info.work_directory_name
        return self._directory

    def _whole(self, event: e.BlockAdded) -> list[Change]:
        match event.block:
            case Text(parent=None):
                return self._growing.end_block(event.turn_id, GrowingKind.TEXT)
            case Thinking(parent=None):
                return self._growing.end_block(event.turn_id, GrowingKind.THINKING)
            case _:
                return []

    async def _of_touched(self, touched: _Touched) -> list[Change]:
        actor = await self._who()
        info = await self._parts.core.perform(actor, c.GetSession(session_id=self._session_id))
        reader = await self._reader_as_of(actor, info)
        # The status and the title are small and always sent: nothing has to know which events change them.
        found: list[Change] = [Put("status", fragments.status(info, reader))]
        found.append(Put("title", f'<h1 id="title">{fragments.text_of(info.title or "Session")}</h1>'))
        for turn_id in touched.turns:
            found += await self._of_turn(actor, turn_id, reader)
        for ask_id in touched.asks:
            found += await self._of_ask(actor, ask_id, reader)
        return found

    async def _of_turn(self, actor: Actor, turn_id: str, reader: Reader) -> list[Change]:
        command = c.ReadTurn(session_id=self._session_id, turn_id=turn_id, with_blocks=False)
        with suppress(TurnNotFound):
            turn = (await self._parts.core.perform(actor, command)).turn
            await self._parts.people.learn([turn.author_id])
            name = escape(turn.id)
            return [
                # `once`: a turn that is on the page keeps its blocks; only its head and foot are new.
                Put(f"t-{name}", fragments.turn_frame(turn), "turns", once=True),
                Put(f"th-{name}", fragments.turn_head(turn, reader)),
                Put(f"tf-{name}", fragments.turn_foot(turn, reader)),
            ]
        return []

    async def _of_ask(self, actor: Actor, ask_id: str, reader: Reader) -> list[Change]:
        command = c.ReadAsk(session_id=self._session_id, ask_id=ask_id)
        with suppress(SessionNotFound):
            stored = await self._parts.core.perform(actor, command)
            if stored.status is AskStatus.WITHDRAWN:
                # Claude asks again, under another id, if it still needs the answer.
                return [Remove(f"a-{escape(ask_id)}")]
            await self._parts.people.learn([stored.decided_by])
            html = await rendered_ask(self._parts.renderer, stored, reader)
            turn_id = stored.ask.turn_id
            parent = f"as-{escape(turn_id)}" if turn_id else "asks"
            return [Put(f"a-{escape(ask_id)}", html, parent)]
        return []
