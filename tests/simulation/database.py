"""The real SQL on a real SQLite in memory, without its threads: each step runs in the loop, after a while.

The database outlives the bot. A transaction is one step of the loop, so what is committed stays and what is not
never was; the bot may die between a commit and its answer.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from bridge.schema import schema
from storage.connection import Connection, Connections
from storage.migrations import migrate
from tests.simulation.chat import GENERAL, GUILD
from tests.simulation.life import Life

T = TypeVar("T")

_READ_S = 0.004
_WRITE_S = 0.02


@cache
def _template() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, Path("simulated.db"), schema())
    return connection.serialize()


def new_database() -> sqlite3.Connection:
    """An empty database of the newest schema."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_template())
    connection.execute("PRAGMA foreign_keys = ON")
    # The bot has been here before: what is written from now on is for it.
    connection.execute(
        "INSERT INTO seen (channel_id, guild_id, message_id) VALUES (?, ?, ?)", (GENERAL, GUILD, GENERAL)
    )
    return connection


class SimulatedConnection:
    """`storage.connection.Connection` for one life."""

    def __init__(self, life: Life, raw: sqlite3.Connection, *, writes: bool) -> None:
        self._life = life
        self._raw = raw
        self._writes = writes
        self._order = asyncio.Lock()

    async def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        async with self._order:
            life = self._life
            life.check()
            if self._writes or life.world.chance.random() < 0.4:
                await life.lasts(_WRITE_S if self._writes else _READ_S)
            if (trouble := life.world.faults.of_database(writes=self._writes)) is not None:
                raise trouble
            before = self._raw.total_changes
            result = action(self._raw)
            if self._writes:
                life.effect("commit", self._raw.total_changes - before)
                await life.lasts(_READ_S)
            return result

    async def close(self) -> None:
        return


def connections(life: Life, raw: sqlite3.Connection) -> Connections:
    """Return the connections of a bot of this life to the database."""

    async def connect_reader() -> Connection:
        await life.lasts(_READ_S)
        return SimulatedConnection(life, raw, writes=False)

    return Connections(
        Path("/nonexistent/simulated.db"), SimulatedConnection(life, raw, writes=True), connect_reader
    )
