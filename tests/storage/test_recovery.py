"""Damage and missing permissions: a sentence, the newest good copy, never a crash loop."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import storage.recovery
from storage import Database, DatabaseCorrupt, DatabaseUnavailable, Statement, StorageError, inspect
from storage.backups import backups, make_backup
from tests.storage.conftest import SCHEMA

BULKY = Statement("INSERT INTO notes (author, text) VALUES ('ann', hex(zeroblob(200)))")


def overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"this is no database any more")


def overwrite_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xff" * 4096)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace_by_text(path: Path) -> None:
    path.write_text("notes\n" * 1000)


async def make(path: Path, *, backup: bool) -> None:
    """A database of some pages with `kept` in it; after the copy, if one is made, also `lost`."""
    async with Database.open(path, SCHEMA) as database:
        await database.write([Statement("INSERT INTO notes (author, text) VALUES ('ann', 'kept')")])
        await database.write([BULKY] * 100)
        if backup:
            await database.back_up()
        await database.write([Statement("INSERT INTO notes (author, text) VALUES ('ann', 'lost')")])


@pytest.mark.parametrize("damage", [overwrite_header, overwrite_page, cut, replace_by_text])
@pytest.mark.parametrize("backup", [True, False])
async def test_a_damaged_file_is_set_aside_and_the_newest_copy_restored(
    path: Path, damage: Callable[[Path], None], backup: bool
) -> None:
    await make(path, backup=backup)
    damage(path)
    damaged = path.read_bytes()
    async with Database.open(path, SCHEMA) as database:
        recovery = database.recovery
        assert recovery is not None
        assert recovery.set_aside.read_bytes() == damaged
        assert recovery.set_aside.name.startswith("sessions.db.corrupt-")
        assert (recovery.restored_from is not None) == backup
        assert ("was restored" if backup else "no good copy") in recovery.sentence
        assert recovery.set_aside.name in recovery.sentence
        assert str(path.parent) not in recovery.sentence
        kept = await database.read("SELECT text FROM notes WHERE length(text) < 10")
        assert kept == ([("kept",)] if backup else [])
        await database.write([BULKY])
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is None


async def test_a_damaged_copy_is_passed_over(path: Path) -> None:
    await make(path, backup=True)
    async with Database.open(path, SCHEMA) as database:
        newest = await database.back_up()
    overwrite_page(newest)
    overwrite_header(path)
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is not None
        assert database.recovery.restored_from == backups(path)[1]


async def test_a_copy_of_a_newer_version_is_passed_over(path: Path) -> None:
    await make(path, backup=True)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
        copy = make_backup(newer, path)
    overwrite_header(path)
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is not None
        assert database.recovery.restored_from not in (None, copy)
        assert await database.read("SELECT text FROM notes WHERE text = 'kept'") != []


async def test_damage_that_a_query_meets_is_found_by_the_next_start_however_large_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.recovery, "CHECKED_AT_OPEN_BYTES", 0)
    await make(path, backup=True)
    overwrite_page(path)
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is None
        with pytest.raises(DatabaseCorrupt):
            await database.read("SELECT sum(length(text)) FROM notes")
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is not None
        assert await database.read_one("SELECT text FROM notes LIMIT 1") == ("kept",)
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is None


async def test_damage_that_a_write_meets_is_found_by_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.recovery, "CHECKED_AT_OPEN_BYTES", 0)
    await make(path, backup=False)
    overwrite_page(path)
    async with Database.open(path, SCHEMA) as database:
        with pytest.raises(DatabaseCorrupt):
            await database.write([Statement("UPDATE notes SET author = 'ben'")])
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is not None


async def test_a_copy_that_a_kill_left_unfinished_is_never_restored(path: Path) -> None:
    await make(path, backup=False)
    directory = path.parent / "backups"
    directory.mkdir()
    (directory / "sessions.db.29991231T000000000000Z.v1.tmp").write_bytes(path.read_bytes())
    overwrite_header(path)
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is not None
        assert database.recovery.restored_from is None


async def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.parent.mkdir()
    path.touch(0o644)
    async with Database.open(path, SCHEMA) as database:
        assert database.recovery is None
        assert len(database.applied) == 1


@pytest.mark.parametrize("damage", [overwrite_header, overwrite_page])
async def test_looking_at_a_damaged_file_tells_and_changes_nothing(
    path: Path, damage: Callable[[Path], None]
) -> None:
    await make(path, backup=False)
    damage(path)
    before = path.read_bytes()
    assert inspect(path, SCHEMA).damage is not None
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*corrupt*"))


async def test_a_directory_in_the_place_of_the_file_is_said(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StorageError, match="DATABASE_PATH"):
        async with Database.open(path, SCHEMA):
            pass
    path.rmdir()
    path.parent.rmdir()
    path.parent.write_text("a file where a directory should be")
    with pytest.raises(DatabaseUnavailable, match="DATABASE_PATH"):
        async with Database.open(path, SCHEMA):
            pass


OPEN = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from storage import Database, StorageError
from tests.storage.conftest import SCHEMA
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
async def main():
    try:
        async with Database.open(Path(sys.argv[1]), SCHEMA):
            print("opened")
    except StorageError as error:
        print(type(error).__name__, error)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("file_mode", "directory_mode", "answer"),
    [
        (0o666, 0o777, "opened"),
        (0o444, 0o777, "DatabaseReadOnly sessions.db may not be read and written by this user."),
        (0o666, 0o555, "DatabaseReadOnly The directory of sessions.db may not be written by this user"),
        (0o666, 0o000, "DatabaseUnavailable sessions.db cannot be opened: Permission denied."),
    ],
)
async def test_missing_permission_is_a_sentence(file_mode: int, directory_mode: int, answer: str) -> None:
    # Not below pytest's own directory: that is closed to others, and root runs this as another user.
    base = Path(tempfile.mkdtemp(prefix="storage-"))
    path = base / "sessions.db"
    await make(path, backup=False)
    try:
        path.chmod(file_mode)
        base.chmod(directory_mode)
        ran = subprocess.run(  # noqa: ASYNC221
            [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=False
        )
        assert ran.stderr == ""
        assert ran.stdout.startswith(answer)
    finally:
        base.chmod(0o700)
        shutil.rmtree(base)
