"""The whole bot as people run it, in a process of its own, against the fake Discord."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bridge.control_client import connected
from sessions.errors import CoreLost
from tests.fakes.discord_redirect import URL_VARIABLE
from tests.fakes.discord_server import FakeDiscord

ROOT = Path(__file__).parents[2]
_DEADLINE_S = 60


@asynccontextmanager
async def whole_bot(directory: Path, fake: FakeDiscord, settings: Mapping[str, str]) -> AsyncIterator[int]:
    """A bot with the data directory `directory` and `settings`; gives its pid once it is connected."""
    async with starting_bot(directory, fake, settings) as pid:
        await fake.until_connected(_DEADLINE_S)
        await _answers(directory)
        yield pid


@asynccontextmanager
async def starting_bot(directory: Path, fake: FakeDiscord, settings: Mapping[str, str]) -> AsyncIterator[int]:
    """The same; gives the pid at once.

    Ended with SIGTERM: its hosts go on. What it says goes to `bot.log` beside the data directory.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory.parent),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        URL_VARIABLE: fake.url,
        "DATA_DIR": str(directory),
        "WORKSPACE_ROOT": str(directory.parent / "workspaces"),
        "SANDBOX": "off",
        "DISCORD_TOKEN": fake.token,
        "ALLOWED_GUILD_IDS": str(fake.home.id),
        "ALLOWED_USER_IDS": str(fake.member("ann").id),
        "BACKEND": "pty",
        "MAX_SESSIONS": "2000",
        "MAX_SESSIONS_PER_USER": "2000",
        "MIN_FREE_MEMORY": "0M",
        "MIN_FREE_DISK": "0M",
        "BACKUP_AT": "off",
        **settings,
    }
    with (directory.parent / "bot.log").open("wb") as log:
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fakes.run_bot", "bridge"),
            cwd=directory.parent,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield bot.pid
    finally:
        with suppress(ProcessLookupError):
            bot.terminate()
        await asyncio.wait_for(bot.wait(), _DEADLINE_S)


async def _answers(directory: Path) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            try:
                async with connected(directory):
                    return
            except CoreLost:
                await asyncio.sleep(0.05)
