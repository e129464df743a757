"""A program that shows one session, for tests that kill it.

The first run plays a turn with an ask; what a run finds of it is not played again. It ends when all is shown.
"""

import asyncio
import os
from pathlib import Path

import discord

from bot.view import View
from sessions.model import Allow, PermissionBody, Text, ToolCall, ToolOutput, TurnStatus
from tests.bot.room import FAST
from tests.bot.stage import Actors, Stage, stage
from tests.fakes.discord_redirect import URL_VARIABLE, point_discord_py_at

COMMAND = {"command": "make test"}


async def main(directory: Path, channel_id: int, owner_id: int, text: str) -> None:
    async with stage(directory) as core, discord.Client(intents=discord.Intents.none()) as client:
        await client.login("fake-token")
        known = await core.db.read_one("SELECT id FROM sessions")
        session = await core.again(str(known[0])) if known is not None else None
        async with View(client, core, core.db, options=FAST) as view:
            if session is None:
                session = await core.session(channel_id, owner_id)
                await view.show(await core.place(session.id))
            await play(core, session, view, text)
            await view.settled(session.id)


async def play(core: Stage, session: Actors, view: View, text: str) -> None:
    """Go on with the turn from wherever the store says it is."""
    turns = await core.db.read("SELECT status FROM turns")
    if turns and str(turns[0][0]) == TurnStatus.DONE:
        return
    if not turns:
        await session.prompt("go")
    elif session.snapshot.queue:  # killed between the two steps of a prompt
        await session.start(session.snapshot.queue[0].turn_id)
    if session.ordinal == 0:
        await session.say(text[: len(text) // 2])
        await view.settled(session.id)
        await session.add(Text(text), ToolCall("t", "Bash", COMMAND))
    asks = await core.db.read("SELECT id, status FROM asks")
    ask_id = asks[0][0] if asks else await session.ask(PermissionBody("Bash", "t", COMMAND))
    await view.settled(session.id)
    if not asks or asks[0][1] == "open":
        await session.decide(ask_id, Allow())
    if session.ordinal == 2:
        await session.add(ToolOutput("t", "ok"), Text("All is well."))
    await session.end()


def run(directory: str, channel_id: str, owner_id: str, text: str) -> None:
    """For the nursery: show the session in the fake Discord that the environment names."""
    point_discord_py_at(os.environ[URL_VARIABLE])
    asyncio.run(main(Path(directory), int(channel_id), int(owner_id), text))
