"""Notice that a tool failed on a path that the sandbox hides, and name the setting that would show it.

A path counts if it exists outside and Claude's process could not reach it. Private places are never named: to
show them is no advice. Looks at the file system, a few calls for an output that speaks of a failure.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sessions.model import ToolOutput

_MOST_BYTES = 20_000
_MOST_LINES = 400
_LONGEST = 500
# Words of a failure, after the path, and codes of node before it; each with whether a write failed.
_AFTER_PATH = {"No such file or directory": False, "Permission denied": False, "Read-only file system": True}
_BEFORE_PATH = {"ENOENT": False, "EACCES": False, "EROFS": True}
_MARKS = " \t'\"’‘`:,()[]"
_SYSTEM = ("usr", "bin", "sbin", "lib", "etc", "opt", "proc", "dev", "sys", "tmp", "run", "var")
"""Directories of the root: they are inside, or no setting is to show them."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A path that a tool missed. `wants_to_write`: it was refused a write."""

    path: str
    wants_to_write: bool


def hidden_path(output: ToolOutput, work_directory: str, private: Sequence[Path]) -> Hidden | None:
    """Return the first path in a failed output that exists outside and is hidden inside, or None."""
    for found in _failures(output.text[:_MOST_BYTES]):
        path = Path(os.path.normpath(found.path))
        if (
            path.is_relative_to(work_directory)
            or len(path.parts) < 2
            or path.parts[1] in _SYSTEM
            or _is_private(path, private)
        ):
            continue
        looked_at = path.parent if found.wants_to_write else path
        if os.path.lexists(looked_at) and len(looked_at.parts) > 2:
            return Hidden(str(path), found.wants_to_write)
    return None


def hidden_words(found: Hidden) -> str:
    """Return the sentence for people who see the session."""
    setting = "SANDBOX_WRITE" if found.wants_to_write else "SANDBOX_READ"
    return f"Claude's sandbox does not show {found.path}. If Claude needs it, an admin names it in {setting}."


def _failures(text: str) -> Iterator[Hidden]:
    for line in islice(text.splitlines(), _MOST_LINES):
        for words, is_write in _AFTER_PATH.items():
            before, said, _ = line[:_LONGEST].partition(words)
            yield from _path_in(before.rstrip(_MARKS).rpartition(" ")[2] if said else "", is_write)
        for code, is_write in _BEFORE_PATH.items():
            _, said, after = line[:_LONGEST].partition(code)
            start = after.find("/")
            yield from _path_in(after[start:].split("'", 1)[0] if said and start >= 0 else "", is_write)


def _path_in(word: str, is_write: bool) -> Iterator[Hidden]:
    path = word.strip(_MARKS)
    if path.startswith("/") and len(path) > 1:
        yield Hidden(path, is_write)


def _is_private(path: Path, private: Sequence[Path]) -> bool:
    """Whether the path holds a private place, or lies in one that is not merely a home."""
    homes = {Path.home()}
    hidden_names = any(part.startswith(".") for part in path.parts)
    return hidden_names or any(
        each.is_relative_to(path) or (each not in homes and path.is_relative_to(each)) for each in private
    )
