"""The present role of people who are named by id over the control socket, asked over REST of a fake Discord."""

from pathlib import Path

import pytest

from api import wire
from api.access import Role
from bridge.control_socket import local_actor
from bridge.discord_access import NamedPeople
from bridge.settings import Settings
from bridge.settings_loading import load_settings
from sessions.errors import SessionError
from tests.fakes.discord_server import FakeDiscord

pytestmark = pytest.mark.usefixtures("clean_place")


def settings_for(discord: FakeDiscord, **changes: str) -> Settings:
    values = {
        "DISCORD_TOKEN": discord.token,
        "ALLOWED_GUILD_IDS": str(discord.home.id),
        "ADMIN_USER_IDS": str(discord.admin.id),
        **changes,
    }
    path = Path(".env")
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return load_settings(path)


async def role(people: NamedPeople, user_id: str) -> Role:
    return (await people.actor(wire.Named(user_id, "web"))).role


async def test_each_person_has_the_role_that_discord_and_the_settings_give_now(discord: FakeDiscord) -> None:
    team = discord.role("team")
    watchers = discord.role("watchers")
    ann, bob = discord.member("ann", team), discord.member("bob", watchers)
    stranger, outside = discord.member("cid"), discord.person("dan")
    settings = settings_for(
        discord,
        ALLOWED_ROLE_IDS=str(team.id),
        VIEWER_ROLE_IDS=str(watchers.id),
        ALLOWED_USER_IDS=str(outside.id),
    )
    people = NamedPeople(settings, f"{discord.url}/api/v10")
    expected = {
        f"discord:{discord.admin.id}": Role.ADMIN,
        f"discord:{ann.id}": Role.USER,
        f"discord:{bob.id}": Role.VIEWER,
        f"discord:{stranger.id}": Role.NOBODY,
        f"discord:{outside.id}": Role.NOBODY,  # allowed by id, but in none of the allowed servers
        f"discord:0{discord.admin.id}": Role.NOBODY,
        f"discord:{discord.site.world.bot.id}": Role.NOBODY,
        f"web:{discord.admin.id}": Role.NOBODY,
        "terminal:somebody-else": Role.NOBODY,
        "bridge:view": Role.NOBODY,
        "": Role.NOBODY,
        local_actor().user_id: Role.ADMIN,
    }
    assert {user_id: await role(people, user_id) for user_id in expected} == expected
    actor = await people.actor(wire.Named(f"discord:{ann.id}", "web"))
    assert set(actor.group_ids) == {f"discord:{team.id}", f"discord:{discord.home.id}"}

    ann.join(discord.home, ())
    assert await role(NamedPeople(settings, f"{discord.url}/api/v10"), f"discord:{ann.id}") is Role.NOBODY


async def test_while_discord_does_not_answer_nobody_has_a_role(discord: FakeDiscord) -> None:
    people = NamedPeople(settings_for(discord), "http://127.0.0.1:9/api/v10")
    with pytest.raises(SessionError, match="role is unknown"):
        await role(people, f"discord:{discord.admin.id}")
