"""The bot of one life, put together as `bridge/wiring.py` and `bridge/discord_face.py` do it."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import discord

from bot.actors import AccessPolicy
from bot.face import Face
from bot.rows_and_core import forget_old_rows
from bot.view import View, ViewOptions
from service import ServiceParts, SessionService
from sessions.dependencies import Patience
from sessions.manager import Policy, SessionManager
from sessions.model import Lifecycle
from sessions.slots import Limits
from storage import Database
from tests.fakes.memory_conversations import memory_driver
from tests.simulation.chat import GUILD, PEOPLE
from tests.simulation.claude import SimulatedConversations
from tests.simulation.client import SimulatedClient
from tests.simulation.database import connections
from tests.simulation.hosts import SimulatedBackend
from tests.simulation.life import Life
from tests.simulation.machine import SimulatedClock, SimulatedResources

if TYPE_CHECKING:
    from tests.simulation.world import World

_KEEP_MS = 30 * 24 * 3600 * 1000


class BotOfNow:
    """`run` until cancelled; `connected` says whether the gateway may tell it things."""

    def __init__(self, world: "World", life: Life) -> None:
        self._world = world
        self.life = life
        self.clock = SimulatedClock(world.loop.time)
        self.connected = False
        self.stopping = asyncio.Event()
        self.manager: SessionManager
        self.service: SessionService
        self.client: SimulatedClient
        self.view: View

    async def run(self) -> None:
        """Open the core, then Discord; take both down in order when `stopping` is set."""
        world, life = self._world, self.life
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(Database.over(connections(life, world.database)))
            self.manager = await stack.enter_async_context(self._core(database))
            await self.manager.initialize()
            self.service = SessionService(ServiceParts(self.manager))
            await forget_old_rows(self.service, database, self.manager.now_ms() - _KEEP_MS)
            self.client = SimulatedClient(life, world.chat, lambda client: self._face(client, database))
            await stack.enter_async_context(self.view)
            stack.push_async_callback(self.client.drain)
            self.connected = True
            await self.connect()
            await self.stopping.wait()
            self.connected = False

    async def connect(self) -> None:
        """A new session with the gateway."""
        await self.client.on_connect()
        await self.client.on_ready()

    def _core(self, database: Database) -> SessionManager:
        world = self._world
        return SessionManager(
            database,
            SimulatedBackend(world.machine, self.life),
            memory_driver(),
            SimulatedConversations(world.claude),
            Policy(
                run_directory=world.root / "run",
                workspace_root=world.root / "workspaces",
                resources=SimulatedResources(lambda: world.faults.disk_is_full),
                limits=Limits(world.plan.places, 3),
                patience=Patience(idle_s=world.plan.idle_s, freeze_s=world.plan.idle_s / 8),
            ),
            self.clock,
        )

    def _face(self, client: discord.Client, database: Database) -> Face:
        self.view = View(client, self.service, database, options=ViewOptions(), clock=self.clock)

        return Face(
            core=self.service,
            db=database,
            view=self.view,
            access=AccessPolicy(frozenset({GUILD}), admin_ids=frozenset(PEOPLE)),
            now_ms=self.manager.now_ms,
        )

    def unrest(self) -> str:
        """Return the work that is left; empty when there is none."""
        if not self.connected or not self.client.caught_up.is_set():
            return "not caught up"
        if not self.client.inbox.idle.is_set():
            return "the inbox works"
        if undone := undone_messages(self._world.database, self._world.expected):
            return f"messages not dealt with: {undone}"
        for session in self.manager.loaded():
            state = session.snapshot
            if state.lifecycle is Lifecycle.FAILED:
                continue
            if state.queue or state.current or state.asks or state.background_tasks:
                return f"session {session.id[-4:]} is {state.lifecycle} {state.activity}: {_undone(state)}"
            if state.lifecycle in (Lifecycle.STARTING, Lifecycle.STOPPING, Lifecycle.QUEUED):
                return f"session {session.id[-4:]} is {state.lifecycle}"
        return self._unshown()

    def _unshown(self) -> str:
        view = self.view
        if view._loading or not view._started:
            return "the view reads back"
        for shown in view._sessions.values():
            if shown.is_behind:
                return f"the view is behind on {shown.session_id[-4:]}"
        for pump in view._pumps.values():
            if not pump.is_settled or pump.closed:
                units = {name: str(unit.urgency) for name, unit in pump._units.items()}
                return f"pump {pump.channel_id & 0xFFFF} has {units}, closed {pump.closed}"
        return ""


def _undone(snapshot: object) -> str:
    names = ("queue", "current", "asks", "background_tasks")
    return ", ".join(name for name in names if getattr(snapshot, name))


def undone_messages(database: sqlite3.Connection, expected: set[int]) -> list[int]:
    """People's messages for the bot that have no row in the inbox, or one that is still open."""
    rows = database.execute("SELECT external FROM inbox WHERE status <> 'new' AND kind = 'message'").fetchall()
    done = {int(external.partition(":")[2]) for (external,) in rows}
    waiting = database.execute("SELECT external FROM inbox WHERE status = 'new' AND kind IN ('edit', 'delete')")
    return sorted(expected - done) + [row[0] for row in waiting.fetchall()]
