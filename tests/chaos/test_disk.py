"""Fault 6: the disk that the data directory is on is full, again and again."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from sessions.conversations import Conversations
from tests.chaos.people import Crowd
from tests.chaos.test_hosts import at_gate, open_gate
from tests.chaos.test_kills import SEED, finish
from tests.chaos.world import World, world

MEGABYTE = 1 << 20
SIZE = 48 * MEGABYTE
A_ROUND = 4 * MEGABYTE
RESERVE = 8 * MEGABYTE
SETTINGS = {
    "MIN_FREE_DISK": f"{RESERVE // MEGABYTE}M",
    "CHAOS_LOOK_S": "0.2",
    # A line that tells of an end and did not fit is missed only once Claude is asked.
    "CHAOS_ASK_AGAIN_S": "1",
}


@contextmanager
def small_disk(place: Path, size: int = SIZE) -> Iterator[None]:
    """A small file system at `place`. Skips aloud where nothing may be mounted; with REQUIRE_MOUNT it fails."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place)]
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
    with suppress(OSError), ballast.open("wb") as file:
        while (free := shutil.disk_usage(world.root).free - leave) > 0:
            file.write(b"\0" * min(free, MEGABYTE))
            file.flush()


@pytest.mark.parametrize(
    "rounds",
    [
        3,
        pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
async def test_a_full_disk_makes_turns_wait_and_loses_nothing(tmp_path: Path, rounds: int) -> None:
    root = tmp_path / "w"
    with small_disk(root, SIZE + rounds * A_ROUND):  # the logs of every host are kept for the checker
        elsewhere(root, tmp_path / "outside")
        async with world(root, **SETTINGS) as made:
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
            every_turn_is_whole(made)


async def test_what_a_full_disk_swallows_in_the_middle_of_a_turn_is_read_back(tmp_path: Path) -> None:
    """Nothing fits while Claude says most of its answer; the turn ends with room on the disk again."""
    root = tmp_path / "w"
    said = (
        "demo:thinking hm demo:long 40 demo:bash echo x demo:text then demo:bash echo y demo:block demo:text or"
    )
    prompt = f"demo:text first demo:gate full {said} demo:gate room demo:text last"
    with small_disk(root):
        elsewhere(root, tmp_path / "outside")
        async with world(root, **SETTINGS) as made:
            crowd = Crowd(made, SEED, 1, most=1, patient=True)
            crowd.people[0].choose = lambda: prompt
            async with crowd.busy(finish_s=120):
                await made.start_bot()
                await at_gate(made, "full")
                fill(made, 0)
                open_gate(made, "full")
                await at_gate(made, "room")
                (made.root / "ballast").unlink()
                open_gate(made, "room")
            await finish(made, crowd)
            assert every_turn_is_whole(made) == 1


def every_turn_is_whole(made: World) -> int:
    """Every turn that is done has all that Claude's transcript has of it, in its order. How many had a gap."""
    conversations = Conversations({"HOME": str(made.home)}, made.root)
    with closing(sqlite3.connect(made.data / "sessions.db")) as connection:
        turns = connection.execute(
            "SELECT turns.id, turns.conversation_id, prompt_uuid, work_directory FROM turns"
            " JOIN sessions ON sessions.id = session_id WHERE turns.kind = 'prompt' AND turns.status = 'done'"
        ).fetchall()
        for turn_id, conversation, prompt_uuid, directory in turns:
            stored = connection.execute(
                "SELECT events.body ->> 'uuid' FROM events JOIN blocks ON turn_id = events.body ->> 'turn_id'"
                " AND ordinal = events.body ->> 'ordinal' WHERE events.kind = 'block_added' AND turn_id = ?"
                " ORDER BY coalesce(before, ordinal), before IS NULL, ordinal",
                (turn_id,),
            ).fetchall()
            told = conversations.read_back(conversation, Path(directory), prompt_uuid)
            assert [row[0] for row in stored] == [each.uuid for each in told]
        gaps = "SELECT count(*) FROM events WHERE body ->> 'topic' = 'gap'"
        return int(connection.execute(gaps).fetchone()[0])
