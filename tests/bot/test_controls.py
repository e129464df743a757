"""Controls: each means what its row says, also on old messages, twice at once, and when unknown."""

import asyncio

import pytest

from api import SessionPage, Share
from backends.directory import MARKER
from bot.bodies import Card, Control, Verb
from bot.panels import ListState, session_list
from bot.status_card import status_card
from service.session_info import info_of
from sessions.model import Lifecycle, ShareLevel, TurnStatus
from tests.bot.posted import asking, buttons, post
from tests.bot.ways import Town, Ways, core, core_id, fake, town, ways, ways_in
from tests.fakes.discord_server import Ack, FakeDiscord
from tests.fakes.discord_server.model import walk
from tests.sessions.running_core import ADMIN, DEADLINE_S, RunningCore, idle, reached, until

__all__ = ["core", "fake", "town", "ways"]


# --- unknown, old, twice ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "custom_id",
    ["v1:allow:0123456789ab", "v1:nonsense:0123456789ab", "v2:allow:0123456789ab", "other", "v1m:allow:0:1"],
)
async def test_a_control_that_means_nothing_says_so(ways: Ways, custom_id: str) -> None:
    message = await post(ways, ways.fake.general, buttons(Control(Verb.STOP, "x")))
    outcome = await ways.town.ann.click(message, custom_id, stale=True).settled()
    assert outcome.text == "This is out of date. Use a newer message, or a command: /help lists them."
    assert outcome.ephemeral


