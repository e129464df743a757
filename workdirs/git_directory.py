"""Finds the git directory of a work tree by reading files. Starts no process, follows no configuration."""

import os
import stat
from pathlib import Path

import msgspec

_MAX_POINTER_BYTES = 8192
_MAX_RULES_BYTES = 256 * 1024


class GitDirectory(msgspec.Struct, frozen=True):
    """Where the repository of a work tree lies. The two differ in a linked worktree."""

    git_dir: Path
    """HEAD and the index are here."""
    common_dir: Path
    """Objects, refs and `info/exclude` are here."""

    @property
    def index(self) -> Path:
        """The index file; it need not exist."""
        return self.git_dir / "index"

    @property
    def exclude(self) -> Path | None:
        """The file of ignore rules that belongs to the repository, if it is a plain file."""
        path = self.common_dir / "info" / "exclude"
        return path if _is_plain_file(path) else None

    def exclude_rules(self) -> bytes:
        """Return the rules in `exclude`; nothing if the file has far too many."""
        return plain_rules(self.exclude) if self.exclude is not None else b""


def find_git_directory(work_tree: Path) -> GitDirectory | None:
    """Return the repository whose root is `work_tree`, or `None`. Repositories further up do not count."""
    found = work_tree / ".git"
    if found.is_dir():
        return GitDirectory(found, _common_dir(found))
    pointed = _read_pointer(found)
    if not pointed.startswith("gitdir:"):
        return None
    git_dir = work_tree / pointed.removeprefix("gitdir:").strip()
    # A relative path counts from the work tree. Joined to it, an absolute one stays as it is.
    return GitDirectory(git_dir, _common_dir(git_dir)) if git_dir.is_dir() else None


def plain_rules(path: Path) -> bytes:
    """Return the ignore rules in a plain file, without comments; nothing if it has far too many."""
    if not _is_plain_file(path):
        return b""
    try:
        with path.open("rb") as file:
            rules = file.read(_MAX_RULES_BYTES + 1)
    except OSError:
        return b""
    lines = [line for line in rules.splitlines() if line.strip() and not line.startswith(b"#")]
    return b"\n".join(lines) if len(rules) <= _MAX_RULES_BYTES else b""


def _common_dir(git_dir: Path) -> Path:
    pointed = _read_pointer(git_dir / "commondir")
    return git_dir / pointed if pointed else git_dir


def _read_pointer(path: Path) -> str:
    if not _is_plain_file(path):
        return ""
    with path.open("rb") as file:
        return os.fsdecode(file.read(_MAX_POINTER_BYTES)).strip()


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)  # opening a FIFO would block
    except OSError:
        return False
