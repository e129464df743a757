"""Readers for the values of settings: numbers, lists of ids and names, sizes with units, paths.

Each reader turns text that a person wrote into a value. Its `ValueError` names the fault, in words that follow
the setting's name. `setting` makes the field of a setting from its reader, its default and its texts.
"""

import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sessions.claude.launch import DEFAULT_CHILD_ENV
from texts.os_text import is_clean

Reader = Callable[[str], Any]

_TIME = re.compile(r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]")
_MOST_NAMES = 12
_LONGEST_NAME = 40
_LONGEST_SHOWN = 40
_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n"})
# Bounded: a float of hundreds of digits is infinite.
_SIZE = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*([KMGT])(?:I?B)?", re.IGNORECASE)
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
# With a dot at least: a name without one is looked up in the local network.
_HOST = re.compile(r"\.?(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,9}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's text for people, and how its value is read. `default` is a value as text."""

    read: Reader
    default: str
    write: str
    does: str


def setting(read: Reader, default: str, *, write: str, does: str) -> Any:
    """Return the field of a setting. `write` says how a value is written, `does` its effect."""
    return field(metadata={"setting": Setting(read, default, write, does)})


class Secret:
    """A value that `repr` and logs never show. Not a dataclass: code that walks over fields would show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret()"

    def reveal(self) -> str:
        """Return the value itself, for the one place that needs it."""
        return self._value


def zero_is_none(read: Reader) -> Reader:
    """Return a reader that reads 0 as None; an empty text cannot mean None, because it means the default."""
    return lambda value: None if value.strip() == "0" else read(value)


def optional(read: Reader) -> Reader:
    """Return a reader like `read` that returns None for an empty text."""
    return lambda value: read(value) if value else None


def text(value: str) -> str:
    """Return the text without white space around it."""
    if not is_clean(value):
        raise ValueError("is not UTF-8 text")
    return value.strip()


def secret(value: str) -> Secret:
    """Return the text as a `Secret`."""
    return Secret(text(value))


def boolean(value: str) -> bool:
    """Read true or false, in the usual words."""
    word = text(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"is {_shown(value)}, which is neither true nor false")
    return word in _TRUE


def whole(*, at_least: int, at_most: int | None = None) -> Reader:
    """Return a reader of whole numbers within bounds."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"is {_shown(value)}, which is not a whole number") from None
        if number < at_least:
            raise ValueError(f"is {value.strip()}, which is too small")
        if at_most is not None and number > at_most:
            raise ValueError(f"is {value.strip()}, which is too large")
        return number

    return read


def number(*, above: float) -> Reader:
    """Return a reader of numbers, with or without a fraction, above a bound."""

    def read(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            # Refused below with the others: `float` also takes the words nan and inf.
            found = math.nan
        if not math.isfinite(found):
            raise ValueError(f"is {_shown(value)}, which is not a number")
        if found <= above:
            raise ValueError(f"is {value.strip()}, which is too small")
        return found

    return read


def choice(kind: type[StrEnum]) -> Reader:
    """Return a reader of the values of `kind`, in capitals or not."""
    choices = {each.value.lower(): each for each in kind}

    def read(value: str) -> StrEnum:
        found = choices.get(value.strip().lower())
        if found is None:
            raise ValueError(f"is {_shown(value)}, which is not a choice")
        return found

    return read


def discord_ids(value: str) -> frozenset[int]:
    """Read ids, divided by commas or white space."""
    for name in _split(value):
        # Not `\d`, which takes digits of every script.
        if not re.fullmatch(r"[0-9]{15,20}", name):
            raise ValueError(f"holds {_shown(name)}, which is no Discord id")
    return frozenset(map(int, _split(value)))


def variables(value: str) -> tuple[str, ...]:
    """Read names of variables; `X_*` means all that begin with `X_`, `default` a list of harmless ones."""
    found: list[str] = []
    for name in _split(value):
        if name == "default":
            found += DEFAULT_CHILD_ENV
        elif not _VARIABLE.fullmatch(name):
            raise ValueError(f"holds {_shown(name)}, which is no variable's name")
        # Whoever holds the token is the bot. Claude's tools read the environment of their own process.
        elif name.startswith("DISCORD"):
            raise ValueError(f"holds {name}; Discord's secrets never pass to Claude")
        else:
            found.append(name)
    return tuple(dict.fromkeys(found))


def size(value: str) -> int:
    """Read a size with a unit, such as 512M or 2 GiB, and return bytes."""
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"is {_shown(value)}, which is no size with a unit")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def words(value: str) -> tuple[str, ...]:
    """Read a command with its options, divided as a shell divides them."""
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(f"is {_shown(value)}, which no shell can read ({error})") from error


def time_of_day(value: str) -> time | None:
    """Read a time such as 03:30; None for off."""
    word = text(value).lower()
    if word == "off":
        return None
    if not _TIME.fullmatch(word):
        raise ValueError(f"is {_shown(value)}, which is neither a time such as 03:30 nor off")
    hour, _, minute = word.partition(":")
    return time(int(hour), int(minute))


def names(value: str) -> tuple[str, ...]:
    """Read names, divided by commas or white space, each once."""
    found = tuple(dict.fromkeys(_split(text(value))))
    if not 1 <= len(found) <= _MOST_NAMES or any(len(each) > _LONGEST_NAME for each in found):
        raise ValueError(f"has no names, more than {_MOST_NAMES}, or one of over {_LONGEST_NAME} characters")
    return found


def directory_name(value: str) -> str:
    """Read the name of one directory."""
    found = text(value)
    if found in (".", "..", ".git") or "/" in found or "\\" in found or len(found) > _LONGEST_NAME:
        raise ValueError(f"is {_shown(value)}, which is not the name of one directory")
    return found


def location(value: str) -> Path:
    """Read a path and return it absolute; a relative one begins at the working directory, `~` is a home."""
    try:
        path = Path(text(value)).expanduser().resolve()
    except RuntimeError as error:
        raise ValueError(f"is {_shown(value)}, but there is no such home directory") from error
    except (ValueError, OSError) as error:  # a NUL byte, a loop of links
        raise ValueError(f"is {_shown(value)}, which is no path") from error
    if not is_clean(str(path)):
        # Paths are stored in the database and in JSON, which hold only UTF-8.
        raise ValueError("leads to a directory whose name is not UTF-8 text")
    return path


def locations(value: str) -> tuple[Path, ...]:
    """Read paths, divided as a shell divides words. The word `none` alone means no path. Keeps links."""
    given = words(value)
    return () if given == ("none",) else tuple(map(_place, given))


def _place(value: str) -> Path:
    # Only for its errors. The path keeps its links, so that a sandbox shows it by the name that was written.
    location(value)
    return Path.cwd() / Path(text(value)).expanduser()


def hosts(value: str) -> tuple[str, ...]:
    """Read names of hosts; one that begins with a dot stands for all names below it."""
    found = tuple(dict.fromkeys(name.lower() for name in _split(value)))
    for name in found:
        if not _HOST.fullmatch(name):
            raise ValueError(f"holds {_shown(name)}, which is no host's name")
    return found


def mode_of(path: Path) -> int:
    """Return the mode of the file at `path`, for `stat.S_ISDIR`; 0 if it is missing or not accessible."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _split(value: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", value) if word]


def _shown(value: str) -> str:
    return f"“{value if len(value) <= _LONGEST_SHOWN else f'{value[:_LONGEST_SHOWN]}…'}”"


def web_path(value: str) -> str:
    """Read a path such as /claude; return it without a last slash."""
    path = text(value).rstrip("/")
    # No part may begin with a dot: browsers resolve `..` before they ask.
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or "/." in path:
        raise ValueError(f"is {_shown(value)}, which is no path such as /claude")
    return path


def ip_addresses(value: str) -> tuple[str, ...]:
    """Read addresses of machines, such as 127.0.0.1, 10.0.0.2."""
    found = []
    for word in _split(text(value)):
        try:
            # In its normal spelling, because requests are compared with it as text.
            found.append(str(ip_address(word)))
        except ValueError:
            raise ValueError(f"holds {_shown(word)}, which is no IP address") from None
    return tuple(dict.fromkeys(found))


def web_address(value: str) -> str:
    """Read an https address, or an http one of this machine, without query; return it without a last slash."""
    parts = urlsplit(text(value))
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    # Cookies and links that log in travel over it.
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError(f"is {_shown(value)}, which is no https address")
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"is {_shown(value)}, which is more or less than scheme, host, port and path")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
