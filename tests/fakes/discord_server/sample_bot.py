"""A small bot for the fake's own tests, run as a process of its own with `run_bot`.

Answers `say …` with `…`, posted under a nonce made from the message's id, so that a retry makes no second one.
"""

from __future__ import annotations

import os

import discord

from .fixtures import QuietClient

TOKEN_VARIABLE = "SAMPLE_BOT_TOKEN"


class SampleBot(QuietClient):
    """On a start it first answers the messages of `general` that it has not answered yet."""

    async def on_ready(self) -> None:
        for guild in self.guilds:
            for channel in guild.text_channels:
                async for message in channel.history(limit=20, oldest_first=True):
                    await self.on_message(message)

    async def on_message(self, message: discord.Message) -> None:
        if not message.author.bot and message.content.startswith("say "):
            await message.channel.send(message.content.removeprefix("say "), nonce=str(message.id))


def main() -> None:
    """Run until killed."""
    SampleBot().run(os.environ[TOKEN_VARIABLE], log_handler=None)


if __name__ == "__main__":
    main()
