"""Work-flow templates: TOML files with words for the phases, commands and limits.

Reads them; refuses wrong ones.

A template never says who approves, never raises a limit above the default and never widens a permission mode:
it has no such field, and an unknown field is an error. The error names the line.
"""

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from msgspec.structs import replace

from api.run_model import Check, Configuration, TemplateRefused
from workflows.answers import AnswerWrong, check_commands

MOST_BYTES = 64 * 1024
_MOST_DOTS = 200
_MOST_WORDS = 8_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_PHASES = ("plan", "tasks", "implement", "fix")
_LONG_TEXT = re.compile(r"\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}")
_HEADER = re.compile(r"""\s*+\[\[?+\s*+["']?([\w-]++)""")
_FIELDS = {"name", "description", "prompts", "checks", "limits"}
_LIMITS = {"max_iterations": int, "timeout_s": int, "budget_usd": float, "max_turns": int, "parallel": int}


@dataclass(frozen=True, slots=True)
class Template:
    """A template. `limits` are lower bounds than the default ones; `prompts` are words by phase."""

    name: str
    description: str
    prompts: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)

    def configuration(self, config: Configuration, *, is_given: bool) -> Configuration:
        """Return the bounds of a run. Bounds that a person gave stay as they are."""
        if is_given:
            return config
        # TOML tells 5 from 5.0; a bound has one type.
        return replace(config, **{name: _LIMITS[name](value) for name, value in self.limits.items()})


def built_in() -> Mapping[str, str]:
    """Return the texts of the templates that come along, by name."""
    directory = files("workflows") / "templates"
    return {
        each.name.removesuffix(".toml"): each.read_text("utf-8")
        for each in sorted(directory.iterdir(), key=lambda each: each.name)
        if each.name.endswith(".toml")
    }


def in_directory(directory: Path) -> Mapping[str, str]:
    """Return the texts of a directory's templates by name, without links, special and large files."""
    found = {}
    if directory.is_dir() and not directory.is_symlink():
        # A project's directory may hold any number of files.
        for path in sorted(directory.glob("*.toml"))[:100]:
            # Looked at before it is opened: a link could lead out of the project, and a FIFO would never end.
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode) and facts.st_size <= MOST_BYTES and _NAME.fullmatch(path.stem):
                found[path.stem] = path.read_bytes().decode("utf-8", "replace")
    return found


def read_template(name: str, text: str) -> Template:
    """Return the template of this text. Raises `TemplateRefused`, which names the line."""
    lines = text.splitlines()
    # `tomllib` takes time that grows with the square of the parts of a key.
    for number, line in enumerate(lines, 1):
        if line.count(".") > _MOST_DOTS or len(line) > MOST_BYTES:
            raise TemplateRefused(name, number, "it is too long")
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise TemplateRefused(name, len(lines), f"the file is larger than {MOST_BYTES:,} bytes")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"at line (\d+)", str(error))
        raise TemplateRefused(
            name, int(place[1]) if place else len(lines), f"it is no TOML ({error})"
        ) from error
    return _Reader(name, text).template(table)


