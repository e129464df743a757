"""The view's process is killed somewhere and started again: the channel reads as if nothing had happened."""

import asyncio
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.fakes.discord_redirect import URL_VARIABLE
from tests.fakes.discord_server import FakeDiscord, Place
from tests.nursery import fork_program

TEXT = "\n\n".join(f"Paragraph {n} of the words that Claude says." for n in range(60))
KILLED = 137
DEADLINE_S = 90
POINTS = [
    *(f"post-before:{n}" for n in (1, 4)),
    *(f"post-sent:{n}" for n in (1, 2, 3, 4, 5)),
    "post-stored:3",
    *(f"edit-sent:{n}" for n in (1, 3)),
]


async def run(fake: FakeDiscord, directory: Path, thread: Place, owner: int, crash_at: str = "") -> int:
    """Run the process to its end; return its exit code."""
    environment = {**os.environ, URL_VARIABLE: fake.url, "CLAUDE_BRIDGE_CRASH_AT": crash_at}
    arguments = (str(directory), str(thread.id), str(owner), TEXT)
    process = await fork_program("tests.bot.view_process", *arguments, environment=environment)
    async with asyncio.timeout(DEADLINE_S):
        return await process.ended


def age(database: Path, seconds: int) -> None:
    """Make what was tried look as old as it would be."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE posts SET created_ms = created_ms - ?", (seconds * 1000,))
    connection.close()


@pytest.mark.parametrize("later_s", [0, 600])
@pytest.mark.parametrize("crash_at", ["", *POINTS])
async def test_the_channel_reads_as_if_nothing_had_happened(
    patient: FakeDiscord,
    tmp_path: Path,
    check_snapshot: Callable[[str, str], None],
    crash_at: str,
    later_s: int,
) -> None:
    owner = patient.member("ann")
    thread = owner.start_thread(patient.general, "Fix the login")
    if crash_at:
        assert await run(patient, tmp_path, thread, owner.id, crash_at) == KILLED
    if later_s and crash_at:
        patient.advance(later_s)
        age(tmp_path / "sessions.db", later_s)
    assert await run(patient, tmp_path, thread, owner.id) == 0
    text = thread.snapshot().replace("bot, edited", "bot")
    check_snapshot("killed_and_started_again", re.sub(r"Done in [^·]{1,40}·", "Done in … ·", text))
