"""Messages come, change and go, and are announced. Limits and rights are checked before, by the callers."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from . import errors, message_payload, payloads
from .components import Media, stored
from .mentions import MESSAGE_DEFAULT, Allowed, Mentions, resolve
from .model import (
    Attachment,
    Channel,
    Json,
    Message,
    MessageFlag,
    MessageType,
    Ping,
    Poll,
    Revision,
    User,
    text_displays,
)
from .permissions import Permission
from .world import Event, Intent, World


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that somebody wants to post, already checked. `components` are as requested."""

    author: User
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    type: MessageType = MessageType.DEFAULT
    allowed: Allowed = MESSAGE_DEFAULT
    nonce: str | None = None
    reply_to: Message | None = None
    forwards: Message | None = None
    stickers: tuple[str, ...] = ()
    poll: Poll | None = None
    interaction: Json | None = None
    ephemeral_to: int | None = None
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The parts that an edit replaces; None leaves a part as it is."""

    content: str | None = None
    embeds: list[Json] | None = None
    components: list[Json] | None = None
    attachments: list[Attachment] | None = None
    flags: int | None = None
    allowed: Allowed = MESSAGE_DEFAULT


def post(world: World, channel: Channel, draft: Draft) -> Message:
    """Put the message into the channel, notify whom it pings, un-archive the thread, announce it."""
    _unarchive(world, channel)
    message = Message(
        id=draft.message_id or world.next_id(),
        channel_id=channel.id,
        author=draft.author,
        created=world.clock.now(),
        content=draft.content,
        embeds=_stored_embeds(draft.embeds),
        attachments=draft.attachments,
        components=stored(draft.components, Media(draft.attachments, world.cdn)),
        flags=draft.flags,
        type=draft.type,
        nonce=draft.nonce,
        interaction=draft.interaction,
        forwarded=_as_it_is(draft.forwards),
        stickers=draft.stickers,
        poll=draft.poll,
        ephemeral_to=draft.ephemeral_to,
    )
    if draft.forwards is not None:
        message.reference = {**_reference(draft.forwards, channel), "type": 1}
        message.flags |= MessageFlag.HAS_SNAPSHOT
    if draft.reply_to is not None:
        message.type = MessageType.REPLY if draft.type is MessageType.DEFAULT else draft.type
        message.reference = _reference(draft.reply_to, channel)
    _mention(world, channel, message, draft.allowed, draft.reply_to)
    for attachment in draft.attachments:
        world.files[attachment.id] = attachment
    _keep(world, channel, message)
    return message


def edit(world: World, channel: Channel, message: Message, change: Change) -> Message:
    """Apply the change. Nobody is notified by it, whatever it mentions."""
    message.revisions.append(Revision(world.clock.now(), message.content, copy.deepcopy(message.components)))
    if change.content is not None:
        message.content = change.content
    if change.embeds is not None:
        message.embeds = _stored_embeds(change.embeds)
    if change.attachments is not None:
        message.attachments = change.attachments
        world.files.update({attachment.id: attachment for attachment in change.attachments})
    if change.flags is not None:
        message.flags = change.flags
    if change.components is not None:
        message.components = stored(change.components, Media(message.attachments, world.cdn))
    mentions = _mentions(world, channel, message, change.allowed, None)
    message.mentions, message.mention_roles = list(mentions.users), list(mentions.roles)
    message.mention_everyone = mentions.everyone
    message.edited = world.clock.now()
    announce_update(world, channel, message)
    return message


def announce_update(world: World, channel: Channel, message: Message) -> None:
    """MESSAGE_UPDATE as it is now; an ephemeral message reaches only those who wait in the test."""
    if message.ephemeral_to is not None:
        world.changed()
        return
    data = message_payload.dispatched(world, channel, message)
    world.announce_in(channel, Event("MESSAGE_UPDATE", data, _messages(channel), private=True))


def delete(world: World, channel: Channel, message: Message) -> None:
    """Remove the message for everybody."""
    message.deleted = True
    if message.ephemeral_to is not None:
        channel.ephemeral.remove(message)
        world.changed()
        return
    del channel.messages[message.id]
    data: Json = {"id": str(message.id), "channel_id": str(channel.id)}
    if channel.guild_id is not None:
        data["guild_id"] = str(channel.guild_id)
    world.announce_in(channel, Event("MESSAGE_DELETE", data, _messages(channel)))


def react(world: World, channel: Channel, message: Message, user: User, emoji: str) -> None:
    users = message.reactions.setdefault(emoji, [])
    if user.id in users:
        return
    users.append(user.id)
    _announce_reaction(world, channel, message, user, emoji, "MESSAGE_REACTION_ADD")


def unreact(world: World, channel: Channel, message: Message, user: User, emoji: str) -> None:
    users = message.reactions.get(emoji, [])
    if user.id not in users:
        raise errors.ApiError(404, 10014, "Unknown Emoji")
    users.remove(user.id)
    if not users:
        del message.reactions[emoji]
    _announce_reaction(world, channel, message, user, emoji, "MESSAGE_REACTION_REMOVE")


def pin(world: World, channel: Channel, message: Message, by: User) -> None:
    """Pin, and say so in the channel as Discord does."""
    if message.pinned:
        return
    message.pinned = True
    announce_update(world, channel, message)
    post(world, channel, Draft(author=by, type=MessageType.PINNED, reply_to=message))


def unpin(world: World, channel: Channel, message: Message) -> None:
    message.pinned = False
    announce_update(world, channel, message)


def _keep(world: World, channel: Channel, message: Message) -> None:
    if message.ephemeral_to is not None:
        channel.ephemeral.append(message)
        world.changed()
        return
    channel.messages[message.id] = message
    channel.last_message_id = message.id
    if channel.thread is not None and message.type is not MessageType.THREAD_STARTER:
        channel.thread.total_sent += 1
    data = message_payload.dispatched(world, channel, message)
    world.announce_in(channel, Event("MESSAGE_CREATE", data, _messages(channel), private=True))


def _unarchive(world: World, channel: Channel) -> None:
    if channel.thread is not None and channel.thread.archived:
        channel.thread.archived = False
        channel.thread.archive_changed = world.clock.now()
        data = payloads.channel(channel, world.bot.id)
        world.announce_in(channel, Event("THREAD_UPDATE", data, Intent.GUILDS))


def _mentions(
    world: World, channel: Channel, message: Message, allowed: Allowed, reply_to: Message | None
) -> Mentions:
    bits = world.permissions(channel, message.author.id)
    return resolve(
        [message.content, *text_displays(message.components)],
        allowed,
        world.guild_of(channel),
        may_mention_all=bool(bits & Permission.MENTION_EVERYONE),
        replied_to=reply_to.author.id if reply_to is not None else None,
        people=frozenset(channel.recipients),
    )


def _mention(
    world: World, channel: Channel, message: Message, allowed: Allowed, reply_to: Message | None
) -> None:
    reply = reply_to if message.type is MessageType.REPLY else None
    mentions = _mentions(world, channel, message, allowed, reply)
    message.mentions, message.mention_roles = list(mentions.users), list(mentions.roles)
    message.mention_everyone = mentions.everyone
    silent = message.has(MessageFlag.SUPPRESS_NOTIFICATIONS)
    for user_id, via in mentions.reasons.items():
        if user_id != message.author.id:
            message.pings.append(Ping(message.id, channel.id, user_id, via, silent))
    world.pings.extend(message.pings)


def _as_it_is(forwarded: Message | None) -> Message | None:
    """The message to keep a snapshot of. Discord passes a forward of a forward on as its original."""
    while forwarded is not None and forwarded.forwarded is not None:
        forwarded = forwarded.forwarded
    return copy.copy(forwarded)


def _reference(to: Message, channel: Channel) -> Json:
    reference: Json = {"type": 0, "message_id": str(to.id), "channel_id": str(to.channel_id)}
    if channel.guild_id is not None:
        reference["guild_id"] = str(channel.guild_id)
    return reference


def _stored_embeds(embeds: list[Json]) -> list[Json]:
    made = []
    for embed in embeds:
        fields = [{"inline": False, **one} for one in embed.get("fields", [])]
        made.append({**embed, "type": "rich", **({"fields": fields} if fields else {})})
    return made


def _announce_reaction(
    world: World, channel: Channel, message: Message, user: User, emoji: str, name: str
) -> None:
    data: Json = {
        "user_id": str(user.id),
        "channel_id": str(channel.id),
        "message_id": str(message.id),
        "emoji": {"id": None, "name": emoji},
        "burst": False,
        "type": 0,
        "message_author_id": str(message.author.id),
    }
    guild = world.guild_of(channel)
    if guild is not None:
        data["guild_id"] = str(guild.id)
        if user.id in guild.members:
            data["member"] = payloads.member(guild.members[user.id])
    intent = Intent.GUILD_MESSAGE_REACTIONS if guild is not None else Intent.DIRECT_MESSAGE_REACTIONS
    world.announce_in(channel, Event(name, data, intent))


def _messages(channel: Channel) -> Intent:
    return Intent.DIRECT_MESSAGES if channel.guild_id is None else Intent.GUILD_MESSAGES
