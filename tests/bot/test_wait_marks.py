"""The sign ⏳ stands on messages whose prompts wait, and on no others, over restarts too."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from sessions import events as e
from sessions.model import TurnId
from tests.bot.room import FAST, Room, room, watched
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.fakes.discord_server import FakeDiscord, Message
from tests.fakes.discord_server.permissions import Permission
from tests.sessions.running_core import DEADLINE_S

STORED = "SELECT name FROM face_facts WHERE name LIKE 'waits:%'"
SIGNS = replace(FAST, signs_waiting=True)


async def queued(r: Room, words: str) -> tuple[Message, TurnId]:
    """A message of Ann's whose prompt waits."""
    message = r.owner.send(r.thread, words)
    return message, await r.session.queue(words, f"discord:message:{message.id}")


async def signs(r: Room, *expected: Message) -> None:
    """Wait until just these messages have the sign."""
    wanted = {message.id for message in expected}

    def are_there(_: object) -> bool | None:
        return {message.id for message in r.thread.messages if "⏳" in message.reactions} == wanted or None

    await r.thread.wait_for(are_there)


async def no_sign_is_stored(r: Room) -> None:
    """Wait until no sign is stored: that of a deleted message goes without a trace in Discord."""
    async with asyncio.timeout(DEADLINE_S):
        while await r.stage.db.read(STORED):  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.01)


async def test_a_waiting_message_has_the_sign_until_it_starts_or_goes(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path, SIGNS) as r:
        await r.session.prompt("one")
        second, second_turn = await queued(r, "two")
        third, third_turn = await queued(r, "three")
        await signs(r, second, third)
        await r.session.end()
        await r.session.start(second_turn)
        await signs(r, third)
        r.owner.delete(third)
        await r.session.happen(e.TurnWithdrawn(third_turn, "discord:1"))
        await signs(r)
        await no_sign_is_stored(r)


@pytest.mark.parametrize("starts_meanwhile", [True, False])
async def test_a_start_of_the_bot_brings_the_signs_up_to_date(
    patient: FakeDiscord, tmp_path: Path, *, starts_meanwhile: bool
) -> None:
    async with room(patient, tmp_path, SIGNS) as r:
        await r.session.prompt("one")
        second, turn = await queued(r, "two")
        await signs(r, second)
        await r.view.__aexit__(None, None, None)
        await r.session.end()
        third, _ = await queued(r, "three")
        if starts_meanwhile:
            await r.session.start(turn)
        async with watched(patient, r.stage, SIGNS) as view:
            await signs(r, third) if starts_meanwhile else await signs(r, second, third)
            await view.settled(r.session.id)


async def test_without_the_permission_there_is_no_sign_and_nothing_waits(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    patient.general.allow(patient.bot, deny=Permission.ADD_REACTIONS)
    async with room(patient, tmp_path, SIGNS) as r:
        await r.session.prompt("one")
        await queued(r, "two")
        await r.thread.wait_for_message("Queued")
        await r.session.end()
        await r.settled()
        await signs(r)
