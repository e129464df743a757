"""Pytest fixtures and small bots for tests against the fake. A conftest imports what it wants of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest

from tests.fakes.discord_redirect import discord_py_at

from .server import FakeDiscord


@asynccontextmanager
async def fake_discord(fake: FakeDiscord | None = None) -> AsyncIterator[FakeDiscord]:
    """A running fake that this process's discord.py talks to; at the end it must be clean."""
    async with fake or FakeDiscord() as running:
        with discord_py_at(running.url):
            yield running
        running.assert_clean()


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    """A fresh fake Discord with the default settings."""
    async with fake_discord() as running:
        yield running


class QuietClient(discord.Client):
    """A client with message content, nobody pinged by default, and no waiting at the start."""

    def __init__(self, **options: Any) -> None:
        intents = discord.Intents.default()
        intents.message_content = True
        quiet = discord.AllowedMentions.none()
        super().__init__(intents=intents, allowed_mentions=quiet, guild_ready_timeout=0.02, **options)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The library sleeps 5 s here before every IDENTIFY but the first."""


@asynccontextmanager
async def connected(fake: FakeDiscord, client: discord.Client) -> AsyncIterator[None]:
    """`client` logged in and ready; closed at the end, with its errors raised here."""
    async with client:
        running = asyncio.create_task(client.start(fake.token), name="discord.py client")
        ready = asyncio.create_task(_ready(client), name="discord.py ready")
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await running
        try:
            yield
        finally:
            await client.close()
            await running


@asynccontextmanager
async def logged_in(fake: FakeDiscord) -> AsyncIterator[discord.Client]:
    """A client that only uses REST: no gateway, for tests of single routes."""
    async with QuietClient() as client:
        await client.login(fake.token)
        yield client


async def _ready(client: discord.Client) -> None:
    # `wait_until_ready` needs `start` to have come as far as `login`.
    while not client.is_ready():  # noqa: ASYNC110  # discord.py has no event for it before login
        await asyncio.sleep(0.002)
