"""A session source for tests of the view: real rows, real events, a real bus; no process behind them.

`Stage.happen` does what the core does with events: apply, write in one transaction, publish. So the view sees a
session exactly as it would, and a test decides what happens and when.
"""

import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api import (
    Asks,
    Begun,
    Changes,
    Command,
    FeedOfAll,
    GetFile,
    GetSession,
    LastEvents,
    Position,
    PutFile,
    ReadAsk,
    ReadAsks,
    ReadEvents,
    ReadLastEvents,
    ReadTurn,
    ReadTurns,
    SessionCommand,
)
from api.access import Action, Actor, ActorSource
from bot.actors import VIEWER
from bot.rows import Place, insert_place, load_place
from bot.scopes import SessionScope
from bridge.schema import schema
from service.session_info import info_of
from service.session_list import last_events
from service.transcript import event_page, turn_page, turn_view
from service.work_files import get_file
from sessions import events as e
from sessions.bus import Bus
from sessions.clock import SystemClock
from sessions.draft import Draft
from sessions.errors import SessionNotFound
from sessions.model import (
    Activity,
    Ask,
    AskBody,
    AskId,
    Attachment,
    Block,
    Decision,
    GrowingKind,
    Lifecycle,
    PermissionMode,
    SessionId,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.rows import load_ask, load_asks, load_snapshot
from sessions.state import Snapshot
from storage import Database
from tests.fresh_database import lay_out

MODEL = "claude-opus-4-5-20251101"


class Clock(SystemClock):
    """The system's clocks, but wall time stands still unless a test pushes it."""

    def __init__(self) -> None:
        self.wall_ms = super().now_ms()

    def now_ms(self) -> int:
        return self.wall_ms


@dataclass
class Actors:
    """One session and the turn that runs in it."""

    stage: "Stage"
    snapshot: Snapshot
    turn: TurnId | None = None
    ordinal: int = 0
    keys: int = 0
    open_text: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> SessionId:
        return self.snapshot.id

    async def happen(self, *events: e.Event) -> None:
        """Let these happen, in one transaction."""
        await self.stage.commit(self, events)

    async def queue(self, prompt: str, origin: str = "", *, alternative_of: str | None = None) -> TurnId:
        turn_id = TurnId(str(uuid.uuid4()))
        number = self.snapshot.next_turn
        await self.happen(
            e.TurnQueued(
                turn_id=turn_id,
                number=number,
                kind=TurnKind.PROMPT,
                author_id="discord:1",
                prompt=prompt,
                prompt_uuid=str(uuid.uuid4()),
                origin=origin or f"discord:message:{turn_id}",
                alternative_of=TurnId(alternative_of) if alternative_of else None,
            )
        )
        return turn_id

    async def start(self, turn_id: TurnId) -> None:
        """The CLI works on the turn."""
        self.turn, self.ordinal = turn_id, 0
        events: list[e.Event] = [e.TurnSent(turn_id, self.snapshot.host), e.TurnStarted(turn_id)]
        if self.snapshot.activity is not Activity.WORKING:
            events.append(e.ActivityChanged(self.snapshot.activity, Activity.WORKING, "cli"))
        await self.happen(*events)

    async def prompt(self, text: str, *, alternative_of: str | None = None) -> TurnId:
        """Queue a prompt and let Claude begin on it."""
        turn_id = await self.queue(text, alternative_of=alternative_of)
        await self.start(turn_id)
        return turn_id

    async def say(self, added: str, *, key: str = "") -> None:
        """Claude writes on."""
        assert self.turn is not None
        place = key or f"m/{self.keys}"
        text = self.open_text.setdefault(place, "")
        self.open_text[place] += added
        last = self.snapshot.next_event - 1
        piece = e.PartialText(self.id, last, self.turn, place, GrowingKind.TEXT, len(text), added)
        self.stage.bus.publish(self.id, [piece])

    async def add(self, *blocks: Block) -> None:
        """Whole blocks; the open text is done with."""
        assert self.turn is not None
        turn, first = self.turn, self.ordinal
        self.ordinal += len(blocks)
        self.open_text.clear()
        self.keys += 1
        await self.happen(*(e.BlockAdded(turn, first + n, block) for n, block in enumerate(blocks)))

    async def ask(self, body: AskBody) -> AskId:
        ask_id = AskId(str(uuid.uuid4()))
        ask = Ask(ask_id, self.turn, 1, f"r-{ask_id}", self.stage.clock.now_ms(), body)
        await self.happen(e.AskOpened(ask), e.ActivityChanged(self.snapshot.activity, Activity.ASKING, "ask"))
        return ask_id

    async def decide(self, ask_id: AskId, decision: Decision, by: str = "discord:1") -> None:
        await self.happen(
            e.AskDecided(ask_id, decision, by),
            e.ActivityChanged(self.snapshot.activity, Activity.WORKING, "answered"),
        )

    async def end(
        self, status: TurnStatus = TurnStatus.DONE, *, reason: str = "", duration_ms: int = 2_400
    ) -> None:
        assert self.turn is not None
        turn, self.turn = self.turn, None
        self.open_text.clear()
        await self.happen(
            e.TurnEnded(turn, status, reason=reason, cost_usd=0.0312, duration_ms=duration_ms),
            e.ActivityChanged(self.snapshot.activity, Activity.IDLE, "cli"),
        )

    def partials(self) -> Sequence[e.PartialText]:
        if self.turn is None:
            return ()
        last = self.snapshot.next_event - 1
        return [
            e.PartialText(self.id, last, self.turn, key, GrowingKind.TEXT, 0, text)
            for key, text in self.open_text.items()
            if text
        ]


class Stage:
    """The core as the view sees it; sessions are made by `session`."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self.bus = Bus(
            db, lambda session_id: self.sessions[session_id].partials() if session_id in self.sessions else ()
        )
        self.sessions: dict[str, Actors] = {}
        self.files = Path(db.path).parent / "shop"
        """The directory that every session's files are read from."""

    async def session(
        self, channel_id: int, owner_id: int, *, guild_id: int = 1, title: str = "Fix the login"
    ) -> Actors:
        """A new live session with its place in a channel."""
        session_id = SessionId(str(uuid.uuid4()))
        actors = Actors(self, Snapshot(session_id))
        self.sessions[session_id] = actors
        created = e.SessionCreated(
            user_id=f"discord:{owner_id}",
            channel_id=f"discord:{channel_id}",
            key="",
            title=title,
            project="shop",
            work_directory="/srv/workspaces/shop",
            model=MODEL,
            mode=PermissionMode.DEFAULT,
        )
        await self.commit(actors, [created], new_session=True)
        place = Place(session_id, guild_id, channel_id, SessionScope.THREAD, owner_id)
        await self.db.write([insert_place(place, self.clock.now_ms())])
        await actors.happen(
            e.LifecycleChanged(Lifecycle.PARKED, Lifecycle.QUEUED, "prompt"),
            e.LifecycleChanged(Lifecycle.QUEUED, Lifecycle.STARTING, "slot"),
            e.HostStarted(1),
            e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.LIVE, "started"),
        )
        return actors

    async def place(self, session_id: str) -> Place:
        """Where the session is shown."""
        found = await load_place(self.db, session_id)
        assert found is not None
        return found

    async def again(self, session_id: str) -> Actors:
        """The session as the store has it, after a start."""
        snapshot = await load_snapshot(self.db, SessionId(session_id))
        assert snapshot is not None
        current = snapshot.current
        actors = Actors(self, snapshot, current.turn_id if current is not None else None)
        actors.ordinal = current.next_ordinal if current is not None else 0
        self.sessions[session_id] = actors
        return actors

    async def commit(self, actors: Actors, events: Sequence[e.Event], *, new_session: bool = False) -> None:
        draft = Draft(actors.snapshot, self.clock.now_ms())
        draft.add_all(events)
        await self.db.write(draft.statements(new_session=new_session))
        actors.snapshot = draft.snapshot
        self.bus.publish(actors.id, draft.numbered)

    # --- Core -------------------------------------------------------------------------------------------

    async def perform(self, _: Actor, command: Command[Any]) -> Any:
        if isinstance(command, ReadLastEvents):
            return LastEvents(await last_events(self.db, VIEWER, command.session_ids))
        assert isinstance(command, SessionCommand)
        actors = self.sessions.get(command.session_id)
        if isinstance(command, GetSession) and actors is None:
            raise SessionNotFound(command.session_id)
        return await self._read(SessionId(command.session_id), actors, command)

    async def _read(self, session_id: SessionId, actors: Actors | None, command: Command[Any]) -> Any:
        """Carry out reading commands as the service does, without a session behind it."""
        match command:
            case GetSession():
                assert actors is not None
                return info_of(actors.snapshot)
            case ReadTurn():
                return await turn_view(self.db, self.bus, session_id, command)
            case ReadTurns():
                return await turn_page(self.db, self.bus, session_id, command)
            case ReadEvents():
                return await event_page(self.db, session_id, command)
            case ReadAsks():
                return Asks(tuple(await load_asks(self.db, session_id)))
            case ReadAsk():
                stored = await load_ask(self.db, AskId(command.ask_id))
                if stored is None:
                    raise SessionNotFound(command.ask_id)
                return stored
            case _:
                raise NotImplementedError(command)

    async def follow_all(
        self, who: ActorSource, after: Position | None, *, growing: bool = True
    ) -> AsyncGenerator[FeedOfAll, None]:
        async for batch in self.bus.follow_all(None, self.bus.subscribe(None)):
            as_of = Position(self.bus.run, batch.position)
            yield Begun(as_of) if batch.begins else Changes(as_of, tuple(batch.items))

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        return True

    async def put_file(self, actor: Actor, wish: PutFile, content: AsyncIterable[bytes]) -> Attachment:
        raise NotImplementedError

    def get_file(self, actor: Actor, wish: GetFile) -> AsyncGenerator[bytes, None]:
        return get_file(self.files, wish)

    async def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[e.Feed, None]:
        """Not used by the view."""
        for never in list[e.Feed]():
            yield never


@asynccontextmanager
async def stage(path: Path) -> AsyncIterator[Stage]:
    """A stage over the database in `path`; the same path again is the same sessions."""
    lay_out(path / "sessions.db")
    async with Database.open(path / "sessions.db", schema()) as db:
        yield Stage(db, Clock())
