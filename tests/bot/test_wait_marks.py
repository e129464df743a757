"""The sign ⏳ stands on messages whose prompts wait, and on no others, over restarts too."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.view import View
from sessions import events as e
from sessions.model import TurnId
from tests.bot.room import FAST, Room, room, watched
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.bot.stage import stage
from tests.fakes.discord_server import FakeDiscord, Message
from tests.fakes.discord_server.fixtures import QuietClient, connected
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


async def test_no_sign_of_a_message_that_is_gone_stays_stored(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path, SIGNS) as r:
        await r.session.prompt("one")
        gone = r.owner.send(r.thread, "two")
        r.owner.delete(gone)
        await r.session.queue("two", f"discord:message:{gone.id}")
        third, _ = await queued(r, "three")
        await signs(r, third)
        assert len(await r.stage.db.read(STORED)) == 1


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
        _, second = await queued(r, "two")
        await r.thread.wait_for_message("Queued")
        await r.session.end()
        await r.session.start(second)
        await r.settled()
        await signs(r)
        patient.general.allow(patient.bot, allow=Permission.ADD_REACTIONS)
        third, _ = await queued(r, "three")
        await signs(r, third)


@pytest.mark.parametrize("route", ["PUT", "DELETE"])
async def test_a_sign_that_discord_refuses_once_holds_up_no_other_and_is_tried_again(
    patient: FakeDiscord, tmp_path: Path, route: str
) -> None:
    async with room(patient, tmp_path, SIGNS) as r:
        await r.session.prompt("one")
        fault = patient.faults.fail(503, f"{route} /channels/*/messages/*/reactions/*")
        first, first_turn = await queued(r, "two")
        second, second_turn = await queued(r, "three")
        if route == "PUT":
            third, _ = await queued(r, "four")
            await signs(r, first, second, third)
        else:
            await signs(r, first, second)
            await r.session.happen(*(e.TurnWithdrawn(turn, "discord:1") for turn in (first_turn, second_turn)))
            third, _ = await queued(r, "four")
            await signs(r, third)
        assert fault.hits == 1


@pytest.mark.parametrize("is_forum", [True, False])
async def test_the_message_that_a_thread_stands_on_has_the_sign_too(
    patient: FakeDiscord, tmp_path: Path, *, is_forum: bool
) -> None:
    ann = patient.member("ann")
    if is_forum:
        holds = thread = ann.post(patient.forum("help"), "Red", "Why is it red?")
    else:
        holds = patient.general
        thread = ann.start_thread(holds, "Red", on=ann.send(holds, "Why is it red?"))
    client = QuietClient()
    async with stage(tmp_path) as core, connected(patient, client):
        session = await core.session(thread.id, ann.id)
        await session.prompt("one")
        turn = await session.queue("two", f"discord:message:{thread.id}")
        async with View(client, core, core.db, options=SIGNS, clock=core.clock) as view:
            await view.show(await core.place(session.id))
            await holds.wait_for(lambda place: "⏳" in place.model.messages[thread.id].reactions or None)
            await session.end()
            await session.start(turn)
            await holds.wait_for(lambda place: not place.model.messages[thread.id].reactions or None)
