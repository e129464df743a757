"""Discord's records: users, guilds, channels, messages, commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

Json = dict[str, Any]

DISCORD_EPOCH_MS = 1_420_070_400_000
LIMIT_FILE_BYTES = 10 * 1024 * 1024
LIMIT_REQUEST_BYTES = 25 * 1024 * 1024


class ChannelType(IntEnum):
    TEXT = 0
    DM = 1
    VOICE = 2
    ANNOUNCEMENT = 5
    ANNOUNCEMENT_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    STAGE = 13
    FORUM = 15


class MessageType(IntEnum):
    DEFAULT = 0
    CHANNEL_NAME_CHANGE = 4
    PINNED = 6
    THREAD_CREATED = 18
    REPLY = 19
    CHAT_INPUT = 20
    THREAD_STARTER = 21
    CONTEXT_MENU = 23


class MessageFlag(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_VOICE_MESSAGE = 1 << 13
    HAS_SNAPSHOT = 1 << 14
    IS_COMPONENTS_V2 = 1 << 15


@dataclass(slots=True)
class User:
    id: int
    name: str
    bot: bool = False
    webhook: bool = False

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"


@dataclass(slots=True)
class Role:
    id: int
    guild_id: int
    name: str
    permissions: int = 0
    mentionable: bool = False
    # The bot that this role came with: Discord manages it, and gives it that bot's name.
    bot_id: int | None = None


@dataclass(slots=True)
class Member:
    user: User
    joined: float
    roles: list[int] = field(default_factory=list)
    nick: str | None = None


@dataclass(slots=True)
class Guild:
    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    max_active_threads: int = 1000


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Allow and deny bits for one role or one member in a channel."""

    target_id: int
    is_role: bool
    allow: int
    deny: int


@dataclass(slots=True)
class ThreadState:
    """The fields that only a thread has; `members` are those who joined it."""

    owner_id: int
    created: float
    archived: bool = False
    locked: bool = False
    invitable: bool = True
    auto_archive_minutes: int = 4320
    archive_changed: float = 0.0
    members: dict[int, float] = field(default_factory=dict)
    total_sent: int = 0
    applied_tags: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Channel:
    id: int
    type: ChannelType
    name: str
    guild_id: int | None = None
    parent_id: int | None = None
    topic: str | None = None
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    thread: ThreadState | None = None
    recipients: list[int] = field(default_factory=list)
    tags: list[Json] = field(default_factory=list)
    requires_tag: bool = False
    messages: dict[int, Message] = field(default_factory=dict)
    ephemeral: list[Message] = field(default_factory=list)
    last_message_id: int | None = None

    @property
    def is_thread(self) -> bool:
        return self.thread is not None


@dataclass(slots=True)
class Attachment:
    id: int
    channel_id: int
    filename: str
    data: bytes
    content_type: str
    description: str | None = None
    ephemeral: bool = False
    voice_s: float | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll and its votes: the ids of those who chose each answer."""

    question: str
    answers: tuple[str, ...]
    votes: tuple[tuple[int, ...], ...] = ()
    multiple: bool = False
    ends: float = 0.0
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """One person who was notified by one message, and what in it did that. Silent ones make no sound."""

    message_id: int
    channel_id: int
    user_id: int
    via: str
    silent: bool


@dataclass(slots=True)
class Message:
    id: int
    channel_id: int
    author: User
    created: float
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    type: MessageType = MessageType.DEFAULT
    edited: float | None = None
    pinned: bool = False
    nonce: str | None = None
    reference: Json | None = None
    mentions: list[int] = field(default_factory=list)
    mention_roles: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    reactions: dict[str, list[int]] = field(default_factory=dict)
    interaction: Json | None = None
    # The message that this one forwards, as it was then; names of stickers; a poll.
    forwarded: Message | None = None
    stickers: tuple[str, ...] = ()
    poll: Poll | None = None
    ephemeral_to: int | None = None
    deleted: bool = False
    pings: list[Ping] = field(default_factory=list)
    # What the message showed before each edit, oldest first: for checkers of streaming and replays.
    revisions: list[Revision] = field(default_factory=list)

    def has(self, flag: MessageFlag) -> bool:
        return bool(self.flags & flag)

    @property
    def texts(self) -> list[str]:
        """Every text in the message: content, then the text displays of its components, in order."""
        found = [self.content] if self.content else []
        found.extend(text_displays(self.components))
        return found

    @property
    def text(self) -> str:
        """`texts` as one string, a newline between parts."""
        return "\n".join(self.texts)


@dataclass(frozen=True, slots=True)
class Revision:
    """A former content of a message, shown until `until` (the fake's Unix time)."""

    until: float
    content: str
    components: list[Json]


@dataclass(slots=True)
class Command:
    """An application command as registered; `guild_id` is None for a global one."""

    id: int
    version: int
    guild_id: int | None
    spec: Json

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def type(self) -> int:
        return int(self.spec.get("type", 1))


def text_displays(components: list[Json]) -> list[str]:
    """The contents of all text displays, in reading order."""
    return [str(part["content"]) for part in walk(components) if part["type"] == 10]


def walk(components: list[Json]) -> list[Json]:
    """All components, parents before children, in reading order."""
    found: list[Json] = []
    for component in components:
        found.append(component)
        found.extend(walk(component.get("components", [])))
        for key in ("accessory", "component"):
            if isinstance(component.get(key), dict):
                found.extend(walk([component[key]]))
    return found
