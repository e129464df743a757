"""A work directory with its store, and short words for what tests do to both."""

import os
import stat
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from workdirs.directories import (
    DirectoryWish,
    MadeDirectory,
    begin_branch_directory,
    drop_branch_directory,
    finish_branch_directory,
)
from workdirs.model import Caps, FilePath, ObjectId, Snapshot
from workdirs.plan import Left, RestorePlan, plan_restore
from workdirs.restoring import apply_restore, differing, look_up
from workdirs.snapshot import SnapshotWish, take_snapshot
from workdirs.store import Store

Shown = dict[bytes, tuple[str, int, str]]


@dataclass
class Desk:
    """One work tree and its checkpoints."""

    home: Path
    caps: Caps = field(default_factory=Caps)
    numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)

    @property
    def root(self) -> Path:
        return self.home / "work"

    @property
    def store(self) -> Store:
        return Store(self.home / "store")

    def wish(self, previous: str = "") -> SnapshotWish:
        name = f"c{next(self.numbers)}"
        return SnapshotWish(self.store.directory, self.root, "main", name, previous, 1_700_000_000, self.caps)

    def take(self) -> Snapshot:
        return take_snapshot(self.wish())

    def branch(self, place: Path, parent: Path | None = None, **more: Any) -> MadeDirectory:
        """Make the directory of a branch as the bridge does: its files are copied while a snapshot is taken."""
        parent = parent or self.root
        begun = begin_branch_directory(parent, place, place.name)
        try:
            wish = replace(self.wish(), work_tree=parent, copy_to=place)
            if parent != self.root:
                wish = replace(wish, cache="child")
            point = take_snapshot(wish)
            directory = DirectoryWish(parent, place, place.name, self.store, point.commit, **more)
            return finish_branch_directory(begun, directory, point.coverage)
        except BaseException:
            drop_branch_directory(parent, begun)
            raise

    def write(self, path: str | bytes, text: str | bytes = "text", mode: int = 0o644) -> Path:
        place = self.root / os.fsdecode(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode() if isinstance(text, str) else text)
        place.chmod(mode)
        return place

    def show(self, directory: Path | None = None) -> Shown:
        """Return every file and link below, without `.git`: type, permission bits, a hash of the content."""
        root = directory or self.root
        places = [place for place in root.rglob("*") if ".git" not in place.relative_to(root).parts]
        files = [place for place in places if place.is_symlink() or not place.is_dir()]
        return {os.fsencode(place.relative_to(root)): _shown(place) for place in files}

    def plan(self, now: Snapshot, target: Snapshot, scope: Collection[FilePath] | None = None) -> RestorePlan:
        return plan_restore(look_up(self.store, self.root, now.commit, target.commit), scope)

    def restore(self, target: Snapshot, scope: Collection[FilePath] | None = None) -> list[Left]:
        """Restore, verify that all was done, and return what was left."""
        plan = self.plan(self.take(), target, scope)
        applied = apply_restore(self.store, self.root, "main", plan, "t")
        assert differing(self.store, plan, applied, self.take().commit, target.commit) == []
        return [*plan.left, *applied.left]

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run the user's git, with an identity and nothing else of the machine."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.fspath(self.home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        identity = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=cwd or self.root,
            env=environment,
            capture_output=True,
            text=True,
            errors="surrogateescape",  # names of files may hold any bytes
            check=True,
        )
        return done.stdout

    def sound(self) -> None:
        """Check that the store has no damage."""
        done = subprocess.run(
            ["git", f"--git-dir={self.store.git_dir}", "fsck", "--full", "--strict"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def paths(snapshot: Snapshot, desk: Desk) -> set[bytes]:
    """Return the paths that a snapshot holds."""
    return set(desk.store.tree(ObjectId(snapshot.commit)))


def _shown(place: Path) -> tuple[str, int, str]:
    found = place.lstat()
    if stat.S_ISLNK(found.st_mode):
        return "link", 0, os.fspath(place.readlink())
    if not stat.S_ISREG(found.st_mode):
        return "special", 0, ""
    if not os.access(place, os.R_OK):
        return "unreadable", found.st_mode & 0o777, ""
    return "file", found.st_mode & 0o777, sha256(place.read_bytes()).hexdigest()
