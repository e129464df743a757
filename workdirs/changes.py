"""The text that tells Claude what changed in the work tree since its last turn. Pure.

A cause is named only if it is known: a turn, a restore and a merge leave records; an edit by a person does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import assert_never

import msgspec
from msgspec.structs import replace

from texts.markdown_code import fence_around
from workdirs.quoting import quoted
from workdirs.tokens import estimated_tokens

MOST_PATHS = 20
MOST_CHANGES_TOKENS = 1500

_MOST_DIFF_TOKENS = 400
_HEAD = "Changed in the work directory since your last turn:"


class ChangeKind(StrEnum):
    """The change of one path between two checkpoints."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"


class NotKnown(msgspec.Struct, frozen=True):
    """Nobody knows who made the change: a person, an editor, a tool."""


class BySession(msgspec.Struct, frozen=True):
    """A turn of another session made the change. `title` is the session's name for people."""

    title: str


class ByRestore(msgspec.Struct, frozen=True):
    """A restore of a checkpoint made the change."""


class ByMerge(msgspec.Struct, frozen=True):
    """A merge made the change."""


Author = NotKnown | BySession | ByRestore | ByMerge


class PathChange(msgspec.Struct, frozen=True):
    """One changed path, relative to the work directory. `added` and `removed` are None for a binary file."""

    path: bytes
    kind: ChangeKind
    added: int | None = None
    removed: int | None = None
    author: Author = NotKnown()


def with_author(change: PathChange, author: Author) -> PathChange:
    """Return `change` with its author."""
    return replace(change, author=author)


def changes_text(changes: Sequence[PathChange], diffs: Mapping[bytes, str] | None = None) -> str:
    """Return the text on `changes`, at most 20 paths and 1,500 tokens; empty if nothing changed.

    `diffs` has unified diffs of the files that Claude has read or edited. A diff that is too long is left out.
    """
    if not changes:
        return ""
    lines = list(_lines(changes))
    left = MOST_CHANGES_TOKENS - sum(estimated_tokens(line) + 1 for line in lines)
    for change in changes[:MOST_PATHS]:
        diff = (diffs or {}).get(change.path, "").rstrip("\n")
        cost = estimated_tokens(diff) + 12
        if diff and cost <= min(left, _MOST_DIFF_TOKENS):
            # Else a file could end the fence and speak to Claude outside of it.
            fence = fence_around(diff)
            lines += [f"{fence}diff", diff, fence]
            left -= cost
    return "\n".join(lines)


def _lines(changes: Sequence[PathChange]) -> Iterator[str]:
    yield _HEAD
    for change in changes[:MOST_PATHS]:
        yield f"- {quoted(change.path)}: {change.kind}{_counts(change)}{_author(change.author)}"
    if len(changes) > MOST_PATHS:
        yield f"- and {len(changes) - MOST_PATHS} more"
    if any(isinstance(each.author, NotKnown) for each in changes):
        yield "It is not known who made the changes that name nobody."
    yield "Read such a file again before you rely on what you remember of it."


def _counts(change: PathChange) -> str:
    if change.kind is ChangeKind.DELETED or change.added is None or change.removed is None:
        return ""
    return f" (+{change.added} −{change.removed})"


def _author(author: Author) -> str:
    match author:
        case NotKnown():
            return ""
        case BySession(title):
            return f", by the session {quoted(title, 60)}" if title else ", by another session"
        case ByRestore():
            return ", by a restore"
        case ByMerge():
            return ", by a merge"
        case _:
            assert_never(author)
