"""From a line in an output log to what people see: on the bus, in the desired posts, in Discord's requests."""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import bot.pump
from bot.bodies import PostWish
from bot.plan import PostKey, Step, plan
from bot.rows import Place, PostRow, insert_place
from bot.scopes import SessionScope
from bot.view import View
from bridge.schema import schema
from service import ServiceParts, SessionService
from sessions.manager import SessionManager
from storage import Database
from tests.bench.crowd import answer_greetings, attached, crowd, logs_of
from tests.bench.figures import Figure, median, percentile
from tests.bench.processes import cpu_s
from tests.bench.stream import RATE, Load, play, producing
from tests.bench.whole_bot import whole_bot
from tests.fakes.discord_server import FakeDiscord, Settings
from tests.fakes.discord_server.fixtures import fake_discord, logged_in

STREAMS = 12
NAME = f"{STREAMS} × {RATE} lines/s"
LATENCY_S = 0.08
_SETTLES_S = 3.0
_WINDOW_S = 5.0
"""The window in which Discord counts the messages that are created in a channel: five of them."""
_STAMP = re.compile(r"<(\d{10,})>")


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Twelve streams beside each other, 80 ms to Discord. Takes some 40 s, short some 20 s."""
    load = Load((5 if short else 12) * RATE)
    return [*await latencies(directory / "parts", load), await cpu_of_bot(directory / "whole", load)]


async def latencies(directory: Path, load: Load) -> list[Figure]:
    """How old lines are at each station, with core and view in this process."""
    wished, sent = FirstSeen(), FirstSeen()
    async with (
        crowd(directory, STREAMS, working=True),
        fake_discord(FakeDiscord(Settings(latency_s=LATENCY_S))) as fake,
        attached(directory, STREAMS) as manager,
        logged_in(fake) as client,
        View(client, SessionService(ServiceParts(manager)), manager.db) as view,
    ):
        await show_all(view, manager, fake)
        # The status card and the first post take two of five places. Whether their window still ran was chance,
        # as `settled` waits for a second look at the card or not: the figure had two modes, 100 ms apart.
        await asyncio.sleep(_WINDOW_S)
        with wishes_to(wished):
            played = await play(manager, logs_of(directory), load)
        await view.settled()
        offset_s = fake.clock.now() - time.monotonic()
        for request in fake.requests:
            if request.method in ("POST", "PATCH"):
                sent.note(json.dumps(request.body), (request.at - offset_s) * 1e9)
    return [
        Figure(f"{NAME}, line → bus, median", median(played.ms), "ms"),
        Figure(f"{NAME}, line → desired post, median", median(wished.ms), "ms", at_most=1_500),
        Figure(f"{NAME}, line → request at Discord, median", median(sent.ms), "ms", at_most=1_500),
        Figure(f"{NAME}, line → request at Discord, p99", percentile(sent.ms, 0.99), "ms", at_most=1_500),
    ]


async def cpu_of_bot(directory: Path, load: Load) -> Figure:
    """Measure the whole bot from log to Discord, in a process of its own."""
    data = directory / "data"
    async with crowd(data, STREAMS, working=True), FakeDiscord(Settings(latency_s=LATENCY_S)) as fake:
        owner = fake.member("ann")
        async with Database.open(data / "sessions.db", schema()) as db:
            for log in logs_of(data):
                thread = owner.start_thread(fake.general, "bench")
                place = Place(log.parents[1].name, fake.home.id, thread.id, SessionScope.THREAD, owner.id)
                await db.write([insert_place(place, 0)])
        async with whole_bot(data, fake, {"CLAUDE_COMMAND": "sleep"}) as pid:
            await answer_greetings(data)
            await asyncio.sleep(_SETTLES_S)
            before = cpu_s(pid)
            with producing(logs_of(data), load) as producer:
                await asyncio.to_thread(producer.wait)
            await asyncio.sleep(_SETTLES_S)
            used_s = cpu_s(pid) - before
        texts = "".join(message.text for thread in fake.threads() for message in thread.messages)
        assert _STAMP.search(texts), "nothing was shown"
    us = used_s / (STREAMS * load.lines) * 1e6
    return Figure(f"{NAME}, CPU of the whole bot per line", us, "µs", at_most=100, note="log to Discord")


class FirstSeen:
    """How old each line was, in milliseconds, when its stamp was first seen."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self._known: set[int] = set()

    def note(self, text: str, now_ns: float) -> None:
        for stamp in set(map(int, _STAMP.findall(text))) - self._known:
            self._known.add(stamp)
            self.ms.append((now_ns - stamp) / 1e6)


async def show_all(view: View, manager: SessionManager, fake: FakeDiscord) -> None:
    """A thread for each session, with its status card."""
    owner = fake.member("ann")
    for session in manager.loaded():
        thread = owner.start_thread(fake.general, "bench")
        place = Place(session.id, fake.home.id, thread.id, SessionScope.THREAD, owner.id)
        await manager.db.write([insert_place(place, 0)])
        await view.show(place)
    await view.settled()


@contextmanager
def wishes_to(seen: FirstSeen) -> Iterator[None]:
    """Inside the block, every list of desired posts is noted when it is compared with what is there."""

    def noting(wishes: Sequence[PostWish], posts: Mapping[PostKey, PostRow], removable: str) -> list[Step]:
        now = time.monotonic_ns()
        for wish in wishes:
            seen.note(repr(wish), now)
        return plan(wishes, posts, removable)

    with patch.object(bot.pump, "plan", noting):
        yield
