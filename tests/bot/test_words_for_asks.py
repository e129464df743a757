"""Words typed while a question of Claude's is open answer it, or say why they do not."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from api import Share
from bot.client import BridgeClient
from bot.inbox_rows import InboxRow
from bot.messages import MessageBody
from bot.prompts import PromptHandler
from bot.view import View, ViewOptions
from sessions.events import AskOpened
from sessions.model import Ask, AskId, Choice, Question, QuestionBody, ShareLevel
from sessions.session import Session
from tests.bot.test_questions import question
from tests.bot.ways import ADMIN, Town, Ways, core, core_id, fake, town, ways_in
from tests.fakes.discord_server import FakeDiscord, Message, Place
from tests.fakes.discord_server.model import walk
from tests.sessions.running_core import RunningCore, idle, reached

__all__ = ["core", "fake", "town"]

ONE = [question("Which?", "Left", "Right")]


@asynccontextmanager
async def seen(fake: FakeDiscord, core: RunningCore, town: Town) -> AsyncIterator[Ways]:
    """The face's ways in with the real view."""
    views: list[View] = []

    def make_view(client: BridgeClient) -> View:
        options = ViewOptions(queue_post_after_s=0.0)
        views.append(View(client, core.service, core.db, options=options))
        return views[0]

    async with ways_in(fake, core, town, make_view=make_view) as ways, views[0]:
        yield ways


class Asking:
    """Ann's session in which Claude waits; `card` is the card in its thread."""

    def __init__(self, ways: Ways, thread: Place, session: Session, card: Message) -> None:
        self.ways, self.thread, self.session, self.card = ways, thread, session, card

    async def decision(self) -> dict[str, Any]:
        stored = await self.ways.core.db.read("SELECT decision FROM asks")
        decision: dict[str, Any] = json.loads(str(stored[0][0]) or "{}")
        return decision

    async def queued(self) -> Message:
        return await self.thread.wait_for_message("Claude waits for an answer to")


async def asking(ways: Ways, prompt: str) -> Asking:
    await ways.town.ann.slash(ways.fake.general, "claude", prompt=prompt).settled()
    thread = await ways.fake.general.wait_for_thread()
    session = await ways.session_in(thread)
    card = await thread.wait_for_message("**Claude ")
    await reached(session, lambda each: bool(each.asks))
    return Asking(ways, thread, session, card)


def of_questions(*questions: dict[str, Any]) -> str:
    return f"demo:ask-question {json.dumps(questions)}"


def labels(message: Message) -> list[str]:
    return [part["label"] for part in walk(message.components) if "label" in part]


