"""Planted words, and where a run leaves them: files, processes, logs. What may be where, the tests say."""

import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path


def _word() -> str:
    return f"SENTINEL{uuid.uuid4().hex}"


@dataclass(frozen=True, slots=True)
class Planted:
    """Words that are nowhere else in the world. `token` is Discord's, `key` Claude's."""

    token: str = field(default_factory=_word)
    key: str = field(default_factory=_word)
    prompt: str = field(default_factory=_word)
    output: str = field(default_factory=_word)
    name: str = field(default_factory=_word)
    content: str = field(default_factory=_word)

    def all(self) -> dict[str, str]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


def files_with(root: Path, words: Collection[str]) -> list[str]:
    """Which files below `root` hold one of `words`, or are named so."""
    found = []
    for path in root.rglob("*"):
        if any(word in path.name for word in words):
            found.append(str(path))
        elif path.is_file():
            content = path.read_bytes()
            found += [f"{path}: {word}" for word in words if word.encode() in content]
    return found


def open_to_others(root: Path) -> list[str]:
    """Return the paths at or below `root` that anybody but its owner may touch."""
    return [
        f"{path}: {path.stat().st_mode:o}" for path in (root, *root.rglob("*")) if path.stat().st_mode & 0o077
    ]


def processes_with(pids: Iterable[int], what: str, words: Collection[str]) -> list[str]:
    """Which processes show one of `words` in `/proc/<pid>/<what>`; one that has ended shows nothing."""
    return [
        f"{pid} {what}: {word}" for pid, shown in _shown(pids, what) for word in words if word.encode() in shown
    ]


def _shown(pids: Iterable[int], what: str) -> Iterator[tuple[int, bytes]]:
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            yield pid, Path(f"/proc/{pid}/{what}").read_bytes()


def lines_with(text: str, words: Collection[str]) -> list[str]:
    return [line for line in text.splitlines() if any(word in line for word in words)]
