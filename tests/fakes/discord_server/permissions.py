"""Discord's permission bits and who has which where. Pure; leaves raising errors to the routes."""

from __future__ import annotations

from enum import IntFlag

from .model import Channel, ChannelType, Guild, Member


class Permission(IntFlag):
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    PIN_MESSAGES = 1 << 51


EVERYTHING = (1 << 53) - 1
EVERYONE_DEFAULT = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.ADD_REACTIONS
    | Permission.USE_APPLICATION_COMMANDS
)
DM_PERMISSIONS = EVERYONE_DEFAULT | Permission.PIN_MESSAGES


def in_guild(guild: Guild, member: Member) -> int:
    """The member's bits before any channel overwrite."""
    if member.user.id == guild.owner_id:
        return EVERYTHING
    bits = guild.roles[guild.id].permissions
    for role_id in member.roles:
        bits |= guild.roles[role_id].permissions
    return EVERYTHING if bits & Permission.ADMINISTRATOR else bits


def in_channel(guild: Guild, channel: Channel, member: Member) -> int:
    """The member's bits in `channel`, which for a thread is its parent."""
    bits = in_guild(guild, member)
    if bits & Permission.ADMINISTRATOR:
        return bits
    everyone = channel.overwrites.get(guild.id)
    if everyone is not None:
        bits = (bits & ~everyone.deny) | everyone.allow
    roles = [channel.overwrites[role] for role in member.roles if role in channel.overwrites]
    for role in roles:
        bits &= ~role.deny
    for role in roles:
        bits |= role.allow
    own = channel.overwrites.get(member.user.id)
    if own is not None:
        bits = (bits & ~own.deny) | own.allow
    return bits if bits & Permission.VIEW_CHANNEL else 0


def may_see_private_thread(channel: Channel, bits: int, user_id: int) -> bool:
    """A private thread shows itself to its members and to moderators."""
    if channel.type is not ChannelType.PRIVATE_THREAD or channel.thread is None:
        return True
    return user_id in channel.thread.members or bool(bits & Permission.MANAGE_THREADS)
