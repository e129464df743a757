"""The real CLI on the demo model without delays: our warm process and our waking, against a CLI a message.

The best of some rounds counts on both sides: whatever else the machine does only adds.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from bridge.demo.model import DemoModel
from sessions.session import Session
from tests.bench.figures import Figure
from tests.fakes.cli_home import CliHome, make_cli_home
from tests.sessions.running_core import CoreParts, RunningCore, running_core

PROMPT = "demo:text a short answer"


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """A turn on the warm process, and waking, against `claude -p --resume` for each message."""
    rounds = 2 if short else 12
    async with DemoModel() as demo:
        home = make_cli_home(directory, demo.base_url)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with running_core(directory / "core", parts) as core:
            warm, parked = await core.session(), await core.session()
            await core.ask(warm, PROMPT)
            await core.ask(parked, PROMPT)
            fresh = FreshCli(home)
            await fresh.turn()

            async def wake() -> float:
                await parked.park("bench")
                return await turn(core, parked)

            ours, woken, theirs = await in_turns([lambda: turn(core, warm), wake, fresh.turn], rounds)
    floor = min(theirs) * 1000
    name = "claude -p --resume"
    return [
        Figure("turn on the warm process", min(ours) * 1000, "ms", floor, name, at_most=1 / 4),
        Figure("turn that wakes a parked session", min(woken) * 1000, "ms", floor, name, at_most=1.2),
    ]


async def turn(core: RunningCore, session: Session) -> float:
    """Seconds from handing in a prompt until its turn has ended."""
    begun = time.perf_counter()
    turn_id = await core.say(session, PROMPT)

    def has_ended() -> bool:
        snapshot = session.snapshot
        waits = any(queued.turn_id == turn_id for queued in snapshot.queue)
        return not waits and (snapshot.current is None or snapshot.current.turn_id != turn_id)

    async with asyncio.timeout(60):
        await session.until(lambda _: has_ended())
    seconds = time.perf_counter() - begun
    assert await core.status(turn_id) == "done"
    return seconds


class FreshCli:
    """The way of most bots: a new CLI for each message, which resumes the conversation."""

    def __init__(self, home: CliHome) -> None:
        self._home = home
        self._conversation = str(uuid.uuid4())
        self._begun = False

    async def turn(self) -> float:
        """Seconds until the process has given its answer and ended."""
        flag = "--resume" if self._begun else "--session-id"
        self._begun = True
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(str(self._home.binary), "-p", "--output-format", "json", flag, self._conversation, PROMPT),
            cwd=self._home.work,
            env=dict(self._home.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        seconds = time.perf_counter() - begun
        assert process.returncode == 0, said
        assert b"a short answer" in said
        return seconds


async def in_turns(measures: list[Callable[[], Awaitable[float]]], rounds: int) -> list[list[float]]:
    """Each measure `rounds` times, in turns, so that all meet the same machine."""
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for place, take in enumerate(measures):
            taken[place].append(await take())
    return taken
