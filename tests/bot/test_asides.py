"""People talk to each other in a session's thread: no prompt, but Claude learns of it with the next one."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from api import Share
from bot.scopes import ThreadTalk
from sessions.model import ShareLevel
from sessions.session import Session
from tests.bot.ways import ADMIN, Town, Ways, core, core_id, fake, options, town, ways, ways_in
from tests.fakes.discord_server import FakeDiscord, Message, Place
from tests.sessions.running_core import DEADLINE_S, RunningCore, idle, reached

__all__ = ["core", "fake", "town", "ways"]

MEANWHILE = "\n\nSaid meanwhile in this thread, not to you:\n> "


async def shared(ways: Ways) -> tuple[Place, Session]:
    """Ann's session, in which bob may prompt."""
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    share = Share(session_id=session.id, grantee=core_id(ways.town.bob.id), level=ShareLevel.PROMPT)
    await ways.core.do(share, ADMIN)
    return thread, session


async def next_prompt(ways: Ways, session: Session, thread: Place, words: str) -> str:
    """The prompt that Claude gets when ann writes `words`."""
    count = session.snapshot.message_count
    ways.town.ann.send(thread, words)
    await reached(session, lambda each: each.message_count > count)
    await idle(session)
    return (await ways.prompts(session))[-1]


def to_ann(ways: Ways, thread: Place) -> Message:
    return ways.town.bob.send(thread, f"{ways.town.ann.mention} is that right?")


def to_a_role(ways: Ways, thread: Place) -> Message:
    return ways.town.bob.send(thread, f"<@&{ways.town.users.id}> is that right?")


def to_all(ways: Ways, thread: Place) -> Message:
    return ways.town.bob.send(thread, "@here is that right?")


def to_nobody(ways: Ways, thread: Place) -> Message:
    return ways.town.bob.send(thread, "demo:text mine")


def replying(ways: Ways, thread: Place) -> Message:
    return ways.town.bob.send(thread, "is that right?", reply_to=thread.messages[0])


def to_both(ways: Ways, thread: Place) -> Message:
    return ways.town.bob.send(thread, f"{ways.town.ann.mention} {ways.fake.bot.mention} demo:text look")


@pytest.mark.parametrize(
    ("talk", "say", "is_prompt"),
    [
        (ThreadTalk.ALL, to_ann, False),
        (ThreadTalk.ALL, to_a_role, False),
        (ThreadTalk.ALL, to_all, False),
        (ThreadTalk.ALL, to_nobody, True),
        (ThreadTalk.ALL, to_both, True),
        (ThreadTalk.MENTION, to_nobody, False),
        (ThreadTalk.MENTION, to_both, True),
    ],
)
async def test_what_is_for_somebody_else_is_no_prompt(
    fake: FakeDiscord,
    core: RunningCore,
    town: Town,
    talk: ThreadTalk,
    say: Callable[[Ways, Place], Message],
    is_prompt: bool,
) -> None:
    async with ways_in(fake, core, town, replace(options(fake), thread_talk=talk)) as ways:
        thread, session = await shared(ways)
        say(ways, thread)
        await ways.dealt_with()
        ways.town.ann.send(thread, f"{fake.bot.mention} demo:text after")
        await reached(session, lambda each: each.message_count == 2 + is_prompt)
        await idle(session)
        assert (MEANWHILE in (await ways.prompts(session))[-1]) is not is_prompt


async def test_an_aside_goes_along_with_the_next_prompt_once(ways: Ways) -> None:
    thread, session = await shared(ways)
    to_ann(ways, thread)
    said = ways.town.ann.send(thread, "demo:text I asked")
    await reached(session, lambda each: each.message_count == 2)
    await idle(session)
    ways.town.bob.send(thread, "nearly", reply_to=said)
    ways.town.mel.send(thread, f"{ways.town.ann.mention} I may not be here")
    await ways.dealt_with()
    assert (await ways.prompts(session))[-1] == (
        f"ann writes:\ndemo:text I asked{MEANWHILE}bob: @ann is that right?"
    )
    more = await next_prompt(ways, session, thread, "demo:text more")
    assert more == f"ann writes:\ndemo:text more{MEANWHILE}bob: nearly"
    assert await next_prompt(ways, session, thread, "demo:text last") == "ann writes:\ndemo:text last"


async def test_an_aside_without_words_is_context_too(ways: Ways) -> None:
    thread, session = await shared(ways)
    said = ways.town.ann.send(thread, "demo:text I asked")
    await reached(session, lambda each: each.message_count == 2)
    await idle(session)
    ways.town.bob.send(thread, reply_to=said, files={"a.png": b"a", "b.txt": b"b"})
    ways.town.bob.send(thread, f"{ways.town.ann.mention} see", files={"c.log": b"c"})
    ways.town.bob.send(thread, reply_to=said, stickers=("wave",))
    await ways.dealt_with()
    more = await next_prompt(ways, session, thread, "demo:text more")
    assert more == (
        f"ann writes:\ndemo:text more{MEANWHILE}bob: (files: a.png, b.txt)\n> bob: @ann see\n> (files: c.log)"
        "\n> bob: (sticker: wave)"
    )


async def test_an_aside_that_was_edited_or_deleted_goes_along_as_it_is_now(ways: Ways) -> None:
    thread, session = await shared(ways)
    edited, deleted = to_ann(ways, thread), to_ann(ways, thread)
    await ways.dealt_with()
    ways.town.bob.edit(edited, f"{ways.town.ann.mention} is this right?")
    ways.town.bob.delete(deleted)
    async with asyncio.timeout(DEADLINE_S):
        dealt_with = "SELECT 1 FROM inbox WHERE kind IN ('edit', 'delete') AND status <> 'new'"
        while len(await ways.core.db.read(dealt_with)) < 2:  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.01)
    prompt = await next_prompt(ways, session, thread, "demo:text go")
    assert prompt == f"ann writes:\ndemo:text go{MEANWHILE}bob: @ann is this right?"
