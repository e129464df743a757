"""The client's life: what it asks for, whom it leaves, when it registers commands, how it ends and begins."""

import asyncio
import threading
from pathlib import Path

import discord
import msgspec
import pytest

from bot.asking import ASKED, Asked
from bot.bodies import Control, Verb
from bot.client import intents
from bot.command_sync import sync_commands
from bot.inbox_rows import InboxRow, take_in
from sessions.work_directory import list_projects
from tests.bot.posted import buttons, post
from tests.bot.test_inbox import rows
from tests.bot.ways import Town, Ways, core, fake, town, ways, ways_in
from tests.fakes.discord_server import Ack, FakeDiscord
from tests.sessions.running_core import RunningCore, reached

__all__ = ["core", "fake", "town", "ways"]

_PUT = "PUT /applications/{application_id}/guilds/{guild_id}/commands"


def test_it_asks_for_guilds_and_their_messages_and_nothing_else() -> None:
    assert {name for name, wanted in intents() if wanted} == {"guilds", "guild_messages", "message_content"}


async def until_rows(core: RunningCore, expected: list[tuple[str, str, str]]) -> None:
    """Wait until the inbox is as expected: a row is closed after the answer was sent."""
    async with asyncio.timeout(60):
        while await rows(core) != expected:  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.01)


