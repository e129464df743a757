"""Writes a checkpoint's `Coverage` as the message of its commit, and reads it back. The format is JSON."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from workdirs.model import Coverage, EntryMode, FilePath, Uncovered, WhyUncovered

_VERSION = 1
DIRECTORY = "040000"
"""The key of directories among the usual bits: git's mode of a tree."""
_MANY = 200
_DIRECTORY_BITS = 0o755
_DEFAULT_BITS = {EntryMode.FILE: 0o644, EntryMode.EXECUTABLE: 0o755}


def to_message(coverage: Coverage) -> str:
    """Return `coverage` as text; equal texts mean equal coverage. Sizes are left out: they change often."""
    message = {
        "version": _VERSION,
        "files": coverage.files,
        "usual": dict(sorted(coverage.usual.items())),
        "modes": {os.fsdecode(path): mode for path, mode in sorted(coverage.modes.items())},
        "directories": {os.fsdecode(path): bits for path, bits in sorted(coverage.directories.items())},
        "uncovered": sorted((os.fsdecode(each.path), each.why.value) for each in coverage.uncovered),
        "moving": sorted(os.fsdecode(path) for path in coverage.moving),
        "nested": sorted(os.fsdecode(path) for path in coverage.nested),
        "partial": coverage.is_partial,
    }
    # ASCII only: a name of invalid UTF-8 is a lone surrogate, which the escapes carry.
    return json.dumps(message, ensure_ascii=True)


def from_message(text: str) -> Coverage:
    """Read what `to_message` wrote. Raises `ValueError` for anything else."""
    message: Any = json.loads(text)
    if not isinstance(message, dict) or message.get("version") != _VERSION:
        raise ValueError("not the message of a checkpoint")
    return Coverage(
        files=message["files"],
        usual=message["usual"],
        modes={_path(path): mode for path, mode in message["modes"].items()},
        # Checkpoints of earlier versions have none.
        directories={_path(path): bits for path, bits in message.get("directories", {}).items()},
        uncovered=[Uncovered(_path(path), WhyUncovered(why)) for path, why in message["uncovered"]],
        moving=[_path(path) for path in message["moving"]],
        nested=[_path(path) for path in message["nested"]],
        is_partial=message["partial"],
    )


def permissions(files: Iterable[tuple[FilePath, EntryMode, int]]) -> tuple[dict[str, int], dict[FilePath, int]]:
    """Return the usual permission bits by mode, and the files that have others.

    0644 and 0755 are usual, unless most of many files have other bits: then somebody has another umask.
    """
    listed = [(path, mode, bits & 0o777) for path, mode, bits in files if mode is not EntryMode.LINK]
    usual = {}
    for mode, default in _DEFAULT_BITS.items():
        counted = Counter(bits for _, each, bits in listed if each is mode)
        bits, count = counted.most_common(1)[0] if counted else (default, 0)
        usual[mode.value] = bits if count >= _MANY else default
    return usual, {path: bits for path, mode, bits in listed if usual[mode.value] != bits}


def bits_of(path: FilePath, mode: EntryMode, coverage: Coverage) -> int:
    """Return the permission bits that `path` had at the checkpoint."""
    usual = coverage.usual.get(mode.value, _DEFAULT_BITS.get(mode, 0o644))
    return coverage.modes.get(path, usual)


def directory_permissions(found: Mapping[FilePath, int]) -> tuple[int, dict[FilePath, int]]:
    """Return the usual permission bits of directories, and those that have others; as `permissions` does."""
    counted = Counter(found.values())
    bits, count = counted.most_common(1)[0] if counted else (_DIRECTORY_BITS, 0)
    usual = bits if count >= _MANY else _DIRECTORY_BITS
    return usual, {path: each for path, each in found.items() if each != usual}


def directory_bits(path: FilePath, coverage: Coverage) -> int | None:
    """Return the permission bits that a directory had at the checkpoint; `None` if it does not say."""
    return coverage.directories.get(path, coverage.usual.get(DIRECTORY))


def _path(text: str) -> FilePath:
    return FilePath(os.fsencode(text))
