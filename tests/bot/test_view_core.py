"""The view on the real core with the scripted CLI: what a turn leaves in the channel, from process to post."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from bot.rows import Place, insert_place
from bot.scopes import SessionScope
from bot.session_units import is_working
from bot.view import View, ViewOptions
from service.session_info import info_of
from sessions.machine_reserve import MachineReserve
from sessions.model import Activity, Allow, AskId, Lifecycle, SessionId, TurnId
from sessions.session import Session
from sessions.slots import Limits
from sessions.state import Snapshot
from tests.bot.room import FAST
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_server import Place as Thread
from tests.fakes.discord_server.fixtures import logged_in
from tests.sessions.running_core import RunningCore, idle, reached, running_core, until

TYPING = replace(FAST, typing_interval_s=0.05)


@dataclass
class Show:
    """A session of the real core in a thread."""

    core: RunningCore
    view: View
    session: Session
    thread: Thread


@asynccontextmanager
async def watching(fake: FakeDiscord, core: RunningCore, options: ViewOptions = FAST) -> AsyncIterator[View]:
    async with (
        logged_in(fake) as client,
        View(client, core.service, core.db, options=options) as view,
    ):
        yield view


@asynccontextmanager
async def show(
    fake: FakeDiscord, path: Path, options: ViewOptions = FAST, **policy: Any
) -> AsyncIterator[Show]:
    async with running_core(path, **policy) as core, watching(fake, core, options) as view:
        session, thread = await shown(fake, core, view)
        yield Show(core, view, session, thread)


async def shown(fake: FakeDiscord, core: RunningCore, view: View) -> tuple[Session, Thread]:
    """A new session in a thread of its own."""
    owner = fake.member("ann")
    thread = owner.start_thread(fake.general, "Fix the login")
    session = await core.session(f"discord:{owner.id}", f"discord:{thread.id}")
    place = Place(session.id, fake.home.id, thread.id, SessionScope.THREAD, owner.id)
    await core.db.write([insert_place(place, core.manager.now_ms())])
    await view.show(place)
    return session, thread


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


def typed(fake: FakeDiscord, thread: Thread) -> int:
    """How often the bot said that it types there."""
    return len([one for one in fake.requests if one.path == f"/channels/{thread.id}/typing"])


async def nothing_goes_out() -> None:
    """Wait until no channel has anything to be sent, now or later."""
    await until(lambda: not any(task.get_name().startswith("pump ") for task in asyncio.all_tasks()))


async def test_claude_is_seen_typing_from_an_accepted_prompt_to_the_end_of_its_turn(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with show(patient, tmp_path, TYPING) as s:
        await s.view.settled()
        seen: list[Lifecycle] = []
        gate = s.core.claude / "gates"
        gate.mkdir(parents=True, exist_ok=True)
        await s.core.say(s.session, "demo:text Before demo:gate here demo:text after", user="discord:1")

        def types() -> bool:
            seen.extend([s.session.snapshot.lifecycle] * typed(patient, s.thread))
            return bool(seen)

        await patient.until(types)
        assert seen[0] is Lifecycle.STARTING
        await s.thread.wait_for_message("DEMO: Before")
        before = typed(patient, s.thread)
        await patient.until(lambda: typed(patient, s.thread) >= before + 3)
        (gate / "here").touch()
        await idle(s.session)
        await s.view.settled()
        await nothing_goes_out()


async def test_nobody_types_while_an_ask_is_open(patient: FakeDiscord, tmp_path: Path) -> None:
    async with show(patient, tmp_path, TYPING) as s:
        gate = s.core.claude / "gates"
        gate.mkdir(parents=True, exist_ok=True)
        await s.core.say(s.session, "demo:bash touch a.txt demo:gate here", user="discord:1")
        await s.thread.wait_for_message("asks for permission")
        await nothing_goes_out()
        before = typed(patient, s.thread)
        await s.session.answer(s.session.snapshot.asks[0].id, Allow(), by="terminal:root")
        await patient.until(lambda: typed(patient, s.thread) > before)
        (gate / "here").touch()
        await idle(s.session)
        await nothing_goes_out()


async def test_nobody_types_for_a_prompt_that_waits_for_a_place(patient: FakeDiscord, tmp_path: Path) -> None:
    async with show(patient, tmp_path, TYPING, limits=Limits(1, 1)) as s:
        gate = s.core.claude / "gates"
        gate.mkdir(parents=True, exist_ok=True)
        await s.core.say(s.session, "demo:gate here", user="discord:1")
        await patient.until(lambda: typed(patient, s.thread))
        second, thread = await shown(patient, s.core, s.view)
        await s.core.say(second, "demo:text next", user="discord:1")
        await reached(second, lambda now: now.lifecycle is Lifecycle.QUEUED)
        await thread.wait_for_message("Queued: next")
        assert typed(patient, thread) == 0
        (gate / "here").touch()
        await patient.until(lambda: typed(patient, thread))
        await idle(second)


async def test_nobody_types_for_a_prompt_that_waits_for_the_disk(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortage = [""]
    monkeypatch.setattr(MachineReserve, "disk_shortage", lambda _: shortage[0])
    impatient = MachineReserve(tmp_path, look_again_s=0.02)
    async with show(patient, tmp_path, TYPING, resources=impatient) as s:
        await s.core.ask(s.session, "demo:text one", user="discord:1")
        await nothing_goes_out()
        shortage[0] = "The disk is full."
        turn_id = await s.core.say(s.session, "demo:text two", user="discord:1")
        await s.core.noticed(s.session, "disk")
        await nothing_goes_out()
        assert s.session.snapshot.queue
        shortage[0] = ""
        await reached(s.session, lambda now: not now.queue)
        await idle(s.session)
        assert await s.core.status(turn_id) == "done"


@pytest.mark.parametrize(
    ("changes", "working"),
    [
        ({}, False),
        ({"running_turn": TurnId("t")}, True),
        ({"activity": Activity.WORKING}, True),
        ({"queued_turns": (TurnId("t"),)}, True),
        ({"lifecycle": Lifecycle.STARTING, "queued_turns": (TurnId("t"),)}, True),
        ({"lifecycle": Lifecycle.STARTING}, False),
        ({"lifecycle": Lifecycle.QUEUED, "queued_turns": (TurnId("t"),)}, False),
        ({"lifecycle": Lifecycle.PARKED, "queued_turns": (TurnId("t"),)}, False),
        ({"lifecycle": Lifecycle.STOPPING, "running_turn": TurnId("t")}, False),
        ({"running_turn": TurnId("t"), "activity": Activity.BLOCKED}, False),
        ({"running_turn": TurnId("t"), "activity": Activity.ASKING}, False),
        ({"running_turn": TurnId("t"), "activity": Activity.WORKING, "open_asks": (AskId("a"),)}, False),
    ],
)
def test_who_works_is_seen_typing(changes: dict[str, Any], working: bool) -> None:
    live = msgspec.structs.replace(info_of(Snapshot(SessionId("s"))), lifecycle=Lifecycle.LIVE)
    assert is_working(msgspec.structs.replace(live, **changes)) is working
