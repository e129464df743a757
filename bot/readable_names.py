"""Names instead of ids: a mention, emoji or time in Discord's notation becomes text that a person would read.

Code stays as it is: Discord shows no names in it either.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import discord

from texts.unseen import without_unseen

UNKNOWN_USER = "unknown-user"
_MAX_NAME = 100
_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
_NOTATION = re.compile(
    r"<(?:(@!?|@&|#)([0-9]{1,20})|a?:(\w{1,64}):[0-9]{1,20}|t:(-?[0-9]{1,15})(?::[a-zA-Z])?|/([^<>:\n]{1,100}):[0-9]{1,20}"
    r"|id:([a-z-]{1,20})(?::[0-9]{1,20})?)>"
)
_PAGES = {
    "customize": "Channels & Roles",
    "browse": "Browse Channels",
    "guide": "Server Guide",
    "linked-roles": "Linked Roles",
}
"""The pages of a server that a message can link."""
_USER = re.compile(r"<@!?([0-9]{1,20})>")
_ROLE = re.compile(r"<@&([0-9]{1,20})>")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of users that are known, and the server with its channels and roles."""

    users: Mapping[int, str] = field(default_factory=dict)
    guild: discord.Guild | None = None


def names_in(message: discord.Message) -> Names:
    """Return the names that come with a message: its author and the users that it mentions."""
    people = [message.author, *message.mentions]
    return Names({each.id: each.display_name for each in people}, message.guild)


def names_of_guild(client: discord.Client, guild_id: int) -> Names:
    """Return the names of a server's channels and roles."""
    return Names({}, client.get_guild(guild_id))


def readable(text: str, names: Names) -> str:
    """Return `text` with names instead of ids. A user without a known name keeps the id."""
    # One pass: a name that looks like a notation itself is not replaced again.
    return outside_code(text, lambda piece: _NOTATION.sub(lambda found: _name(found, names), piece))


def with_users(text: str, users: Mapping[int, str]) -> str:
    """Return `text` with the names of `users`; all other users are called unknown."""

    def name(found: re.Match[str]) -> str:
        return f"@{one_line(users.get(int(found[1]), UNKNOWN_USER))}"

    return outside_code(text, lambda piece: _USER.sub(name, piece))


def users_in(text: str) -> tuple[int, ...]:
    """Return the ids of the users that are mentioned in `text` outside of code, each once."""
    found: dict[int, None] = {}

    def note(piece: str) -> str:
        found.update(dict.fromkeys(int(each) for each in _USER.findall(piece)))
        return piece

    outside_code(text, note)
    return tuple(found)


def roles_in(text: str) -> frozenset[int]:
    """Return the ids of the roles that are mentioned in `text` outside of code."""
    found: set[int] = set()

    def note(piece: str) -> str:
        found.update(int(each) for each in _ROLE.findall(piece))
        return piece

    outside_code(text, note)
    return frozenset(found)


def one_line(name: str) -> str:
    """Return a name on one line, without characters that nobody sees, at most 100 characters long."""
    # People choose their names: a line end in one could begin a message of somebody else.
    return " ".join(without_unseen(name).split())[:_MAX_NAME] or UNKNOWN_USER


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with `change` applied to its pieces outside of code: between equal runs of backticks."""
    # Odd places are runs of backticks.
    pieces = re.split("(`+)", text)
    ends: dict[int, int] = {}
    last: dict[str, int] = {}
    # From the end, in one pass: a search from each run for its equal would take quadratic time.
    for place in range(len(pieces) - 2, 0, -2):
        if (end := last.get(pieces[place])) is not None:
            ends[place] = end
        last[pieces[place]] = place
    made: list[str] = []
    place = 0
    while place < len(pieces):
        end = ends.get(place, -1)
        if end > 0:
            made.append("".join(pieces[place : end + 1]))
            place = end + 1
        else:
            made.append(change(pieces[place]))
            place += 1
    return "".join(made)


def _name(found: re.Match[str], names: Names) -> str:
    kind, number, emoji, time, command, page = found.groups()
    if page is not None:
        # Discord may add pages; an unknown one stays as it is written.
        return f"#{_PAGES[page]}" if page in _PAGES else found[0]
    if emoji is not None:
        return f":{emoji}:"
    if command is not None:
        return f"/{command}"
    if time is not None:
        return _time(int(time), found[0])
    return _mention(kind, int(number), found[0], names)


def _mention(kind: str, number: int, written: str, names: Names) -> str:
    if kind == "@&":
        # Roles and channels are known from the gateway, at no request.
        role = names.guild.get_role(number) if names.guild is not None else None
        return f"@{one_line(role.name).removeprefix('@')}" if role is not None else "@unknown-role"
    if kind == "#":
        channel = names.guild.get_channel_or_thread(number) if names.guild is not None else None
        return f"#{one_line(channel.name)}" if channel is not None else "#unknown"
    known = names.users.get(number)
    return f"@{one_line(known)}" if known is not None else written


def _time(seconds: int, written: str) -> str:
    try:
        at = _BEGAN + timedelta(seconds=seconds)
    except OverflowError:
        return written
    return at.strftime("%Y-%m-%d %H:%M UTC")