class _Reader:
    """Checks the table of a template, and finds the line of what is wrong."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        # Texts of several lines are left out: a line in them may look like a field.
        # As TOML counts lines: `splitlines` knows further ends.
        self._lines = _LONG_TEXT.sub(lambda found: "\n" * found[0].count("\n"), text).split("\n")

    def template(self, table: Mapping[str, Any]) -> Template:
        for key in table:
            if key not in _FIELDS:
                self._refuse(key, f"a template has no “{key}”; {_why(key)}")
        self._words(table, "name", 300)  # for readers of the file, whose own name counts
        return Template(
            name=self._name,
            description=self._words(table, "description", 300),
            prompts=dict(self._prompts(table.get("prompts", {}))),
            checks=self._checks(table.get("checks", [])),
            limits=dict(self._limits(table.get("limits", {}))),
        )

    def _prompts(self, table: object) -> Iterator[tuple[str, str]]:
        if not isinstance(table, dict):
            self._refuse("prompts", "it is no table")
        for key in table:
            if key not in _PHASES:
                reason = f"there is no phase “{key}”; there are {', '.join(_PHASES)}"
                self._refuse(key, reason, "prompts")
            yield key, self._words(table, key, _MOST_WORDS, "prompts")

    def _checks(self, listed: object) -> tuple[Check, ...]:
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            self._refuse("checks", "write each as [[checks]] with name and command")
        checks: tuple[Check, ...] = ()
        for number, each in enumerate(listed):
            for key in each:
                if key not in ("name", "command"):
                    self._refuse(key, f"a check has no “{key}”", "checks", number)
                if not isinstance(each[key], str):
                    self._refuse(key, f"“{key}” is no text", "checks", number)
            if set(each) != {"name", "command"}:
                self._refuse("checks", "a check needs name and command", "checks", number)
            # With those before it: they are bounded together.
            try:
                checks = check_commands([*checks, Check(each["name"], each["command"])])
            except AnswerWrong as error:
                self._refuse("command" if _is_name(each["name"]) else "name", str(error), "checks", number)
        return checks

    def _limits(self, table: object) -> Iterator[tuple[str, float]]:
        if not isinstance(table, dict):
            self._refuse("limits", "it is no table")
        default = Configuration()
        for key, value in table.items():
            kind = _LIMITS.get(key)
            if kind is None:
                self._refuse(key, f"there is no limit “{key}”", "limits")
            fits = isinstance(value, int) or (kind is float and isinstance(value, float))
            # `True` is an `int` in Python. NaN and infinity fail the comparison.
            if isinstance(value, bool) or not fits or not 0 < value < 1e9:
                self._refuse(key, f"“{key}” is no number above 0", "limits")
            # A default of 0 is no bound, so any value lowers it.
            highest = getattr(default, key)
            if highest and value > highest:
                reason = f"a template cannot raise a limit: “{key}” is at most {highest}"
                self._refuse(key, reason, "limits")
            yield key, value

    def _words(self, table: Mapping[str, Any], key: str, most: int, within: str = "") -> str:
        words = table.get(key, "")
        if not isinstance(words, str):
            self._refuse(key, f"“{key}” is no text", within)
        if len(words) > most:
            self._refuse(key, f"“{key}” is longer than {most:,} characters", within)
        return words

    def _refuse(self, key: str, reason: str, within: str = "", which: int = 0) -> NoReturn:
        """Refuse the field `key` of the table `within`; `which` of the tables of that name, from 0."""
        # Possessive: a line of many spaces or brackets must not take quadratic time.
        form = re.compile(rf"""\s*+\[*+\s*+["']?{re.escape(key)}\b""")
        numbers = [number for number, line in self._lines_of(within, which) if form.match(line)]
        if not numbers and within:
            self._refuse(within, reason)  # a table within one line, or a key with dots
        if not numbers:
            numbers = [number for number, line in enumerate(self._lines, 1) if form.match(line)]
        raise TemplateRefused(self._name, numbers[0] if numbers else 1, reason)

    def _lines_of(self, table: str, which: int) -> Iterator[tuple[int, str]]:
        """Yield the lines of a table and their numbers. Without a name: those before the first table."""
        name, seen = "", -1 if table else 0
        for number, line in enumerate(self._lines, 1):
            if header := _HEADER.match(line):
                name = header[1]
                seen += name == table
            if name == table and seen == which:
                yield number, line


def _is_name(name: str) -> bool:
    try:
        check_commands([Check(name, "true")])
    except AnswerWrong:
        return False
    return True


def _why(key: str) -> str:
    if "mode" in key or "permission" in key:
        return "the permission mode comes from the settings and the owner"
    if "approv" in key:
        return "the owner and the rights of the session say who approves"
    return f"it has {', '.join(sorted(_FIELDS))}"
