"""Compares two checkpoints of one store: which files changed, by how many lines, and the text of the change.

git compares in our own repository, where no attribute counts and no program is configured.
"""

import os
from collections.abc import Sequence

from workdirs.changes import ChangeKind, PathChange
from workdirs.errors import GitFailed, GitSaidTooMuch, StoreMissing
from workdirs.git import run
from workdirs.model import FilePath, ObjectId
from workdirs.store import Store

_KINDS = {"A": ChangeKind.CREATED, "D": ChangeKind.DELETED}


def compare(store: Store, old: ObjectId, new: ObjectId) -> list[PathChange]:
    """Return the files in which `new` differs from `old`, sorted by path. Raises `StoreMissing`."""
    if old == new:
        return []
    options = ("-r", "-z", "--raw", "--numstat", "--no-renames", "--full-index")
    try:
        answer = run(store.call("diff-tree", *options, *_trees(old, new)))
    except GitFailed as error:
        raise StoreMissing(new) from error
    fields = answer.out.split(b"\0")
    kinds: dict[bytes, ChangeKind] = {}
    lines: dict[bytes, tuple[int | None, int | None]] = {}
    position = 0
    while position < len(fields) - 1:
        field = fields[position]
        if field.startswith(b":"):  # the raw line of a file, and its path as the next field
            kinds[fields[position + 1]] = _KINDS.get(field[-1:].decode(), ChangeKind.CHANGED)
            position += 2
        else:
            added, removed, path = field.split(b"\t", 2)
            lines[path] = (_number(added), _number(removed))
            position += 1
    return [PathChange(path, kind, *lines.get(path, (None, None))) for path, kind in sorted(kinds.items())]


def unified_diff(
    store: Store, old: ObjectId, new: ObjectId, paths: Sequence[FilePath] = (), *, max_bytes: int = 1_000_000
) -> str | None:
    """Return the changes as a unified diff; `paths` limits it to these files. `None` if it exceeds `max_bytes`.

    Raises `StoreMissing`.
    """
    # A name may begin with `:` or hold a star, which git would take for a pattern.
    chosen = tuple(f":(literal){os.fsdecode(path)}" for path in paths)
    options = ("-r", "-p", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--no-prefix")
    call = store.call("diff-tree", *options, *_trees(old, new), "--", *chosen, max_output=max_bytes)
    try:
        return run(call).out.decode(errors="replace")
    except GitSaidTooMuch:
        return None
    except GitFailed as error:
        raise StoreMissing(new) from error


def binary_patch(store: Store, old: ObjectId, new: ObjectId, *, max_bytes: int) -> bytes | None:
    """Return the changes as a patch that `git apply` takes, binary files included; `None` beyond `max_bytes`.

    Raises `StoreMissing`.
    """
    options = ("-r", "-p", "--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff")
    prefixes = ("--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
    call = store.call("diff-tree", *options, *prefixes, *_trees(old, new), max_output=max_bytes)
    try:
        return run(call).out
    except GitSaidTooMuch:
        return None
    except GitFailed as error:
        raise StoreMissing(new) from error


def _trees(old: ObjectId, new: ObjectId) -> tuple[str, str]:
    return f"{old}^{{tree}}", f"{new}^{{tree}}"


def _number(text: bytes) -> int | None:
    return None if text == b"-" else int(text)  # `-` is a binary file
