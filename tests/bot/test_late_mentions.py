"""A mention that an edit adds to an earlier message is a prompt, once."""

import pytest

from tests.bot.pointed import session_on
from tests.bot.ways import Town, Ways, core, fake, town, ways, ways_in
from tests.fakes.discord_server import FakeDiscord
from tests.sessions.running_core import RunningCore, idle, reached

__all__ = ["core", "fake", "town", "ways"]


async def test_an_edit_that_adds_a_mention_is_a_prompt_once(ways: Ways) -> None:
    talk = ways.town.ann.send(ways.fake.general, "why is it red?")
    ways.town.ann.edit(talk, "why is it red, please?")
    ways.town.ann.edit(talk, f"{ways.fake.bot.mention} why is it red?")
    session = await session_on(ways, talk)
    await idle(session)
    ways.town.ann.edit(talk, f"{ways.fake.bot.mention} why is it so red?")
    await ways.fake.general.wait_for_message("Claude has this prompt already")
    assert await ways.prompts(session) == ["why is it red?"]


async def test_an_edit_that_adds_a_mention_to_an_aside_is_a_prompt(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    aside = ways.town.ann.send(thread, f"{ways.town.bob.mention} look")
    await ways.dealt_with()
    ways.town.ann.edit(aside, f"{ways.fake.bot.mention} look")
    await reached(session, lambda each: each.message_count == 2)
    assert (await ways.prompts(session))[1] == "look"


@pytest.mark.parametrize(("who", "later_s"), [("ann", 301), ("mel", 0)])
async def test_an_edit_too_late_or_by_a_stranger_is_no_prompt(ways: Ways, who: str, later_s: int) -> None:
    person = {"ann": ways.town.ann, "mel": ways.town.mel}[who]
    talk = person.send(ways.fake.general, "why is it red?")
    ways.fake.advance(later_s)
    person.edit(talk, f"{ways.fake.bot.mention} why is it red?")
    ways.town.ann.send(ways.fake.general, ways.fake.bot.mention)
    await ways.fake.general.wait_for_message("use /claude")
    await ways.dealt_with()
    assert not ways.fake.general.threads


async def test_a_mention_added_while_the_bot_was_away_is_a_prompt_once(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        old = town.ann.send(fake.general, "hours ago")
        await ways.dealt_with()
        fake.advance(3600)
        talk, other = (town.ann.send(fake.general, text) for text in ("why is it red?", "never mind"))
        town.mel.send(fake.general, "who knows")
        town.ann.send(fake.general, fake.bot.mention)
        await fake.general.wait_for_message("use /claude")
        await ways.dealt_with()
    await fake.until_gone()
    for message in (old, talk):
        town.ann.edit(message, f"{fake.bot.mention} why is it red?")
    for _ in range(2):
        async with ways_in(fake, core, town) as ways:
            session = await session_on(ways, talk)
            await idle(session)
            assert await ways.prompts(session) == ["why is it red?"]
        await fake.until_gone()
    assert [each.id for each in fake.general.threads] == [talk.id]
    fetched = [each for each in fake.requests if each.key.startswith("GET") and str(other.id) in each.key]
    assert len(fetched) <= 1
