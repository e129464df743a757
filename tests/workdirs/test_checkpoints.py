"""Checkpoints and restores as rows: what is kept, what is removed, and what a kill in the middle leads to."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.test_project import PROJECT
from tests.workdirs.desk import Desk
from tests.workdirs.ledger import DAY_MS, UNDO, Ledger, open_ledger
from workdirs import rows
from workdirs.checkpoint_model import Cause, CheckpointId, Note, Place, Reason
from workdirs.checkpoint_retention import due_for_removal
from workdirs.checkpoint_rules import RetentionAges
from workdirs.errors import CheckpointFailed, CheckpointGone, DirectoryRefused, PlanChanged, StoreDamaged
from workdirs.model import Caps, FilePath
from workdirs.plan import WhyLeft


@pytest.fixture
async def ledger(desk: Desk) -> AsyncIterator[Ledger]:
    async with open_ledger(desk.home) as opened:
        yield opened


async def test_checkpoints_are_listed_newest_first_by_owner_and_directory(desk: Desk, ledger: Ledger) -> None:
    desk.write("a")
    first = await ledger.take(anchor="turn 1")
    other = await ledger.take(owner="s2")
    last = await ledger.take(Reason.TURN_END)
    database = ledger.checkpoints.db
    directory = first.directory
    assert await rows.load_checkpoints(database, owner="s1") == [last, first]
    assert await rows.load_checkpoints(database, directory=directory) == [last, other, first]
    assert await rows.load_checkpoints(database, directory=directory, before=other.id) == [first]
    assert await rows.load_anchored(database, "s1", "turn 1", Reason.MANUAL) == first
    assert (first.files, first.commit) == (1, last.commit)  # one commit: nothing changed


async def test_a_checkpoint_that_fails_says_why_and_the_next_one_works(desk: Desk, ledger: Ledger) -> None:
    desk.write("a")
    ledger.checkpoints.rules = type(ledger.checkpoints.rules)(
        ledger.checkpoints.rules.root, Caps(max_files=0), RetentionAges()
    )
    with pytest.raises(CheckpointFailed, match="1 files"):
        await ledger.take()
    found = await ledger.checkpoints.db.read("SELECT status, trouble FROM checkpoints")
    assert [(row[0], "1 files" in str(row[1])) for row in found] == [("failed", True)]
    assert await rows.load_checkpoints(ledger.checkpoints.db) == []


@pytest.mark.parametrize("held", ["private", "private/deeper", "."])
async def test_a_directory_that_holds_a_private_place_is_refused(ledger: Ledger, held: str) -> None:
    (ledger.home / "private" / "deeper").mkdir(parents=True)
    place = Place(ledger.home / held, ledger.home / held)
    note = Note("s1", "", Reason.MANUAL)
    if held == "private/deeper":
        await ledger.checkpoints.take(place, note)
    else:
        with pytest.raises(DirectoryRefused, match="no checkpoints here"):
            await ledger.checkpoints.take(place, note)


async def test_a_restore_is_refused_if_it_became_another_one_since_the_preview(
    desk: Desk, ledger: Ledger
) -> None:
    desk.write("a", "old")
    target = await ledger.take()
    desk.write("a", "new")
    wish = ledger.wish(target.id)
    preview = await ledger.restores.preview(wish)
    desk.write("b", "made since")
    with pytest.raises(PlanChanged):
        await ledger.restores.restore(wish, preview.digest)
    assert (desk.root / "a").read_text() == "new"
    assert await rows.load_cut_restores(ledger.checkpoints.db) == []


async def test_a_restore_is_refused_if_a_file_that_it_replaces_was_edited_since_the_preview(
    desk: Desk, ledger: Ledger
) -> None:
    desk.write("a", "old")
    target = await ledger.take()
    wish = ledger.wish(target.id)
    for path in ("a", "b"):  # one is written by the restore, the other one deleted
        desk.write(path, "seen in the preview")
        preview = await ledger.restores.preview(wish)
        desk.write(path, "written since")
        with pytest.raises(PlanChanged):
            await ledger.restores.restore(wish, preview.digest)
        assert (desk.root / path).read_text() == "written since"


async def test_a_restore_is_undone_for_what_it_changed_only(desk: Desk, ledger: Ledger) -> None:
    desk.write("a", "old")
    desk.write("key", "x", 0o600)
    desk.write("gone")
    target = await ledger.take()
    desk.write("a", "new")
    (desk.root / "key").chmod(0o644)
    (desk.root / "gone").unlink()
    desk.write("made")
    before = desk.show()
    restored = await ledger.restore(target.id)
    assert restored.differing == ()
    assert restored.paths == (b"a", b"gone", b"key", b"made")
    known = await rows.load_known_changes(ledger.checkpoints.db, target.directory, target.id)
    assert {(each.path, each.cause) for each in known} == {(path, Cause.RESTORE) for path in restored.paths}
    desk.write("since", "by somebody after the restore")
    last = await ledger.restores.last("s1")
    assert last == (restored.id, restored.safety.id)
    wish = await ledger.restores.undo_wish(ledger.wish(target.id), *last)
    await ledger.restores.restore(wish, (await ledger.restores.preview(wish)).digest)
    after = desk.show()
    assert after.pop(b"since")
    assert after == before
    assert await ledger.restores.last("s1") is None


async def test_turns_know_what_they_touched(desk: Desk, ledger: Ledger) -> None:
    desk.write("yours")
    before = await ledger.take(Reason.BEFORE_PROMPT)
    desk.write("mine")
    after = await ledger.take(Reason.TURN_END)
    changes = await ledger.checkpoints.record_changes(before, after, Cause.TURN)
    assert await rows.load_changes(ledger.checkpoints.db, after.id) == changes
    assert await rows.load_touched(ledger.checkpoints.db, after.directory, "s1") == {b"mine"}
    assert await rows.load_touched(ledger.checkpoints.db, after.directory, "s2") == set()


async def test_damage_is_told_and_nothing_is_changed(desk: Desk, ledger: Ledger) -> None:
    desk.write("a", "old")
    target = await ledger.take()
    desk.write("a", "new")
    store = await ledger.checkpoints.store_of(target)
    blob = store.tree(target.commit)[FilePath(b"a")].blob
    (store.git_dir / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Exception, match="damaged") as failed:
        await ledger.restore(target.id)
    assert isinstance(failed.value.__cause__, StoreDamaged)
    assert (desk.root / "a").read_text() == "new"
    assert await rows.load_cut_restores(ledger.checkpoints.db) == []


async def test_a_checkpoint_of_another_directory_is_not_restored_here(desk: Desk, ledger: Ledger) -> None:
    other = ledger.home / "other"
    other.mkdir()
    elsewhere = await ledger.checkpoints.take(Place(other, ledger.home / "work"), Note("s1", "", Reason.MANUAL))
    with pytest.raises(CheckpointGone):
        await ledger.restores.preview(ledger.wish(elsewhere.id))
    with pytest.raises(CheckpointGone):
        await ledger.restores.preview(ledger.wish(CheckpointId("no such")))


async def test_old_checkpoints_go_and_their_room_is_given_back(desk: Desk, ledger: Ledger) -> None:
    taken = []
    for _ in range(4):
        desk.write("a", os.urandom(60_000))
        taken.append(await ledger.take(Reason.BEFORE_PROMPT))
    await ledger.checkpoints.pin(taken[0])
    desk.write("a", os.urandom(60_000))
    last = await ledger.take(Reason.BEFORE_PROMPT)
    assert await ledger.checkpoints.tidy() == 0
    ledger.time.ms += 100 * DAY_MS
    assert await ledger.checkpoints.tidy() == 3
    kept = await rows.load_checkpoints(ledger.checkpoints.db)
    assert [each.id for each in kept] == [last.id, taken[0].id]
    store = await ledger.checkpoints.store_of(last)
    assert store.size() < 3 * 65_000
    assert set(store.tree(taken[0].commit)) == {b"a"}
    await ledger.restore(taken[0].id)


async def test_a_ref_that_a_kill_left_without_a_row_goes_a_day_later(desk: Desk, ledger: Ledger) -> None:
    taken = []
    for name in ("left", "shared", "shared", "young"):
        desk.write("a", name * 20_000)
        taken.append(await ledger.take())
    left, shared, sharing, young = taken
    assert shared.ref == sharing.ref
    store = await ledger.checkpoints.store_of(left)
    places = [store.git_dir / each.ref for each in (left, shared, young)]
    await ledger.checkpoints.db.write([rows.delete_checkpoints([left.id, shared.id, young.id])])
    for place in places[:2]:
        os.utime(place, (time.time() - 86_500,) * 2)
    assert await ledger.checkpoints.tidy() == 0
    assert [place.exists() for place in places] == [False, True, True]


async def test_checkpoints_of_a_deleted_session_go_by_their_age(desk: Desk, ledger: Ledger) -> None:
    desk.write("a")
    kept, other = await ledger.take(), await ledger.take(owner="s2")
    for each in (kept, other):
        await ledger.checkpoints.pin(each)
    await ledger.take(owner="s2")
    await ledger.checkpoints.db.write([rows.release("s1")])
    ledger.time.ms += 100 * DAY_MS
    assert await ledger.checkpoints.tidy() == 1
    assert kept.id not in {each.id for each in await rows.load_checkpoints(ledger.checkpoints.db)}


async def test_a_full_store_makes_room_of_old_checkpoints_first(desk: Desk, ledger: Ledger) -> None:
    rules = ledger.checkpoints.rules
    ledger.checkpoints.rules = type(rules)(rules.root, Caps(max_store_bytes=200_000), rules.ages)
    for _ in range(3):
        desk.write("a", os.urandom(60_000))
        await ledger.take(Reason.BEFORE_PROMPT)
    desk.write("a", os.urandom(60_000))
    await ledger.take(Reason.BEFORE_PROMPT)
    desk.write("a", os.urandom(60_000))
    with pytest.raises(CheckpointFailed, match="all the room"):
        await ledger.take()
    ledger.time.ms += 100 * DAY_MS
    await ledger.take()


async def test_what_stays_by_age(desk: Desk, ledger: Ledger) -> None:
    desk.write("a")
    now = ledger.time.ms
    taken = []
    for days, reason in (
        *((200, Reason.BRANCH_POINT), (200, Reason.MANUAL), (60, Reason.BEFORE_PROMPT), (60, Reason.TURN_END)),
        *((20, Reason.BEFORE_PROMPT), (20, Reason.TURN_END), (20, Reason.BEFORE_PROMPT)),
        *((3, Reason.BEFORE_PROMPT), (3, Reason.BEFORE_PROMPT), (-5, Reason.BEFORE_PROMPT)),
    ):
        ledger.time.ms = now - days * DAY_MS
        taken.append(await ledger.take(reason))
    gone = due_for_removal(taken, RetentionAges(), now)
    assert [taken.index(each) for each in sorted(gone, key=lambda each: each.id)] == [1, 2, 4]
    assert due_for_removal(taken[:2], RetentionAges(), now + 1000 * DAY_MS) == []  # a branch point, the newest


async def test_after_the_clock_was_set_back_the_next_checkpoint_is_still_the_newest(desk: Desk) -> None:
    desk.write("a", "before")
    ahead_ns = time.time_ns() + 40 * DAY_MS * 1_000_000
    with patch("storage.ids.time.time_ns", lambda: ahead_ns):
        async with open_ledger(desk.home) as ledger:
            first = await ledger.take()
    desk.write("a", "after")
    async with open_ledger(desk.home) as ledger:
        last = await ledger.take()
        assert await rows.load_newest(ledger.checkpoints.db, last.directory) == last
        assert await rows.load_checkpoints(ledger.checkpoints.db) == [last, first]
        ledger.time.ms += 1000 * DAY_MS
        assert await ledger.checkpoints.tidy() == 1
        assert await rows.load_checkpoints(ledger.checkpoints.db) == [last]


@pytest.mark.parametrize("step", [1, 2, 20, 41, 60])
async def test_a_killed_restore_is_finished_at_the_next_start(desk: Desk, step: int) -> None:
    for number in range(20):
        desk.write(f"d{number % 3}/deleted{number}", f"old {number}")
        desk.write(f"changed{number}", f"old {number}", 0o600 if number % 5 else 0o644)
    desk.write("turned", "old")
    target_tree = desk.show()
    async with open_ledger(desk.home) as ledger:
        target = await ledger.take()
    for number in range(20):
        (desk.root / f"d{number % 3}" / f"deleted{number}").unlink()
        desk.write(f"changed{number}", f"new {number}")
        desk.write(f"made/{number}", "new")
    (desk.root / "turned").unlink()
    desk.write("turned/into/a/directory")
    before = desk.show()
    assert _run_killed(desk.home, target.id, f"restore.step:{step}") == 137
    assert desk.show() not in (before, target_tree)
    desk.write("changed19" if step < 20 else "unrelated", "by somebody after the kill")
    async with open_ledger(desk.home) as ledger:
        await ledger.checkpoints.db.write([rows.fail_cut_checkpoints()])
        (restored,) = await ledger.restores.finish_cut()
        assert await ledger.restores.finish_cut() == []
        expected = dict(target_tree)
        if step < 20:  # it was not as the safety checkpoint saw it any more
            assert (desk.root / "changed19").read_text() == "by somebody after the kill"
            expected[b"changed19"] = desk.show()[b"changed19"]
        else:
            expected[b"unrelated"] = desk.show()[b"unrelated"]
            assert restored.left == ()
        assert desk.show() == expected
        # The undo takes the steps before the kill back, too.
        wish = await ledger.restores.undo_wish(ledger.wish(target.id), restored.id, restored.safety.id)
        await ledger.restores.restore(wish, (await ledger.restores.preview(wish)).digest)
        own = b"changed19" if step < 20 else b"unrelated"
        assert desk.show() == {**before, own: expected[own]}


@pytest.mark.soak
@pytest.mark.parametrize("step", range(10, 3000, 10))
async def test_any_step_of_a_large_restore_may_be_the_last(desk: Desk, step: int) -> None:
    for number in range(3000):
        desk.write(f"d{number % 40}/f{number}", f"old {number}")
    before = desk.show()
    async with open_ledger(desk.home) as ledger:
        target = await ledger.take()
    for number in range(3000):
        if number % 3:
            desk.write(f"d{number % 40}/f{number}", "new")
        else:
            (desk.root / f"d{number % 40}" / f"f{number}").unlink()
    assert _run_killed(desk.home, target.id, f"restore.step:{step}") == 137
    async with open_ledger(desk.home) as ledger:
        (restored,) = await ledger.restores.finish_cut()
        assert (restored.left, restored.differing) == ((), ())
    assert desk.show() == before


def _run_killed(home: Path, target: str, place: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.workdirs.ledger", home, target],
        cwd=PROJECT,
        env={**os.environ, "CLAUDE_BRIDGE_CRASH_AT": place},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode


@pytest.mark.parametrize("place", ["restore.begun", "restore.applied"])
async def test_a_restore_cut_between_its_acts_is_finished_too(desk: Desk, place: str) -> None:
    desk.write("a", "old")
    before = desk.show()
    async with open_ledger(desk.home) as ledger:
        target = await ledger.take()
    desk.write("a", "new")
    assert _run_killed(desk.home, target.id, place) == 137
    async with open_ledger(desk.home) as ledger:
        (restored,) = await ledger.restores.finish_cut()
        assert restored.target.id == target.id
        assert (desk.show(), len(restored.paths)) == (before, 1)


@pytest.mark.parametrize("place", ["restore.begun", "restore.step:2", "restore.applied"])
async def test_a_cut_undo_is_finished_and_counts_as_the_undo(desk: Desk, place: str) -> None:
    for name in ("a", "b", "c"):
        desk.write(name, "old", 0o600)
    async with open_ledger(desk.home) as ledger:
        target = await ledger.take()
        for name in ("a", "b"):
            desk.write(name, "new")
        (desk.root / "c").unlink()
        before = desk.show()
        await ledger.restore(target.id)
    assert _run_killed(desk.home, UNDO, place) == 137
    async with open_ledger(desk.home) as ledger:
        (restored,) = await ledger.restores.finish_cut()
        assert (restored.left, restored.differing, desk.show()) == ((), (), before)
        assert await ledger.restores.last("s1") is None, "an undo is not undone again"


async def test_a_cut_restore_whose_directory_is_gone_is_recorded_as_failed(desk: Desk) -> None:
    desk.write("a", "old")
    async with open_ledger(desk.home) as ledger:
        target = await ledger.take()
    desk.write("a", "new")
    assert _run_killed(desk.home, target.id, "restore.begun") == 137
    desk.root.rename(desk.home / "moved away")
    async with open_ledger(desk.home) as ledger:
        assert await ledger.restores.finish_cut() == []
        found = await ledger.checkpoints.db.read("SELECT status, trouble FROM restores")
        assert found[0][0] == "failed"
        assert str(desk.home) not in str(found[0][1])


async def test_a_kept_file_is_reported(desk: Desk, ledger: Ledger) -> None:
    desk.write(".gitignore", ".env\n")
    desk.write(".env", "old")
    target = await ledger.take()
    desk.write(".gitignore", "")
    desk.write(".env", "new")
    restored = await ledger.restore(target.id)
    assert [(each.path, each.why) for each in restored.left] == [(b".env", WhyLeft.IGNORED)]


async def test_a_cut_restore_that_meets_an_unforeseen_error_is_recorded_as_failed(desk: Desk) -> None:
    desk.write("a", "old")
    async with open_ledger(desk.home) as ledger:
        target = await ledger.take()
        desk.write("a", "new")
        with patch("workdirs.restores.apply_restore", side_effect=TypeError):
            with pytest.raises(TypeError):
                await ledger.restore(target.id)
            assert await ledger.restores.finish_cut() == []
        found = await ledger.checkpoints.db.read("SELECT status, trouble FROM restores")
        assert found[0] == ("failed", "an unexpected error, which the log describes")
        assert await ledger.restores.finish_cut() == []
