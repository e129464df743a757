"""Fault 7: the database is locked by somebody else, its disk fails, a page of it is overwritten."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from storage.backups import backup_time, make_backup
from tests.chaos.people import Crowd
from tests.chaos.test_kills import SEED, finish
from tests.chaos.world import World, world

PAGE_BYTES = 4096


@pytest.mark.parametrize("locked_s", [3, pytest.param(30, marks=pytest.mark.soak)])
async def test_work_goes_on_after_another_process_had_locked_the_database(
    tmp_path: Path, locked_s: int
) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, SEED, 3)
        async with crowd.busy():
            await made.start_bot()
            for person in crowd.people:
                await person.given(2)
            with closing(sqlite3.connect(made.data / "sessions.db", isolation_level=None, timeout=30)) as other:
                other.execute("BEGIN IMMEDIATE")
                # How long it is locked is the fault itself.
                await asyncio.sleep(locked_s)
                other.execute("ROLLBACK")
            before = [len(person.accepted) for person in crowd.people]
            for person, count in zip(crowd.people, before, strict=True):
                await person.given(count + 2)
        await finish(made, crowd)


# --- the disk fails -----------------------------------------------------------------------------------------


def shim(directory: Path) -> Path:
    """The compiled shim. Skips aloud where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("NO C COMPILER: I/O errors of the database are not tested here")
    library = directory / "io_shim.so"
    source = Path(__file__).with_name("io_shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


async def fail_at_each(root: Path, numbers: list[int]) -> None:
    """Bots whose Nth write to the database fails, for each N, while people use them."""
    async with world(root) as made:
        library = shim(made.root)
        # Who is told that nothing was written tries again.
        crowd = Crowd(made, SEED, 3, restless=True, patient=True)
        async with crowd.busy():
            for number in numbers:
                hit = made.root / f"hit-{number}"
                await made.start_bot(
                    exec_it=True,
                    LD_PRELOAD=str(library),
                    CHAOS_IO_NTH=str(number),
                    CHAOS_IO_NAME="sessions.db",
                    CHAOS_IO_HIT=str(hit),
                )
                await made.until_hit(hit)
                assert hit.exists(), f"write {number} never came{made.sentences()}"
                if await made.ready():
                    # It lives: then it works, too.
                    await crowd.people[0].goes_on()
                    await made.kill_bot()
            await made.start_bot()
        await finish(made, crowd)


@pytest.mark.timeout(300)
async def test_a_write_that_fails_loses_nothing_and_does_not_end_the_bot(tmp_path: Path) -> None:
    await fail_at_each(tmp_path / "w", [1, 5, 40])


@pytest.mark.soak
async def test_every_one_of_300_writes_may_fail(tmp_path: Path) -> None:
    last = int(os.environ.get("CHAOS_WRITES", "300"))
    await fail_at_each(tmp_path / "w", list(range(1, last + 1)))


# --- a page is overwritten ----------------------------------------------------------------------------------


async def test_a_database_with_an_overwritten_page_is_set_aside_restored_and_that_is_said(
    tmp_path: Path,
) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, SEED, 2, most=3)
        async with crowd.busy():
            await made.start_bot()
        await crowd.park_all()
        await made.cleared_away()
        await made.stop_bot()
        overwrite(made.data / "sessions.db", random.Random(SEED))
        assert await made.start_bot()
        assert list(made.data.glob("sessions.db.corrupt-*"))
        assert "The database was damaged" in made.log()
        await works(made)
        await made.stop_bot()


async def test_the_newest_copy_takes_the_place_of_a_damaged_database_and_that_is_said(tmp_path: Path) -> None:
    async with world(tmp_path / "w") as made:
        path = made.data / "sessions.db"
        await one_more_works(made, "early")
        with closing(sqlite3.connect(path)) as connection:
            copy = make_backup(connection, path)
        copied = turns_in(path)
        await one_more_works(made, "later")
        assert len(turns_in(path)) > len(copied)
        overwrite(path, random.Random(SEED))
        assert await made.start_bot()
        assert f"The copy of {backup_time(copy):%Y-%m-%d %H:%M} UTC was restored" in made.log()
        assert turns_in(path) == copied
        assert len(list(made.data.glob("sessions.db.corrupt-*"))) >= 1
        await works(made)
        await made.stop_bot()


async def one_more_works(made: World, name: str) -> None:
    """Somebody is answered by a bot that is stopped then."""
    crowd = Crowd(made, SEED, 1, most=2, name=name)
    async with crowd.busy():
        await made.start_bot()
        await crowd.people[0].finishes_one()
    await crowd.park_all()
    await made.cleared_away()
    await made.stop_bot()


def turns_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [str(row[0]) for row in connection.execute("SELECT id FROM turns ORDER BY id")]


def overwrite(path: Path, rng: random.Random) -> None:
    """Write noise over the page of a table, as a bad disk would."""
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE_BYTES)
        file.write(rng.randbytes(PAGE_BYTES))


async def works(world: World) -> None:
    """A new person gets an answer."""
    (world.root / "people.ndjson").unlink()
    crowd = Crowd(world, SEED, 1, most=1, name="late")
    async with crowd.busy():
        pass
    await crowd.park_all()
    await world.cleared_away()
