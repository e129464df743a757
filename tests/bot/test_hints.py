"""The hint of a channel is shown once; the owner of a session can mute its pings."""

import asyncio

from tests.bot.test_words_for_asks import asking, seen
from tests.bot.ways import Town, Ways, core, fake, town
from tests.fakes.discord_server import FakeDiscord, Message, Place
from tests.sessions.running_core import DEADLINE_S, RunningCore, idle

__all__ = ["core", "fake", "town"]

HINT = "To talk to each other"


def hints(channel: Place) -> list[int]:
    """How often each thread of the channel shows the hint, oldest first."""
    threads = sorted(channel.threads, key=lambda each: each.id)
    return [sum(HINT in message.text for message in thread.from_bot) for thread in threads]


async def test_a_channel_shows_the_hint_in_its_first_session_only(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    other = fake.channel("other")
    async with seen(fake, core, town) as ways:
        first, _ = await ways.started(town.ann, "demo:text one")
        await first.wait_for_message(HINT)
        await ways.started(town.ann, "demo:text two")
        await ways.started(town.bob, "demo:text three", other)
        await other.threads[0].wait_for_message(HINT)
    await fake.until_gone()
    async with seen(fake, core, town) as ways:
        await ways.started(town.bob, "demo:text four", other)
        last, session = await ways.started(town.ann, "demo:text five")
        await last.wait_for_message("DEMO: five")
        await idle(session)
    assert (hints(fake.general), hints(other)) == ([1, 0, 0], [1, 0])


async def test_the_next_session_shows_the_hint_if_its_thread_is_deleted_at_once(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with seen(fake, core, town) as ways:
        first, session = await ways.started(town.ann, "demo:text one")
        await first.wait_for_message(HINT)
        await idle(session)
        first.delete()
        await until_free(ways)
        second, _ = await ways.started(town.ann, "demo:text two")
        await second.wait_for_message(HINT)


async def until_free(ways: Ways) -> None:
    """Wait until no session has the hint of a channel."""
    stored = "SELECT name FROM face_facts WHERE name LIKE 'hint%'"
    async with asyncio.timeout(DEADLINE_S):
        while await ways.core.db.read(stored):  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.01)


async def card_of(thread: Place, command: str) -> Message:
    """The open card that asks to run `command`."""
    return await thread.wait_for_message(lambda one: command in one.text and "asks for permission" in one.text)


async def test_a_muted_session_pings_its_owner_no_more(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    def pinged(card: Message) -> list[int]:
        return [ping.user_id for ping in card.pings if not ping.silent]

    async with seen(fake, core, town) as ways:
        asked = await asking(ways, "demo:bash touch x")
        assert pinged(asked.card) == [town.ann.id]
        for person, words in ((town.boss, "Only the owner"), (town.bob, "may not"), (town.ann, "no more")):
            assert words in (await person.slash(asked.thread, "session mute").settled()).text
        await town.ann.click(asked.card, "Allow once").acknowledged()
        await idle(asked.session)
        town.ann.send(asked.thread, "demo:bash touch y")
        card = await card_of(asked.thread, "touch y")
        assert pinged(card) == []
        again = await town.ann.slash(asked.thread, "session mute", remove=True).settled()
        assert "pings you again" in again.text
        await town.ann.click(card, "Allow once").acknowledged()
        town.ann.send(asked.thread, "demo:bash touch z")
        assert pinged(await card_of(asked.thread, "touch z")) == [town.ann.id]
