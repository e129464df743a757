"""The whole program as a Discord bot: `claude-bridge` in a process of its own, against the fake Discord.

The fake outlives the bot: tests kill the bot and start it again, and read the channel.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.e2e.house import DEADLINE_S, House
from tests.fakes.discord_redirect import URL_VARIABLE
from tests.fakes.discord_server import FakeDiscord, Message, Person, Place
from tests.nursery import Program, fork_program


class Bot:
    """A house with a Discord around it. `ann` may use the bot, `boss` is its admin, `mel` is a mere member."""

    def __init__(self, house: House, fake: FakeDiscord) -> None:
        self.house = house
        self.fake = fake
        self.boss = fake.member("boss")
        self.ann = fake.member("ann")
        self.mel = fake.member("mel")
        self.process: Program | None = None
        self._output = house.root / "bot.out"

    async def start(self, **variables: str) -> None:
        """Start the bot and wait until it listens."""
        await self._launch(variables)
        await self.fake.until_connected(DEADLINE_S)
        commands = self.fake.site.commands
        await self.fake.until(lambda: commands.find(self.fake.home.id, "claude", 1), DEADLINE_S)

    async def run_to_the_end(self, **variables: str) -> tuple[int, str]:
        """Start the bot and wait until it ends by itself; its exit code and what it said."""
        await self._launch(variables)
        process, self.process = self.process, None
        assert process is not None
        async with asyncio.timeout(DEADLINE_S):
            return await process.ended, self.log

    async def _launch(self, variables: Mapping[str, str]) -> None:
        environment = {
            **self.house.environment,
            URL_VARIABLE: self.fake.url,
            "DISCORD_TOKEN": self.fake.token,
            "ALLOWED_GUILD_IDS": str(self.fake.home.id),
            "ALLOWED_USER_IDS": str(self.ann.id),
            "ADMIN_USER_IDS": str(self.boss.id),
            **variables,
        }
        self.process = await fork_program(
            "tests.e2e.bot_process", environment=environment, cwd=self.house.root, output=self._output
        )

    @property
    def log(self) -> str:
        """All that the bots of this house have printed."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    async def kill(self) -> None:
        """SIGKILL: no clean-up of any kind."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM: the graceful end; its exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        assert process is not None
        if not process.ended.done():
            os.kill(process.pid, number)
        async with asyncio.timeout(DEADLINE_S):
            code = await process.ended
        await self.fake.until_gone(DEADLINE_S)
        return code

    # --- talking ----------------------------------------------------------------------------------------

    async def claude(self, prompt: str, by: Person | None = None, **options: Any) -> Place:
        """Ask with `/claude`; the thread that opens."""
        general = self.fake.general
        known = {thread.id for thread in general.threads}
        outcome = await (by or self.ann).slash(general, "claude", prompt=prompt, **options).settled(DEADLINE_S)
        assert "asks Claude" in outcome.text, outcome.text
        return await general.wait_for_thread(lambda each: each.id not in known, DEADLINE_S)

    async def answered(self, thread: Place, text: str) -> Message:
        """The finished answer that has `text`: with its buttons, or the one that opens them."""

        def is_over(one: Message) -> bool:
            return text in one.text and any(has_button(one, label) for label in ("Continue", "⋯"))

        return await thread.wait_for_message(is_over, DEADLINE_S)

    async def gate(self, name: str) -> None:
        """Wait until Claude waits at the gate."""
        await asyncio.to_thread(self.house.reached, name)

    async def open_gate(self, name: str) -> None:
        await asyncio.to_thread(self.house.release, name)


def has_button(message: Message, label: str) -> bool:
    return any(part.get("label") == label for part in parts(message))


def parts(message: Message) -> list[dict[str, Any]]:
    """The message's components, flat."""
    from tests.fakes.discord_server.model import walk

    return list(walk(message.components))


def button(label: str) -> Callable[[Message], bool]:
    return lambda message: has_button(message, label)


@asynccontextmanager
async def bot_in(house: House, fake: FakeDiscord) -> AsyncIterator[Bot]:
    """A bot that is not started yet; it is ended with the block."""
    bot = Bot(house, fake)
    try:
        yield bot
    finally:
        # What pytest shows when the test fails.
        print(bot.log[-8000:])
        for place in (fake.general, *fake.threads()):
            print(place.snapshot())
        if bot.process is not None:
            await bot.kill()
