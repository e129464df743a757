"""Messages, edits and deletions: each is dealt with once, in its order, as what it means."""

import asyncio

import pytest

from bot import late_changes
from bot.inbox import Inbox, TryAgain
from bot.inbox_rows import InboxRow, InboxStatus
from bot.prompts import HAS_IT_ALREADY
from sessions.model import TurnStatus
from sessions.session import Session
from storage import DatabaseFull, Statement
from tests.bot.ways import Town, Ways, core, core_id, fake, options, town, ways, ways_in
from tests.fakes.discord_server import FakeDiscord, Place
from tests.sessions.running_core import RunningCore, idle, reached, until

__all__ = ["core", "fake", "town", "ways"]

GATE = "demo:gate held\ndemo:text done"


async def busy_session(ways: Ways) -> tuple[Place, Session]:
    """A session whose Claude works until `open_gate`."""
    await ways.town.ann.slash(ways.fake.general, "claude", prompt=GATE).settled()
    thread = await ways.fake.general.wait_for_thread()
    session = await ways.session_in(thread)
    await until((ways.core.claude / "gates" / "held.reached").exists)
    return thread, session


def open_gate(ways: Ways) -> None:
    (ways.core.claude / "gates" / "held").touch()


async def rows(core: RunningCore) -> list[tuple[str, str, str]]:
    """Kind, status and note of everything that came in, in order."""
    found = await core.db.read("SELECT kind, status, note FROM inbox ORDER BY rowid")
    return [(str(kind), str(status), str(note)) for kind, status, note in found]


# --- what messages mean -----------------------------------------------------------------------------------


