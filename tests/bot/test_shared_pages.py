"""`/session page`: the preview is a file with exactly the page, and a button gives it its address."""

import msgspec

import api as c
from api.access import Actor, Role
from tests.bot.ways import Town, Ways, core, fake, options, town, ways, ways_in
from tests.fakes.discord_server import FakeDiscord
from tests.sessions.running_core import RunningCore, idle

__all__ = ["core", "fake", "town", "ways"]


async def test_a_page_is_seen_before_it_has_an_address_that_anybody_can_open(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    core.service._parts.links.address = "https://claude.example.org"  # as a running web face does
    served = msgspec.structs.replace(options(fake), has_dashboard=True)
    async with ways_in(fake, core, town, served) as ways:
        prompt = "demo:text hello sk-ant-api03-abcdefghijklmnop there"
        await town.ann.slash(fake.general, "claude", prompt=prompt).settled()
        thread = await fake.general.wait_for_thread()
        await idle(await ways.session_in(thread))
        assert "may not" in (await town.bob.slash(thread, "session page").settled()).text
        shown = await town.ann.slash(thread, "session page").settled()
        assert "Taken out:" in shown.text
        assert shown.reply is not None
        done = await town.ann.click(shown.reply, "Make the address").settled()
        (url,) = (word for word in done.text.split() if word.startswith("https://claude.example.org/shared/"))
        nobody = Actor("", "web", Role.NOBODY)
        document = await core.do(c.OpenSharedPage(token=url.rpartition("/")[2]), nobody)
        assert "there" in document.turns[0].prompt
        again = await town.ann.click(shown.reply, "Make the address").settled()
        assert "no such page" in again.text


async def test_without_a_dashboard_there_are_no_pages(ways: Ways, town: Town, fake: FakeDiscord) -> None:
    await town.ann.slash(fake.general, "claude", prompt="demo:text hello").settled()
    thread = await fake.general.wait_for_thread()
    assert "web face is off" in (await town.ann.slash(thread, "session page").settled()).text
