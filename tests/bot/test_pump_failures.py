"""The pump when Discord fails, refuses or forgets, on a clock of the test's own."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from bot.bodies import PostWish
from bot.post_unit import Unit
from bot.posting import Posts
from bot.rows import load_posts
from bot.traffic import Urgency
from bot.transport import (
    BodyRefused,
    ChannelClosed,
    MessageGone,
    TryLater,
)
from storage import AnyStatement, DatabaseFull, Outcome
from tests.bot.pump_bench import CHANNEL, Bench, always, bench, never

__all__ = ["bench"]


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