async def test_every_message_in_a_sessions_thread_is_a_prompt_in_its_order(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    for number in range(5):
        ways.town.ann.send(thread, f"demo:text number {number}")
    await reached(session, lambda snapshot: snapshot.message_count == 6)
    await idle(session)
    assert await ways.prompts(session) == ["demo:text first", *(f"demo:text number {n}" for n in range(5))]


async def test_a_mention_opens_a_thread_on_the_message_and_is_left_out_of_the_prompt(ways: Ways) -> None:
    message = ways.town.ann.send(ways.fake.general, f"{ways.fake.bot.mention} demo:text hello")
    thread = await ways.fake.general.wait_for_thread(lambda each: each.id == message.id)
    session = await ways.session_in(thread)
    await ways.dealt_with()
    assert await ways.prompts(session) == ["demo:text hello"]
    assert session.snapshot.user_id == core_id(ways.town.ann.id)
    assert ways.view.shown[-1].channel_id == thread.id
    assert thread.model.thread is not None
    assert ways.town.ann.id in thread.model.thread.members


async def test_a_reply_to_the_bots_message_goes_to_the_session_that_it_began(ways: Ways) -> None:
    _, session = await ways.started(ways.town.ann, "demo:text first")
    anchor = ways.fake.general.from_bot[-1]
    ways.town.ann.send(ways.fake.general, "demo:text second", reply_to=anchor)
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    assert len(ways.fake.general.threads) == 1
    assert await ways.prompts(session) == ["demo:text first", "demo:text second"]


async def test_a_mention_in_reply_to_a_person_takes_their_words_along(ways: Ways) -> None:
    said = ways.town.mel.send(ways.fake.general, "the build\nis red")
    message = ways.town.ann.send(ways.fake.general, f"{ways.fake.bot.mention} why?", reply_to=said)
    thread = await ways.fake.general.wait_for_thread(lambda each: each.id == message.id)
    session = await ways.session_in(thread)
    await ways.dealt_with()
    assert await ways.prompts(session) == ["A message by mel:\n> the build\n> is red\n\nwhy?"]


async def test_a_mention_without_words_is_answered_with_how_to_ask(ways: Ways) -> None:
    ways.town.ann.send(ways.fake.general, ways.fake.bot.mention)
    await ways.fake.general.wait_for_message("use /claude")
    assert ways.fake.threads() == []


async def test_a_forwarded_message_is_a_prompt_that_quotes_it_with_its_files(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    said = ways.town.mel.send(ways.fake.general, "the build\nis red", files={"log.txt": b"boom"})
    sent = ways.town.ann.forward(said, thread)
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    listed = f"- uploads/{sent.id}/log.txt (text/plain, 4 bytes)"
    quote = "A forwarded message:\n> the build\n> is red\n> \n> (files: log.txt)"
    assert (await ways.prompts(session))[1] == f"{quote}\n\nAttached files:\n{listed}"


async def test_who_posts_a_sticker_is_told_once_that_it_goes_nowhere(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    for _ in range(3):
        ways.town.ann.stick(thread, "wave")
    await thread.wait_for_message("alone are no prompt")
    await ways.dealt_with()
    assert len(thread.from_bot) == 1
    assert len(await ways.prompts(session)) == 1


@pytest.mark.parametrize("text", ["just talking", "@Bridge in words only"])
async def test_talk_between_people_is_no_prompt_and_leaves_no_row(ways: Ways, text: str) -> None:
    ways.town.ann.send(ways.fake.general, text)
    ways.town.ann.send(ways.fake.general, ways.fake.bot.mention)
    await ways.fake.general.wait_for_message("use /claude")
    assert len(await rows(ways.core)) == 1


async def test_people_who_may_not_prompt_are_told_once_in_a_thread(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    for _ in range(3):
        ways.town.bob.send(thread, "let me in")
    await thread.wait_for_message("You may not prompt this session")
    await ways.dealt_with()
    assert len(thread.from_bot) == 1
    assert len(await ways.prompts(session)) == 1


async def test_a_message_in_an_ended_session_says_that_it_has_ended(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    await ways.core.manager.clear_session(session.id)
    ways.town.ann.send(thread, "still there?")
    await thread.wait_for_message("has ended")


async def test_an_answer_that_discord_does_not_take_is_given_later_and_once(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.inbox._RETRY_S", (0.05,))
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    await ways.core.manager.clear_session(session.id)
    ways.fake.faults.fail(503, "POST /channels/*/messages", times=2)
    ways.fake.faults.lose_answer("POST /channels/*/messages")
    ways.town.ann.send(thread, "still there?")
    await thread.wait_for_message("has ended")
    await ways.dealt_with()
    assert len([one for one in thread.from_bot if "has ended" in one.text]) == 1


HOSTILE = [
    pytest.param("look @everyone @here <@&1> <@1>", id="pings"),
    pytest.param("```" * 600, id="backticks"),
    pytest.param("```py\nprint(1)", id="an open fence"),
    pytest.param("\u202eevil\u202c \u2066x\u2069 \u200b", id="marks of direction"),
    pytest.param("Z\u0351\u0352\u0353" * 300, id="piles of marks"),
    pytest.param("\x1b[31mred\x1b[0m \x07", id="terminal controls"),
    pytest.param("[click](https://evil.example) <https://evil.example>", id="links"),
    pytest.param("x" * 2000, id="one long line"),
    pytest.param("{0} %s {prompt} ${HOME} '; DROP TABLE inbox; --", id="formats and SQL"),
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_whatever_people_write_arrives_whole_and_pings_nobody(ways: Ways, text: str) -> None:
    thread, session = await ways.started(ways.town.ann, text[:1500])
    ways.town.ann.send(thread, text)
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    shown = text.replace("<@&1>", "@unknown-role").replace("<@1>", "@unknown-user")
    assert await ways.prompts(session) == [shown[:1500], shown.strip()]
    said = await ways.town.ann.slash(thread, "session info").settled()
    assert "Owner:" in said.text
    assert ways.fake.bot_pings == []


# --- channels and users -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("scope", "sessions"), [("channel", 1), ("user", 2), ("thread", 3)])
async def test_the_scope_says_what_a_session_belongs_to(
    fake: FakeDiscord, core: RunningCore, town: Town, scope: str, sessions: int
) -> None:
    async with ways_in(fake, core, town, options(fake, scope)) as ways:
        for person in (town.ann, town.ann, town.boss):
            person.send(fake.general, f"{fake.bot.mention} demo:text hello")
            await ways.dealt_with()
        await until(lambda: len(ways.view.shown) == 3)
        assert len({place.session_id for place in ways.view.shown}) == sessions
        assert len(fake.general.threads) == (3 if scope == "thread" else 0)


# --- the queue --------------------------------------------------------------------------------------------


async def test_editing_and_deleting_a_waiting_message_changes_the_queue(ways: Ways) -> None:
    thread, session = await busy_session(ways)
    edited = ways.town.ann.send(thread, "demo:text wrong")
    deleted = ways.town.ann.send(thread, "demo:text never")
    kept = ways.town.ann.send(thread, "demo:text kept")
    await reached(session, lambda snapshot: len(snapshot.queue) == 3)
    ways.town.ann.edit(edited, "demo:text right")
    ways.town.ann.delete(deleted)
    await reached(session, lambda snapshot: len(snapshot.queue) == 2)
    await ways.dealt_with()
    open_gate(ways)
    await reached(session, lambda snapshot: not snapshot.queue)
    await idle(session)
    done = [view.turn.prompt for view in await ways.turns(session) if view.turn.status is TurnStatus.DONE]
    assert done == [GATE, "demo:text right", "demo:text kept"]
    # What Claude has read stays as it is.
    ways.town.ann.edit(kept, "demo:text too late")
    await thread.wait_for_message("Claude has this prompt already")
    ways.town.ann.edit(kept, "demo:text much too late")
    ways.town.ann.send(thread, "demo:text last")
    await reached(session, lambda snapshot: snapshot.message_count == 5)
    await ways.dealt_with()
    assert (await ways.prompts(session))[3] == "demo:text kept"
    assert [one.text for one in thread.from_bot if "already" in one.text] == [HAS_IT_ALREADY]


async def test_an_edit_keeps_what_is_known_of_the_files(ways: Ways) -> None:
    thread, session = await busy_session(ways)
    edited = ways.town.ann.send(thread, "demo:text wrong", files={"a.txt": b"text"})
    await reached(session, lambda snapshot: len(snapshot.queue) == 1)
    ways.town.ann.edit(edited, "demo:text right")
    ways.town.ann.send(thread, "demo:text next")
    await reached(session, lambda snapshot: len(snapshot.queue) == 2)
    await ways.dealt_with()
    listed = f"- uploads/{edited.id}/a.txt (text/plain, 4 bytes)"
    assert (await ways.prompts(session))[1] == f"demo:text right\n\nAttached files:\n{listed}"
    open_gate(ways)
    await idle(session)


@pytest.mark.parametrize("failures", [0, 1], ids=["", "though the database fails first"])
async def test_edits_and_deletions_while_the_bot_was_away_change_the_queue_too(
    fake: FakeDiscord, core: RunningCore, town: Town, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    errors = [DatabaseFull("The disk is full.")] * failures

    async def talk(*_: object) -> list[tuple[int, int]]:
        if errors:
            raise errors.pop()
        return []

    async with ways_in(fake, core, town) as ways:
        thread, session = await busy_session(ways)
        edited = town.ann.send(thread, "demo:text wrong")
        deleted = town.ann.send(thread, "demo:text never")
        await reached(session, lambda snapshot: len(snapshot.queue) == 2)
    await fake.until_gone()
    town.ann.edit(edited, "demo:text right")
    town.ann.delete(deleted)
    monkeypatch.setattr("bot.catch_up.PAUSES_S", (0.0,))
    monkeypatch.setattr("bot.arrivals.last_talk", talk)
    async with ways_in(fake, core, town) as ways:
        await reached(session, lambda snapshot: len(snapshot.queue) == 1)
        await ways.dealt_with()
        waiting = [turn.turn_id for turn in session.snapshot.queue]
        prompts = [view.turn.prompt for view in await ways.turns(session) if view.turn.id in waiting]
        assert prompts == ["demo:text right"]
        open_gate(ways)
        await idle(session)


async def test_edits_and_deletions_that_the_database_did_not_take_change_the_queue_as_soon_as_it_does(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, session = await busy_session(ways)
    edited = ways.town.ann.send(thread, "demo:text wrong")
    deleted = ways.town.ann.send(thread, "demo:text never")
    await reached(session, lambda snapshot: len(snapshot.queue) == 2)
    monkeypatch.setattr(late_changes, "PAUSE_S", 0.0)
    inbox, refused = ways.client.inbox, list[str]()
    take = inbox.take

    async def full(row: InboxRow) -> None:
        if len(refused) >= 2:
            return await take(row)
        refused.append(row.kind)
        raise DatabaseFull("The disk is full.")

    monkeypatch.setattr(inbox, "take", full)
    ways.town.ann.edit(edited, "demo:text right")
    ways.town.ann.delete(deleted)
    await reached(session, lambda snapshot: len(snapshot.queue) == 1)
    await ways.dealt_with()
    waiting = [turn.turn_id for turn in session.snapshot.queue]
    prompts = [view.turn.prompt for view in await ways.turns(session) if view.turn.id in waiting]
    assert prompts == ["demo:text right"]
    open_gate(ways)
    await idle(session)


# --- once -------------------------------------------------------------------------------------------------


async def test_the_same_message_twice_is_one_prompt(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.town.ann.send(thread, "demo:text once")
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    # As after a RESUME that Discord replays too much of.
    async for message in ways.client.get_partial_messageable(thread.id).history():
        await ways.client.on_message(message)
    await ways.dealt_with()
    assert await ways.prompts(session) == ["demo:text first", "demo:text once"]


async def test_what_was_acted_on_but_not_written_down_has_no_second_effect(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        town.ann.send(thread, "demo:text second")
        mention = town.ann.send(fake.general, f"{fake.bot.mention} demo:text third")
        await reached(session, lambda snapshot: snapshot.message_count == 2)
        other = await ways.session_in(await fake.general.wait_for_thread(lambda each: each.id == mention.id))
        await ways.dealt_with()
    # As if a crash had come after the core acted and before the inbox knew.
    await core.db.write(
        [Statement("DELETE FROM inbox", ()), Statement("UPDATE seen SET message_id = message_id - 1", ())]
    )
    async with ways_in(fake, core, town) as ways:
        assert [kind for kind, _, _ in await rows(core)] == ["message", "message"]
        assert await ways.prompts(session) == ["demo:text first", "demo:text second"]
        assert await ways.prompts(other) == ["demo:text third"]
        assert len(fake.general.threads) == 2


class Picky:
    """A handler that cannot deal with what is called bad."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.given_up: list[str] = []

    async def handle(self, row: InboxRow) -> str:
        if row.external.endswith("bad"):
            raise ValueError(row.external)
        self.handled.append(row.external)
        return ""

    async def give_up(self, row: InboxRow, error: Exception) -> str:
        self.given_up.append(f"{row.external} {type(error).__name__}")
        if row.external.startswith("very"):
            raise KeyError("message_id")
        return "gave up"


async def test_a_row_that_cannot_be_dealt_with_does_not_hold_up_the_next(core: RunningCore) -> None:
    handler = Picky()
    tasks: list[asyncio.Task[None]] = []
    inbox = Inbox(core.db, handler, lambda work, name: tasks.append(asyncio.create_task(work)), lambda: 7)
    for number, name in enumerate(["one", "bad", "very bad", "two"]):
        await inbox.take(InboxRow(name, "message", 5, 6, {}, number))
    assert handler.handled == []
    await inbox.settle(())
    await asyncio.gather(*tasks)
    assert handler.handled == ["one", "two"]
    assert handler.given_up == ["bad ValueError", "very bad ValueError"]
    assert await rows(core) == [
        ("message", InboxStatus.DONE, ""),
        ("message", InboxStatus.REFUSED, "gave up"),
        ("message", InboxStatus.REFUSED, "given up"),
        ("message", InboxStatus.DONE, ""),
    ]


class Unlucky(Picky):
    """Discord is in trouble at the first tries."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.left = failures

    async def handle(self, row: InboxRow) -> str:
        self.left -= 1
        if self.left >= 0:
            raise TryAgain
        return await super().handle(row)


async def test_a_row_waits_as_long_as_discord_is_in_trouble(
    core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.inbox._RETRY_S", (0.0, 0.0))
    handler = Unlucky(20)
    tasks: list[asyncio.Task[None]] = []
    inbox = Inbox(core.db, handler, lambda work, name: tasks.append(asyncio.create_task(work)), lambda: 7)
    await inbox.take(InboxRow("one", "message", 5, 6, {}, 1))
    await inbox.settle(())
    await asyncio.gather(*tasks)
    assert (handler.handled, handler.given_up) == (["one"], [])


async def test_a_connection_that_breaks_while_a_thread_is_made_loses_no_prompt(ways: Ways) -> None:
    ways.fake.faults.lose_answer("POST /channels/*/messages/*/threads")
    message = ways.town.ann.send(ways.fake.general, f"{ways.fake.bot.mention} demo:text hello")
    session = await ways.session_in(await ways.fake.general.wait_for_thread(lambda each: each.id == message.id))
    await ways.dealt_with()
    assert await ways.prompts(session) == ["demo:text hello"]
    assert await rows(ways.core) == [("message", InboxStatus.DONE, "")]
