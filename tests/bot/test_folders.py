"""A session's focus, notes, end and backups in Discord."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from api import FolderInfo, FolderList, ProposeEnd
from api.words.backups import read_score, score_text
from bot.bodies import Card
from bot.discord_bodies import message_kwargs
from bot.folder_cards import end_card, end_question, yesterday_text
from bot.rows import insert_controls
from sessions.events import Noticed
from sessions.ids import SessionId
from sessions.model import Lifecycle
from sessions.session import Session
from sessions.topics import Topic
from tests.bot.ways import Ways, core, fake, town, ways
from tests.fakes.discord_server import Place
from tests.sessions.running_core import idle

__all__ = ["core", "fake", "town", "ways"]


async def focused(ways: Ways, focus: str = "Fix the login") -> tuple[Place, Session, str]:
    """A session that ann started with a focus, once Claude has answered; and what the start said."""
    known = {thread.id for thread in ways.fake.general.threads}
    begun = await ways.town.ann.slash(ways.fake.general, "session start", focus=focus).settled()
    thread = await ways.fake.general.wait_for_thread(lambda each: each.id not in known)
    session = await ways.session_in(thread)
    ways.town.ann.send(thread, "demo:text It works.")
    await ways.dealt_with()
    await idle(session)
    return thread, session, begun.text


async def test_a_session_is_begun_noted_ended_and_its_summary_shown_to_the_next_one(ways: Ways) -> None:
    ann = ways.town.ann
    thread, session, begun = await focused(ways)
    assert "-session-001-fix-the-login" in begun
    assert "The last session here" not in begun
    await ann.slash(thread, "note", text="Look at the cookie").settled()
    decided = await ann.slash(thread, "decision", text="Because it expires", title="Use a token").settled()
    assert decided.text == "Decision 1 is kept: “Use a token”."
    taken = await ann.slash(thread, "checkpoint take", label="green", milestone=True).settled()
    asked = await ann.slash(thread, "session end").settled()
    assert "1 turn " in asked.text
    assert "kept" in taken.text or "switched off" in taken.text
    assert asked.reply is not None
    opened = await ann.click(asked.reply, "End it…").acknowledged()
    wrong = await ann.submit_modal(opened, {"summary": "x", "score": "Role much"}).settled()
    assert "A score is a line such as" in wrong.text
    wrong = await ann.submit_modal(opened, {"summary": "x", "score": "Luck 3"}).settled()
    assert "A score has these axes: Role" in wrong.text
    fields = {"summary": "The login works again.", "score": "Role 4, Logic 3, Mood -"}
    done = await ann.submit_modal(opened, fields).settled()
    assert "The session has ended." in done.text
    assert "Score: Role 4, Logic 3" in done.text
    assert session.snapshot.lifecycle is Lifecycle.ENDED
    *_, said = await focused(ways, "Go on")
    assert "The last session here" in said
    assert "The login works again." in said


async def test_a_backup_is_listed_verified_and_restored_into_a_thread(ways: Ways) -> None:
    ann = ways.town.ann
    thread, session, _ = await focused(ways)
    Path(session.snapshot.work_directory, "a.txt").write_text("kept")
    made = await ann.slash(thread, "backup create").settled()
    assert "The backup is made: sessions/" in made.text
    listed = await ann.slash(thread, "backup list").settled()
    assert listed.reply is not None
    name = made.text.split()[4]
    picked = await ann.select(listed.reply, "Verify or restore one", name).settled()
    assert picked.reply is not None
    checked = await ann.click(picked.reply, "Verify").settled()
    assert checked.text == f"{name} is whole: every byte of it was read."
    known = {each.id for each in ways.fake.general.threads}
    await ann.slash(ways.fake.general, "backup restore", backup=name).settled()
    new = await ways.fake.general.wait_for_thread(lambda each: each.id not in known)
    restored = await ways.session_in(new)
    assert restored.id != session.id
    ann.send(new, "demo:text On it goes.")
    await ways.dealt_with()
    await idle(restored)
    assert [each.turn.prompt for each in await ways.turns(restored)] == [
        "demo:text It works.", "demo:text On it goes."
    ]  # fmt: skip
    refused = await ways.town.bob.slash(ways.fake.general, "backup restore", backup=name).settled()
    assert "no such backup" in refused.text


async def test_claudes_proposal_ends_a_session_by_a_click_of_somebody_who_may_and_is_void_after_a_day(
    ways: Ways,
) -> None:
    thread, session, _ = await focused(ways)
    await ways.core.do(ProposeEnd(session_id=session.id, summary="All is done."))
    at_ms = ways.core.manager.now_ms()
    fresh, old = (
        end_question(Noticed(Topic.END_PROPOSED, "All is done.", about=str(each)), 1, session.id).body
        for each in (at_ms, at_ms - 86_400_001)
    )
    assert isinstance(fresh, Card)
    assert isinstance(old, Card)
    assert "All is done." in fresh.texts
    cards = []
    for card in (old, fresh):
        await ways.core.db.write(insert_controls(card))
        sent = await ways.client.get_partial_messageable(thread.id).send(**message_kwargs(card))
        cards.append(next(each for each in thread.from_bot if each.id == sent.id))
    refused = await ways.town.bob.click(cards[1], "End it").settled()
    assert "may not" in refused.text
    late = await ways.town.ann.click(cards[0], "End it").settled()
    assert "older than a day" in late.text
    assert session.snapshot.lifecycle is Lifecycle.LIVE
    done = await ways.town.ann.click(cards[1], "End it").settled()
    assert "The session has ended." in done.text


_WRITTEN = (
    "All is [bank.example](https://evil.example/x).\n\n| a | b |\n|---|---|\n| 1 | <b>2</b> |\n<!-- unseen -->"
)
_SHOWN = "All is bank.example (https://evil.example/x).\n\n```\na  b\n-  -\n1  2\n```"
_FOLDER = FolderInfo(SessionId("s"), name="2026-01-01-session-001", draft=_WRITTEN, summary=_WRITTEN)


def proposal(text: str) -> Card:
    body = end_question(Noticed(Topic.END_PROPOSED, text, about="1"), 1, "s").body
    assert isinstance(body, Card)
    return body


@pytest.mark.parametrize(
    "shown",
    [
        lambda text: end_card("s", structs.replace(_FOLDER, draft=text)).texts[1],
        lambda text: proposal(text).texts[1],
        lambda text: yesterday_text(FolderList((structs.replace(_FOLDER, summary=text),))),
    ],
    ids=["the card of an end", "a proposal to end", "the last session's summary"],
)
def test_a_summary_of_claudes_is_shown_like_its_answers(shown: Callable[[str], str]) -> None:
    assert shown(_WRITTEN).endswith(_SHOWN)
    assert shown("word " * 2_000).endswith("word\n-# …")
    assert len(shown("word " * 2_000)) < 3_500
    assert "\n\n" not in shown("<!-- only unseen -->")


def test_a_score_is_read_as_it_is_shown() -> None:
    axes = ("Role", "Logic", "Mood")
    assert score_text({"Logic": 3}, axes) == "Role -, Logic 3, Mood -"
    assert read_score("Role -, Logic 3, Mood -") == {"Logic": 3}
    assert read_score("Role: 4\nLogic : 0") == {"Role": 4, "Logic": 0}
    with pytest.raises(ValueError, match="invalid"):
        read_score("Role much")
