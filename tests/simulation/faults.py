"""Trouble while the plan's time lasts: the database, the disk, the way to Discord and back."""

import sqlite3
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from tests.simulation.plan import Window

if TYPE_CHECKING:
    from tests.simulation.world import World


def _trouble(code: int, words: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error


class Faults:
    """Says for every step whether it goes wrong. Nothing does once the plan's time is over."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def _is_in(self, windows: Sequence[Window]) -> bool:
        now_s = self._world.passed_s
        return any(start <= now_s < end for start, end in windows) and not self._world.calm

    @property
    def disk_is_full(self) -> bool:
        return self._is_in(self._world.plan.disk_full)

    @property
    def gateway_is_away(self) -> bool:
        return self._is_in(self._world.plan.gateway_away)

    def of_database(self, *, writes: bool) -> sqlite3.Error | None:
        """Return the error that SQLite raises instead of doing it."""
        if writes and self._is_in(self._world.plan.database_locked):
            return _trouble(sqlite3.SQLITE_BUSY, "database is locked")
        if writes and self.disk_is_full and self._world.chance.random() < 0.5:
            return _trouble(sqlite3.SQLITE_FULL, "database or disk is full")
        return None

    def on_the_way(self, what: str) -> Exception | None:
        """Why Discord never got the request."""
        return self._weather(self._world.plan.lost_before)

    def on_the_way_back(self, what: str) -> Exception | None:
        """Why we do not learn that Discord did it."""
        trouble = self._weather(self._world.plan.lost_after)
        return None if isinstance(trouble, discord.RateLimited) else trouble

    def _weather(self, rate: float) -> Exception | None:
        if self._world.calm:
            return None
        chance = self._world.chance
        if self._is_in(self._world.plan.storms):
            rate = 0.7
        if chance.random() >= rate:
            return None
        response: Any = SimpleNamespace(status=503, reason="")
        match chance.randrange(4):
            case 0:
                return discord.RateLimited(chance.uniform(0.5, 40))
            case 1:
                return aiohttp.ServerDisconnectedError()
            case 2:
                return TimeoutError()
            case _:
                return discord.DiscordServerError(response, {"code": 0, "message": ""})
