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
from bot.inbox_rows import InboxRow, waits_for_words
from bot.message_words import Pointed, files_of, own_extras, pointed, quote, snapshot_text
from bot.readable_names import names_in, readable, roles_in
from bot.rows import find_post, places_in
from bot.scopes import SessionScope
from texts.unseen import without_unseen

_PLAIN_TYPES = (discord.MessageType.default, discord.MessageType.reply)
LOOK = "Look at this."
MENTION_LATER_MS = 5 * 60_000
"""An edit that adds a mention of the bot counts if it comes this soon after the message."""


_CALLS = ("<@", "@everyone", "@here")
"""Beginnings of a message that calls people: somebody, a role, all of them."""


class MessageBody(msgspec.Struct, frozen=True):
    """The body of a message's row. `role_ids` is None if Discord did not send them (read back from history).

    `content` has names instead of ids, and no mention of the bot at its beginning; it is empty if nobody would
    see anything in it. `replied` is the message that it replies to; None if Discord did not send it, or if it
    `reply_is_gone`. `reply_to_other`: it replies to another person. `calls_other`: it begins with a mention of
    other people. `joined` are earlier messages whose files go with this one. `extras` are its stickers and its
    poll: no prompt without words.
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
    quoted: str = ""  # in rows of earlier versions: the words of `replied`
    forwarded: str = ""
    replied: Pointed | None = None
    reply_is_gone: bool = False
    calls_other: bool = False
    extras: str = ""
    is_voice: bool = False
    joined: tuple[int, ...] = ()

    @property
    def points_at_message(self) -> bool:
        """Whether it replies to a message."""
        return self.reply_to is not None

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing for Claude, for example only a sticker or a poll."""
        return not (self.content or self.files or self.forwarded)


def origin_of(message_id: int) -> str:
    """Return the core's key for the prompt of this message."""
    return f"{FACE}:message:{message_id}"


def message_row(message: discord.Message, bot_id: int) -> InboxRow | None:
    """Return the row for a person's message in a guild; None for all other messages."""
    # Programs give no prompts: Claude reads an alert when a person points at it.
    if message.guild is None or message.author.bot or message.webhook_id is not None:
        return None
    if message.type not in _PLAIN_TYPES:
        return None
    author, names = message.author, names_in(message)
    own_role = message.guild.self_role
    own = [f"<@{bot_id}>", f"<@!{bot_id}>", *([f"<@&{own_role.id}>"] if own_role is not None else [])]
    words = _without_leading(message.content, own)
    forwards = [snapshot_text(each, message.guild) for each in message.message_snapshots]
    body = MessageBody(
        guild_id=message.guild.id,
        message_id=message.id,
        content=readable(words, names) if without_unseen(words).strip() else "",
        files=incoming(files_of(message)),
        role_ids=tuple(role.id for role in author.roles) if isinstance(author, discord.Member) else None,
        mentions_bot=_mentions(message, bot_id, own_role),
        author_name=author.display_name,
        forwarded="\n\n".join(forwards),
        calls_other=words.lstrip().startswith(_CALLS),
        extras=own_extras(message),
        is_voice=message.flags.voice,
    )
    return InboxRow(
        external=f"message:{message.id}",
        kind="message",
        channel_id=message.channel.id,
        author_id=author.id,
        body=msgspec.to_builtins(_with_reply(body, message, bot_id)),
        # By Discord's clock, so that a message read back stands where it was written.
        received_ms=snowflake_ms(message.id),
    )


def _with_reply(body: MessageBody, message: discord.Message, bot_id: int) -> MessageBody:
    """Return `body` with the message that `message` replies to. Forwards have a reference, too."""
    reference = message.reference
    if reference is None or message.type is not discord.MessageType.reply:
        return body
    replied = reference.resolved
    found = replied if isinstance(replied, discord.Message) else None
    return msgspec.structs.replace(
        body,
        reply_to=reference.message_id,
        reply_to_bot=found is not None and found.author.id == bot_id,
        reply_to_other=found is not None and not found.author.bot and found.author.id != message.author.id,
        replied=pointed(found) if found is not None else None,
        reply_is_gone=isinstance(replied, discord.DeletedReferencedMessage),
    )


def _mentions(message: discord.Message, bot_id: int, own_role: discord.Role | None) -> bool:
    """Whether the bot is mentioned, itself or by its own role, which phones offer under the same name."""
    if any(user.id == bot_id for user in message.mentions):
        return True
    # By the text: Discord lists only roles that the author may notify, and that is not one of them.
    return own_role is not None and own_role.id in roles_in(message.content)


def _without_leading(text: str, mentions: list[str]) -> str:
    """Return `text` without the mentions that it begins with."""
    while True:
        text = text.lstrip()
        leading = next((each for each in mentions if text.startswith(each)), None)
        if leading is None:
            return text.strip()
        text = text.removeprefix(leading)


def is_soon(row: InboxRow) -> bool:
    """Whether the edit in `row` came so soon after its message that a mention added by it counts."""
    return row.received_ms - snowflake_ms(int(row.body["message_id"])) <= MENTION_LATER_MS


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
    """Return whether the message is in a session's thread, mentions the bot, or replies to it.

    The words that the same author writes just after files that were for us are for us too.
    """
    if row.body["guild_id"] not in face.access.guild_ids:
        return False
    if row.body["mentions_bot"] or row.body["reply_to_bot"]:
        return True
    if any(place.kind is SessionScope.THREAD for place in await places_in(face.db, row.channel_id)):
        return True
    reply_to = row.body["reply_to"]
    # Discord does not always send the message that is replied to.
    if reply_to is not None and row.body["replied"] is None and await find_post(face.db, reply_to) is not None:
        return True
    if await is_being_opened(face.db, row.channel_id):
        return True
    return await waits_for_words(face.db, row, round(face.options.words_patience_s * 1000))


def name_words(body: MessageBody) -> str:
    """Return the words that name a session: the author's own, else those that they forward, else the files."""
    names = ", ".join(each.name for each in body.files)
    return body.content or body.forwarded or names or prompt_words(body)


def prompt_words(body: MessageBody) -> str:
    """Return the part of the prompt that an edit of the message replaces: forwarded and own words."""
    forwarded = f"A forwarded message:\n{quote(body.forwarded)}" if body.forwarded else ""
    words = body.content
    if words and body.extras:
        words = f"{words}\n{body.extras}"
    if not words and not body.files and body.points_at_message:
        words = LOOK
    return "\n\n".join(part for part in (forwarded, words) if part)
