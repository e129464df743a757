"""Fault 6: the disk that the data directory is on is full, again and again."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.people import Crowd
from tests.chaos.test_kills import SEED, finish
from tests.chaos.world import World, world

MEGABYTE = 1 << 20
SIZE = 48 * MEGABYTE
RESERVE = 8 * MEGABYTE


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A small file system at `place`. Skips aloud where nothing may be mounted; with REQUIRE_MOUNT it fails."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        sentence = "NOTHING MAY BE MOUNTED HERE: a full disk is not tested"
        if os.environ.get("REQUIRE_MOUNT"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def elsewhere(root: Path, outside: Path) -> None:
    """Let Claude's own files and what people note be on another disk."""
    (outside / "home").mkdir(parents=True)
    (root / "home").symlink_to(outside / "home")
    for name in ("people.ndjson", "bot.log"):
        (outside / name).touch()
        (root / name).symlink_to(outside / name)


def fill(world: World, leave: int) -> None:
    """Take all of the disk but `leave` bytes."""
    ballast = world.root / "ballast"
    with ballast.open("wb") as file, suppress(OSError):
        while (free := shutil.disk_usage(world.root).free - leave) > 0:
            file.write(b"\0" * min(free, MEGABYTE))
            file.flush()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
async def test_a_full_disk_makes_turns_wait_and_loses_nothing(tmp_path: Path, rounds: int) -> None:
    root = tmp_path / "w"
    with small_disk(root):
        elsewhere(root, tmp_path / "outside")
        async with world(root, MIN_FREE_DISK=f"{RESERVE // MEGABYTE}M") as made:
            crowd = Crowd(
                made, SEED, 3, menu=("demo:text a few words", "demo:slow 2 demo:long 30"), patient=True
            )
            async with crowd.busy(finish_s=120):
                await made.start_bot()
                for number in range(rounds):
                    for person in crowd.people:
                        await person.finishes_one()
                    crowd.people[0].noticed.clear()
                    # Every third time nothing at all is left, else less than the reserve.
                    fill(made, 0 if number % 3 == 2 else RESERVE // 2)
                    if number % 3 != 2:
                        await crowd.people[0].until_noticed("disk")
                    else:
                        # How long nothing can be written is the fault itself.
                        await asyncio.sleep(1)
                    (made.root / "ballast").unlink()
            await finish(made, crowd)
