"""A pump on a clock of the test's own, with a Discord that does as its script says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from bot.bodies import Body, Plain, PostWish
from bot.pace import Change, ChannelPace, Pace, Window
from bot.post_unit import Unit
from bot.posting import Posting, Posts
from bot.pump import Pump
from bot.traffic import Traffic, Urgency
from bot.transport import (
    PostingError,
    Seen,
    ThreadArchived,
    fingerprint,
)
from tests.bot.stage import Stage, stage

CHANNEL = 7
MOST, WINDOW_S = 5, 5.0


@dataclass
class FakeTimer:
    """Time that passes only while the pump waits, up to `until`."""

    until: float = 0.0
    at: float = 1_000.0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> float:
        return self.at

    async def wait(self, news: asyncio.Event, seconds: float | None) -> None:
        await asyncio.sleep(0)
        if news.is_set():
            return
        if seconds is None or self.at + seconds > self.until:
            self.at = max(self.at, self.until)
            self.reached.set()
            await news.wait()
            return
        self.at += seconds


@dataclass
class Script:
    """A Discord that notes what it is asked for and when; `errors` are raised first, in order."""

    timer: FakeTimer
    log: list[tuple[float, str, str]] = field(default_factory=list)
    errors: list[PostingError] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    archived: bool = False
    takes_s: float = 0.0
    windows: dict[Change, tuple[float, int]] = field(default_factory=dict)

    def _note(self, what: str, text: str) -> None:
        self.log.append((round(self.timer.at - 1_000, 3), what, text))
        self.timer.at += self.takes_s
        if self.errors:
            raise self.errors.pop(0)

    async def create(self, channel_id: int, body: Body, *, nonce: str, ping: int | None) -> Seen:
        self._take(Change.CREATE)
        self._note("create" if ping is None else "ping", text_of(body))
        self.archived = False
        message_id = self.made.setdefault(nonce, len(self.made) + 1)
        return Seen(message_id, fingerprint(body))

    async def edit(self, channel_id: int, message_id: int, body: Body) -> None:
        self._take(Change.EDIT)
        self._note("edit", text_of(body))
        if self.archived:
            raise ThreadArchived

    async def delete(self, channel_id: int, message_id: int) -> None:
        self._note("delete", str(message_id))

    async def own_messages(self, channel_id: int, after: int) -> Sequence[Seen]:
        self._note("read", str(after))
        return []

    async def type_(self, channel_id: int) -> None:
        self._note("type", "")

    async def unarchive(self, channel_id: int) -> None:
        self._note("unarchive", "")
        self.archived = False

    def _take(self, change: Change) -> None:
        begun, used = self.windows.get(change, (self.timer.at, 0))
        if self.window(CHANNEL, change) is None:
            begun, used = self.timer.at, 0
        assert used < MOST, f"{change} would have to wait in discord.py"
        self.windows[change] = begun, used + 1

    def window(self, channel_id: int, change: Change) -> Window | None:
        begun, used = self.windows.get(change, (float("-inf"), 0))
        ends = begun + WINDOW_S
        return Window(MOST - used, ends - self.timer.at) if self.timer.at < ends else None


def text_of(body: Body) -> str:
    return body.content if isinstance(body, Plain) else " ".join(body.texts)


@dataclass
class Bench:
    """A pump with its channel."""

    core: Stage
    timer: FakeTimer
    discord: Script
    pump: Pump
    traffic: Traffic
    session_id: str
    task: asyncio.Task[None] | None = None
    wishes: dict[str, list[PostWish]] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)

    def wish(self, name: str, *texts: str, urgency: Urgency, ping: int | None = None) -> None:
        """`name` should show these posts from now on."""
        self.wishes[name] = [PostWish(name, n, Plain(text), ping=ping) for n, text in enumerate(texts)]
        if name not in self.units:

            async def render() -> Sequence[PostWish]:
                return self.wishes[name]

            self.units[name] = Unit(name, len(self.units), Posts(self.session_id, CHANNEL), render)
        self.pump.mark(self.units[name], urgency)

    async def until(self, seconds: float) -> None:
        """Let the time pass to `seconds` after the beginning."""
        self.timer.until = 1_000 + seconds
        self.timer.reached.clear()
        self.pump._news.set()
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.pump.run())
        reached = asyncio.create_task(self.timer.reached.wait())
        await asyncio.wait({reached, self.task}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        self.timer.at = max(self.timer.at, self.timer.until)

    def sent(self, what: str) -> list[tuple[float, str]]:
        return [(at, text) for at, kind, text in self.discord.log if kind == what]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with stage(tmp_path) as core:
        session = await core.session(CHANNEL, 1)
        timer = FakeTimer()
        script, traffic = Script(timer), Traffic(timer)
        pace = ChannelPace(Pace(), traffic, partial(script.window, CHANNEL))
        pump = Pump(CHANNEL, Posting(core.db, script, core.clock), traffic, pace, timer)
        made = Bench(core, timer, script, pump, traffic, session.id)
        yield made
        if made.task is not None:
            made.task.cancel()
            await asyncio.gather(made.task, return_exceptions=True)


async def always() -> bool:
    return True


async def never() -> bool:
    return False
