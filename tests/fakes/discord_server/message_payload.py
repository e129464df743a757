"""A message as Discord's JSON: for REST, for the gateway, and hidden from bots without the intent."""

from __future__ import annotations

from . import payloads
from .model import Channel, Json, Message, MessageType
from .world import World

_KEPT_OF_FORWARDED = (
    "type", "content", "mentions", "mention_roles", "attachments", "embeds", "timestamp", "edited_timestamp",
    "flags", "components",
)  # fmt: skip
_STICKERS = "sticker_items"
_HIDDEN: Json = {"content": "", "embeds": [], "attachments": [], "components": []}


def rest(world: World, channel: Channel, message: Message, *, with_nonce: bool = False) -> Json:
    """As routes answer it. The nonce is only in the answer to the create that carried it."""
    body = _alone(world, channel, message)
    if with_nonce and message.nonce is not None:
        body["nonce"] = message.nonce
    return body


def dispatched(world: World, channel: Channel, message: Message) -> Json:
    """As MESSAGE_CREATE and MESSAGE_UPDATE carry it: with guild, member and nonce."""
    body = rest(world, channel, message, with_nonce=message.edited is None)
    if world.leaves_out_replied_to and body.get("referenced_message") is not None:
        del body["referenced_message"]
    body["channel_type"] = int(channel.type)
    guild = world.guild_of(channel)
    if guild is not None:
        body["guild_id"] = str(guild.id)
        author = guild.members.get(message.author.id)
        if author is not None:
            body["member"] = payloads.member(author, with_user=False)
        for mentioned in body["mentions"]:
            named = guild.members.get(int(mentioned["id"]))
            if named is not None:
                mentioned["member"] = payloads.member(named, with_user=False)
    return body


def hidden_from_bot(data: Json, bot_id: int) -> Json:
    """`data` as a bot without the message content intent gets it.

    Its own messages, DMs, and messages that mention it keep their content (Discord: Message Content Intent).
    """
    own = data["author"]["id"] == str(bot_id)
    mentioned = any(user["id"] == str(bot_id) for user in data["mentions"])
    if own or mentioned or "guild_id" not in data:
        return data
    return {**data, **_HIDDEN}


def _alone(world: World, channel: Channel, message: Message) -> Json:
    body: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "author": payloads.user(message.author),
        "type": int(message.type),
        "content": message.content,
        "embeds": message.embeds,
        "components": message.components,
        "attachments": [payloads.attachment(one, world.cdn) for one in message.attachments],
        "mentions": [payloads.user(world.users[user]) for user in message.mentions],
        "mention_roles": [str(role) for role in message.mention_roles],
        "mention_everyone": message.mention_everyone,
        "timestamp": payloads.timestamp(message.created),
        "edited_timestamp": None if message.edited is None else payloads.timestamp(message.edited),
        "flags": message.flags,
        "pinned": message.pinned,
        "tts": False,
    }
    if message.author.webhook:
        body["webhook_id"] = str(message.author.id)
    if message.reactions:
        body["reactions"] = payloads.reactions(message, world.bot.id)
    if message.interaction is not None:
        body["interaction_metadata"] = message.interaction
        body["application_id"] = body["webhook_id"] = str(world.application_id)
    thread = world.channels.get(message.id)
    if thread is not None and thread.thread is not None and thread.parent_id == channel.id:
        body["thread"] = payloads.channel(thread, world.bot.id)
    if message.stickers:
        body[_STICKERS] = [{"id": str(message.id), "name": each, "format_type": 1} for each in message.stickers]
    if message.poll is not None:
        body["poll"] = payloads.poll(message.poll, world.bot.id)
    if message.forwarded is not None:
        whole = _alone(world, channel, message.forwarded)
        kept = [*_KEPT_OF_FORWARDED, *([_STICKERS] if _STICKERS in whole else [])]
        body["message_snapshots"] = [{"message": {key: whole[key] for key in kept}}]
    _add_reference(world, message, body)
    return body


def _add_reference(world: World, message: Message, body: Json) -> None:
    if message.reference is None:
        return
    body["message_reference"] = message.reference
    if message.type not in (MessageType.REPLY, MessageType.THREAD_STARTER):
        return
    source = world.channels.get(int(message.reference["channel_id"]))
    original = source.messages.get(int(message.reference["message_id"])) if source is not None else None
    if original is None or source is None:
        body["referenced_message"] = None
        return
    shown = _alone(world, source, original)
    shown.pop("referenced_message", None)
    body["referenced_message"] = shown
