"""A message of Discord as Claude reads it: its author's name, its words, and its files. Pure.

Words are the content, embeds, cards, polls, stickers and forwarded messages. Used for the message that somebody
replies to or asks about, for forwards, and for the messages of a thread.
"""

from collections.abc import Iterable, Iterator, Sequence

import discord
import msgspec

from bot.attachments import IncomingFile, incoming
from bot.readable_names import Names, names_in, one_line, readable
from bot.wording import counted
from texts.unseen import without_unseen

MOST_CHARS = 12_000
"""The longest text of one message. Discord's own limits allow about 10,000 characters in content and embeds."""
NOTHING = "(nothing that can be read)"
_CUT = "\n… (cut here)"


class Pointed(msgspec.Struct, frozen=True):
    """A message that somebody points at. `author` is empty if Discord does not say who wrote it."""

    author: str
    text: str
    files: tuple[IncomingFile, ...] = ()


def pointed(message: discord.Message) -> Pointed:
    """Return the message as Claude reads it. A thread's starter line is the message that it started from."""
    if message.type is discord.MessageType.thread_starter_message and message.reference is not None:
        # In a thread, Discord shows its first message as a line that only refers to it.
        starter = message.reference.resolved
        if isinstance(starter, discord.Message):
            return pointed(starter)
    return Pointed(author_of(message), text_of(message), incoming(files_of(message)))


def author_of(message: discord.Message) -> str:
    """Return the author's name as the server shows it; bots and webhooks are marked."""
    mark = " (bot)" if message.author.bot or message.webhook_id is not None else ""
    return one_line(message.author.display_name) + mark


def text_of(message: discord.Message) -> str:
    """Return all words of the message; at most `MOST_CHARS`, and never empty."""
    names = names_in(message)
    parts = [message.system_content or "" if message.is_system() else message.content]
    parts += _other_words(message)
    if message.poll is not None:
        parts.append(_poll(message.poll))
    for snapshot in message.message_snapshots:
        parts.append(f"Forwarded message:\n{snapshot_text(snapshot, names.guild)}")
    return _joined(parts, names)


def snapshot_text(snapshot: discord.MessageSnapshot, guild: discord.Guild | None) -> str:
    """Return all words of a forwarded message; Discord does not say who wrote it."""
    # A snapshot does not say whom it mentions, so their ids stay for a look-up.
    names = Names({}, guild)
    return _joined([snapshot.content, *_other_words(snapshot)], names)


def files_of(message: discord.Message) -> list[discord.Attachment]:
    """Return the files of the message and of the messages that it forwards."""
    forwarded = [file for snapshot in message.message_snapshots for file in snapshot.attachments]
    return [*message.attachments, *forwarded]


def own_extras(message: discord.Message) -> str:
    """Return the names of the message's stickers and its poll: no words of its author, but they go along."""
    poll = [_poll(message.poll)] if message.poll is not None else []
    return "\n".join([*_stickers(message), *poll])


def quote(text: str) -> str:
    """Return `text` as a quote in Markdown."""
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _joined(parts: Iterable[str], names: Names) -> str:
    text = "\n\n".join(clean for part in parts if (clean := without_unseen(readable(part, names)).strip()))
    if len(text) > MOST_CHARS:
        text = text[: MOST_CHARS - len(_CUT)] + _CUT
    return text or NOTHING


def _other_words(message: discord.Message | discord.MessageSnapshot) -> list[str]:
    parts = ["\n".join(_embed(embed, message.content)) for embed in message.embeds]
    parts += ["\n".join(_card(message.components))]
    parts += _stickers(message)
    if message.attachments:
        listed = ", ".join(one_line(each.filename) for each in message.attachments)
        parts.append(f"(files: {listed})")
    return parts


def _stickers(message: discord.Message | discord.MessageSnapshot) -> list[str]:
    return [f"(sticker: {one_line(each.name)})" for each in message.stickers]


def _embed(embed: discord.Embed, content: str) -> Iterator[str]:
    """Yield the lines of an embed. The address of a link's preview stands in the content already."""
    if embed.author.name:
        yield embed.author.name
    if embed.title:
        yield embed.title
    # Alerts of monitoring bots have their link here alone.
    if embed.url and embed.url not in content:
        yield embed.url
    if embed.description:
        yield embed.description
    for field in embed.fields:
        named = without_unseen(field.name or "").strip()
        value = field.value or ""
        yield f"{named}: {value}" if named else value
    # A panel of a monitoring service has all that it says in its picture. A preview's picture says nothing new.
    shown = embed.image.url or (None if embed.title or embed.description else embed.thumbnail.url)
    if shown and embed.type == "rich" and shown not in content:
        yield f"(picture: {shown})"
    if embed.footer.text:
        yield embed.footer.text


def _card(components: Sequence[discord.Component]) -> Iterator[str]:
    """Yield the texts of Components V2, and the addresses of link buttons, in reading order."""
    for part in components:
        if isinstance(part, discord.TextDisplay):
            yield part.content
        elif isinstance(part, discord.components.Button) and part.url:
            yield f"{part.label}: {part.url}" if part.label else part.url
        elif isinstance(part, discord.MediaGalleryComponent):
            yield from (f"(picture: {each.description or each.media.url})" for each in part.items)
        elif isinstance(part, discord.ThumbnailComponent) and part.description:
            yield f"(picture: {part.description})"
        yield from _card(getattr(part, "children", ()))
        accessory = getattr(part, "accessory", None)
        if accessory is not None:
            yield from _card([accessory])


def _poll(poll: discord.Poll) -> str:
    answers = [f"- {_answer(each)} ({counted(each.vote_count, 'vote')})" for each in poll.answers]
    heading = "Poll that has ended" if poll.is_finalised() else "Poll"
    return "\n".join([f"{heading}: {poll.question}", *answers])


def _answer(answer: discord.PollAnswer) -> str:
    """Return an answer with its emoji: some answers are nothing else."""
    emoji = answer.emoji
    sign = "" if emoji is None else emoji.name if emoji.id is None else f":{emoji.name}:"
    return " ".join(part for part in (sign, one_line(answer.text) if answer.text else "") if part)