async def test_a_control_on_an_old_message_works_after_a_restart(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        message = await post(ways, thread, buttons(Control(Verb.CONTINUE, session.id)))
    await fake.until_gone()
    async with ways_in(fake, core, town):
        outcome = await town.ann.click(message, "continue").acknowledged()
        assert outcome.ack is Ack.DEFERRED_UPDATE
        await reached(session, lambda snapshot: snapshot.message_count == 2)


async def test_of_two_who_answer_at_once_the_first_wins_and_the_other_learns_who(ways: Ways) -> None:
    thread, session, ask_id = await asking(ways)
    panel = await post(
        ways, thread, buttons(*(Control(v, session.id, ask_id) for v in (Verb.ALLOW, Verb.DENY)))
    )
    clicks = [ways.town.ann.click(panel, "allow"), ways.town.boss.click(panel, "deny")]
    outcomes = await asyncio.gather(*(each.acknowledged() for each in clicks))
    late = [each for each in outcomes if "decided already" in each.text]
    assert len(late) == 1
    winner = ways.town.boss if late[0] is outcomes[0] else ways.town.ann
    assert f"<@{winner.id}>" in late[0].text


async def test_a_dialog_that_was_open_during_a_restart_still_submits(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        thread, session, ask_id = await asking(ways)
        panel = await post(ways, thread, buttons(Control(Verb.DENY_NOTE, session.id, ask_id)))
        opened = await town.ann.click(panel, "deny_note")
        assert opened.ack is Ack.MODAL
    await fake.until_gone()
    async with ways_in(fake, core, town) as ways:
        outcome = await town.ann.submit_modal(opened, {"text": "use the trash"})
        assert outcome.failure is None
        await idle(session)
        stored = await core.db.read("SELECT decision FROM asks")
        assert "use the trash" in str(stored[0][0])


async def test_a_pinned_session_is_first_in_the_list_until_the_pin_is_taken_away(ways: Ways) -> None:
    first, _ = await ways.started(ways.town.ann, "demo:text first")
    second, _ = await ways.started(ways.town.ann, "demo:text second")

    async def listed() -> list[str]:
        shown = await ways.town.ann.slash(ways.fake.general, "session list").settled()
        return [line.partition(" · ")[0] for line in shown.text.splitlines() if "<#" in line]

    assert "pinned" in (await ways.town.ann.slash(first, "session pin").settled()).text
    assert await listed() == [f"📌 <#{first.id}>", f"<#{second.id}>"]
    await ways.town.ann.slash(first, "session pin", remove=True).settled()
    assert "📌" not in "".join(await listed())


async def test_the_status_line_opens_for_whoever_clicks_after_a_restart_too(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        line = await post(ways, thread, status_card(info_of(session.snapshot)))
        await core.do(Share(session_id=session.id, grantee=core_id(town.vic.id), level=ShareLevel.VIEW), ADMIN)
    await fake.until_gone()
    async with ways_in(fake, core, town):
        opened = {who: await who.click(line, "⋯").settled() for who in (town.ann, town.vic, town.bob)}
    assert all(each.ephemeral for each in opened.values())
    assert ["Owner:" in each.text for each in opened.values()] == [True, True, False]
    parts = [walk(each.reply.components) if each.reply else () for each in opened.values()]
    offered = [{part["label"] for part in each if "label" in part} for each in parts]
    assert offered == [{"Model", "End session…", "Look closer", "Branch", "Export"}, {"Export"}, set()]


async def test_what_a_tool_left_running_is_ended_by_a_click(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    assert session.run is not None
    # What a tool starts carries the marker, and leads a process session of its own.
    marker = {MARKER: f"{session.id}/{session.run.number}"}
    server = await asyncio.create_subprocess_exec("sleep", "600", env=marker, start_new_session=True)
    await session.run.note_left_running()
    line = await post(ways, thread, status_card(info_of(session.snapshot)))
    opened = await ways.town.ann.click(line, "⋯").settled()
    assert "Left running: “sleep 600”" in opened.text
    assert opened.reply is not None
    ended = await ways.town.ann.click(opened.reply, "End it").settled()
    async with asyncio.timeout(DEADLINE_S):
        assert await server.wait() == -15
    assert "Left running" not in ended.text
    assert session.snapshot.left_running == ()


# --- asks -------------------------------------------------------------------------------------------------


async def test_show_all_gives_the_whole_command_as_a_file(ways: Ways) -> None:
    thread, session, ask_id = await asking(ways, f"demo:bash touch {'x' * 3000}")
    panel = await post(ways, thread, buttons(Control(Verb.SHOW_ALL, session.id, ask_id)))
    outcome = await ways.town.ann.click(panel, "show_all").settled()
    assert outcome.ephemeral
    assert outcome.reply is not None
    assert b"x" * 3000 in outcome.reply.attachments[0].data


# --- turns ------------------------------------------------------------------------------------------------


async def test_stop_says_what_was_kept_and_that_nothing_ran(ways: Ways) -> None:
    await ways.town.ann.slash(ways.fake.general, "claude", prompt="demo:gate g").settled()
    session = await ways.session_in(await ways.fake.general.wait_for_thread())
    await until((ways.core.claude / "gates" / "g.reached").exists)
    panel = await post(ways, ways.fake.general, buttons(Control(Verb.STOP, session.id)))
    assert "is kept" in (await ways.town.ann.click(panel, "stop").settled()).text
    await idle(session)
    assert "Nothing was running" in (await ways.town.ann.click(panel, "stop").settled()).text
    assert (await ways.turns(session))[0].turn.status is TurnStatus.INTERRUPTED


async def test_only_the_last_answer_is_asked_again(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.town.ann.send(thread, "demo:text second")
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    await idle(session)
    first, last = (view.turn.id for view in await ways.turns(session))
    old = await post(ways, thread, buttons(Control(Verb.REGENERATE, session.id, first)))
    assert "Only the last answer" in (await ways.town.ann.click(old, "regenerate").settled()).text
    new = await post(ways, thread, buttons(Control(Verb.REGENERATE, session.id, last)))
    await ways.town.ann.click(new, "regenerate")
    await reached(session, lambda snapshot: snapshot.message_count == 3)
    await idle(session)
    assert (await ways.turns(session))[-1].turn.alternative_of == last


async def test_flipping_tells_the_view_which_alternative_to_show(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    panel = await post(ways, thread, buttons(Control(Verb.ALTERNATIVE, session.id, "root", "other")))
    await ways.town.ann.click(panel, "alt")
    assert ways.view.chosen == [(session.id, "root", "other")]


async def test_a_branch_opens_a_thread_and_links_both_ways(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    turn = (await ways.turns(session))[0].turn
    panel = await post(ways, thread, buttons(Control(Verb.BRANCH, session.id, turn.id)))
    outcome = await ways.town.ann.click(panel, "branch").settled()
    made = next(each for each in ways.fake.general.threads if each.id != thread.id)
    assert f"<#{made.id}>" in outcome.text
    back = await made.wait_for_message("goes on from")
    assert str(panel.id) in back.text
    branch = await ways.session_in(made)
    assert branch.id != session.id


async def test_a_branch_by_command_links_back_to_the_sessions_thread(ways: Ways) -> None:
    thread, _ = await ways.started(ways.town.ann, "demo:text first")
    await ways.town.ann.slash(thread, "turn branch").settled()
    made = next(each for each in ways.fake.general.threads if each.id != thread.id)
    back = await made.wait_for_message("goes on from")
    assert f"<#{thread.id}>" in back.text


async def test_a_branch_whose_link_back_is_lost_is_no_failure(ways: Ways) -> None:
    thread, _ = await ways.started(ways.town.ann, "demo:text first")
    lost = ways.fake.faults.reset("POST /channels/*/messages", skip=1)  # after the message that gets the thread
    await ways.town.ann.slash(thread, "turn branch").settled()
    async with asyncio.timeout(DEADLINE_S):
        while await ways.core.db.read("SELECT 1 FROM inbox WHERE status = 'new'"):  # noqa: ASYNC110 (no event)
            await asyncio.sleep(0.01)
    assert lost.spent()
    assert await ways.core.db.read("SELECT note FROM inbox WHERE status = 'refused'") == []


async def test_a_branch_that_is_refused_leaves_no_thread(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    panel = await post(ways, thread, buttons(Control(Verb.BRANCH, session.id, "no-such-turn")))
    outcome = await ways.town.ann.click(panel, "branch").settled()
    assert "no such turn" in outcome.text
    assert [each.id for each in ways.fake.general.threads] == [thread.id]


async def test_who_may_not_ask_about_a_message_is_told_so_alone(ways: Ways) -> None:
    message = ways.town.mel.send(ways.fake.general, "the build is red")
    opened = await ways.town.vic.message_menu(message, "Ask Claude about this").acknowledged()
    outcome = await ways.town.vic.submit_modal(opened, {"text": "why?"}).settled()
    assert "may not create sessions" in outcome.text
    assert outcome.ephemeral


# --- panels -----------------------------------------------------------------------------------------------


async def test_the_list_of_sessions_has_pages(ways: Ways) -> None:
    for number in range(12):
        await ways.core.session(f"discord:{ways.town.ann.id}", f"c{number}")
    outcome = await ways.town.ann.slash(ways.fake.general, "session list").settled()
    assert outcome.reply is not None
    assert outcome.text.count("<t:") == 10
    older = await ways.town.ann.click(outcome.reply, "Older").settled()
    assert older.reply is not None
    assert older.text.count("<t:") == 2
    newer = await ways.town.ann.click(older.reply, "Newer").settled()
    assert newer.text.count("<t:") == 10


@pytest.mark.parametrize(
    ("command", "button", "expected"),
    [
        ("session clear", "Just end it", "The session has ended. What was said stays readable."),
        ("admin clear-all", "End everything", "1 session ended."),
    ],
)
async def test_what_was_confirmed_is_done_once_and_its_button_goes(
    ways: Ways, command: str, button: str, expected: str
) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    asked = await ways.town.boss.slash(thread, command).settled()
    assert asked.reply is not None
    done = await ways.town.boss.click(asked.reply, button).settled()
    assert (done.ack, done.text) == (Ack.DEFERRED_UPDATE, expected)
    assert not [part for part in walk(asked.reply.components) if part["type"] == 2]
    assert session.snapshot.lifecycle is Lifecycle.ENDED


def test_a_list_without_sessions_says_how_to_begin() -> None:
    card = session_list(SessionPage(()), ListState(), {})
    assert isinstance(card, Card)
    assert "/claude" in card.texts[1]
