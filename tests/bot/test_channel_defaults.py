"""A channel has a project, a model and a mode for the sessions that begin there."""

import pytest

from sessions.model import PermissionMode
from sessions.state import Snapshot
from tests.bot.ways import Ways, core, fake, town, ways
from tests.fakes.discord_server import Place
from tests.fakes.discord_server.model import ChannelType
from tests.sessions.running_core import idle

__all__ = ["core", "fake", "town", "ways"]


@pytest.fixture
async def channel(ways: Ways) -> Place:
    """The channel #general, in which boss has set what sessions begin with."""
    for project in ("shop", "shed"):
        (ways.core.directory / "workspaces" / project).mkdir(parents=True)
    boss, general = ways.town.boss, ways.fake.general
    await boss.slash(general, "channel project", project="shop").settled()
    await boss.slash(general, "channel model", model="haiku").settled()
    shown = await boss.slash(general, "channel mode", mode="acceptEdits").settled()
    assert ("shop" in shown.text, "haiku" in shown.text, "without asking" in shown.text) == (True, True, True)
    return general


def begun(snapshot: Snapshot) -> tuple[str, str, PermissionMode]:
    return snapshot.project, snapshot.model, snapshot.mode


HERE = ("shop", "haiku", PermissionMode.ACCEPT_EDITS)


async def test_a_command_a_mention_and_a_new_session_begin_as_the_channel_says(
    ways: Ways, channel: Place
) -> None:
    _, by_command = await ways.started(ways.town.ann, "demo:text hi")
    mention = ways.town.ann.send(channel, f"{ways.fake.bot.mention} demo:text hi")
    thread = await channel.wait_for_thread(lambda each: each.id == mention.id)
    by_mention = await ways.session_in(thread)
    known = {each.id for each in channel.threads}
    await ways.town.ann.slash(thread, "session start", title="More").settled()
    anew = await ways.session_in(await channel.wait_for_thread(lambda each: each.id not in known))
    assert [begun(each.snapshot) for each in (by_command, by_mention, anew)] == [HERE] * 3
    await idle(by_mention)


async def test_what_somebody_names_comes_before_what_the_channel_says(ways: Ways, channel: Place) -> None:
    known = {each.id for each in channel.threads}
    suggested = await ways.town.ann.autocomplete(channel, "claude", "project", "sh").acknowledged()
    assert [each["name"] for each in suggested.choices] == ["shed", "shop"]
    await ways.town.ann.slash(channel, "claude", prompt="demo:text hi", project="shed").settled()
    thread = await channel.wait_for_thread(lambda each: each.id not in known)
    session = await ways.session_in(thread)
    assert begun(session.snapshot) == ("shed", "haiku", PermissionMode.ACCEPT_EDITS)
    again = await ways.town.ann.slash(thread, "claude", prompt="demo:text hi", project="shop").settled()
    assert "has a session" in again.text


async def test_only_an_admin_changes_it_and_only_to_what_everybody_may_have(ways: Ways, channel: Place) -> None:
    for name, wish in (("project", "shed"), ("model", "opus"), ("mode", "plan")):
        refused = await ways.town.ann.slash(channel, f"channel {name}", **{name: wish}).settled()
        assert "ou may not" in refused.text
    missing = await ways.town.boss.slash(channel, "channel project", project="nothing").settled()
    assert "There is no project" in missing.text
    thread, _ = await ways.started(ways.town.ann, "demo:text hi")
    shown = await ways.town.ann.slash(thread, "channel show").settled()
    assert "shop" in shown.text
    await ways.town.boss.slash(thread, "channel project").settled()
    assert "the default" in (await ways.town.ann.slash(thread, "channel show").settled()).text


@pytest.mark.parametrize("kind", [ChannelType.VOICE, ChannelType.STAGE])
async def test_a_channel_without_threads_takes_no_defaults(ways: Ways, kind: ChannelType) -> None:
    hall = ways.fake.channel_of(kind, "hall")
    told = await ways.town.boss.slash(hall, "channel model", model="haiku").settled()
    assert "no threads for sessions" in told.text
    assert not await ways.core.db.read("SELECT name FROM face_facts WHERE name LIKE 'channel:%'")
