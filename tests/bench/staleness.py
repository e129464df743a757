"""How old what people see is while text grows: many threads beside each other, 80 ms to Discord.

Staleness is now minus the arrival of the oldest piece that is not shown, 0 if all is shown. It is sampled every
50 ms from the first piece to the last. The floor edits one message every 1.25 s with discord.py alone, beside
ours in the same run. The real CLI's pieces arrive when the core tells of them.
"""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import discord

from bot.rate_limits import Bucket, keep_to_buckets
from bot.rows import Place, insert_place
from bot.scopes import SessionScope
from bot.view import View, ViewOptions
from bridge.demo.model import DemoModel
from sessions.events import PartialText
from sessions.model import Text
from sessions.prompt_queue import Sender
from sessions.session import Session
from tests.bench.figures import Figure, percentile
from tests.bot.room import watched
from tests.bot.stage import Actors, Stage, stage
from tests.fakes.cli_home import make_cli_home
from tests.fakes.discord_server import FakeDiscord, Settings
from tests.fakes.discord_server import Place as Thread
from tests.fakes.discord_server.fixtures import fake_discord, logged_in
from tests.sessions.running_core import CoreParts, RunningCore, idle, reached, running_core

LATENCY_S = 0.08
RATES = (2, 6, 30)
THREADS = (1, 6, 12, 35)
_LOOK_S = 0.05
_FLOOR_EDIT_S = 1.25
_TAIL_CHARS = 400
_PIECE = re.compile(r"\bpiece(\d+)\b")


@dataclass
class Seen:
    """Measurements of one stream, in seconds. `stands`: how long text stood still though more was there."""

    arrived: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    stands: list[float] = field(default_factory=list)
    complete_s: float = 0.0
    _shown: int = 0
    _changed_at: float = 0.0

    def look(self, thread: Thread) -> None:
        """Note how old the oldest piece is that `thread` does not show."""
        now = time.monotonic()
        found = _PIECE.findall(thread.last.text[-_TAIL_CHARS:]) if thread.messages else []
        if found and int(found[-1]) + 1 > self._shown:
            self._shown, self._changed_at = int(found[-1]) + 1, now
        waits = self._shown < len(self.arrived)
        self.ages.append(now - self.arrived[self._shown] if waits else 0.0)
        if waits:
            self.stands.append(now - max(self._changed_at, self.arrived[self._shown]))


@dataclass(frozen=True, slots=True)
class Staleness:
    """The figures of some streams, in seconds."""

    mean: float
    p95: float
    worst: float
    complete: float

    @classmethod
    def of(cls, streams: Sequence[Seen]) -> "Staleness":
        ages = [age for stream in streams for age in stream.ages]
        stands = [each for stream in streams for each in stream.stands]
        complete = percentile([stream.complete_s for stream in streams], 0.95)
        return cls(sum(ages) / len(ages), percentile(ages, 0.95), max(stands, default=0.0), complete)


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """All rates with all numbers of threads, and the real CLI once: 4 min; short: one of them, 12 s."""
    if short:
        ours, floor, waits = await beside_floor(directory / "short", threads=6, rate=6, seconds=5)
        return [*_ratios("6 threads × 6 pieces/s", ours, floor), _waits(waits)]
    figures: dict[str, list[Staleness]] = {}
    for rate in RATES:
        for threads in THREADS:
            name = f"{threads} × {rate}/s"
            ours, _, waits = await beside_floor(directory / name.replace("/", " "), threads, rate, 12, floors=0)
            print(f"{name}: {ours}, {waits} waits", file=sys.stderr)
            figures.setdefault(f"{rate} pieces/s in {THREADS[0]} to {THREADS[-1]} threads", []).append(ours)
    figures["real CLI, 6 pieces/s"] = [await of_real_cli(directory / "cli")]
    ours, floor, waits = await beside_floor(directory / "floor", threads=12, rate=6, seconds=12)
    shown = [figure for name, each in figures.items() for figure in _goals(name, each)]
    return [*shown, *_ratios("12 threads × 6 pieces/s", ours, floor), _waits(waits)]


