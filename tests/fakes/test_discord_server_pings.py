"""The fake's `pings`: the people notified, for every way to mention and every way to allow it."""

from __future__ import annotations

import discord
import pytest

from .discord_server import FakeDiscord, Permission
from .discord_server.fixtures import fake, logged_in

__all__ = ["fake"]

Allowed = discord.AllowedMentions


def pinged(fake: FakeDiscord) -> list[tuple[str, str]]:
    return sorted((fake.site.world.users[ping.user_id].name, ping.via) for ping in fake.pings)


@pytest.mark.parametrize(
    ("allowed", "trusted", "expected"),
    [
        (None, False, [("alice", "user"), ("bob", "user")]),
        (None, True, [("admin", "everyone"), ("alice", "user"), ("bob", "user"), ("carol", "everyone")]),
        (Allowed.none(), True, []),
        (Allowed(everyone=False, roles=False, users=True), True, [("alice", "user"), ("bob", "user")]),
        (Allowed(everyone=False, roles=True, users=False), True, [("carol", "role")]),
        ("alice", True, [("alice", "user")]),
    ],
)
async def test_only_what_is_allowed_notifies(
    fake: FakeDiscord, allowed: Allowed | str | None, trusted: bool, expected: list[tuple[str, str]]
) -> None:
    role = fake.role("reviewers")
    alice, bob, _ = fake.member("alice"), fake.member("bob"), fake.member("carol", role)
    if trusted:
        fake.general.allow(fake.bot, allow=Permission.MENTION_EVERYONE)
    if allowed == "alice":
        allowed = Allowed(everyone=False, roles=False, users=[discord.Object(alice.id)])
    async with logged_in(fake) as client:
        client._connection.allowed_mentions = None
        text = f"{alice.mention} {bob.mention} <@&{role.id}> @everyone"
        channel = client.get_partial_messageable(fake.general.id)
        if isinstance(allowed, Allowed):
            await channel.send(text, allowed_mentions=allowed)
        else:
            await channel.send(text)
    assert pinged(fake) == expected


async def test_a_mentionable_role_needs_no_special_right(fake: FakeDiscord) -> None:
    role = fake.role("reviewers", mentionable=True)
    fake.member("carol", role)
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        await channel.send(f"<@&{role.id}>", allowed_mentions=Allowed.all())
    assert pinged(fake) == [("carol", "role")]


async def test_an_edit_notifies_nobody(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    async with logged_in(fake) as client:
        message = await client.get_partial_messageable(fake.general.id).send("wait")
        edited = await message.edit(content=alice.mention, allowed_mentions=Allowed.all())
    assert [user.id for user in edited.mentions] == [alice.id]
    assert fake.pings == []


async def test_a_text_display_notifies_as_content_does(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    view = discord.ui.LayoutView()
    view.add_item(discord.ui.TextDisplay(f"for {alice.mention}"))
    async with logged_in(fake) as client:
        await client.get_partial_messageable(fake.general.id).send(view=view, allowed_mentions=Allowed.all())
    assert pinged(fake) == [("alice", "user")]


@pytest.mark.parametrize(("replied_user", "expected"), [(True, [("alice", "reply")]), (False, [])])
async def test_a_reply_notifies_its_author_when_that_is_allowed(
    fake: FakeDiscord, replied_user: bool, expected: list[tuple[str, str]]
) -> None:
    asked = fake.member("alice").send(fake.general, "?")
    reference = discord.MessageReference(message_id=asked.id, channel_id=fake.general.id)
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        await channel.send("!", reference=reference, mention_author=replied_user)
    assert pinged(fake) == expected


async def test_a_silent_message_is_marked_as_such(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        await channel.send(alice.mention, allowed_mentions=Allowed.all(), silent=True)
    assert [(ping.user_id, ping.silent) for ping in fake.pings] == [(alice.id, True)]


async def test_somebody_outside_the_guild_is_never_notified(fake: FakeDiscord) -> None:
    stranger = fake.person("stranger")
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        await channel.send(stranger.mention, allowed_mentions=Allowed.all())
    assert fake.pings == []