async def test_a_message_answers_the_one_open_question_once(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with seen(fake, core, town) as ways:
        asked = await asking(ways, of_questions(*ONE))
        sent = town.ann.send(asked.thread, "straight on")
        await idle(asked.session)
        assert (await asked.decision())["answers"] == {"Which?": "straight on"}
        assert "→ straight on" in (await asked.thread.wait_for_message("**Answered**")).text
        # A crash before its row was closed brings the same message again.
        handler = ways.client.inbox._handler
        assert isinstance(handler, PromptHandler)
        await handler.handle(row_of(sent, fake.home.id))
        assert await ways.prompts(asked.session) == [of_questions(*ONE)]
        # An edit comes too late, and is told once; a mention that it adds makes no prompt of it.
        town.ann.edit(sent, f"{fake.bot.mention} right on")
        await asked.thread.wait_for_message("has this answer already")
        town.ann.edit(sent, "back")
        await ways.dealt_with()
        told = [message for message in asked.thread.from_bot if "has this answer already" in message.text]
        assert len(told) == 1
        assert await ways.prompts(asked.session) == [of_questions(*ONE)]


def row_of(sent: Message, guild_id: int) -> InboxRow:
    body = MessageBody(guild_id, sent.id, sent.content, role_ids=(guild_id,))
    external = f"message:{sent.id}"
    return InboxRow(external, "message", sent.channel_id, sent.author.id, msgspec.to_builtins(body), 0)


async def test_own_words_stand_beside_what_was_chosen_where_several_may_be(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with seen(fake, core, town) as ways:
        asked = await asking(ways, of_questions(question("Which?", "A", "B", "C", several=True)))
        await town.ann.select(asked.card, "Which?", "A", "C").acknowledged()
        town.ann.send(asked.thread, "and mine")
        await idle(asked.session)
        assert (await asked.decision())["answers"] == {"Which?": "A, C, and mine"}


@pytest.mark.parametrize(
    ("prompt", "button", "decision"),
    [
        ("demo:bash touch x", "Deny with these words", {"type": "deny", "note": "use the trash"}),
        ("demo:plan Build", "Revise with these words", {"type": "revise_plan", "note": "use the trash"}),
    ],
)
async def test_a_prompt_that_waits_for_a_card_says_so_and_can_be_its_answer(
    fake: FakeDiscord, core: RunningCore, town: Town, prompt: str, button: str, decision: dict[str, Any]
) -> None:
    async with seen(fake, core, town) as ways:
        asked = await asking(ways, prompt)
        town.ann.send(asked.thread, "use the trash")
        queued = await asked.queued()
        assert f"/{asked.thread.id}/{asked.card.id})" in queued.content
        assert labels(queued) == [button, "Cancel", "Send now"]
        assert await asked.decision() == {}
        await town.ann.click(queued, button).acknowledged()
        await reached(asked.session, lambda each: not each.queue)
        assert await asked.decision() == decision


async def test_what_does_not_answer_waits_and_says_what_for(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    """Words of somebody who may not answer, to several questions, and words that came before the card."""
    async with seen(fake, core, town) as ways:
        asked = await asking(ways, of_questions(*ONE))
        share = Share(session_id=asked.session.id, grantee=core_id(town.bob.id), level=ShareLevel.PROMPT)
        await core.do(share, ADMIN)
        town.bob.send(asked.thread, "left, I think")
        queued = await asked.queued()
        assert labels(queued) == ["Answer with these words", "Cancel", "Send now"]
        refused = await town.bob.click(queued, "Answer with these words").settled()
        assert "ou may not" in refused.text
        assert await asked.decision() == {}


async def test_words_answer_neither_of_two_open_questions_and_the_one_that_is_left(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with seen(fake, core, town) as ways:
        asked = await asking(ways, of_questions(*ONE))
        now = asked.session.snapshot
        assert now.current is not None
        how = Question("How?", "How", (Choice("Fast", ""), Choice("Slow", "")))
        other = Ask(
            AskId("other"), now.current.turn_id, now.host, "none", 1, QuestionBody("toolu_other", (how,), {})
        )
        async with asked.session.change() as draft:
            draft.add(AskOpened(other))
        await asked.thread.wait_for_message("How?")
        town.ann.send(asked.thread, "which of them?")
        queued = await asked.queued()
        assert f"/{asked.thread.id}/{asked.card.id})" in queued.content
        assert labels(queued) == ["Answer with these words", "Cancel", "Send now"]
        assert await decisions(core) == {}
        # The words were for the first one. The next message can only mean the other.
        await town.ann.click(queued, "Answer with these words").acknowledged()
        await reached(asked.session, lambda each: len(each.asks) == 1)
        town.ann.send(asked.thread, "like this")
        await reached(asked.session, lambda each: not each.asks)
        assert await decisions(core) == {"Which?": "which of them?", "How?": "like this"}


async def test_a_reply_answers_the_question_on_the_card_that_it_replies_to(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with seen(fake, core, town) as ways:
        asked = await asking(ways, of_questions(*ONE))
        now = asked.session.snapshot
        assert now.current is not None
        how = Question("How?", "How", (Choice("Fast", ""), Choice("Slow", "")))
        body = QuestionBody("toolu_other", (how,), {})
        async with asked.session.change() as draft:
            draft.add(AskOpened(Ask(AskId("other"), now.current.turn_id, now.host, "none", 1, body)))
        second = await asked.thread.wait_for_message("How?")
        town.ann.send(asked.thread, "like this", reply_to=second)
        await reached(asked.session, lambda each: len(each.asks) == 1)
        assert await decisions(core) == {"How?": "like this"}
        # A reply to something else says more than its words, so it is a prompt with what it replies to.
        talk = town.mel.send(asked.thread, "the left one is slow")
        town.ann.send(asked.thread, f"{fake.bot.mention} mind this", reply_to=talk)
        queued = await asked.queued()
        assert "Answer with these words" in labels(queued)
        assert (
            "A message by mel:\n> the left one is slow\n\nmind this" in (await ways.prompts(asked.session))[1]
        )
        before = await asked.thread.wait_for_message("Question")
        town.ann.send(asked.thread, "left then", reply_to=before)
        await reached(asked.session, lambda each: not each.asks)
        assert (await decisions(core))["Which?"] == "left then"


async def decisions(core: RunningCore) -> dict[str, str]:
    rows = await core.db.read("SELECT decision FROM asks WHERE decision != ''")
    return {name: said for (row,) in rows for name, said in json.loads(str(row))["answers"].items()}


async def test_an_edit_of_a_prompt_whose_answer_grows_changes_nothing_and_is_told_once(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    gates = core.claude / "gates"
    gates.mkdir(parents=True, exist_ok=True)
    async with seen(fake, core, town) as ways:
        await town.ann.slash(fake.general, "claude", prompt="demo:text hello").settled()
        thread = await fake.general.wait_for_thread()
        session = await ways.session_in(thread)
        await thread.wait_for_message("hello")
        await idle(session)
        prompt = "demo:text Before demo:gate here demo:text after"
        sent = town.ann.send(thread, prompt)
        growing = await thread.wait_for_message("DEMO: Before")
        assert "after" not in growing.text
        for words in ("demo:text changed", "demo:text changed again"):
            town.ann.edit(sent, words)
            await thread.wait_for_message("Claude has this prompt already")
        town.ann.delete(sent)
        await ways.dealt_with()
        (gates / "here").touch()
        await idle(session)
        whole = await thread.wait_for_message("after")
        assert whole.id == growing.id
        assert "Before" in whole.text
        assert await ways.prompts(session) == ["demo:text hello", prompt]
        assert len([one for one in thread.from_bot if "already" in one.text]) == 1


async def test_what_was_written_while_the_bot_was_away_is_no_answer(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with seen(fake, core, town) as ways:
        asked = await asking(ways, of_questions(*ONE))
    await fake.until_gone()
    town.ann.send(asked.thread, "written away")
    async with seen(fake, core, town):
        assert "> written away" in (await asked.queued()).content
        assert await asked.decision() == {}
