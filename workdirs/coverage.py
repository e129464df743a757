"""Writes a checkpoint's `Coverage` as the message of its commit, and reads it back. The format is JSON."""

import json
import os
import stat
from collections import Counter
from collections.abc import Mapping
from typing import Literal

import msgspec

from workdirs.errors import UnsafePath
from workdirs.model import Coverage, EntryMode, FilePath, Uncovered, WhyUncovered
from workdirs.paths import check

_VERSION = 1
DIRECTORY = "040000"
"""The key of directories among the usual bits: git's mode of a tree."""
_MANY = 200
_DIRECTORY_BITS = 0o755
_DEFAULT_BITS = {EntryMode.FILE: 0o644, EntryMode.EXECUTABLE: 0o755}


class _Message(msgspec.Struct, frozen=True):
    version: Literal[1]
    files: int
    usual: dict[str, int]
    modes: dict[str, int]
    uncovered: list[tuple[str, str]]
    moving: list[str]
    nested: list[str]
    partial: bool
    # Checkpoints of earlier versions have neither.
    directories: dict[str, int] = {}
    excludes: dict[str, str] = {}


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
        "excludes": {os.fsdecode(path): rules for path, rules in sorted(coverage.excludes.items())},
        "partial": coverage.is_partial,
    }
    # ASCII only: a name of invalid UTF-8 is a lone surrogate, which the escapes carry.
    return json.dumps(message, ensure_ascii=True)


def from_message(text: str) -> Coverage:
    """Parse a text made by `to_message`. Raises `ValueError` for anything else: a bundle may say anything."""
    try:
        message = msgspec.convert(json.loads(text), type=_Message)
        return Coverage(
            files=message.files,
            usual=message.usual,
            modes=_by_path(message.modes),
            directories=_by_path(message.directories),
            uncovered=[Uncovered(_path(path), WhyUncovered(why)) for path, why in message.uncovered],
            moving=[_path(path) for path in message.moving],
            nested=[_path(path) for path in message.nested],
            excludes={_path(path): rules for path, rules in message.excludes.items()},
            is_partial=message.partial,
        )
    # Deep nesting is a `RecursionError`, an unknown reason or a lone surrogate a `ValueError`.
    except (msgspec.ValidationError, UnsafePath, ValueError, RecursionError) as error:
        raise ValueError("not the message of a checkpoint") from error


def permissions(modes: Mapping[FilePath, int]) -> tuple[dict[str, int], dict[FilePath, int]]:
    """Return the usual permission bits by mode, and the files that have others; `modes` are `st_mode`s.

    0644 and 0755 are usual, unless most of many files have other bits: then somebody has another umask.
    """
    # Of many files few modes are different: only those are looked at one by one.
    counted = Counter(modes.values())
    usual = {}
    for mode, default in _DEFAULT_BITS.items():
        of_mode: Counter[int] = Counter()
        for each, number in counted.items():
            if entry_mode(each) is mode:
                of_mode[each & 0o777] += number
        bits, count = of_mode.most_common(1)[0] if of_mode else (default, 0)
        usual[mode.value] = bits if count >= _MANY else default
    unusual = {
        each
        for each in counted
        if (mode := entry_mode(each)) is not EntryMode.LINK and usual[mode.value] != each & 0o777
    }
    return usual, {path: mode & 0o777 for path, mode in modes.items() if mode in unusual} if unusual else {}


def entry_mode(mode: int) -> EntryMode:
    """Return the mode that git gives to a file or link of this `st_mode`."""
    if stat.S_ISLNK(mode):
        return EntryMode.LINK
    # Like git, which looks at the owner's bit alone.
    return EntryMode.EXECUTABLE if mode & 0o100 else EntryMode.FILE


def bits_of(path: FilePath, mode: EntryMode, coverage: Coverage) -> int:
    """Return the permission bits that `path` had at the checkpoint."""
    usual = coverage.usual.get(mode.value, _DEFAULT_BITS.get(mode, 0o644))
    # A bundle may say anything: none of the special bits (set-user-id, sticky) comes back.
    return coverage.modes.get(path, usual) & 0o777


def directory_permissions(found: Mapping[FilePath, int]) -> tuple[int, dict[FilePath, int]]:
    """Return the usual permission bits of directories, and those that have others; as `permissions` does."""
    counted = Counter(found.values())
    bits, count = counted.most_common(1)[0] if counted else (_DIRECTORY_BITS, 0)
    usual = bits if count >= _MANY else _DIRECTORY_BITS
    return usual, {path: each for path, each in found.items() if each != usual}


def directory_bits(path: FilePath, coverage: Coverage) -> int | None:
    """Return the permission bits that a directory had at the checkpoint; `None` if it does not say."""
    bits = coverage.directories.get(path, coverage.usual.get(DIRECTORY))
    # No special bits, as for files.
    return None if bits is None else bits & 0o777


def _by_path(bits: Mapping[str, int]) -> dict[FilePath, int]:
    # These paths are opened by a restore, so each must be one that a checkpoint can have.
    return {check(_path(path)): each for path, each in bits.items()}


def _path(text: str) -> FilePath:
    return FilePath(os.fsencode(text))