def _goals(name: str, found: Sequence[Staleness]) -> list[Figure]:
    """The worst of some measures."""
    return [
        Figure(f"{name}, staleness, mean", max(each.mean for each in found), "s", at_most=0.75),
        Figure(f"{name}, staleness, p95", max(each.p95 for each in found), "s", at_most=1.35),
        Figure(f"{name}, longest standstill", max(each.worst for each in found), "s", at_most=1.8),
        Figure(f"{name}, complete after the end, p95", max(each.complete for each in found), "s", at_most=0.5),
    ]


def _ratios(name: str, ours: Staleness, floor: Staleness) -> list[Figure]:
    by = "an edit every 1.25 s and nothing else"
    return [
        Figure(f"{name}, staleness, mean", ours.mean, "s", floor.mean, by, at_most=1.2),
        Figure(f"{name}, staleness, p95", ours.p95, "s", floor.p95, by, at_most=1.2),
        Figure(f"{name}, longest standstill", ours.worst, "s", floor.worst, by, at_most=1.5),
    ]


def _waits(count: int) -> Figure:
    return Figure("requests that waited in discord.py or were refused", count, "", at_most=0)


async def beside_floor(
    directory: Path, threads: int, rate: float, seconds: float, *, floors: int | None = None
) -> tuple[Staleness, Staleness, int]:
    """Ours in `threads` threads, the floor in as many others, and how many requests waited or were refused."""
    directory.mkdir(parents=True)
    async with (
        fake_discord(FakeDiscord(Settings(latency_s=LATENCY_S))) as fake,
        stage(directory) as core,
        watched(fake, core, ViewOptions()) as view,
        logged_in(fake) as plain,
    ):
        # The status cards settle: what the beginning took of the buckets is back then.
        sessions = await asyncio.gather(*(_shown(fake, core, view, n) for n in range(threads)))
        places = [await _floor_place(fake, plain) for _ in range(threads if floors is None else floors)]
        with counted_waits() as waits:
            found = await asyncio.gather(
                *(_stream(thread, session, rate, seconds) for thread, session in sessions),
                *(_floor(thread, message, rate, seconds) for thread, message in places),
            )
    ours, theirs = found[:threads], found[threads:]
    refused = [one for one in fake.requests if one.status == 429]
    return Staleness.of(ours), Staleness.of(theirs or ours), len(waits) + len(refused)


@contextmanager
def counted_waits() -> Iterator[list[float]]:
    """Inside the block: when requests began to wait for a place in their bucket."""
    waits: list[float] = []
    wait = Bucket._wait

    async def counting(bucket: Bucket) -> None:
        waits.append(time.monotonic())
        await wait(bucket)

    with patch.object(Bucket, "_wait", counting):
        yield waits


def _piece(number: int, rate: float) -> str:
    """The words that come `rate` times a second, about 30 words a second at most; they end in their number."""
    filler = "word " * max(0, round(12 / rate))
    return f"{filler}piece{number}{'.' + chr(10) * 2 if number % 12 == 11 else ' '}"


async def _arrive(seen: Seen, rate: float, seconds: float) -> AsyncIterator[str]:
    """Pieces as they come; each has arrived when it is given."""
    began = time.monotonic()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(began + number / rate - time.monotonic())
        seen.arrived.append(time.monotonic())
        yield _piece(number, rate)


@asynccontextmanager
async def _looking(thread: Thread) -> AsyncIterator[Seen]:
    """Look at `thread` while the block runs."""
    seen = Seen()

    async def look() -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if seen.arrived:
                seen.look(thread)

    looking = asyncio.create_task(look(), name="looking")
    try:
        yield seen
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _completed(thread: Thread) -> float:
    """Seconds until `thread` shows that the answer is over."""
    ended = time.monotonic()
    await thread.wait_for(lambda place: bool(place.messages) and "Done in" in place.last.text, 60)
    return time.monotonic() - ended


