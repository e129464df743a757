"""How the values of settings are written: lists of ids and names, sizes with units, paths.

Each function turns what a person wrote into what the program uses; a `ValueError` says what is wrong with it,
in words that follow the setting's name.
"""

import re
import shlex
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from sessions.claude.launch import DEFAULT_CHILD_ENV

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:I?B)?", re.IGNORECASE)
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


def _split(value: object) -> object:
    return re.split(r"[,\s]+", value.strip(", \t\n")) if isinstance(value, str) else value


def _discord_ids(value: object) -> object:
    names = _split(value)
    if not isinstance(names, list):
        return value
    for name in names:
        if not re.fullmatch(r"[0-9]{15,20}", name):
            raise ValueError(f"holds “{name}”, which is no Discord id")
    return [int(name) for name in names]


def _variables(value: object) -> object:
    names = _split(value)
    if not isinstance(names, list):
        return value
    found: list[str] = []
    for name in names:
        if name == "default":
            found += DEFAULT_CHILD_ENV
        elif not _VARIABLE.fullmatch(name):
            raise ValueError(f"holds “{name}”, which is no variable's name")
        elif name.startswith("DISCORD"):
            raise ValueError(f"holds {name}; Discord's secrets never pass to Claude")
        else:
            found.append(name)
    return tuple(dict.fromkeys(found))


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"is “{value}”, which is no size with a unit")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(f"is “{value}”, which no shell can read ({error})") from error


def _path(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return Path(value.strip()).expanduser().resolve()
    except RuntimeError as error:
        raise ValueError(f"is “{value}”, but there is no such home directory") from error


def mode_of(path: Path) -> int:
    """What there is at `path`, as `stat.S_ISDIR` reads it; 0 if nothing is, or it may not be looked at."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def in_lower_case(value: object) -> object:
    """A text in lower case without white space around it; anything else as it is."""
    return value.strip().lower() if isinstance(value, str) else value


def in_capitals(value: object) -> object:
    """A text in capitals without white space around it; anything else as it is."""
    return value.strip().upper() if isinstance(value, str) else value


def stripped(value: object) -> object:
    """A text without white space around it; anything else as it is."""
    return value.strip() if isinstance(value, str) else value


# --- types of settings -----------------------------------------------------------------------------------

Ids = Annotated[frozenset[int], NoDecode, BeforeValidator(_discord_ids)]
Variables = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_variables)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Bytes = Annotated[int, BeforeValidator(_size)]
Location = Annotated[Path, BeforeValidator(_path)]
Text = Annotated[str, BeforeValidator(stripped)]
