"""Takes checkpoints of a bundle into a project's store, and writes the files of the last one."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from archives.bundle_reading import write_entry
from archives.errors import BundleRefused
from archives.manifest import Manifest
from service.bundling import CHECKPOINTS, SCRATCH, BundledCheckpoint
from sessions.checkpointing import SessionCheckpoints
from storage.files import make_directory
from workdirs import rows
from workdirs.bundles import Bundled, check_git_bundle, take_in
from workdirs.checkpoint_model import Checkpoint, CheckpointId, Note, Place, Reason
from workdirs.model import ObjectId
from workdirs.restores import RestoreWish
from workdirs.store import REFS, Store


async def check_checkpoints(file: Path, checkpoints: Sequence[BundledCheckpoint], scratch: Path) -> None:
    """Look at all of a file of checkpoints, in a scratch directory. Raises `BundleUnusable`, `OSError`."""
    make_directory(scratch)
    wanted = [Bundled(each.ref, ObjectId(each.commit)) for each in checkpoints]

    def look() -> None:
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=scratch) as place:
            check_git_bundle(file, wanted, Path(place) / "store")

    await asyncio.to_thread(look)


def unpack_checkpoints(bundle: Path, manifest: Manifest, target: Path) -> bool:
    """Write the file of checkpoints to `target`. False if the bundle has none. Raises `BundleRefused`."""
    for entry in manifest.entries:
        if entry.path == CHECKPOINTS:
            write_entry(bundle, entry, target)
            return True
    return False


async def import_checkpoints(
    taken: SessionCheckpoints,
    place: Place,
    file: Path,
    described: Sequence[BundledCheckpoint],
    owner: str,
    turns: Mapping[str, str],
) -> Checkpoint:
    """Take the checkpoints into the store of `place` for `owner`, and return the last one.

    Doing it again changes nothing. `turns` are the new ids of turns. Raises `WorkdirError`.
    """
    engine = taken.engine
    last = described[-1]
    known = await rows.load_checkpoints(engine.db, owner=owner, limit=1_000)
    # A try that was killed later has taken them in already.
    for each in known:
        if each.commit == last.commit and each.reason is last.reason and each.made_ms == last.made_ms:
            return each
    await engine.take(place, Note(owner, "", Reason.BEFORE_RESTORE))  # it also makes the store
    directory = await rows.load_directory(engine.db, str(place.directory))
    if directory is None:
        raise BundleRefused("", "the directory has no checkpoints")
    store = Store(engine.rules.root / directory.store)
    # The same refs at every try, and never those of another session.
    refs = {each.ref: f"{REFS}{sha256(f'{owner} {each.ref}'.encode()).hexdigest()[:32]}" for each in described}
    await asyncio.to_thread(_take_in, store, file, refs)
    imported = [
        Checkpoint(
            id=CheckpointId(engine.ids.make()),
            directory=str(place.directory),
            owner=owner,
            anchor=turns.get(each.turn_id, ""),
            reason=each.reason,
            label=each.label,
            ref=refs[each.ref],
            commit=ObjectId(each.commit),
            tree=ObjectId(each.tree),
            files=each.files,
            uncovered=each.uncovered,
            moving=0,
            is_partial=each.is_partial,
            is_late=False,
            is_pinned=each.is_pinned,
            made_ms=each.made_ms,
        )
        for each in described
    ]
    # In one transaction, so the look above finds all of them or none.
    await engine.db.write([rows.insert_imported(each, each.ref) for each in imported])
    return imported[-1]


async def write_files(taken: SessionCheckpoints, place: Place, target: Checkpoint, owner: str) -> int:
    """Write the files of a checkpoint into the directory, and return their number. Raises `WorkdirError`."""
    wish = RestoreWish(place, target.id, None, owner, target.anchor)
    preview = await taken.restores.preview(wish)
    if not preview.plan.steps:
        return 0
    return len((await taken.restores.restore(wish, preview.digest)).paths)


def _take_in(store: Store, file: Path, refs: dict[str, str]) -> None:
    with store.locked():
        take_in(store, file, refs)
