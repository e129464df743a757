"""A store after a power cut: the next checkpoint is whole, lost ones are named, none is restored in part."""

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.workdirs.desk import Desk
from tests.workdirs.ledger import DAY_MS, open_ledger
from workdirs.checkpoint_model import Note, Place, Reason
from workdirs.errors import StoreDamaged, StoreMissing
from workdirs.git import run
from workdirs.merge_room import Signature
from workdirs.model import ObjectId
from workdirs.store import Store


def _cut(store: Store, pattern: str, share: float) -> None:
    for path in sorted(store.git_dir.glob(pattern)):
        path.chmod(0o600)
        os.truncate(path, int(path.stat().st_size * share))


def _empty_objects(store: Store) -> None:
    _cut(store, "objects/[0-9a-f][0-9a-f]/*", 0)


def _half_objects(store: Store) -> None:
    _cut(store, "objects/[0-9a-f][0-9a-f]/*", 0.5)


def _empty_refs(store: Store) -> None:
    _cut(store, "refs/checkpoints/*", 0)


def _half_a_ref(store: Store) -> None:
    _cut(store, "refs/checkpoints/*", 0.5)


def _empty_head(store: Store) -> None:
    _cut(store, "HEAD", 0)


def _empty_packs(store: Store) -> None:
    store.pack()
    _cut(store, "objects/pack/*.pack", 0)


def _half_packs(store: Store) -> None:
    store.pack()
    _cut(store, "objects/pack/*.pack", 0.5)


def _no_refs_directory(store: Store) -> None:
    shutil.rmtree(store.git_dir / "refs")


def _no_objects_directory(store: Store) -> None:
    shutil.rmtree(store.git_dir / "objects")


@pytest.mark.parametrize(
    "cut",
    [
        *(_empty_objects, _half_objects, _empty_refs, _half_a_ref, _empty_head),
        *(_empty_packs, _half_packs, _no_refs_directory, _no_objects_directory),
    ],
)
async def test_after_a_power_cut_the_next_checkpoint_is_whole(desk: Desk, cut: Callable[[Store], None]) -> None:
    desk.write("d/a", "one")
    desk.write("b", "same", 0o600)
    async with open_ledger(desk.home) as ledger:
        early = await ledger.take(Reason.BEFORE_PROMPT)
        desk.write("d/a", "two")
        await ledger.take(Reason.BEFORE_PROMPT)
        store = await ledger.checkpoints.store_of(early)
        cut(store)
        desk.write("new", "new")
        before = desk.show()
        target = await ledger.take()
        for path in ("d/a", "b", "new"):
            (desk.root / path).unlink()
        restored = await ledger.restore(target.id)
        assert (restored.left, restored.differing, desk.show()) == ((), (), before)
        try:
            await ledger.restore(early.id)
        except (StoreMissing, StoreDamaged):
            assert desk.show() == before
        else:
            assert (desk.root / "d" / "a").read_text() == "one"
        ledger.time.ms += 100 * DAY_MS
        await ledger.checkpoints.tidy()
        _sound(store)
        desk.write("b", "later")
        await ledger.take()


def test_a_store_whose_making_was_cut_before_its_last_file_is_made_whole(desk: Desk) -> None:
    desk.store.prepare()
    attributes = desk.store.git_dir / "info" / "attributes"
    whole = attributes.read_bytes()
    attributes.write_bytes(b"")
    desk.store.prepare()
    assert attributes.read_bytes() == whole != b""


async def test_a_pack_that_lost_its_index_keeps_its_checkpoints(desk: Desk) -> None:
    desk.write("a", "one")
    async with open_ledger(desk.home) as ledger:
        early = await ledger.take()
        store = await ledger.checkpoints.store_of(early)
        store.pack()
        _cut(store, "objects/pack/*.idx", 0)
        desk.write("a", "two")
        await ledger.take()
        await ledger.restore(early.id)
        assert (desk.root / "a").read_text() == "one"


async def test_one_store_that_cannot_be_packed_keeps_no_other_from_it(desk: Desk) -> None:
    async with open_ledger(desk.home) as ledger:
        taken = []
        for name in ("first", "second"):
            directory = desk.home / name
            directory.mkdir()
            for _ in range(2):
                (directory / "x").write_bytes(os.urandom(10))
                note = Note("s1", "", Reason.BEFORE_PROMPT)
                taken.append(await ledger.checkpoints.take(Place(directory, directory), note))
        broken = await ledger.checkpoints.store_of(taken[0])
        (broken.git_dir / "HEAD").unlink()
        (broken.git_dir / "HEAD").mkdir()
        ledger.time.ms += 100 * DAY_MS
        assert await ledger.checkpoints.tidy() == 1


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1}',
        '{"version": 1, "files": 1, "usual": {}, "modes": [], "uncovered": [], "moving": [], "nested": []}',
        '{"version": 1, "files": 1, "usual": {}, "modes": {}, "uncovered": [1], "moving": 3, "nested": []}',
    ],
)
def test_a_commit_that_is_no_checkpoint_is_not_taken_for_one(desk: Desk, message: str) -> None:
    desk.write("a")
    taken = desk.take()
    call = desk.store.call("commit-tree", taken.tree, stdin=message.encode())
    commit = ObjectId(run(replace(call, variables=Signature().variables)).text)
    with pytest.raises(StoreMissing):
        desk.store.coverage(commit)
    with pytest.raises(StoreMissing):
        desk.store.coverages(taken.commit, ObjectId("1" * 40))
    assert desk.store.coverages(taken.commit, taken.commit) == [taken.coverage] * 2


def _sound(store: Store) -> None:
    command = ["git", f"--git-dir={store.git_dir}", "fsck", "--full", "--strict"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
