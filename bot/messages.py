"""Make an inbox row of a Discord message, and decide whether the message is for the bot.

`prompts.py` acts on the rows.
"""

import discord
import msgspec

from api.access import Actor
from bot.actors import FACE, Somebody, actor_of
from bot.attachments import IncomingFile, incoming
from bot.delivery_rows import is_being_opened
from bot.face import Face
from bot.inbox_rows import InboxRow
from bot.rows import places_in
from bot.scopes import SessionScope

_PLAIN_TYPES = (discord.MessageType.default, discord.MessageType.reply)
_MAX_QUOTE = 4_000


class MessageBody(msgspec.Struct, frozen=True):
    """The body of a message's row. `role_ids` is None if Discord did not send them (read back from history).

    `reply_to_other`: the message replies to another person.
    """

    guild_id: int
    message_id: int
    content: str
    files: tuple[IncomingFile, ...] = ()
    role_ids: tuple[int, ...] | None = None
    mentions_bot: bool = False
    reply_to: int | None = None
    reply_to_bot: bool = False
    reply_to_other: bool = False
    author_name: str = ""
    quoted: str = ""
    forwarded: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing for Claude, for example only a sticker or a poll."""
        return not (self.content or self.files or self.forwarded)


def origin_of(message_id: int) -> str:
    """Return the core's key for the prompt of this message."""
    return f"{FACE}:message:{message_id}"


def message_row(message: discord.Message, bot_id: int) -> InboxRow | None:
    """Return the row for a person's message in a guild; None for all other messages."""
    if message.guild is None or message.author.bot or message.webhook_id is not None:
        return None
    if message.type not in _PLAIN_TYPES:
        return None
    replied = message.reference.resolved if message.reference is not None else None
    resolved = replied if isinstance(replied, discord.Message) else None
    is_forward = bool(message.message_snapshots)
    author = message.author
    body = MessageBody(
        guild_id=message.guild.id,
        message_id=message.id,
        content=message.content,
        files=incoming([*message.attachments, *_forwarded_files(message)]),
        role_ids=tuple(role.id for role in author.roles) if isinstance(author, discord.Member) else None,
        mentions_bot=any(user.id == bot_id for user in message.mentions),
        reply_to=message.reference.message_id if message.reference is not None and not is_forward else None,
        reply_to_bot=resolved is not None and resolved.author.id == bot_id,
        reply_to_other=resolved is not None and not resolved.author.bot and resolved.author.id != author.id,
        author_name=author.display_name,
        quoted=resolved.content[:_MAX_QUOTE] if resolved is not None and resolved.author.id != bot_id else "",
        forwarded="\n\n".join(each.content for each in message.message_snapshots if each.content)[:_MAX_QUOTE],
    )
    return InboxRow(
        external=f"message:{message.id}",
        kind="message",
        channel_id=message.channel.id,
        author_id=author.id,
        body=msgspec.to_builtins(body),
        received_ms=snowflake_ms(message.id),
    )


def _forwarded_files(message: discord.Message) -> list[discord.Attachment]:
    return [file for snapshot in message.message_snapshots for file in snapshot.attachments]


def snowflake_ms(snowflake: int) -> int:
    """Return the time in an id of Discord, in milliseconds since the epoch."""
    return (snowflake >> 22) + discord.utils.DISCORD_EPOCH


def live_author(face: Face, row: InboxRow) -> Actor | None:
    """Return the message's author; None if Discord did not send the author's roles."""
    body = msgspec.convert(row.body, MessageBody)
    if body.role_ids is None:
        return None
    return actor_of(face.access, Somebody(row.author_id, body.guild_id, frozenset(body.role_ids)))


async def is_for_us(face: Face, row: InboxRow) -> bool:
    """Return whether the message is in a session's thread, mentions the bot, or replies to it."""
    if row.body["guild_id"] not in face.access.guild_ids:
        return False
    if row.body["mentions_bot"] or row.body["reply_to_bot"]:
        return True
    if any(place.kind is SessionScope.THREAD for place in await places_in(face.db, row.channel_id)):
        return True
    return await is_being_opened(face.db, row.channel_id)


def said(body: MessageBody, bot_id: int) -> str:
    """Return the prompt: a quote or forward, then the text without its leading mention of the bot."""
    text = body.content
    for form in (f"<@{bot_id}>", f"<@!{bot_id}>"):
        text = text.replace(form, " ", 1) if text.lstrip().startswith(form) else text
    parts = [text.strip()]
    if body.forwarded:
        parts.insert(0, f"A forwarded message:\n{_quote(body.forwarded)}")
    elif body.quoted and parts[0]:
        parts.insert(0, _quote(body.quoted))
    return "\n\n".join(part for part in parts if part)


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))