# --- ours, with the core on a stage ---------------------------------------------------------------------


async def _shown(fake: FakeDiscord, core: Stage, view: View, number: int) -> tuple[Thread, Actors]:
    thread = fake.member(f"ann{number}").start_thread(fake.general, f"thread {number}")
    session = await core.session(thread.id, number + 1)
    await view.show(await core.place(session.id))
    await view.settled(session.id)
    return thread, session


async def _stream(thread: Thread, session: Actors, rate: float, seconds: float) -> Seen:
    text = ""
    await session.prompt("go")
    async with _looking(thread) as seen:
        async for piece in _arrive(seen, rate, seconds):
            text += piece
            await session.say(piece)
    await session.add(Text(text))
    await session.end()
    seen.complete_s = await _completed(thread)
    return seen


# --- the floor ------------------------------------------------------------------------------------------


async def _floor_place(fake: FakeDiscord, client: discord.Client) -> tuple[Thread, discord.PartialMessage]:
    thread = fake.member("floor").start_thread(fake.general, "floor")
    channel = client.get_partial_messageable(thread.id)
    message = await channel.send("…")
    return thread, channel.get_partial_message(message.id)


async def _floor(thread: Thread, message: discord.PartialMessage, rate: float, seconds: float) -> Seen:
    pieces: list[str] = []

    async def edit() -> None:
        due = time.monotonic()
        while True:
            due += _FLOOR_EDIT_S
            await asyncio.sleep(due - time.monotonic())
            await message.edit(content="".join(pieces)[-2_000:])

    async with _looking(thread) as seen:
        editing = asyncio.create_task(edit(), name="floor")
        async for piece in _arrive(seen, rate, seconds):
            pieces.append(piece)  # noqa: PERF401 (`edit` reads them meanwhile)
        editing.cancel()
        await asyncio.gather(editing, return_exceptions=True)
    return seen


# --- the real CLI ---------------------------------------------------------------------------------------


async def of_real_cli(directory: Path, *, rate: int = 6, seconds: float = 12) -> Staleness:
    """One stream of the real CLI on the demo model."""
    async with DemoModel() as demo, fake_discord(FakeDiscord(Settings(latency_s=LATENCY_S))) as fake:
        home = make_cli_home(directory, demo.base_url)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with running_core(directory / "core", parts) as core, logged_in(fake) as client:
            keep_to_buckets(client)
            async with View(client, core.service, core.db) as view:
                return Staleness.of([await _cli_stream(fake, core, view, rate, seconds)])


async def _cli_stream(fake: FakeDiscord, core: RunningCore, view: View, rate: int, seconds: float) -> Seen:
    owner = fake.member("ann")
    thread, session = owner.start_thread(fake.general, "cli"), await core.session()
    place = Place(session.id, fake.home.id, thread.id, SessionScope.THREAD, owner.id)
    await core.db.write([insert_place(place, 0)])
    await view.show(place)
    words = " ".join(f"piece{number}" for number in range(int(rate * seconds)))
    async with _looking(thread) as seen:
        noting = asyncio.create_task(_note_arrivals(core, session, seen), name="arrivals")
        sender = Sender("ann", "discord:message:1")
        await session.send_message(f"demo:slow {1000 // rate} demo:text {words}", sender=sender)
        await reached(session, lambda now: now.current is not None)
        await idle(session)
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)
    seen.complete_s = await _completed(thread)
    return seen


async def _note_arrivals(core: RunningCore, session: Session, seen: Seen) -> None:
    async for item in core.manager.bus.follow(session.id, 0):
        if isinstance(item, PartialText):
            seen.arrived += [time.monotonic()] * len(re.findall(r"piece", item.added))
