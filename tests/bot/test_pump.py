"""The pump on a clock of the test's own: what goes when, and what a failure leads to."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from bot.bodies import Body, Card, Plain, PostWish
from bot.pace import Change, ChannelPace, Pace, Window
from bot.posting import Posting, Posts
from bot.pump import Pump, Unit
from bot.rows import load_posts
from bot.traffic import STREAMS_AT_FULL_PACE, Traffic, Urgency
from bot.transport import (
    BodyRefused,
    ChannelClosed,
    MessageGone,
    PostingError,
    Seen,
    ThreadArchived,
    TryLater,
    fingerprint,
)
from storage import AnyStatement, DatabaseFull, Outcome
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


async def test_growing_text_is_sent_soon_at_first_then_evenly_within_its_bucket(bench: Bench) -> None:
    for n in range(400):
        bench.wish("turn", f"text {n}", urgency=Urgency.STREAM)
        await bench.until(n * 0.05)
    times = [at for at, _, _ in bench.discord.log]
    assert bench.discord.log[0][1] == "create"
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[:2] == [1.0, 1.0]
    assert all(1.2 < wait <= 1.5 for wait in waits[2:])


async def test_the_pace_is_the_channels_whoever_sends_and_whatever_rests(bench: Bench) -> None:
    """Pieces come so slowly that the pump ends in between; a card is edited beside them."""
    ends = []
    bench.wish("card", "card 0", urgency=Urgency.FINAL)
    for n in range(40):
        bench.wish("turn", f"text {n}", urgency=Urgency.STREAM)
        bench.wish("card", f"card {n // 3}", urgency=Urgency.STATUS)
        await bench.until(1 + n * 0.5)
        ends.append(bench.task is None or bench.task.done())
    assert any(ends)
    texts = [at for at, what in bench.sent("edit") if what.startswith("text")]
    assert max(later - earlier for earlier, later in pairwise(texts)) <= 1.8
    cards = [what for _, what in bench.sent("edit") if what.startswith("card")]
    assert len(cards) >= 3


@pytest.mark.parametrize("at", [0.0, 0.7, 0.9, 1.7, 2.1, 3.3, 4.2, 4.9, 5.3, 6.1, 8.7, 9.9])
async def test_the_end_always_finds_a_place(bench: Bench, at: float) -> None:
    bench.wish("card", "card", urgency=Urgency.FINAL)
    for n in range(int(at / 0.05) + 1):
        bench.wish("turn", f"text {n}", urgency=Urgency.STREAM)
        bench.wish("card", f"card {n}", urgency=Urgency.STATUS)
        await bench.until(n * 0.05)
    bench.wish("turn", "the end", urgency=Urgency.FINAL)
    await bench.until(at + 0.06)
    assert "the end" in [text for _, _, text in bench.discord.log]


async def test_the_end_does_not_wait_for_the_pace(bench: Bench) -> None:
    bench.wish("turn", "a", urgency=Urgency.STREAM)
    await bench.until(0.1)
    bench.wish("turn", "ab", urgency=Urgency.STREAM)
    await bench.until(0.2)
    assert bench.sent("edit") == []
    bench.wish("turn", "abc", urgency=Urgency.FINAL)
    await bench.until(0.3)
    assert bench.sent("edit") == [(0.2, "abc")]


@pytest.mark.parametrize(("streams", "seconds"), [(1, 1.0), (35, 1.0), (70, 2.0), (140, 4.0)])
async def test_many_streams_share_the_requests(bench: Bench, streams: int, seconds: float) -> None:
    bench.traffic.streaming.update(range(1_000, 1_000 + streams - 1))
    bench.wish("turn", "a", urgency=Urgency.STREAM)
    await bench.until(0.0)
    bench.wish("turn", "ab", urgency=Urgency.STREAM)
    await bench.until(20)
    assert bench.sent("edit") == [(seconds, "ab")]
    assert STREAMS_AT_FULL_PACE == 35


async def test_an_ask_overtakes_streams_and_long_answers(bench: Bench) -> None:
    bench.wish("long", *(f"part {n}" for n in range(8)), urgency=Urgency.STREAM)
    bench.wish("end", "end", urgency=Urgency.STATUS)
    bench.wish("ask", "may it?", urgency=Urgency.PROMPT, ping=1)
    await bench.until(10)
    assert bench.discord.log[0][1] == "ping"


async def test_an_ask_comes_in_between_the_posts_of_a_long_answer(bench: Bench) -> None:
    bench.discord.takes_s = 0.1
    bench.wish("long", *(f"part {n}" for n in range(8)), urgency=Urgency.STREAM)
    original = bench.discord.create

    async def create(channel_id: int, body: Body, *, nonce: str, ping: int | None) -> Seen:
        if len(bench.discord.made) == 2 and "ask" not in bench.units:
            bench.wish("ask", "may it?", urgency=Urgency.PROMPT, ping=1)
        return await original(channel_id, body, nonce=nonce, ping=ping)

    bench.discord.create = create  # type: ignore[method-assign]  # the test steps in
    await bench.until(20)
    order = [text for _, kind, text in bench.discord.log if kind in ("create", "ping")]
    assert order.index("may it?") == 3
    assert order[-1] == "part 7"


async def test_what_comes_before_an_ask_in_its_session_is_made_before_it(bench: Bench) -> None:
    bench.wish("turn", "end of the answer", urgency=Urgency.FINAL)
    bench.wish("ask", "may it?", urgency=Urgency.PROMPT, ping=1)
    await bench.until(1)
    assert [text for _, _, text in bench.discord.log] == ["end of the answer", "may it?"]


async def test_posts_stand_in_order_even_while_edits_have_to_wait(bench: Bench) -> None:
    bench.wish("first", "asks", urgency=Urgency.FINAL)
    await bench.until(0.1)
    bench.discord.windows[Change.EDIT] = (bench.timer.at, MOST)
    bench.wish("first", "asked", "goes on", urgency=Urgency.FINAL)
    bench.wish("second", "a later answer", urgency=Urgency.FINAL)
    await bench.until(20)
    assert [text for _, text in bench.sent("create")] == ["asks", "goes on", "a later answer"]
    assert [text for _, text in bench.sent("edit")] == ["asked"]


async def test_equal_text_is_not_sent_again(bench: Bench) -> None:
    for n in range(10):
        bench.wish("turn", "same", urgency=Urgency.STREAM)
        await bench.until(n * 2.0)
    assert len(bench.discord.log) == 1


async def test_typing_is_renewed_while_claude_works(bench: Bench) -> None:
    bench.pump.type_while("s", always)
    await bench.until(30)
    assert [at for at, _ in bench.sent("type")] == [0.0, 7.5, 15.0, 22.5, 30.0]
    bench.pump.type_while("s", never)
    await bench.until(60)
    assert len(bench.sent("type")) == 5


async def test_typing_comes_back_after_a_new_message_unless_text_grows(bench: Bench) -> None:
    bench.pump.type_while("s", always)
    for n in range(4):  # each is a post of its own, as text that comes fast fills them
        bench.wish("turn", *(f"post {each}" for each in range(n + 1)), urgency=Urgency.STREAM)
        await bench.until(2.0 * (n + 1))
    assert len(bench.sent("create")) == 4
    assert not bench.sent("type")
    await bench.until(8.6)
    assert [at for at, _ in bench.sent("type")] == [8.5]
    bench.wish("turn", *(f"post {each}" for each in range(5)), urgency=Urgency.FINAL)
    await bench.until(9)
    assert [at for at, _ in bench.sent("type")] == [8.5, 8.6]


async def test_a_lost_answer_is_tried_again_with_the_same_nonce_and_text(bench: Bench) -> None:
    bench.discord.errors = [TryLater("cut"), TryLater("cut"), TryLater("cut")]
    bench.wish("turn", "first", urgency=Urgency.FINAL)
    await bench.until(0.1)
    bench.wish("turn", "second", urgency=Urgency.FINAL)
    await bench.until(10)
    assert bench.sent("create") == [(0.0, "first"), (0.5, "first"), (1.5, "first"), (3.5, "first")]
    assert len(bench.discord.made) == 1
    assert bench.sent("edit") == [(3.5, "second")]


async def test_discord_says_how_long_to_wait(bench: Bench) -> None:
    bench.discord.errors = [TryLater("rate limit", 42.0)]
    bench.wish("turn", "text", urgency=Urgency.FINAL)
    await bench.until(100)
    assert [at for at, _ in bench.sent("create")] == [0.0, 42.0]


async def test_failures_wait_ever_longer_up_to_half_a_minute(bench: Bench) -> None:
    bench.discord.errors = [TryLater("down") for _ in range(12)]
    bench.wish("turn", "text", urgency=Urgency.FINAL)
    await bench.until(1_000)
    times = [at for at, _ in bench.sent("create")]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[:7] == [0.5, 1, 2, 4, 8, 16, 30]
    assert max(waits) == 30


async def test_a_post_that_cannot_be_rendered_holds_up_no_other(bench: Bench) -> None:
    tries: list[float] = []

    async def broken() -> Sequence[PostWish]:
        tries.append(bench.timer.now() - 1_000)
        raise ValueError

    bad = Unit("bad", -1, Posts(bench.session_id, CHANNEL), broken)
    for n in range(3):
        bench.pump.mark(bad, Urgency.PROMPT)
        bench.wish("turn", f"text {n}", urgency=Urgency.FINAL)
        await bench.until(n + 1)
    assert [text for _, _, text in bench.discord.log] == ["text 0", "text 1", "text 2"]
    await bench.until(70)
    assert tries == [0, 30, 60]


async def test_a_closed_channel_is_tried_once_in_ten_minutes(bench: Bench) -> None:
    bench.discord.errors = [ChannelClosed(CHANNEL, 50013) for _ in range(3)]
    bench.wish("turn", "text", urgency=Urgency.FINAL)
    bench.pump.type_while("s", always)
    await bench.until(1_300)
    bench.pump.type_while("s", never)
    assert [at for at, _, _ in bench.discord.log] == [0.0, 600.0, 1_200.0]
    bench.pump.reopen()
    await bench.until(1_301)
    assert bench.discord.log[-1][1:] == ("create", "text")


async def test_it_is_told_once_that_a_channel_is_closed(bench: Bench) -> None:
    told: list[tuple[int, int]] = []
    bench.pump.on_closed = lambda channel_id, code: told.append((channel_id, code))
    bench.discord.errors = [ChannelClosed(CHANNEL, 10003) for _ in range(3)]
    bench.wish("turn", "text", urgency=Urgency.FINAL)
    await bench.until(1_300)
    assert told == [(CHANNEL, 10003)]


async def test_a_session_that_is_shown_elsewhere_leaves_the_others_of_the_channel_alone(bench: Bench) -> None:
    async def render() -> Sequence[PostWish]:
        return [PostWish("turn", 0, Plain("of the other"))]

    other = await bench.core.session(CHANNEL, 1)
    bench.wish("turn", "text", urgency=Urgency.FINAL)
    bench.pump.mark(Unit("turn", 1, Posts(other.id, CHANNEL), render), Urgency.FINAL)
    bench.pump.drop(bench.session_id)
    await bench.until(1)
    assert [text for _, _, text in bench.discord.log] == ["of the other"]


async def test_units_of_two_sessions_in_a_channel_are_two_even_if_they_are_called_the_same(
    bench: Bench,
) -> None:
    async def render() -> Sequence[PostWish]:
        return [PostWish("status", 0, Plain("of the other"))]

    other = await bench.core.session(CHANNEL, 1)
    bench.wish("status", "text", urgency=Urgency.FINAL)
    bench.pump.mark(Unit("status", 1, Posts(other.id, CHANNEL), render), Urgency.FINAL)
    await bench.until(1)
    assert sorted(text for _, _, text in bench.discord.log) == ["of the other", "text"]


async def test_a_deleted_message_is_made_anew(bench: Bench) -> None:
    bench.wish("turn", "one", urgency=Urgency.FINAL)
    await bench.until(0.1)
    bench.discord.errors = [MessageGone()]
    bench.wish("turn", "two", urgency=Urgency.FINAL)
    await bench.until(0.2)
    assert [entry[1:] for entry in bench.discord.log] == [("create", "one"), ("edit", "two"), ("create", "two")]
    assert len(bench.discord.made) == 2


@pytest.mark.parametrize("texts", [("two",), ("two", "three")])
async def test_an_archived_thread_is_opened_by_sending_or_asking(bench: Bench, texts: Sequence[str]) -> None:
    bench.wish("turn", "one", urgency=Urgency.FINAL)
    await bench.until(0.1)
    bench.discord.archived = True
    bench.wish("turn", *texts, urgency=Urgency.FINAL)
    await bench.until(0.2)
    kinds = [kind for _, kind, _ in bench.discord.log]
    opening = "unarchive" if len(texts) == 1 else "create"
    assert kinds == ["create", "edit", opening, "edit"]


async def test_posts_that_nobody_wishes_go(bench: Bench) -> None:
    bench.wish("turn", "one", "two", "three", urgency=Urgency.FINAL)
    await bench.until(0.1)
    bench.wish("turn", "one", urgency=Urgency.FINAL)
    await bench.until(0.2)
    assert [text for _, text in bench.sent("delete")] == ["2", "3"]


async def test_a_post_that_may_not_be_deleted_is_given_up_and_said_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.wish("turn", "one", "two", "three", urgency=Urgency.FINAL)
    await bench.until(0.1)
    bench.discord.errors = [BodyRefused(50021, 400)] * 3
    bench.wish("turn", "one", urgency=Urgency.FINAL)
    await bench.until(300)
    assert [text for _, text in bench.sent("delete")] == ["2", "3"]
    assert [row.message_id for row in await load_posts(bench.core.db, bench.session_id, CHANNEL)] == [1]
    assert [getattr(each, "code", 0) for each in caplog.records] == [50021, 50021]
    assert bench.pump.is_settled


async def test_cards_and_texts_have_fingerprints_of_their_own() -> None:
    bodies: list[Body] = [Plain("a"), Plain("b"), Card(("a", "b")), Plain("")]
    assert len({fingerprint(body) for body in bodies}) == 4


async def test_all_channels_together_stay_below_the_global_limit() -> None:
    timer = FakeTimer(until=1e9)
    traffic = Traffic(timer)
    times = []
    for _ in range(200):
        await traffic.take(Urgency.STREAM)
        times.append(timer.at)
    assert times[39] == times[0]
    for first, last in zip(times, times[40:], strict=False):
        assert last - first > 1.0


async def test_what_is_urgent_does_not_wait_for_what_is_not() -> None:
    timer = FakeTimer(until=1e9)
    traffic, order = Traffic(timer, most=1), list[str]()

    async def go(name: str, urgency: Urgency) -> None:
        await traffic.take(urgency)
        order.append(name)

    await go("a", Urgency.STREAM)
    timer.until = 0.0  # time stands still until all wait
    wishes = [
        ("typing", Urgency.TYPING),
        ("text", Urgency.STREAM),
        ("end", Urgency.FINAL),
        ("ask", Urgency.PROMPT),
    ]
    tasks = [asyncio.create_task(go(name, urgency)) for name, urgency in wishes]
    for _ in range(5):
        await asyncio.sleep(0)
    for _ in range(4):
        timer.at += 1.2
        traffic._news.set()
        for _ in range(5):
            await asyncio.sleep(0)
        traffic._news.clear()
    await asyncio.gather(*tasks)
    assert order[1:] == ["ask", "end", "text", "typing"]


@pytest.mark.parametrize("again", ["the same process", "the next process"])
async def test_a_change_that_was_not_stored_is_made_good_when_what_was_before_is_wished_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    bench.wish("turn", "whole", urgency=Urgency.STREAM)
    await bench.until(1)
    write = bench.core.db.write

    async def full_once_it_is_changed(statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        if bench.sent("edit"):
            raise DatabaseFull("The disk is full; nothing was written.")
        return await write(statements)

    monkeypatch.setattr(bench.core.db, "write", full_once_it_is_changed)
    bench.wish("turn", "half", urgency=Urgency.STREAM)
    await bench.until(1.4)
    assert bench.sent("edit") == [(1.0, "half")]
    if again == "the next process":
        posts = bench.units["turn"].posts
        posts.rows = {
            (each.subject, each.ordinal): each
            for each in await load_posts(bench.core.db, bench.session_id, CHANNEL)
        }
    monkeypatch.undo()
    bench.wish("turn", "whole", urgency=Urgency.FINAL)
    await bench.until(60)
    assert bench.sent("edit")[-1][1] == "whole"
    (row,) = await load_posts(bench.core.db, bench.session_id, CHANNEL)
    assert row.shown == bench.wishes["turn"][0].shown
