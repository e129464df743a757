"""The file `.env`: sets values in its text and keeps the rest; writes it in one step, for its user only."""

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from storage import files

_PLAIN = re.compile(r"[\w./:@%+,~=-]*", re.ASCII)
_SINGLE_QUOTED = re.compile(r"[^=]*=[^\S\r\n]*'")


@dataclass(frozen=True, slots=True)
class Lines:
    """The content of the file: values by name, and the numbers of lines that cannot be read."""

    values: Mapping[str, str]
    unreadable: tuple[int, ...] = ()


def read_lines(path: Path) -> Lines:
    """Read the file; a missing file has no values. Raises `OSError`, `UnicodeDecodeError`.

    `${NAME}` stands for a variable, first of this file, then of the environment; single quotes prevent that.
    """
    values: dict[str, str] = {}
    unreadable = []
    for binding in _bindings(read_text(path)):
        if binding.error:
            unreadable.append(binding.original.line)
        elif binding.key is not None:
            values[binding.key] = _value(binding, {**os.environ, **values})
    return Lines(values, tuple(unreadable))


def read_text(path: Path) -> str:
    """Return the file's text unchanged; empty if there is no file. Raises the errors of `read_lines`."""
    try:
        # Line ends are not translated: inside quotes they are part of the value.
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each of `values` set: in the line that sets it or shows its default, or at the end."""
    waiting = dict(values)
    pieces: list[str] = []
    for binding in _bindings(text):
        original = binding.original.string
        name = (binding.key or "").upper()
        if name in values:
            # The last line of a name counts, so all of them get the new value.
            before = original[: len(original) - len(original.lstrip())]
            pieces.append(f"{before}{_line(name, values[name])}")
            waiting.pop(name, None)
        else:
            pieces.append(original)
    found = "".join(pieces)
    for name in list(waiting):
        # The example shows each default as a comment: the value belongs where its explanation stands.
        shown = re.compile(rf"^#{name}=.*\n?", re.MULTILINE)
        if shown.search(found):
            line = _line(name, waiting.pop(name))
            found = shown.sub(lambda _, line=line: line, found, count=1)  # type: ignore[misc]  # bound at once
    if waiting and found and not found.endswith("\n"):
        found += "\n"
    return found + "".join(_line(name, value) for name, value in waiting.items())


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace the file in one step, with its mode from the first byte on. Raises `OSError`."""
    # Through a link: a `.env` may be one, and must stay one.
    files.write_whole(path.resolve(), text.encode(), mode=mode)


def _bindings(text: str) -> list[Binding]:
    return list(parse_stream(io.StringIO(text, newline="")))


def _value(binding: Binding, known: Mapping[str, str]) -> str:
    value = binding.value or ""
    if _SINGLE_QUOTED.match(binding.original.string):
        return value
    return "".join(atom.resolve(known) for atom in parse_variables(value))


def _line(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return f"{name}={value}\n"
    # In single quotes, `$` is no variable; python-dotenv takes a backslash before these two only.
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{escaped}'\n"
