"""Copies of the database: hashed, tested, one a day, and put back without losing the present file."""

import asyncio
import hashlib
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from bridge import backups as b
from bridge.schema import schema
from storage import Database, DatabaseTooNew, Statement
from storage.backups import KEEP_BACKUPS, backup_directory

SESSION = Statement(
    "INSERT INTO audit (at_ms, actor, face, action, session_id, allowed, detail) VALUES (?,?,?,?,?,?,?)",
    (1, "a", "terminal", "x", "", 1, ""),
)


async def fill(path: Path, times: int) -> None:
    async with Database.open(path, schema()) as database:
        for _ in range(times):
            await database.write([SESSION])


async def count(path: Path) -> int:
    async with Database.open(path, schema()) as database:
        row = await database.read_one("SELECT count(*) FROM audit")
        assert row is not None
        return int(row[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.db"


async def test_a_copy_beside_a_running_owner_holds_what_was_committed(path: Path) -> None:
    async with Database.open(path, schema()) as database:
        await database.write([SESSION])
        copy = await asyncio.to_thread(b.back_up_file, path)
        await database.write([SESSION])
    assert b.restore(copy, path) is not None
    assert await count(path) == 1


async def test_the_owner_copies_its_own_database(path: Path) -> None:
    async with Database.open(path, schema()) as database:
        await database.write([SESSION])
        copy = await b.back_up(database)
    assert copy in b.copies(path)
    assert (copy.path.stat().st_mode & 0o777, copy.size_bytes) == (0o600, copy.path.stat().st_size)


def sums_agree(directory: Path) -> bool:
    return subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=directory, check=False).returncode == 0


async def test_hashes_are_written_down_as_sha256sum_reads_them(path: Path) -> None:
    await fill(path, 1)
    copy = b.back_up_file(path)
    assert copy.sha256 == hashlib.sha256(copy.path.read_bytes()).hexdigest()
    assert sums_agree(copy.path.parent)


async def test_the_ten_newest_copies_are_kept_with_their_hashes_and_nothing_else(path: Path) -> None:
    await fill(path, 1)
    made = [b.back_up_file(path) for _ in range(KEEP_BACKUPS + 2)]
    assert b.copies(path) == made[:1:-1]
    names = {each.path.name for each in made[2:]}
    assert {each.name for each in backup_directory(path).iterdir()} == {*names, "SHA256SUMS"}
    sums = (backup_directory(path) / "SHA256SUMS").read_text()
    assert {line.split()[1] for line in sums.splitlines()} == names


async def test_a_copy_that_fails_its_test_is_removed_and_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path, 1)
    good = b.back_up_file(path)
    bad = good.path.with_name("sessions.db.20300101T000000000000Z.v1")
    bad.write_bytes(good.path.read_bytes()[:4096] + b"\xff" * 4096)
    with pytest.raises(b.BackupRefused, match="did not pass"):
        b.tested(bad, path)
    assert not bad.exists()


async def test_a_newer_versions_database_is_refused_and_leaves_no_copy(path: Path) -> None:
    await fill(path, 1)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseTooNew):
        b.back_up_file(path)
    assert b.copies(path) == []


async def test_a_copy_that_was_changed_is_never_put_back(path: Path) -> None:
    await fill(path, 2)
    copy = b.back_up_file(path)
    copy.path.write_bytes(copy.path.read_bytes() + b"\0")
    with pytest.raises(b.BackupRefused, match="hash differs"):
        b.restore(copy, path)
    assert await count(path) == 2


async def test_the_file_before_a_restore_is_kept_whole(path: Path) -> None:
    await fill(path, 1)
    copy = b.back_up_file(path)
    await fill(path, 2)
    kept = b.restore(copy, path)
    assert kept is not None
    assert await count(path) == 1
    assert await count(kept) == 3


async def test_a_copy_can_be_put_back_where_there_is_no_file(path: Path) -> None:
    await fill(path, 1)
    copy = b.back_up_file(path)
    path.unlink()
    assert b.restore(copy, path) is None
    assert await count(path) == 1


def test_nothing_to_copy_is_a_sentence(path: Path) -> None:
    with pytest.raises(b.BackupRefused, match="no database yet"):
        b.back_up_file(path)


async def test_a_full_disk_is_told_before_anything_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path, 1)

    class Usage:
        free = 1

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(b.BackupRefused, match="MB left"):
        b.back_up_file(path)
    assert b.copies(path) == []


async def test_what_a_killed_copy_left_is_no_copy_and_goes_with_the_next(path: Path) -> None:
    await fill(path, 1)
    first = b.back_up_file(path)
    left = [first.path.with_name(f"{first.path.name}{end}") for end in (".tmp", ".tmp-journal")]
    for each in left:
        each.write_bytes(b"half")
    assert b.copies(path) == [first]
    b.back_up_file(path)
    assert [each for each in left if each.exists()] == []
