"""A bridge on real parts: the PTY backend, SQLite, and the scripted CLI as `claude`."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends.pty import PtyBackend
from bridge.schema import schema
from sessions import rows
from sessions.claude.stream import StreamDriver, StreamOptions
from sessions.conversations import Conversations
from sessions.dependencies import Patience
from sessions.machine_reserve import MachineReserve
from sessions.manager import Policy, SessionManager
from sessions.model import Block, Text
from sessions.prompt_queue import Sender
from sessions.session import Session
from sessions.session_maker import NewSession
from sessions.slots import Limits
from sessions.state import Snapshot
from sessions.supervision import Vigilance
from storage import Database
from tests.fakes.cli_home import install_scripted_cli
from tests.fresh_database import lay_out

DEADLINE_S = 60.0
USER = "discord:1"


@dataclass
class Place:
    """Where a bridge lives; the same for each bridge that is started there."""

    root: Path
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=lambda: Patience(start_s=30, request_s=30, stop_s=5, idle_s=300))
    policy: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    def __post_init__(self) -> None:
        self.config.mkdir(exist_ok=True)
        self.workspaces.mkdir(exist_ok=True)
        self.command = self.command or str(install_scripted_cli(self.root))

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def workspaces(self) -> Path:
        return self.root / "workspaces"

    def start_faults(self, *faults: str) -> None:
        """Plan the faults of the next starts of the CLI, one each; see `tests/fakes/scripted_cli.py`."""
        (self.config / "scripted-start").write_text("".join(f"{each}\n" for each in faults))

    def open_gate(self, name: str) -> None:
        (self.config / "gates").mkdir(exist_ok=True)
        (self.config / "gates" / name).touch()

    async def at_gate(self, name: str) -> None:
        """Wait until a turn waits at the gate; the CLI tells it by a file."""
        async with asyncio.timeout(DEADLINE_S):
            while not (self.config / "gates" / f"{name}.reached").exists():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    def make(self, db: Database) -> SessionManager:
        overrides = {"CLAUDE_CONFIG_DIR": str(self.config), "HOME": str(self.root)}
        environment = {"PATH": os.environ["PATH"]}
        policy = Policy(
            self.root / "run",
            self.workspaces,
            MachineReserve(self.root),
            limits=self.limits,
            patience=self.patience,
            **{"vigilance": Vigilance(round_s=0.1), **self.policy},
        )
        return SessionManager(
            db,
            PtyBackend(self.root / "run"),
            StreamDriver(StreamOptions(self.command, environment, overrides=overrides)),
            Conversations(overrides, self.root / "transcripts"),
            policy,
        )

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[SessionManager]:
        """A bridge that lets go of its hosts at the end, as a restart does."""
        lay_out(self.root / "sessions.db")
        async with Database.open(self.root / "sessions.db", schema()) as db, self.make(db) as manager:
            await manager.initialize()
            yield manager

    async def take_down(self) -> None:
        """End every host that is left."""
        backend = PtyBackend(self.root / "run")
        for ref in await backend.survivors():
            await (await backend.attach(ref)).kill(0.5)
        await backend.close()


async def make(manager: SessionManager, name: str = "c", **wish: Any) -> Session:
    return await manager.create_session(NewSession(wish.pop("user_id", USER), name, **wish))


async def send(session: Session, *prompts: str) -> None:
    for prompt in prompts:
        await session.send_message(prompt, sender=Sender(USER, f"{session.id} {prompt}"))


async def seen(session: Session, is_so: Callable[[Snapshot], bool]) -> Snapshot:
    async with asyncio.timeout(DEADLINE_S):
        return await session.until(is_so)


async def rest(session: Session) -> Snapshot:
    """Wait until all prompts are answered and Claude is idle."""
    return await seen(session, lambda snapshot: snapshot.is_idle and not snapshot.queue)


async def open_ask(session: Session) -> Snapshot:
    return await seen(session, lambda snapshot: bool(snapshot.asks))


async def turns(session: Session) -> list[tuple[str, str, str]]:
    """Prompt, status and Claude's text of each turn, oldest first."""
    found = []
    for turn in reversed(await rows.load_turns(session.around.db, session.id, limit=200)):
        blocks = await rows.load_blocks(session.around.db, turn.id)
        found.append((turn.prompt, turn.status.value, texts(blocks)))
    return found


def texts(blocks: list[Block]) -> str:
    return " | ".join(block.text for block in blocks if isinstance(block, Text))


async def by(wait: Awaitable[Any]) -> Any:
    """`wait`, within the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        return await wait
