"""Time that passes faster for a bot's connections to Discord: hours between session starts in minutes.

What is counted and how long is waited stays as it is; only the clock and the sleeps of the supervisor and of
discord.py's reconnecting run `times` as fast. Nothing else of the bot notices.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import discord.client

import bot.supervisor
from bot.client import BridgeClient
from bot.supervisor import StartBudget
from bridge import discord_face
from storage import Database

_READY_S = 0.1


class _Hasty:
    """The module `asyncio`, but for its sleeps and its clock."""

    def __init__(self, times: float) -> None:
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._times)

    def get_running_loop(self) -> "_HastyLoop":
        return _HastyLoop(self._times)


class _HastyLoop:
    def __init__(self, times: float) -> None:
        self._times = times
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self._loop.time() * self._times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def make_haste(times: float, *, quiet_s: float) -> None:
    """Let this process's connections to Discord live `times` as fast; 1 changes nothing.

    A gateway that says nothing for `quiet_s` is given up.
    """
    if times == 1:
        return
    hasty = _Hasty(times)
    for module in (bot.supervisor, discord.client):
        vars(module)["asyncio"] = hasty

    def budget(db: Database, now_ms: Callable[[], int]) -> StartBudget:
        return StartBudget(db, lambda: int(now_ms() * times))

    vars(discord_face)["StartBudget"] = budget
    make = BridgeClient.__init__

    def make_impatient(self: BridgeClient, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **{**kwargs, "guild_ready_timeout": _READY_S})
        self._connection.heartbeat_timeout = quiet_s

    BridgeClient.__init__ = make_impatient  # type: ignore[method-assign]  # the library has no setting for it
