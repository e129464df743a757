"""All that the fake Discord knows, and who hears of changes. Answers for ids, lookups, permissions and
announcements; posting is in `posting`, channels and threads are in `places`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import TypeVar

from . import errors, payloads
from .clock import Clock
from .model import (
    DISCORD_EPOCH_MS,
    Attachment,
    Channel,
    ChannelType,
    Guild,
    Json,
    Member,
    Message,
    Ping,
    Role,
    User,
)
from .permissions import (
    DM_PERMISSIONS,
    EVERYONE_DEFAULT,
    Permission,
    in_channel,
    may_see_private_thread,
)

T = TypeVar("T")


class Intent(IntFlag):
    """Gateway intents, as in Discord's gateway documentation."""

    ALWAYS = 0
    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


PRIVILEGED = Intent.GUILD_MEMBERS | Intent.GUILD_PRESENCES | Intent.MESSAGE_CONTENT


@dataclass(frozen=True, slots=True)
class Event:
    """One gateway dispatch. `private` says that the content is hidden without the message content intent."""

    name: str
    data: Json
    intent: Intent = Intent.ALWAYS
    private: bool = False


class World:
    """The state. Every change ends in `announce` or `changed`, so that nobody has to poll."""

    def __init__(self, clock: Clock, bot_name: str) -> None:
        self.clock = clock
        self.cdn = ""
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.files: dict[int, Attachment] = {}
        self.pings: list[Ping] = []
        # Discord may not look a reply's message up for the gateway; the field is missing then.
        self.leaves_out_replied_to = False
        self._last_id = 0
        self._listeners: list[Callable[[Event], None]] = []
        self._waiting: list[tuple[Callable[[], object], asyncio.Future[object]]] = []
        self.bot = self.create_user(bot_name, bot=True)
        self.owner = self.create_user("app-owner")

    @property
    def application_id(self) -> int:
        """The same number as the bot's user id, as for all newer Discord applications."""
        return self.bot.id

    def next_id(self) -> int:
        """A snowflake of the clock's time, larger than all before."""
        made = int(self.clock.now() * 1000 - DISCORD_EPOCH_MS) << 22
        self._last_id = max(made, self._last_id + 1)
        return self._last_id

    # People and guilds

    def create_user(self, name: str, *, bot: bool = False) -> User:
        made = User(self.next_id(), name, bot=bot)
        self.users[made.id] = made
        return made

    def create_guild(self, name: str, owner: User, *, bot_permissions: int) -> Guild:
        """A guild with `owner` and the bot in it; the bot's rights come from a role of its own."""
        guild = Guild(self.next_id(), name, owner.id)
        guild.roles[guild.id] = Role(guild.id, guild.id, "@everyone", int(EVERYONE_DEFAULT))
        bot_role = Role(self.next_id(), guild.id, self.bot.name, bot_permissions, bot_id=self.bot.id)
        guild.roles[bot_role.id] = bot_role
        self.guilds[guild.id] = guild
        guild.members[owner.id] = Member(owner, self.clock.now())
        guild.members[self.bot.id] = Member(self.bot, self.clock.now(), [bot_role.id])
        # Without `unavailable` it means: you were added, just now.
        joined = {key: value for key, value in self.guild_create(guild).items() if key != "unavailable"}
        self.announce(Event("GUILD_CREATE", joined, Intent.GUILDS))
        return guild

    def guild_create(self, guild: Guild) -> Json:
        """The GUILD_CREATE payload: the guild with what the bot may see of it, without archived threads."""
        channels = [c for c in self.channels.values() if c.guild_id == guild.id and self.bot_sees(c)]
        own = guild.members[self.bot.id]
        return {
            **payloads.guild(guild, self.application_id),
            "joined_at": payloads.timestamp(own.joined),
            "large": False,
            "unavailable": False,
            "member_count": len(guild.members),
            "voice_states": [],
            "members": [payloads.member(own)],
            "channels": [payloads.channel(c) for c in channels if c.thread is None],
            "threads": [
                payloads.channel(c, self.bot.id)
                for c in channels
                if c.thread is not None and not c.thread.archived
            ],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    # Lookups that raise what Discord answers

    def channel(self, channel_id: int) -> Channel:
        """Raises 10003 when there is no such channel."""
        try:
            return self.channels[channel_id]
        except KeyError:
            raise errors.unknown_channel() from None

    def guild_of(self, channel: Channel) -> Guild | None:
        return None if channel.guild_id is None else self.guilds.get(channel.guild_id)

    def message(self, channel: Channel, message_id: int) -> Message:
        """Raises 10008 when the channel has no such message."""
        try:
            return channel.messages[message_id]
        except KeyError:
            raise errors.unknown_message() from None

    def permissions(self, channel: Channel, user_id: int) -> int:
        """The bits of a user in a channel; 0 when it is invisible to them."""
        guild = self.guild_of(channel)
        if guild is None:
            return int(DM_PERMISSIONS) if user_id in channel.recipients else 0
        member = guild.members.get(user_id)
        if member is None:
            return 0
        overwritten = channel if channel.parent_id is None else self.channels[channel.parent_id]
        bits = in_channel(guild, overwritten, member)
        return bits if may_see_private_thread(channel, bits, user_id) else 0

    def demand(self, channel: Channel, user_id: int, *needed: Permission) -> None:
        """Raises 50001 when the channel is invisible to the user, 50013 when a right is missing."""
        bits = self.permissions(channel, user_id)
        if not bits & Permission.VIEW_CHANNEL:
            raise errors.missing_access()
        if any(not bits & one for one in needed):
            raise errors.missing_permissions()

    def bot_sees(self, channel: Channel) -> bool:
        return bool(self.permissions(channel, self.bot.id) & Permission.VIEW_CHANNEL)

    def dm(self, user: User) -> Channel:
        """The DM channel between the bot and `user`, made when there is none."""
        for channel in self.channels.values():
            if channel.type is ChannelType.DM and user.id in channel.recipients:
                return channel
        made = Channel(self.next_id(), ChannelType.DM, user.name, recipients=[self.bot.id, user.id])
        self.channels[made.id] = made
        return made

    # Announcements

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on; it must not block."""
        self._listeners.append(listener)

    def announce(self, event: Event) -> None:
        """Tell the gateway, then everybody who waits for a change."""
        for listener in self._listeners:
            listener(event)
        self.changed()

    def announce_in(self, channel: Channel, event: Event) -> None:
        """`announce` if the bot sees the channel; otherwise only wake those who wait."""
        if self.bot_sees(channel):
            self.announce(event)
        else:
            self.changed()

    def changed(self) -> None:
        """Look again at everything that is waited for."""
        for entry in list(self._waiting):
            predicate, future = entry
            if future.done():
                continue
            try:
                result = predicate()
            except Exception as error:  # it belongs to whoever waits
                future.set_exception(error)
                continue
            if result:
                future.set_result(result)

    async def until(self, predicate: Callable[[], T | None], timeout_s: float) -> T:
        """Wait until `predicate` answers something true and return that. Raises `TimeoutError`."""
        if result := predicate():
            return result
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        entry = (predicate, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout_s):
                return await future  # type: ignore[return-value]  # what `predicate` answered
        finally:
            self._waiting.remove(entry)
