"""Channels and threads come, change and go, with the events and system messages that Discord makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import errors, payloads
from .model import (
    Channel,
    ChannelType,
    Guild,
    Json,
    Message,
    MessageFlag,
    MessageType,
    Overwrite,
    ThreadState,
    User,
)
from .posting import Draft, announce_update, post
from .world import Event, Intent, World


@dataclass(frozen=True, slots=True)
class ThreadPlan:
    """A thread that somebody wants to open in a channel or on a message."""

    name: str
    by: User
    private: bool = False
    invitable: bool = True
    auto_archive_minutes: int = 4320
    tags: tuple[int, ...] = ()


def create_channel(
    world: World,
    guild: Guild,
    name: str,
    kind: ChannelType = ChannelType.TEXT,
    *,
    tags: Mapping[str, bool] | None = None,
    requires_tag: bool = False,
) -> Channel:
    """Make a channel. `tags` are those of a forum, each with whether only moderators may set it."""
    made = Channel(world.next_id(), kind, name, guild_id=guild.id, requires_tag=requires_tag)
    made.tags = [
        {
            "id": str(world.next_id()),
            "name": tag,
            "moderated": is_moderated,
            "emoji_id": None,
            "emoji_name": None,
        }
        for tag, is_moderated in (tags or {}).items()
    ]
    world.channels[made.id] = made
    world.announce_in(made, Event("CHANNEL_CREATE", payloads.channel(made), Intent.GUILDS))
    return made


def set_overwrite(world: World, channel: Channel, overwrite: Overwrite) -> None:
    """Replace one target's overwrite; a bot that saw the channel or sees it now hears CHANNEL_UPDATE."""
    seen_before = world.bot_sees(channel)
    channel.overwrites[overwrite.target_id] = overwrite
    if seen_before or world.bot_sees(channel):
        world.announce(Event("CHANNEL_UPDATE", payloads.channel(channel), Intent.GUILDS))


def open_thread(world: World, parent: Channel, plan: ThreadPlan, on: Message | None = None) -> Channel:
    """Make the thread; one on a message has the message's id. Raises 50024, 160004, 160006."""
    guild = world.guild_of(parent)
    assert guild is not None
    if on is not None and on.id in world.channels:
        raise errors.thread_exists()
    active = [
        c for c in world.channels.values() if c.guild_id == guild.id and c.thread and not c.thread.archived
    ]
    if len(active) >= guild.max_active_threads:
        raise errors.too_many_threads()
    kind = ChannelType.PRIVATE_THREAD if plan.private else ChannelType.PUBLIC_THREAD
    if parent.type is ChannelType.ANNOUNCEMENT:
        kind = ChannelType.ANNOUNCEMENT_THREAD
    # Voice and stage channels have a chat without threads; announcements have public threads only.
    has_none = parent.type in (ChannelType.VOICE, ChannelType.STAGE)
    if has_none or (plan.private and parent.type is not ChannelType.TEXT):
        raise errors.wrong_channel_type()
    thread = Channel(
        id=on.id if on is not None else world.next_id(),
        type=kind,
        name=plan.name,
        guild_id=guild.id,
        parent_id=parent.id,
        thread=ThreadState(
            owner_id=plan.by.id,
            created=world.clock.now(),
            invitable=plan.invitable,
            auto_archive_minutes=plan.auto_archive_minutes,
            members={plan.by.id: world.clock.now()},
            applied_tags=list(plan.tags),
        ),
    )
    world.channels[thread.id] = thread
    data = {**payloads.channel(thread, world.bot.id), "newly_created": True}
    world.announce_in(thread, Event("THREAD_CREATE", data, Intent.GUILDS))
    _tell_of_thread(world, parent, thread, plan, on)
    return thread


def _tell_of_thread(
    world: World, parent: Channel, thread: Channel, plan: ThreadPlan, on: Message | None
) -> None:
    """The system messages: THREAD_STARTER in a thread on a message, THREAD_CREATED in the parent otherwise."""
    if on is not None:
        on.flags |= MessageFlag.HAS_THREAD
        announce_update(world, parent, on)
        post(world, thread, Draft(author=on.author, type=MessageType.THREAD_STARTER, reply_to=on))
    elif not plan.private and parent.type in (ChannelType.TEXT, ChannelType.ANNOUNCEMENT):
        created = post(world, parent, Draft(author=plan.by, content=plan.name, type=MessageType.THREAD_CREATED))
        created.reference = {"type": 0, "channel_id": str(thread.id), "guild_id": str(thread.guild_id)}


def rename(world: World, channel: Channel, name: str, by: User) -> None:
    """Set the name; in a thread Discord also posts a line that says so."""
    if channel.name == name:
        return
    channel.name = name
    announce_channel(world, channel)
    if channel.thread is not None:
        post(world, channel, Draft(author=by, content=name, type=MessageType.CHANNEL_NAME_CHANGE))


def set_archived(world: World, channel: Channel, *, archived: bool, locked: bool | None = None) -> None:
    assert channel.thread is not None
    channel.thread.archived = archived
    channel.thread.archive_changed = world.clock.now()
    if locked is not None:
        channel.thread.locked = locked
    announce_channel(world, channel)


def announce_channel(world: World, channel: Channel) -> None:
    """CHANNEL_UPDATE or THREAD_UPDATE as the channel is now."""
    name = "CHANNEL_UPDATE" if channel.thread is None else "THREAD_UPDATE"
    world.announce_in(channel, Event(name, payloads.channel(channel, world.bot.id), Intent.GUILDS))


def delete_channel(world: World, channel: Channel) -> None:
    """Remove the channel and, with it, its threads."""
    for child in [c for c in world.channels.values() if c.parent_id == channel.id]:
        delete_channel(world, child)
    seen = world.bot_sees(channel)
    del world.channels[channel.id]
    if not seen:
        world.changed()
        return
    if channel.thread is None:
        world.announce(Event("CHANNEL_DELETE", payloads.channel(channel), Intent.GUILDS))
        return
    data: Json = {
        "id": str(channel.id),
        "guild_id": str(channel.guild_id),
        "parent_id": str(channel.parent_id),
        "type": int(channel.type),
    }
    world.announce(Event("THREAD_DELETE", data, Intent.GUILDS))


def join_thread(world: World, channel: Channel, user: User) -> None:
    """Add the user to the thread; a bot that is added to a private thread hears of the thread first."""
    assert channel.thread is not None
    if user.id in channel.thread.members:
        return
    channel.thread.members[user.id] = world.clock.now()
    if user.id == world.bot.id:
        world.announce_in(
            channel, Event("THREAD_CREATE", payloads.channel(channel, world.bot.id), Intent.GUILDS)
        )
    _announce_members(world, channel, added=[user], removed=[])


def leave_thread(world: World, channel: Channel, user: User) -> None:
    assert channel.thread is not None
    if channel.thread.members.pop(user.id, None) is not None:
        _announce_members(world, channel, added=[], removed=[user])


def _announce_members(world: World, channel: Channel, *, added: list[User], removed: list[User]) -> None:
    guild = world.guild_of(channel)
    assert guild is not None
    assert channel.thread is not None
    data: Json = {
        "id": str(channel.id),
        "guild_id": str(guild.id),
        "member_count": len(channel.thread.members),
        "added_members": [
            {
                **payloads.thread_member(channel, user.id),
                "member": payloads.member(guild.members[user.id]),
                "presence": None,
            }
            for user in added
        ],
        "removed_member_ids": [str(user.id) for user in removed],
    }
    world.announce_in(channel, Event("THREAD_MEMBERS_UPDATE", data, Intent.GUILDS))
