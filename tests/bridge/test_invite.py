"""The invite link: the permissions that are needed, by Discord's own names, and no other."""

from urllib.parse import parse_qs, urlsplit

import discord

from bridge.invite import NEEDED, invite_link, lacking


def test_the_link_asks_for_what_is_needed_and_nothing_that_harms() -> None:
    query = parse_qs(urlsplit(invite_link("12345")).query)
    assert query["client_id"] == ["12345"]
    assert query["scope"] == ["bot applications.commands"]
    asked = discord.Permissions(int(query["permissions"][0]))
    assert {name for name, granted in asked if granted} == {
        "read_messages", "send_messages", "attach_files", "read_message_history", "manage_threads",
        "create_public_threads", "create_private_threads", "send_messages_in_threads",
    }  # fmt: skip
    assert not asked.administrator
    assert not asked.mention_everyone


def test_what_is_lacking_is_named_and_an_administrator_lacks_nothing() -> None:
    everything = sum(NEEDED.values())
    assert lacking(everything) == ()
    assert lacking(everything & ~NEEDED["Attach Files"]) == ("Attach Files",)
    assert lacking(discord.Permissions(administrator=True).value) == ()
