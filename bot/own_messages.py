"""Events of the bot's own messages: only their ids matter, so discord.py builds no messages of them.

While answers stream, nearly all messages and edits that Discord reports are the bot's own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import discord

Event = Mapping[str, Any]


def keep_own_ids_only(client: discord.Client, note: Callable[[int, int, int], None]) -> None:
    """Give the guild, channel and id of each new message of the bot's own to `note`; drop its own edits.

    Messages and edits of others, and what is outside of a known channel of a guild, come as before.
    """
    parsers = client._connection.parsers  # noqa: SLF001 (discord.py has no other way)
    take_message, take_edit = parsers["MESSAGE_CREATE"], parsers["MESSAGE_UPDATE"]

    def created(data: Event) -> None:
        guild = client.get_guild(int(data.get("guild_id", 0)))
        channel = guild.get_channel_or_thread(int(data["channel_id"])) if guild is not None else None
        if guild is None or channel is None or not _is_own(client, data):
            take_message(data)
            return
        message_id = int(data["id"])
        if isinstance(channel, discord.TextChannel | discord.Thread):
            # discord.py's parser would do this; the reading back compares it with the channel's mark.
            channel.last_message_id = message_id
        note(guild.id, channel.id, message_id)

    def edited(data: Event) -> None:
        if not _is_own(client, data):
            take_edit(data)

    parsers.update(MESSAGE_CREATE=created, MESSAGE_UPDATE=edited)


def _is_own(client: discord.Client, data: Event) -> bool:
    return client.user is not None and data.get("author", {}).get("id") == str(client.user.id)
