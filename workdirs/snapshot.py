"""Takes a snapshot of a work tree: lists it, reads what changed, stores it as one commit. Blocks; see `taking`.

Not seen is not deleted: what could not be looked at keeps the content of the snapshot before, and is named.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from pathlib import Path

import msgspec

from faults import crash_point
from workdirs.blocking_rules import unblocked
from workdirs.copying import TreeCopy
from workdirs.coverage import (
    DIRECTORY,
    directory_permissions,
    entry_mode,
    from_message,
    permissions,
    to_message,
)
from workdirs.errors import (
    CheckpointFailed,
    GitFailed,
    GitMissing,
    GitTimedOut,
    StoreMissing,
    WhyNoCheckpoint,
    WorkdirError,
)
from workdirs.fast_import import FastImport, NewCommit
from workdirs.file_reading import Content, NotCovered, NotThere, read_file
from workdirs.listing import Listing, list_files
from workdirs.model import (
    EMPTY_TREE,
    Caps,
    Coverage,
    FilePath,
    ObjectId,
    Snapshot,
    Uncovered,
    WhyUncovered,
)
from workdirs.paths import WorkTree, directories_of, is_storable
from workdirs.stat_cache import Known, StatCache, load, save
from workdirs.store import REFS, Store
from workdirs.store_repair import repair

log = logging.getLogger(__name__)

_PATIENT_FILES = 20  # so many moving files are waited for; each may cost 70 ms
# Times that the store is measured as it fills up: one snapshot may be larger than all that may be kept.
_MEASURED_PARTS = 8
_NO_ROOM = ("No space left", "Out of diskspace", "Disk quota")  # as git says it, in several places


class SnapshotWish(msgspec.Struct, frozen=True):
    """The work tree to take a snapshot of, and the names under which it is kept."""

    store: Path
    work_tree: Path
    cache: str
    """Names the work tree in its store: a short word without `/`."""
    checkpoint: str
    """Names the ref: a new id, the same word characters."""
    previous: str
    """Commit of the snapshot before, if any: it counts when the stat cache is lost."""
    now_s: int
    caps: Caps
    deadline_s: float = 120.0
    copy_to: Path | None = None
    """An empty directory that gets a copy of every file, exactly as the snapshot holds it."""


def take_snapshot(wish: SnapshotWish) -> Snapshot:
    """Store the work tree as it is now. Raises `CheckpointFailed`."""
    try:
        return _take(wish)
    except GitMissing as error:
        raise CheckpointFailed(WhyNoCheckpoint.NO_GIT, str(error)) from error
    except GitTimedOut as error:
        raise CheckpointFailed(WhyNoCheckpoint.TOO_SLOW, "looking at the files took too long") from error
    except GitFailed as error:
        if _says_no_room(error):
            raise _disk_full() from error
        raise CheckpointFailed(WhyNoCheckpoint.FAILED, f"the checkpoint was not stored: {error}") from error
    except CheckpointFailed:
        raise
    except WorkdirError as error:
        raise CheckpointFailed(WhyNoCheckpoint.FAILED, f"the checkpoint was not stored: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full() from error
        reason = error.strerror or "the system refused"
        raise CheckpointFailed(WhyNoCheckpoint.FAILED, f"the checkpoint was not stored: {reason}") from error


def _take(wish: SnapshotWish) -> Snapshot:
    store = Store(wish.store)
    if not wish.work_tree.is_dir():
        raise CheckpointFailed(WhyNoCheckpoint.GONE, "the work directory does not exist any more")
    with store.locked(wish.deadline_s):
        store.prepare()
        # Under the lock, unfinished files can only be those of a writer that was killed.
        store.sweep()
        try:
            return _look_and_store(store, wish)
        except GitFailed as error:
            if _says_no_room(error) or not repair(store):
                raise
            log.warning("store of checkpoints repaired", extra={"command": error.command})
            if wish.copy_to is not None:  # half of it is there: the next try begins with an empty one
                raise
            return _look_and_store(store, wish)


def _look_and_store(store: Store, wish: SnapshotWish) -> Snapshot:
    cache = _usable_cache(store, wish)
    with unblocked(wish.work_tree):
        listing = list_files(store.git_dir, wish.work_tree, cache.indexes, wish.deadline_s)
    if len(listing.paths) > wish.caps.max_files:
        sentence = (
            f"the directory has {len(listing.paths)} files; checkpoints hold at most {wish.caps.max_files}"
        )
        raise CheckpointFailed(WhyNoCheckpoint.TOO_MANY_FILES, sentence)
    with (
        WorkTree(wish.work_tree) as tree,
        closing(TreeCopy(wish.work_tree, wish.copy_to)) if wish.copy_to is not None else nullcontext() as copy,
    ):
        work = _Work(store, wish, cache, listing, tree, copy)
        work.look()
        return work.store_changes()


def _says_no_room(error: GitFailed) -> bool:
    return any(words in error.stderr for words in _NO_ROOM)


def _usable_cache(store: Store, wish: SnapshotWish) -> StatCache:
    """Return the cache if its snapshot is still kept; else what the previous commit says, without stat data."""
    cache = load(store.cache(wish.cache))
    # A packing deletes the contents of a removed checkpoint, so its cache must not call them stored.
    if store.holds(cache.ref, cache.commit):
        return cache
    try:
        entries = store.tree(ObjectId(wish.previous)) if wish.previous else {}
    except StoreMissing:
        entries = {}
    files: dict[bytes, Known] = {
        path: Known(0, 0, 0, 0, int(entry.mode, 8), bytes.fromhex(entry.blob))
        for path, entry in entries.items()
    }
    return StatCache(files=files)


class _Work:
    """One snapshot in the making."""

    def __init__(
        self,
        store: Store,
        wish: SnapshotWish,
        cache: StatCache,
        listing: Listing,
        tree: WorkTree,
        copy: TreeCopy | None,
    ) -> None:
        self._store = store
        self._wish = wish
        self._cache = cache
        self._listing = listing
        self._tree = tree
        self._copy = copy
        self._import: FastImport | None = None
        self._now: dict[bytes, Known] = {}
        self._uncovered = list(listing.uncovered)
        self._carried: set[bytes] = set()
        self._moving: list[FilePath] = []
        self._stored_bytes = 0
        self._unmeasured_bytes = 0
        self._stored: set[bytes] = set()

    def look(self) -> None:
        """Compare every file with the cache; read and store those that look different."""
        try:
            changed = self._looking_different()
            for path in (*changed, *self._unlisted()):
                self._read(path)
            if self._copy is not None:
                self._copy_carried(self._copy)
        except BaseException:
            self._abandon()
            raise

    def store_changes(self) -> Snapshot:
        """Write the commit unless nothing changed, then the cache."""
        cache, wish = self._cache, self._wish
        coverage = self._coverage()
        message = to_message(coverage)
        is_cold = not cache.commit
        new = NewCommit(
            f"{REFS}{wish.checkpoint}", message, wish.now_s, EMPTY_TREE if is_cold else ObjectId(cache.tree)
        )
        old = {} if is_cold else cache.files
        new.deleted = [FilePath(path) for path in sorted(old.keys() - self._now.keys())]
        new.changed = [
            (FilePath(path), entry_mode(known.mode).value, known.blob.hex())
            for path, known in self._now.items()
            if (was := old.get(path)) is not known  # nearly all are the cache's own
            and (was is None or was.blob != known.blob or entry_mode(was.mode) is not entry_mode(known.mode))
        ]
        if not is_cold and not new.deleted and not new.changed and message == cache.message:
            self._abandon()
            if cache.files != self._now or cache.indexes != self._listing.index_keys:
                self._save(cache.ref, cache.commit, cache.tree, message)
            commit, tree, ref = ObjectId(cache.commit), ObjectId(cache.tree), cache.ref
            return Snapshot(commit, tree, ref, coverage, is_new=False)
        with self._importing() as stream:
            crash_point("snapshot.before_commit")
            commit, tree = stream.commit(new)
        self._store.unmark_writing()
        crash_point("snapshot.after_commit")
        # The cache last: after a kill before this line the old one still holds, and only time is lost.
        self._save(new.ref, commit, tree, message)
        return Snapshot(commit, tree, new.ref, coverage, self._stored_bytes)

    def _looking_different(self) -> list[FilePath]:
        """Sort the listed files into those that look as before, and the rest, which is returned."""
        before, now, look_at = self._cache.files, self._now, self._way_to_look()
        different: list[FilePath] = []
        for path in self._listing.paths:
            known = before.get(path)
            if known is None:
                if is_storable(path):
                    different.append(path)
                else:
                    self._uncovered.append(Uncovered(path, WhyUncovered.RESERVED_NAME))
                continue
            try:
                found = look_at(path, known)
            except OSError:
                different.append(path)
                continue
            # `ctime` and inode, too: a program can give a file its old size and its old time of modification.
            if (
                known.ctime_ns == found.st_ctime_ns
                and known.mtime_ns == found.st_mtime_ns
                and known.size == found.st_size
                and known.inode == found.st_ino
                and known.mode == found.st_mode
            ):
                now[path] = known
            else:
                different.append(path)
        return different

    def _way_to_look(self) -> Callable[[FilePath, Known], os.stat_result]:
        """Return a function that returns how a file looks now, after copying it if it is to be copied."""
        if self._copy is not None:
            return self._copy.copy
        root, lstat = os.fsencode(self._wish.work_tree) + b"/", os.lstat
        return lambda path, _known: lstat(root + path)

    def _unlisted(self) -> Iterable[FilePath]:
        """Yield known files that git did not list: now ignored, or deleted. Carry those that were not seen."""
        listed = set(self._listing.paths)
        unreadable = tuple(self._listing.unreadable)
        for path in self._cache.files:
            if path in listed:
                continue
            if unreadable and path.startswith(unreadable):
                self._carry(path)
            else:
                yield FilePath(path)

    def _read(self, path: FilePath) -> None:
        patient = len(self._moving) < _PATIENT_FILES
        try:
            reading = read_file(self._tree, path, self._wish.caps.max_file_bytes, patient=patient)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            reading = NotCovered(WhyUncovered.UNREADABLE)
        if self._copy is not None:
            match reading:
                case Content(data, known):
                    self._copy.write(path, known.mode, data)
                case _:
                    self._copy.drop(path)
        match reading:
            case NotThere():
                pass
            case NotCovered(why, size):
                self._uncovered.append(Uncovered(path, why, size))
                self._carry(path)
            case Content(data, known, is_moving):
                self._now[path] = known
                if is_moving:
                    self._moving.append(path)
                was = self._cache.files.get(path)
                is_stored = known.blob in self._stored or (was is not None and was.blob == known.blob)
                if not is_stored or not self._cache.commit:
                    self._add(known.blob, data)

    def _add(self, blob: bytes, data: bytes) -> None:
        if blob in self._stored:
            return
        self._importing().add_blob(data)
        self._stored.add(blob)
        self._stored_bytes += len(data)
        self._unmeasured_bytes += len(data)
        if self._unmeasured_bytes > self._wish.caps.max_store_bytes // _MEASURED_PARTS:
            self._unmeasured_bytes = 0
            self._refuse_if_full()

    def _carry(self, path: bytes) -> None:
        was = self._cache.files.get(path)
        if was is not None:
            self._now[path] = was
            self._carried.add(path)

    def _copy_carried(self, copy: TreeCopy) -> None:
        """Write the files that keep their content of the snapshot before, but for large ones.

        Those are copied whole later, as they are now.
        """
        large = {each.path for each in self._uncovered if each.why is WhyUncovered.TOO_LARGE}
        wanted = {path: self._now[path] for path in map(FilePath, self._carried) if path not in large}
        blobs = [(path, ObjectId(known.blob.hex())) for path, known in wanted.items()]
        for path, data in self._store.blobs(blobs):
            copy.write(path, wanted[path].mode, data)

    def _coverage(self) -> Coverage:
        carried = self._carried
        usual, modes = permissions(
            {FilePath(path): known.mode for path, known in self._now.items() if path not in carried}
        )
        usual[DIRECTORY], directories = directory_permissions(self._directories())
        if self._carried and self._cache.message:
            before = from_message(self._cache.message).modes
            modes |= {FilePath(path): before[FilePath(path)] for path in self._carried if path in before}
        return Coverage(
            files=len(self._now),
            usual=usual,
            modes=modes,
            directories=directories,
            uncovered=self._uncovered,
            moving=self._moving,
            nested=self._listing.nested,
            excludes=self._listing.excludes,
            is_partial=self._listing.is_partial,
        )

    def _directories(self) -> dict[FilePath, int]:
        """Return the permission bits of all directories that files of the snapshot lie in."""
        root = os.fsencode(self._wish.work_tree) + b"/"
        found: dict[FilePath, int] = {}
        for directory in directories_of(self._now):
            try:
                known = os.lstat(root + directory)
            except OSError:
                continue
            if stat.S_ISDIR(known.st_mode):
                found[directory] = known.st_mode & 0o777
        return found

    def _save(self, ref: str, commit: str, tree: str, message: str) -> None:
        path = self._store.cache(self._wish.cache)
        indexes = self._listing.index_keys
        save(
            path,
            StatCache(ref=ref, commit=commit, tree=tree, message=message, indexes=indexes, files=self._now),
        )

    def _importing(self) -> FastImport:
        if self._import is None:
            self._refuse_if_full()
            # The mark first: a later writer deletes the left-overs of a killed one only if it finds it.
            self._store.mark_writing()
            self._import = FastImport(self._store.git_dir)
        return self._import

    def _refuse_if_full(self) -> None:
        if self._store.size() > self._wish.caps.max_store_bytes:
            sentence = "the checkpoints of this project take all the room that they may"
            raise CheckpointFailed(WhyNoCheckpoint.STORE_FULL, sentence)

    def _abandon(self) -> None:
        if self._import is not None:
            self._import.__exit__(None, None, None)
            self._import = None


def _disk_full() -> CheckpointFailed:
    return CheckpointFailed(WhyNoCheckpoint.DISK_FULL, "no room is left on the disk for checkpoints")
