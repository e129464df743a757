"""A channel as text that a person can review: who said what, cards, buttons, files, marks. No ids, no times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .components import LINK_STYLE, SELECTS, Part
from .model import Channel, Json, Message, MessageFlag, MessageType, User
from .world import World

_MENTIONS = re.compile(r"<(@!?|@&|#)(\d{1,20})>")
_COMMAND = re.compile(r"</([^:<>]{1,100}):\d{1,20}>")
_TIME = re.compile(r"<t:\d+(?::(\w))?>")


def render(world: World, channel: Channel, viewer: User | None = None) -> str:
    """The whole channel; `viewer`'s ephemeral messages are in their places."""
    shown = list(channel.messages.values())
    if viewer is not None:
        shown += [one for one in channel.ephemeral if one.ephemeral_to == viewer.id]
    shown.sort(key=lambda one: one.id)
    lines = [_heading(channel)]
    for message in shown:
        lines.extend(_message(world, channel, message))
    return "\n".join(lines) + "\n"


def _heading(channel: Channel) -> str:
    marks = []
    if channel.thread is not None:
        marks.append("thread")
        marks += ["archived"] if channel.thread.archived else []
        marks += ["locked"] if channel.thread.locked else []
    return f"# {channel.name}" + (f" ({', '.join(marks)})" if marks else "")


def _message(world: World, channel: Channel, message: Message) -> Iterator[str]:
    line = _system_line(message)
    if line is not None:
        yield line
        return
    marks = [
        mark
        for mark, holds in (
            ("bot", message.author.bot or message.author.webhook),
            ("only you", message.ephemeral_to is not None),
            ("edited", message.edited is not None),
            ("pinned", message.pinned),
            ("silent", message.has(MessageFlag.SUPPRESS_NOTIFICATIONS)),
        )
        if holds
    ]
    marked = f" [{', '.join(marks)}]" if marks else ""
    yield f"{message.author.name}{marked}:"
    yield from _indented(_body(world, channel, message))


def _system_line(message: Message) -> str | None:
    name = message.author.name
    match message.type:
        case MessageType.CHANNEL_NAME_CHANGE:
            return f"* {name} changed the name to: {message.content}"
        case MessageType.PINNED:
            return f"* {name} pinned a message"
        case MessageType.THREAD_CREATED:
            return f"* {name} started a thread: {message.content}"
        case MessageType.THREAD_STARTER:
            return "* (the message that the thread started from)"
        case _:
            return None


def _body(world: World, channel: Channel, message: Message) -> Iterator[str]:
    readable = _reader(world)
    if message.reference is not None and message.type is MessageType.REPLY:
        yield _reply_line(world, channel, message, readable)
    if message.has(MessageFlag.LOADING):
        yield "(thinking…)"
    if message.content:
        yield from readable(message.content).split("\n")
    for embed in message.embeds:
        yield from _embed(embed, readable)
    yield from _components(message.components, readable)
    for attachment in message.attachments:
        yield f"file: {attachment.filename} ({len(attachment.data)} bytes)"
    for sticker in message.stickers:
        yield f"sticker: {sticker}"
    if message.poll is not None:
        yield f"poll: {message.poll.question} ({', '.join(message.poll.answers)})"
    if message.forwarded is not None:
        yield from (f"forwarded: {line}" for line in _body(world, channel, message.forwarded))
    for emoji, users in message.reactions.items():
        names = ", ".join(world.users[user].name for user in users)
        yield f"reaction: {emoji} {names}"
    thread = world.channels.get(message.id)
    if thread is not None and thread.parent_id == channel.id:
        yield f"thread: {thread.name}"
    pinged = [ping for ping in message.pings if not ping.silent]
    if pinged and message.author.id == world.bot.id:
        yield "notifies: " + ", ".join(world.users[ping.user_id].name for ping in pinged)


def _reply_line(world: World, channel: Channel, message: Message, readable: Callable[[str], str]) -> str:
    assert message.reference is not None
    original = channel.messages.get(int(message.reference["message_id"]))
    if original is None:
        return "reply to: (a deleted message)"
    first = readable(original.text).split("\n")[0]
    return f"reply to {original.author.name}: {first[:60]}"


def _embed(embed: Json, readable: Callable[[str], str]) -> Iterator[str]:
    for key in ("title", "description"):
        if embed.get(key):
            yield from (f"| {line}" for line in readable(embed[key]).split("\n"))
    for field in embed.get("fields", []):
        yield f"| {readable(field['name'])}: {readable(field['value'])}"
    if embed.get("footer"):
        yield f"| {readable(embed['footer']['text'])}"


def _components(components: list[Json], readable: Callable[[str], str]) -> Iterator[str]:
    for part in components:
        match part["type"]:
            case Part.ROW:
                yield "  ".join(_control(child) for child in part["components"])
            case Part.TEXT:
                yield from readable(part["content"]).split("\n")
            case Part.SECTION:
                texts = list(_components(part["components"], readable))
                beside = _accessory(part.get("accessory") or {})
                yield f"{texts[0]}    {beside}"
                yield from texts[1:]
            case Part.SEPARATOR:
                yield "---" if part.get("divider", True) else ""
            case Part.CONTAINER:
                yield "+--"
                yield from (f"| {line}".rstrip() for line in _components(part["components"], readable))
                yield "+--"
            case Part.FILE:
                yield f"file shown: {part.get('name')}"
            case Part.GALLERY:
                yield f"gallery of {len(part['items'])}"
            case _:
                yield f"(component {part['type']})"


def _accessory(part: Json) -> str:
    return _control(part) if part.get("type") == Part.BUTTON else "(picture)"


def _control(part: Json) -> str:
    off = " (off)" if part.get("disabled") else ""
    if part["type"] == Part.BUTTON:
        label = " ".join(text for text in (_emoji(part.get("emoji")), part.get("label")) if text)
        link = f" -> {part['url']}" if part.get("style") == LINK_STYLE else ""
        return f"[{label}{link}]{off}"
    assert part["type"] in SELECTS
    options = part.get("options", [])
    chosen = next((option["label"] for option in options if option.get("default")), None)
    labels = " / ".join(option["label"] for option in options)
    return f"<{chosen or part.get('placeholder') or 'Select'}: {labels}>{off}"


def _emoji(emoji: Any) -> str:
    return str(emoji.get("name") or "") if isinstance(emoji, dict) else ""


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in lines)


def _reader(world: World) -> Callable[[str], str]:
    """Mentions by name and times without figures, so that two runs read the same."""

    def name_of(found: re.Match[str]) -> str:
        kind, number = found[1], int(found[2])
        if kind == "#":
            channel = world.channels.get(number)
            return f"#{channel.name}" if channel is not None else "#unknown"
        if kind == "@&":
            roles = (guild.roles.get(number) for guild in world.guilds.values())
            return "@" + next((role.name for role in roles if role is not None), "unknown-role")
        user = world.users.get(number)
        return f"@{user.name}" if user is not None else "@unknown-user"

    def readable(text: str) -> str:
        text = _MENTIONS.sub(name_of, text)
        text = _COMMAND.sub(r"/\1", text)
        return _TIME.sub(lambda found: f"<time {found[1] or 'f'}>", text)

    return readable
