"""Points the real discord.py of this process at a fake Discord. Nothing else in it changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import discord
import discord.gateway
import discord.http
import yarl

URL_VARIABLE = "FAKE_DISCORD_URL"


def point_discord_py_at(url: str) -> None:
    """Send discord.py's REST, gateway and CDN traffic to the fake at `url` (`http://127.0.0.1:PORT`)."""
    base = yarl.URL(url)
    discord.http.Route.BASE = str(base / "api/v10")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = base.with_scheme("ws") / "gateway"
    discord.Asset.BASE = str(base / "cdn")


@contextmanager
def discord_py_at(url: str) -> Iterator[None]:
    """`point_discord_py_at` for the time of a `with` block."""
    gateway = discord.gateway.DiscordWebSocket
    before = discord.http.Route.BASE, gateway.DEFAULT_GATEWAY, discord.Asset.BASE
    point_discord_py_at(url)
    try:
        yield
    finally:
        discord.http.Route.BASE, gateway.DEFAULT_GATEWAY, discord.Asset.BASE = before
