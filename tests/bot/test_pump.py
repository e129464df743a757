"""The pump on a clock of the test's own: the order of posts, and the pace of text and typing."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from bot.bodies import Body, Card, Plain, PostWish
from bot.pace import Change
from bot.post_unit import Unit
from bot.posting import Posts
from bot.traffic import STREAMS_AT_FULL_PACE, Traffic, Urgency
from bot.transport import (
    BodyRefused,
    PostingError,
    Seen,
    ThreadArchived,
    TryLater,
    fingerprint,
)
from storage import DatabaseBusy
from tests.bot.pump_bench import (
    CHANNEL,
    MOST,
    Bench,
    FakeTimer,
    always,
    bench,
    never,
)

__all__ = ["bench"]


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


@pytest.mark.parametrize("urgency", [Urgency.PROMPT, Urgency.FINAL, Urgency.STREAM])
async def test_a_place_that_comes_free_while_a_later_post_is_rendered_is_for_the_earlier_one(
    bench: Bench, urgency: Urgency
) -> None:
    bench.discord.windows[Change.CREATE] = (bench.timer.at, MOST)
    bench.wish("first", "an answer", urgency=Urgency.FINAL)
    await bench.until(4.9)
    bench.wish("second", "a later answer", urgency=urgency)

    async def render_slowly() -> Sequence[PostWish]:
        bench.timer.at += 1.0
        return bench.wishes["second"]

    bench.units["second"].render = render_slowly
    await bench.until(20)
    assert [text for _, text in bench.sent("create")] == ["an answer", "a later answer"]


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


@pytest.mark.parametrize("error", [ThreadArchived(), TryLater("rate limit", 20.0), BodyRefused(0, 400)])
async def test_a_typing_sign_that_discord_refuses_holds_no_text_back(bench: Bench, error: PostingError) -> None:
    bench.discord.errors = [error]
    bench.pump.type_while("s", always)
    await bench.until(0.1)
    bench.wish("turn", "text", urgency=Urgency.FINAL)
    await bench.until(1)
    assert (bench.sent("create"), bench.pump.closed) == ([(0.1, "text")], False)
    assert [at for at, _ in bench.sent("type")] == [0.0, 0.1], "a post ends the sign, so it is sent again"


async def test_the_sign_ends_though_the_look_at_who_works_fails_once(bench: Bench) -> None:
    answers = iter([True, None, False])

    async def works() -> bool:
        answer = next(answers)
        if answer is None:
            raise DatabaseBusy("read")
        return answer

    bench.pump.type_while("s", works)
    await bench.until(1)
    bench.pump.type_while("s", works)
    await bench.until(60)
    assert [at for at, _ in bench.sent("type")] == [0.0]


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


async def test_posts_that_nobody_wishes_go(bench: Bench) -> None:
    bench.wish("turn", "one", "two", "three", urgency=Urgency.FINAL)
    await bench.until(0.1)
    bench.wish("turn", "one", urgency=Urgency.FINAL)
    await bench.until(0.2)
    assert [text for _, text in bench.sent("delete")] == ["2", "3"]


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
