"""Notice that a tool failed on a path that the sandbox hides, and name the setting that would show it.

A path counts if it exists outside and Claude's process could not reach it. Private places are never named: to
show them is no advice. Looks at the file system, a few calls for an output that speaks of a failure.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sessions.model import ToolCall, ToolOutput

# The output is foreign text of any size: a look at it must stay cheap.
_MOST_BYTES = 20_000
_MOST_LINES = 400
_LONGEST = 500
# The system's words and node's codes for a failure; each with whether a write failed.
_WORDS = {"no such file or directory": False, "permission denied": False, "read-only file system": True}
_CODES = {"ENOENT": False, "EACCES": False, "EROFS": True}
_QUOTED = re.compile(r"""['"`‘“](/[^'"`’”]+)""")
_PLAIN = re.compile(r"""(?<![\w.~/-])(/[^\s'"`:;,()\[\]{}]+)""")
_NPM_PATH = re.compile(r"npm (?:ERR!|error) (?:path|dest) (/.+)")
_LINES_ABOVE = 3
"""Some tools name the path first, and the cause in a line of its own."""
_SYSTEM = ("usr", "bin", "sbin", "lib", "etc", "opt", "proc", "dev", "sys", "tmp", "run", "var")
"""Directories of the root: they are inside, or no setting is to show them."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A path that a tool missed. `wants_to_write`: it was refused a write."""

    path: str
    wants_to_write: bool


def hidden_path(
    output: ToolOutput, work_directory: str, private: Sequence[Path], given: str = ""
) -> Hidden | None:
    """Return the first path in a failed output that exists outside and is hidden inside, or None.

    `given` is the path that the tool was called with: the file tools do not repeat it.
    """
    found = list(_failures(output.text[:_MOST_BYTES]))
    if output.is_error and given.startswith("/"):
        found.append(Hidden(given, wants_to_write=False))
    return next((each for each in found if _is_hidden(each, work_directory, private)), None)


def given_path(call: ToolCall) -> str:
    """Return the path that a file tool was called with; empty for others."""
    path = call.input.get("file_path") or call.input.get("path")
    return path if isinstance(path, str) else ""


def _is_hidden(found: Hidden, work_directory: str, private: Sequence[Path]) -> bool:
    path = Path(os.path.normpath(found.path))
    if path.is_relative_to(work_directory) or len(path.parts) < 2 or path.parts[1] in _SYSTEM:
        return False
    if _is_private(path, private):
        return False
    # A new file does not exist yet: its directory tells whether it could.
    looked_at = path.parent if found.wants_to_write else path
    return os.path.lexists(looked_at) and len(looked_at.parts) > 2


def hidden_words(found: Hidden) -> str:
    """Return the sentence for people who see the session."""
    setting = "SANDBOX_WRITE" if found.wants_to_write else "SANDBOX_READ"
    return f"Claude's sandbox does not show {found.path}. If Claude needs it, an admin names it in {setting}."


def _failures(text: str) -> Iterator[Hidden]:
    lines = [line[:_LONGEST] for line in islice(text.splitlines(), _MOST_LINES)]
    npm_writes = False
    for number, line in enumerate(lines):
        low = line.lower()
        for words, is_write in _WORDS.items():
            at = low.find(words)
            if at < 0:
                continue
            paths = [*_paths(line[:at])[-1:], *_paths(line[at + len(words) :])[:1]]
            if not paths:
                above = lines[max(number - _LINES_ABOVE, 0) : number]
                paths = [path for each in reversed(above) for path in _paths(each)[-1:]]
            yield from (Hidden(path, is_write) for path in paths)
        for code, is_write in _CODES.items():
            _, said, after = line.partition(code)
            if said:
                npm_writes = is_write
                yield from (Hidden(path, is_write) for path in _paths(after)[:1])
        if found := _NPM_PATH.match(line):
            yield Hidden(found[1].strip(), npm_writes)


def _paths(text: str) -> list[str]:
    """Return the absolute paths in a piece of a line: those in quotes, else all words that are one."""
    return _QUOTED.findall(text) or _PLAIN.findall(text)


def _is_private(path: Path, private: Sequence[Path]) -> bool:
    """Whether the path holds a private place, or lies in one that is not merely a home."""
    homes = {Path.home()}
    hidden_names = any(part.startswith(".") for part in path.parts)
    return hidden_names or any(
        each.is_relative_to(path) or (each not in homes and path.is_relative_to(each)) for each in private
    )
