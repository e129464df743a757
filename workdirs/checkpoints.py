"""Takes, lists, compares and removes checkpoints: the engine with its rows. Restores are in `restores.py`.

Row before act, status after. One lock a work directory: no checkpoint falls into the middle of a restore.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path

from storage import Database, UuidMaker, run_to_end
from workdirs import rows
from workdirs.changes import PathChange
from workdirs.checkpoint_model import Cause, Checkpoint, CheckpointId, Note, Place, Reason
from workdirs.checkpoint_retention import due_for_removal
from workdirs.checkpoint_rules import CheckpointRules
from workdirs.compare import binary_patch, compare, unified_diff
from workdirs.errors import (
    CheckpointFailed,
    CheckpointGone,
    DirectoryRefused,
    GitFailed,
    WhyNoCheckpoint,
    WorkdirError,
)
from workdirs.model import FilePath, Snapshot
from workdirs.repository import head_of
from workdirs.snapshot import SnapshotWish
from workdirs.store import Store
from workdirs.store_repair import repair
from workdirs.taking import take

log = logging.getLogger(__name__)

_MOST_OF_A_DIRECTORY = 100_000
_REF_IS_OLD_S = 86_400.0
"""A younger ref may be of an import from a bundle, whose rows come after its refs."""


class Checkpoints:
    """The checkpoints of all work directories."""

    def __init__(self, db: Database, rules: CheckpointRules, now_ms: Callable[[], int]) -> None:
        self.db = db
        self.rules = rules
        self.now_ms = now_ms
        self.ids = UuidMaker()
        self._locks: dict[str, asyncio.Lock] = {}

    async def take(self, place: Place, note: Note) -> Checkpoint:
        """Take a checkpoint of the directory. Raises `CheckpointFailed`, `DirectoryRefused`."""
        async with self.locked(place.directory):
            return await self.take_locked(place, note)

    async def take_turn_end(self, place: Place, note: Note) -> Checkpoint:
        """Take the checkpoint of a turn's end, and record what changed since its beginning. Raises as `take`.

        A late checkpoint of the beginning may hold changes of the turn. Then nothing is recorded.
        """
        async with self.locked(place.directory):
            after = await self.take_locked(place, note)
            before = await rows.load_anchored(self.db, note.owner, note.anchor, Reason.BEFORE_PROMPT)
            if before is not None and not before.is_late:
                await self.record_changes(before, after, Cause.TURN)
            return after

    async def take_locked(self, place: Place, note: Note, *, copy_to: Path | None = None) -> Checkpoint:
        """Take a checkpoint; the caller holds the directory's lock. Raises as `take` does.

        `copy_to` is an empty directory that gets the files, as the checkpoint holds them.
        """
        began_ms = self.now_ms()
        directory = await self._known(place)
        newest = await rows.load_newest(self.db, directory.path)
        # The order of ids is that of checkpoints, also if the clock was set back before this start.
        new = CheckpointId(self.ids.make(after=newest.id if newest is not None else ""))
        await self.db.write([rows.insert_checkpoint(new, directory.path, note, began_ms)])
        wish = SnapshotWish(
            store=self.rules.root / directory.store,
            work_tree=place.directory,
            cache=directory.cache,
            checkpoint=new,
            previous=newest.commit if newest is not None else "",
            now_s=began_ms // 1000,
            caps=self.rules.caps,
            deadline_s=self.rules.deadline_s,
            copy_to=copy_to,
        )
        try:
            snapshot = await self._take_with_room(wish, directory.path)
            head = await asyncio.to_thread(head_of, place.directory)
        # A cancel leaves the row at `taking`. The next start calls it failed.
        except CheckpointFailed as error:
            await self.db.write([rows.checkpoint_failed(new, str(error))])
            raise
        took_ms = max(0, self.now_ms() - began_ms)
        is_late = note.late_after_s is not None and took_ms > note.late_after_s * 1000
        await self.db.write([rows.checkpoint_taken(new, snapshot, took_ms, is_late=is_late, head=head)])
        return await self.load(new)

    async def load(self, checkpoint_id: str) -> Checkpoint:
        """Return a checkpoint. Raises `CheckpointGone`."""
        found = await rows.load_checkpoint(self.db, checkpoint_id)
        if found is None:
            raise CheckpointGone
        return found

    async def compare(self, old: Checkpoint, new: Checkpoint) -> list[PathChange]:
        """Return the files in which two checkpoints of one project differ. Raises `StoreMissing`."""
        store = await self.store_of(new)
        return await asyncio.to_thread(compare, store, old.commit, new.commit)

    async def diff(
        self, old: Checkpoint, new: Checkpoint, paths: Sequence[FilePath] = (), *, max_bytes: int = 1_000_000
    ) -> str | None:
        """Return the changes as text; `None` if they exceed `max_bytes`. Raises `StoreMissing`."""
        store = await self.store_of(new)
        return await asyncio.to_thread(unified_diff, store, old.commit, new.commit, paths, max_bytes=max_bytes)

    async def patch(self, old: Checkpoint, new: Checkpoint, *, max_bytes: int) -> bytes | None:
        """Return the changes as a patch for `git apply`; `None` beyond `max_bytes`. Raises `StoreMissing`."""
        store = await self.store_of(new)
        return await asyncio.to_thread(binary_patch, store, old.commit, new.commit, max_bytes=max_bytes)

    async def record_changes(self, old: Checkpoint, new: Checkpoint, cause: Cause) -> list[PathChange]:
        """Store that `new.owner` made the changes between the two, and return them."""
        changes = await self.compare(old, new)
        await self.db.write(rows.insert_changes(new, cause, changes))
        return changes

    async def pin(self, checkpoint: Checkpoint, *, pinned: bool = True) -> None:
        """Keep a checkpoint whatever its age, or no longer."""
        await self.db.write([rows.pin(checkpoint.id, pinned=pinned)])

    async def store_of(self, checkpoint: Checkpoint) -> Store:
        """Return the store that has the checkpoint's files. Raises `CheckpointGone`."""
        directory = await rows.load_directory(self.db, checkpoint.directory)
        if directory is None:
            raise CheckpointGone
        return Store(self.rules.root / directory.store)

    async def tidy(self) -> int:
        """Remove old checkpoints and pack the stores; return how many were removed."""
        removed = 0
        for directory in await rows.load_directories(self.db):
            try:
                async with self.locked(Path(directory.path)):
                    removed += await self._tidy(directory)
            except (WorkdirError, OSError) as error:  # the stores of others are tidied all the same
                log.warning("checkpoints of a directory not tidied", extra={"error": type(error).__name__})
        await self._forget_unused_refs()
        return removed

    @asynccontextmanager
    async def locked(self, directory: Path) -> AsyncIterator[None]:
        """Hold the lock of a work directory: its files are not to be looked at or changed by others of us."""
        async with self._locks.setdefault(str(directory), asyncio.Lock()):
            yield

    async def _take_with_room(self, wish: SnapshotWish, directory: str) -> Snapshot:
        try:
            return await take(wish)
        except CheckpointFailed as error:
            known = await rows.load_directory(self.db, directory)
            if error.why is not WhyNoCheckpoint.STORE_FULL or known is None:
                raise
            try:
                # Packing frees what removed checkpoints held, so it helps even if nothing is due today.
                await self._tidy(known, always_pack=True)
            except WorkdirError:
                raise error from None
        return await take(wish)

    async def _known(self, place: Place) -> rows.StoredDirectory:
        path = str(place.directory)
        known = await rows.load_directory(self.db, path)
        if known is not None:
            return known
        for private in self.rules.private:
            if private.is_relative_to(place.directory):
                raise DirectoryRefused(
                    "no checkpoints here: the directory holds a home, the workspace or files of the bridge"
                )
        new = rows.StoredDirectory(path, str(place.project), _short(str(place.project)), _short(path))
        await self.db.write([rows.insert_directory(new, self.now_ms())])
        return new

    async def _forget_unused_refs(self) -> None:
        """Delete the refs that no row names: a process was killed between their rows and them."""
        stores: dict[str, list[Path]] = {}
        for each in await rows.load_directories(self.db):
            stores.setdefault(each.store, []).append(Path(each.path))
        for name, directories in stores.items():
            store = Store(self.rules.root / name)
            async with AsyncExitStack() as locks:
                # All of them: a checkpoint of an unchanged directory takes the ref that its cache names.
                for directory in sorted(directories):
                    await locks.enter_async_context(self.locked(directory))
                try:
                    found = await asyncio.to_thread(store.old_refs, _REF_IS_OLD_S)
                    unused = sorted(set(found) - await rows.load_used_refs(self.db, found))
                    if unused:
                        await run_to_end(_shrink, store, unused, always_pack=False)
                        log.info("refs without a checkpoint deleted", extra={"refs": len(unused)})
                except (WorkdirError, OSError) as error:
                    log.warning("refs of a store not tidied", extra={"error": type(error).__name__})

    async def _tidy(self, directory: rows.StoredDirectory, *, always_pack: bool = False) -> int:
        found = await rows.load_checkpoints(self.db, directory=directory.path, limit=_MOST_OF_A_DIRECTORY)
        gone = due_for_removal(found, self.rules.ages, self.now_ms())
        ids = [each.id for each in gone]
        # Rows before refs: after a kill in between, no row promises files that are gone.
        if ids:
            await self.db.write([*rows.delete_restores_of(ids), rows.delete_checkpoints(ids)])
        refs = sorted({each.ref for each in gone})
        # Checkpoints between which nothing changed share one ref.
        unused = sorted(set(refs) - await rows.load_used_refs(self.db, refs))
        store = Store(self.rules.root / directory.store)
        if store.git_dir.is_dir():
            await asyncio.to_thread(_shrink, store, unused, always_pack=always_pack)
        return len(gone)


def _shrink(store: Store, unused: list[str], *, always_pack: bool) -> None:
    with store.locked():
        store.sweep()
        try:
            _drop_and_pack(store, unused, always_pack=always_pack)
        except GitFailed:
            if not repair(store):
                raise
            _drop_and_pack(store, unused, always_pack=always_pack)


def _drop_and_pack(store: Store, unused: list[str], *, always_pack: bool) -> None:
    if unused:
        store.delete_refs(unused)
    if always_pack or unused or store.needs_packing():
        store.pack()


def _short(path: str) -> str:
    return sha256(path.encode()).hexdigest()[:24]
