"""The messages of a thread before somebody mentioned the bot there: context of that prompt."""

import discord

from bot.attachments import IncomingFile, incoming
from bot.inbox_rows import InboxRow
from bot.message_words import Pointed, files_of, pointed, quote
from bot.readable_names import one_line

MOST_CHARS = 8_000
_MOST_STARTER = 4_000
_CUT = " … (cut here)"
_UNREADABLE = (discord.NotFound, discord.Forbidden)


async def read_context(
    client: discord.Client, row: InboxRow, most: int, after: int | None
) -> tuple[str, tuple[IncomingFile, ...]]:
    """Return the context of a message in a thread as text, and the files of the thread's first message.

    The text has the title, the first message and the last `most` messages before this one, in at most
    `MOST_CHARS` characters. Messages up to `after` are left out with the first one: Claude has them. Empty
    outside of threads, and if `most` is 0. Raises `discord.HTTPException` and `CONNECTION_BROKEN` errors.
    """
    thread = client.get_channel(row.channel_id) or await client.fetch_channel(row.channel_id)
    if most < 1 or not isinstance(thread, discord.Thread):
        return "", ()
    message_id = int(row.body["message_id"])
    starter = await _starter(client, thread) if after is None and thread.id != message_id else None
    earlier: list[Pointed] = []
    past = thread.history(
        limit=most + 1,  # one of them may be the first message
        before=discord.Object(message_id),
        after=discord.Object(after) if after is not None else None,
        oldest_first=False,  # with `after`, discord.py would begin at the oldest otherwise
    )
    try:
        async for message in past:
            is_starter = message.id == thread.id or message.type is discord.MessageType.thread_starter_message
            if not is_starter and len(earlier) < most and not _is_own_card(message, client):
                earlier.append(pointed(message))
    except _UNREADABLE:
        pass  # without the right to read the history, the prompt goes without it
    first = pointed(starter) if starter is not None else None
    text = context_text(one_line(thread.name), first, earlier[::-1])
    return text, incoming(files_of(starter)) if starter is not None else ()


def context_text(title: str, starter: Pointed | None, earlier: list[Pointed]) -> str:
    """Return title, first message and earlier messages (oldest first) as text of at most `MOST_CHARS`."""
    heading = f"In the thread “{title}”"
    parts = [f"{heading}, its first message:\n{_said(starter, _MOST_STARTER)}"] if starter is not None else []
    between = "Said there before this:"
    room = MOST_CHARS - sum(len(each) + 2 for each in parts) - len(heading) - len(between) - 4
    kept: list[str] = []
    # The newest are kept: they are what the prompt is about.
    for each in reversed(earlier):
        said = _said(each, room - 1) if not kept else _said(each, MOST_CHARS)
        if len(said) + 1 > room:
            break
        kept.insert(0, said)
        room -= len(said) + 1
    if not parts:
        parts.append(f"{heading}:")
    if kept:
        parts.append("\n".join([between, *kept]))
    return "\n\n".join(parts)


def _said(message: Pointed, most: int) -> str:
    """Return the message as a quote of at most `most` characters."""
    said = quote(f"{message.author}: {message.text}")
    return said if len(said) <= most else said[: most - len(_CUT)].rstrip("\n> ") + _CUT


def _is_own_card(message: discord.Message, client: discord.Client) -> bool:
    """Whether the message is a card of the bot: about a session, and no words in a conversation."""
    own = client.user is not None and message.author.id == client.user.id
    return own and not message.content


async def _starter(client: discord.Client, thread: discord.Thread) -> discord.Message | None:
    """Return the message that the thread started from: in a forum in the thread, else in its channel."""
    where = thread.id if isinstance(thread.parent, discord.ForumChannel) else thread.parent_id
    try:
        return await client.get_partial_messageable(where, guild_id=thread.guild.id).fetch_message(thread.id)
    except _UNREADABLE:
        return None
