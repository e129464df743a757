"""Shared by tests of sessions: a manager on fakes that dies when told to, a clock, waiting for states."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from backends.base import Backend, InputLine
from sessions import rows
from sessions.dependencies import Patience
from sessions.machine_reserve import MachineReserve
from sessions.manager import Policy, SessionManager
from sessions.prompt_queue import Sender
from sessions.session import Session
from sessions.session_maker import NewSession
from sessions.slots import Limits
from sessions.supervision import Vigilance
from sessions.tools import Toolbox
from storage import AnyStatement, Database, Outcome, Row, SqlValue
from tests.fakes.fake_backend import FakeBackend, FakeHost, FakeMachine
from tests.fakes.memory_cli import MemoryClaude
from tests.fakes.memory_conversations import MemoryConversations, memory_driver

DEADLINE_S = 60.0
USER = "discord:1"


class FakeClock:
    """Both clocks, standing still until they are moved."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Killed(Exception):
    """The bridge is dead: whoever still waits for something durable gets this."""


class Death:
    """The end of a bridge after so many durable steps: from there on nothing is stored or sent any more."""

    def __init__(self, after: int | None = None) -> None:
        self.left = after
        self.came = asyncio.Event()
        self.buried = asyncio.Event()

    async def step(self) -> None:
        """Pass a durable step, or wait for the burial if the bridge has died before it."""
        if self.left is not None and not self.came.is_set():
            self.left -= 1
            if self.left < 0:
                self.came.set()
        if self.came.is_set():
            await self.buried.wait()
            raise Killed


class MortalDatabase:
    """A `Database` that takes nothing more once the bridge is dead; each write is a step before and after."""

    def __init__(self, db: Database, death: Death) -> None:
        self._db = db
        self._death = death

    async def write(self, statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        await self._death.step()
        outcomes = await self._db.write(statements)
        await self._death.step()
        return outcomes

    async def read(self, sql: str, params: Sequence[SqlValue] = ()) -> Sequence[Row]:
        return await self._db.read(sql, params)

    async def read_together(self, queries: Sequence[tuple[str, Sequence[SqlValue]]]) -> Sequence[Sequence[Row]]:
        return await self._db.read_together(queries)

    async def read_one(self, sql: str, params: Sequence[SqlValue] = ()) -> Row | None:
        return await self._db.read_one(sql, params)


class MortalHost(FakeHost):
    """A host whose input log takes nothing more from a dead bridge, or only half a line."""

    def __init__(self, host: FakeHost, death: Death) -> None:
        super().__init__(host.process)
        self._death = death

    async def send(self, line: InputLine) -> None:
        await self._death.step()
        try:
            await self._death.step()
        except Killed:
            half = line.data[: len(line.data) // 2]
            if len(self.process.input) == line.start:
                self.process.input += half
            raise
        await super().send(line)

    async def kill(self, grace_s: float) -> None:
        await self._death.step()
        await super().kill(grace_s)


class MortalBackend(FakeBackend):
    """The fake backend as a bridge that may die has it. Two living hosts of one session are a failure."""

    def __init__(self, machine: FakeMachine, death: Death) -> None:
        super().__init__(machine)
        self._death = death

    async def launch(self, spec: Any) -> FakeHost:
        await self._death.step()
        others = [each for each in self.machine.living() if each.spec.session_id == spec.session_id]
        assert not others, "a second process for one session"
        host = MortalHost(await super().launch(spec), self._death)
        await self._death.step()
        return host

    async def attach(self, ref: Any) -> FakeHost:
        return MortalHost(await super().attach(ref), self._death)


class House:
    """Everything that outlives a bridge, and the bridge of the moment."""

    def __init__(self, db: Database, root: Path, limits: Limits | None = None) -> None:
        self.db = db
        self.root = root
        self.clock = FakeClock()
        self.claude = MemoryClaude()
        self.machine = FakeMachine(self.claude.start)
        self.limits = limits or Limits(max_sessions=50, max_sessions_per_user=50)
        self.patience = Patience(start_s=20, request_s=20, stop_s=5, idle_s=1e9)
        self.death = Death()
        self.tools: Toolbox | None = None
        self.manager = self.make()
        (root / "workspaces").mkdir(exist_ok=True)

    def make(self, death: Death | None = None, **policy: Any) -> SessionManager:
        self.death = death or Death()
        return SessionManager(
            cast("Database", MortalDatabase(self.db, self.death)),
            cast("Backend", MortalBackend(self.machine, self.death)),
            memory_driver(),
            MemoryConversations(self.claude),
            Policy(
                self.root / "run",
                self.root / "workspaces",
                MachineReserve(self.root, look_again_s=0.01),
                limits=self.limits,
                patience=self.patience,
                vigilance=Vigilance(round_s=3600),
                tools=self.tools,
                **policy,
            ),
            self.clock,
        )

    async def restart(self, death: Death | None = None, **policy: Any) -> None:
        """End this bridge as SIGKILL would, and start the next one."""
        await self.bury()
        self.manager = self.make(death, **policy)
        await self.manager.initialize()

    async def bury(self) -> None:
        """Stop every task of the bridge; nothing of what they wanted is done any more."""
        self.death.came.set()
        keeper = self.manager.keeper
        keeper._closing = True
        tasks = [*keeper._tasks]
        if self.manager._supervision is not None:
            tasks.append(self.manager._supervision)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
        self.death.buried.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def session(self, name: str = "c", **wish: Any) -> Session:
        return await self.manager.create_session(NewSession(USER, name, **wish))

    async def again(self, session: Session) -> Session:
        """The session as the bridge of now has it."""
        return await self.manager.get_session(session.id)


@asynccontextmanager
async def house(db: Database, root: Path, limits: Limits | None = None) -> AsyncIterator[House]:
    """A house with a running bridge, buried at the end."""
    made = House(db, root, limits)
    await made.manager.initialize()
    try:
        yield made
    finally:
        await made.bury()


async def send(session: Session, *prompts: str) -> None:
    """Hand in prompts, each under an origin of its own."""
    for prompt in prompts:
        await session.send_message(prompt, sender=Sender(USER, f"{session.id} {prompt}"))


async def idle(session: Session) -> None:
    """Wait until nothing runs and nothing waits."""
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)


async def statuses(here: House, session: Session) -> list[tuple[str, str]]:
    """Each prompt with what became of its turn, oldest first."""
    return [(turn.prompt, turn.status.value) for turn in reversed(await rows.load_turns(here.db, session.id))]


async def until(is_so: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Wait until `is_so`; for states that tell nobody when they come."""
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.0005)