async def test_a_foreign_server_is_left_at_the_start_and_when_it_adds_the_bot(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    early = fake.guild("Early", town.mel)
    async with ways_in(fake, core, town):
        await fake.until(lambda: fake.bot.id not in early.members)
        late = fake.guild("Late", town.mel)
        await fake.until(lambda: fake.bot.id not in late.members)
        assert fake.bot.id in fake.home.members


async def test_commands_are_registered_once_and_again_only_when_asked(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    for _ in range(2):
        async with ways_in(fake, core, town):
            pass
        await fake.until_gone()
    assert len(fake.requests.to(_PUT)) == 1
    async with ways_in(fake, core, town) as ways:
        assert not await sync_commands(ways.client, core.db, fake.home.id)
        outcome = await town.boss.slash(fake.general, "admin sync").settled()
        assert "registered" in outcome.text
    assert len(fake.requests.to(_PUT)) == 2


async def test_a_command_that_is_gone_is_explained(ways: Ways) -> None:
    ways.client.tree.remove_command("help")
    outcome = await ways.town.ann.slash(ways.fake.general, "help").settled()
    assert "commands have changed" in outcome.text
    assert outcome.ephemeral


async def test_closing_lets_what_is_under_way_end(fake: FakeDiscord, core: RunningCore, town: Town) -> None:
    async with ways_in(fake, core, town) as ways:
        held = fake.faults.hold("POST /channels/*/messages/*/threads")
        sent = town.ann.send(fake.general, f"{fake.bot.mention} demo:text hello")
        await held.reached.wait()
        closing = asyncio.create_task(ways.client.close())
        await asyncio.sleep(0)
        held.release()
        await closing
        session = await ways.session_in(await fake.general.wait_for_thread(lambda each: each.id == sent.id))
        assert await ways.prompts(session) == ["demo:text hello"]


async def test_closing_lets_a_command_under_way_end_too(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        held = fake.faults.hold("POST /channels/*/messages/*/threads")
        attempt = town.ann.slash(fake.general, "claude", prompt="demo:text hello")
        await held.reached.wait()
        closing = asyncio.create_task(ways.client.close())
        await asyncio.sleep(0)
        held.release()
        await closing
        assert "asks Claude" in (await attempt.settled()).text
        session = await ways.session_in(await fake.general.wait_for_thread())
        assert await ways.prompts(session) == ["demo:text hello"]
        assert await rows(core) == [(ASKED, "done", "")]


async def test_commands_and_clicks_of_the_time_after_the_end_began_are_told_to_come_again(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    panel = await post(ways, thread, buttons(Control(Verb.CONTINUE, session.id)))
    await ways.client.drain()
    for attempt in (
        ways.town.ann.slash(thread, "session info"),
        ways.town.ann.click(panel, "continue"),
        ways.town.mel.slash(thread, "session info"),
    ):
        outcome = await attempt.settled()
        assert "being restarted" in outcome.text
        assert outcome.ephemeral
    assert len(await ways.turns(session)) == 1


async def test_messages_of_the_time_after_the_end_began_are_read_back_later(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        await ways.client.drain()
        town.ann.send(thread, "demo:text late")
        await fake.until(lambda: True)
    await fake.until_gone()
    async with ways_in(fake, core, town) as ways:
        await reached(session, lambda snapshot: snapshot.message_count == 2)
        assert (await ways.prompts(session))[-1] == "demo:text late"


async def test_an_invalidated_gateway_session_is_read_back_too(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.client.before_identify_hook = _at_once  # type: ignore[method-assign,assignment]  # it sleeps 5 s
    ways.fake.gateway.invalidate()
    ways.town.ann.send(thread, "demo:text in the gap")
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    assert (await ways.prompts(session))[-1] == "demo:text in the gap"


async def _at_once(_: int | None, *, initial: bool = False) -> None:
    assert not initial


async def test_a_prompt_that_a_crash_cut_is_sent_by_the_next_start(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        # Acknowledged and written down; the crash comes before anything else.
        async def cut(*_: object) -> None:
            raise asyncio.CancelledError

        ways.client.asker.do = cut  # type: ignore[assignment,method-assign]  # the crash
        attempt = town.ann.slash(fake.general, "claude", prompt="demo:text cut")
        await fake.until(lambda: attempt.outcome.ack is Ack.DEFERRED)
        await ways.waiting(1)
        await until_rows(core, [(ASKED, "new", "")])
    await fake.until_gone()
    async with ways_in(fake, core, town) as ways:
        outcome = await attempt.settled()
        thread = await fake.general.wait_for_thread()
        session = await ways.session_in(thread)
        assert await ways.prompts(session) == ["demo:text cut"]
        assert outcome.reply is not None
        assert outcome.reply.id == thread.id
        assert "asks Claude" in outcome.text
        await until_rows(core, [(ASKED, "done", "")])


async def test_a_cut_prompt_waits_while_discord_is_in_trouble(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:

        async def cut(*_: object) -> None:
            raise asyncio.CancelledError

        ways.client.asker.do = cut  # type: ignore[assignment,method-assign]  # the crash
        town.ann.slash(fake.general, "claude", prompt="demo:text cut")
        await until_rows(core, [(ASKED, "new", "")])
    await fake.until_gone()
    trouble = fake.faults.fail(503, "POST /channels/*/messages/*/threads")
    async with ways_in(fake, core, town):
        await fake.until(trouble.spent)
    await fake.until_gone()
    async with ways_in(fake, core, town) as ways:
        session = await ways.session_in(await fake.general.wait_for_thread())
        await until_rows(core, [(ASKED, "done", "")])
        assert await ways.prompts(session) == ["demo:text cut"]


async def test_what_a_crash_cut_otherwise_is_told_in_the_loading_message(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:

        async def cut(*_: object) -> None:
            raise asyncio.CancelledError

        ways.client.opener.open_anew = cut  # type: ignore[assignment,method-assign]  # the crash
        attempt = town.ann.slash(fake.general, "session start")
        await fake.until(lambda: attempt.outcome.ack is Ack.DEFERRED)
        await ways.waiting(1)
    await fake.until_gone()
    async with ways_in(fake, core, town):
        outcome = await attempt.settled()
        assert "restarted before this was done" in outcome.text
        assert fake.threads() == []


async def test_a_leftover_without_a_loading_message_is_closed_quietly(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    body = {"application_id": 1, "token": "no-such-token"}
    for number, unreadable in enumerate(({"prompt": 1, **body}, {"prompt": 1, **body, "application_id": "?"})):
        row = InboxRow(f"interaction:{number}", ASKED, fake.general.id, town.ann.id, unreadable, number)
        await take_in(core.db, row)
    await take_in(core.db, InboxRow("interaction:5", "component", fake.general.id, town.ann.id, body, 1))
    asked = Asked(
        origin="discord:interaction:6",
        user_id=town.mel.id,
        role_ids=(),
        guild_id=fake.home.id,
        channel_id=fake.general.id,
        prompt="demo:text not mine to ask",
        application_id=1,
        token="no-such-token",
    )
    row = InboxRow("interaction:6", ASKED, fake.general.id, town.mel.id, msgspec.to_builtins(asked), 1)
    await take_in(core.db, row)
    async with ways_in(fake, core, town):
        closed = [("component", "refused", "cut by a restart")]
        may_not = "You may not create sessions here. Ask an admin."
        first = [(ASKED, "refused", "not readable")] * 2
        await until_rows(core, [*first, *closed, (ASKED, "refused", may_not)])
        assert fake.general.messages == []


async def test_a_slow_handler_is_acknowledged_in_time_and_the_answer_comes_after(ways: Ways) -> None:
    core, slow = ways.client.face.core, asyncio.Event()
    perform = core.perform

    async def slowly(*given: object) -> object:
        await slow.wait()
        return await perform(*given)  # type: ignore[arg-type]  # whatever it was given

    core.perform = slowly  # type: ignore[method-assign,assignment]  # a core that takes long
    attempt = ways.town.ann.slash(ways.fake.general, "session list")
    outcome = await attempt.acknowledged()
    assert outcome.ack is Ack.DEFERRED
    assert 1400 < outcome.ack_ms < 2900
    slow.set()
    assert "Sessions" in (await outcome.settled()).text
    assert outcome.ephemeral


async def test_a_defect_is_told_with_a_number_and_without_its_words(ways: Ways) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret /home/somebody/token")

    ways.client.face.core.perform = broken  # type: ignore[assignment,method-assign]  # a defect
    outcome = await ways.town.ann.slash(ways.fake.general, "session list").settled()
    assert "Something went wrong. Tell an admin the number" in outcome.text
    assert "secret" not in outcome.text
    assert outcome.ephemeral
    await until_rows(ways.core, [("application_command", "refused", outcome.text)])


async def test_an_answer_that_a_broken_connection_takes_leaves_nothing_open(ways: Ways) -> None:
    ways.fake.faults.lose_answer("POST /interactions/*/*/callback", times=None)
    ways.town.ann.slash(ways.fake.general, "session list")
    said = "Discord did not take that just now. Try again in a minute."
    await until_rows(ways.core, [("application_command", "refused", said)])


async def test_an_interaction_that_comes_twice_is_done_once(ways: Ways) -> None:
    seen: list[discord.Interaction] = []

    async def keep(interaction: discord.Interaction) -> None:
        seen.append(interaction)

    ways.client.add_listener(keep, "on_interaction")
    await ways.town.ann.slash(ways.fake.general, "claude", prompt="demo:text once").settled()
    assert not await ways.client.entry.admit(seen[0])


async def test_suggesting_projects_reads_the_disk_beside_the_loop_and_not_for_every_key(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shop", "shed", "lab"):
        (ways.core.directory / "workspaces" / name).mkdir(parents=True)
    threads: list[threading.Thread] = []

    def listed(root: Path) -> list[str]:
        threads.append(threading.current_thread())
        return list_projects(root)

    monkeypatch.setattr("service.finding.list_projects", listed)
    for typed, expected in (("", ["lab", "shed", "shop"]), ("s", ["shed", "shop"]), ("sh", ["shed", "shop"])):
        typing = ways.town.ann.autocomplete(ways.fake.general, "session start", "project", typed)
        assert [each["name"] for each in (await typing.acknowledged()).choices] == expected
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    stranger = ways.town.vic.autocomplete(ways.fake.general, "session start", "project", "")
    assert (await stranger.acknowledged()).choices == []
