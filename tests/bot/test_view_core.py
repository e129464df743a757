"""The view on the real core with the scripted CLI: what a turn leaves in the channel, from process to post."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.rows import Place, insert_place
from bot.view import View
from sessions.model import Allow
from sessions.session import Session
from tests.bot.room import FAST
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_server import Place as Thread
from tests.fakes.discord_server.fixtures import logged_in
from tests.sessions.running_core import RunningCore, idle, running_core


@dataclass
class Show:
    """A session of the real core in a thread."""

    core: RunningCore
    view: View
    session: Session
    thread: Thread


@asynccontextmanager
async def watching(fake: FakeDiscord, core: RunningCore) -> AsyncIterator[View]:
    async with (
        logged_in(fake) as client,
        View(client, core.service, core.manager.bus, core.db, options=FAST) as view,
    ):
        yield view


@asynccontextmanager
async def show(fake: FakeDiscord, path: Path) -> AsyncIterator[Show]:
    owner = fake.member("ann")
    thread = owner.start_thread(fake.general, "Fix the login")
    async with running_core(path) as core, watching(fake, core) as view:
        session = await core.session(f"discord:{owner.id}", f"discord:{thread.id}")
        place = Place(session.id, fake.home.id, thread.id, "thread", owner.id)
        await core.db.write([insert_place(place, core.manager.now_ms())])
        await view.show(place)
        yield Show(core, view, session, thread)


async def test_a_turn_of_a_real_process_reads_as_reviewed(
    patient: FakeDiscord, tmp_path: Path, check_snapshot: Callable[[str, str], None]
) -> None:
    async with show(patient, tmp_path) as s:
        await s.core.say(s.session, "demo:text Hello demo:bash touch a.txt demo:text Done", user="discord:1")
        await s.thread.wait_for_message("asks for permission")
        ask = s.session.snapshot.asks[0]
        await s.session.answer(ask.id, Allow(), by="terminal:root")
        await idle(s.session)
        await s.view.settled()
        text = s.thread.snapshot().replace("bot, edited", "bot")
        text = re.sub(r"\*\*Works in\*\* .*", "**Works in** …", text)
        check_snapshot("a_real_turn", re.sub(r"Done in .*", "Done in …", text))


async def test_a_start_while_claude_writes_goes_on_in_the_same_post(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with show(patient, tmp_path) as s:
        gate = s.core.claude / "gates"
        gate.mkdir(parents=True, exist_ok=True)
        await s.core.say(s.session, "demo:text Before demo:gate here demo:text after", user="discord:1")
        await s.thread.wait_for_message("DEMO: Before")
        begun = s.thread.last.id
        await s.view.__aexit__(None, None, None)
        async with watching(patient, s.core) as view:
            (gate / "here").touch()
            await s.thread.wait_for(lambda place: "after" in place.last.text)
            await idle(s.session)
            await view.settled()
        answers = [one for one in s.thread.from_bot if "DEMO: Before" in one.text]
        assert [one.id for one in answers] == [begun]
