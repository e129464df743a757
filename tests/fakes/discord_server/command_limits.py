"""Discord's limits on application commands, as 50035 problems. Figures: command documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .errors import Problem, bad_length, invalid_form, too_long
from .model import Json

CHAT_COMMANDS = 100
CONTEXT_MENUS = 15
_CHAT, _USER_MENU, _MESSAGE_MENU = 1, 2, 3
_NAME = re.compile(r"[-_'\w]{1,32}")
Path = tuple[str | int, ...]


def check_commands(commands: list[Json]) -> None:
    """Raise 50035 for a bulk overwrite that breaks a limit."""
    problems = [problem for index, one in enumerate(commands) for problem in _command(one, (index,))]
    for kind, limit in ((_CHAT, CHAT_COMMANDS), (_USER_MENU, CONTEXT_MENUS), (_MESSAGE_MENU, CONTEXT_MENUS)):
        names = [one["name"] for one in commands if one.get("type", _CHAT) == kind]
        if len(names) > limit:
            text = f"Maximum number of application commands reached ({limit})"
            problems.append(Problem((), "APPLICATION_COMMAND_TOO_MANY", text))
        if len(names) != len(set(names)):
            text = "Application command names must be unique"
            problems.append(Problem((), "APPLICATION_COMMANDS_DUPLICATE_NAME", text))
    if problems:
        raise invalid_form(problems)


def _command(command: Json, path: Path) -> Iterator[Problem]:
    if command.get("type", _CHAT) != _CHAT:
        if not 1 <= len(command.get("name") or "") <= 32:
            yield bad_length((*path, "name"), 1, 32)
        return
    yield from _named(command, path)
    yield from _options(command.get("options") or [], path)
    if command_size(command) > 8000:
        yield Problem(path, "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")


def _named(thing: Json, path: Path) -> Iterator[Problem]:
    name = thing.get("name") or ""
    if not _NAME.fullmatch(name) or name != name.lower():
        yield Problem((*path, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    if not 1 <= len(thing.get("description") or "") <= 100:
        yield bad_length((*path, "description"), 1, 100)


def _options(options: list[Json], path: Path) -> Iterator[Problem]:
    if len(options) > 25:
        yield too_long((*path, "options"), 25)
    optional_seen = False
    for index, option in enumerate(options):
        here = (*path, "options", index)
        yield from _named(option, here)
        yield from _options(option.get("options") or [], here)
        choices = option.get("choices") or []
        if len(choices) > 25:
            yield too_long((*here, "choices"), 25)
        if option.get("required") and optional_seen:
            text = "Required options must be placed before non-required options"
            yield Problem(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text)
        if option["type"] > 2 and not option.get("required"):
            optional_seen = True


def command_size(thing: Json) -> int:
    """Characters as Discord counts them: names, descriptions and values of the command and all in it."""
    own = len(thing.get("name") or "") + len(thing.get("description") or "")
    choices = sum(len(c["name"]) + len(str(c["value"])) for c in thing.get("choices") or [])
    return own + choices + sum(command_size(option) for option in thing.get("options") or [])
