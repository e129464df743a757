"""The live stream: a page that was cut off anywhere shows the same as one that never was."""

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

import pytest

from api.access import Actor, Role, unchanging
from sessions.model import Lifecycle
from tests.sessions.running_core import DEADLINE_S
from tests.web.page_model import Page
from tests.web.web_world import OWNER, Browser, WebWorld
from web.live.pulse import BEAT_S, Pulse
from web.live.shared_feed import Encoded, Looker, Tab, head_of
from web.principals import FACE

_STORY = (
    "demo:thinking first I think demo:text some words demo:block demo:long 12 demo:bash touch made.txt "
    "demo:text {- a\n  - b\n    1. c\n\n> ```py\n> x = 1\n> ```\n\n<div onclick=x>html</div>\n\n"
    "| a | b |\n|--|--:|\n| `c` | d |\n\n~~~\na fence without an end} "
    "demo:subagent {demo:text nested} demo:table demo:unicode demo:block demo:text done"
)


@dataclass
class Reader:
    """A tab: its page and the last event that it has."""

    browser: Browser
    session: str
    page: Page
    after: int

    async def read(self, *, frames: int | None = None, until: int | None = None) -> int:
        """Connect, apply at most `frames` frames or until event `until` is there; return how many came."""
        count = 0
        self.page.forget_growing()
        async with asyncio.timeout(DEADLINE_S), self.browser.socket() as socket:
            assert (await socket.receive_json())["type"] == "hello"
            await socket.send_json({"type": "sub", "sub": "s", "session": self.session, "after": self.after})
            while (frames is None or count < frames) and (until is None or self.after < until):
                frame = await socket.receive_json()
                if frame["type"] == "event":
                    count += 1
                    self._take(frame)
        return count

    def _take(self, frame: dict[str, Any]) -> None:
        for change in frame["changes"]:
            self.page.apply(change)
        if frame["n"] is not None:
            self.after = frame["n"]


async def reader(browser: Browser, session: str) -> Reader:
    html = await browser.done("GET", f"/chat/{session}")
    page = Page(html)
    place = page.root.find("turns")
    assert place is not None
    after = int(html.partition('data-after="')[2].partition('"')[0])
    return Reader(browser, session, page, after)


async def told(world: WebWorld, ann: Browser, session: str) -> int:
    """Let the story happen; return its last event."""
    await ann.done("POST", f"/api/sessions/{session}/messages", {"content": _STORY})
    ask = await world.asked(session)
    await ann.done("POST", f"/api/sessions/{session}/asks/{ask}/decision", {"decision": {"type": "allow"}})
    await world.settled(ann, session)
    # A parked session has no events to come, such as a late measure of the context.
    await ann.done("POST", f"/api/sessions/{session}/park")
    async with asyncio.timeout(DEADLINE_S):
        loaded = await world.core.manager.get_session(session)
        snapshot = await loaded.until(lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
    return snapshot.next_event - 1


async def test_a_page_cut_off_at_every_frame_is_the_same_page(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    whole = await reader(ann, session)
    cut = [await reader(await world.browser(OWNER), session) for _ in range(8)]
    telling = asyncio.create_task(told(world, ann, session))
    pieces = (_follow(each, telling, number + 1) for number, each in enumerate(cut))
    await asyncio.gather(_follow(whole, telling, None), *pieces)
    fresh = await reader(ann, session)
    for each in (*cut, fresh):
        assert each.page.shown("turns") == whole.page.shown("turns")
        assert each.page.shown("status") == whole.page.shown("status")
    assert "growing" not in whole.page.shown("turns")
    assert whole.page.shown("turns").count("DEMO line 12 of 12") == 1


async def test_a_page_that_comes_back_gets_what_it_missed_and_no_more(world: WebWorld) -> None:
    """The bytes after a break are at most 1.2 times those of the frames that were missed."""
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    telling = asyncio.create_task(told(world, ann, session))
    sizes: list[tuple[int, int]] = []
    async with asyncio.timeout(DEADLINE_S), ann.socket() as socket:
        await socket.send_json({"type": "sub", "sub": "s", "session": session, "after": 0})
        while not telling.done() or sizes[-1][0] < telling.result():
            text = await socket.receive_str()
            frame = json.loads(text)
            if frame["type"] == "event" and frame["n"] is not None:
                sizes.append((frame["n"], len(text)))
    last = telling.result()
    for after in {number for number, _ in sizes[:-1]}:
        missed = sum(size for number, size in sizes if number > after)
        got = 0
        async with asyncio.timeout(DEADLINE_S), ann.socket() as socket:
            await socket.send_json({"type": "sub", "sub": "s", "session": session, "after": after})
            reached = after
            while reached < last:
                text = await socket.receive_str()
                frame = json.loads(text)
                if frame["type"] == "event":
                    got, reached = got + len(text), frame["n"] or reached
        assert got <= 1.2 * missed, (after, got, missed)


async def test_a_tab_that_is_busy_at_times_gets_each_frame_once_and_in_order() -> None:
    """A frame goes straight into the connection of a tab that is ready, else through its task."""

    async def follow(tab: Tab, got: list[int | None], chance: random.Random) -> None:
        while kept := await tab.kept():
            for frame in kept:
                if chance.random() < 0.5:
                    await asyncio.sleep(0)
                tab.has(frame)
                got.append(frame.number)

    for seed in range(100):
        chance = random.Random(seed)
        got: list[int | None] = []

        def take(frame: Encoded, got: list[int | None] = got, chance: random.Random = chance) -> bool:
            is_ready = chance.random() < 0.6
            if is_ready:
                got.append(frame.number)
            return is_ready

        tab = Tab(Looker(OWNER, unchanging(Actor(OWNER, FACE, Role.USER)), take), 0)
        following = asyncio.create_task(follow(tab, got, chance))
        for number in range(1, 40):
            tab.give(Encoded(b"", 0, number))
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        tab.end()
        await following
        assert got == list(range(1, 40)), seed
        assert tab.number == 39


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "8100"), (125, "817d"), (126, "817e007e"), (65535, "817effff"), (65536, "817f0000000000010000")],
)
def test_the_head_of_a_frame_says_its_size(size: int, head: str) -> None:
    assert head_of(size).hex() == head


class _Heard:
    """A socket that counts what the pulse does with it."""

    def __init__(self) -> None:
        self.beats = self.looks = 0
        self.changed = asyncio.Event()

    async def beat(self) -> None:
        self.beats += 1
        self.changed.set()

    async def look_again(self) -> None:
        self.looks += 1


async def test_every_socket_beats_and_is_looked_at_again_within_a_minute(world: WebWorld) -> None:
    pulse, sockets = Pulse(beat_s=0.005), [_Heard() for _ in range(120)]
    for each in sockets:
        pulse.add(each)
    while sockets[-1].beats < 6:
        await sockets[-1].changed.wait()
        sockets[-1].changed.clear()
    for each in sockets:
        pulse.remove(each)
    assert {each.looks for each in sockets} <= {2, 3}
    # What it says to browsers is what it does; three beats are at most a minute.
    async with (await world.browser(OWNER)).socket() as socket:
        hello = await socket.receive_json()
    assert hello["beat_s"] == BEAT_S
    assert 3 * BEAT_S <= 60


async def _follow(tab: Reader, telling: "asyncio.Task[int]", frames: int | None) -> None:
    """Follow the story to its end; with `frames`, break the connection after so many, again and again."""
    while not telling.done():
        reading = asyncio.create_task(tab.read(frames=frames))
        await asyncio.wait([reading, telling], return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    while tab.after < telling.result():
        await tab.read(frames=frames, until=telling.result())


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"type": "sub"}',
        '{"type": "delete_everything"}',
        '{"type": "sub", "sub": 7}',
        "\x00",
        "x" * 70_000,
    ],
)
async def test_a_wrong_message_closes_the_socket(world: WebWorld, text: str) -> None:
    ann = await world.browser(OWNER)
    async with ann.socket() as socket:
        await socket.receive_json()
        await socket.send_str(text)
        async with asyncio.timeout(DEADLINE_S):
            while not (await socket.receive()).type.name.startswith("CLOS"):
                pass


async def test_too_many_subscriptions_are_refused(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    async with asyncio.timeout(DEADLINE_S), ann.socket() as socket:
        await socket.receive_json()
        for number in range(65):
            await socket.send_json({"type": "sub", "sub": str(number), "session": session, "after": 10_000})
        while True:
            frame = await socket.receive_json()
            if frame["type"] == "closed":
                break
    assert frame == {"type": "closed", "sub": "64", "why": "too_many"}


async def test_the_list_shows_what_needs_somebody_first(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    quiet = await world.session_of(ann, "demo:text hello")
    await world.settled(ann, quiet)
    async with asyncio.timeout(DEADLINE_S), ann.socket() as socket:
        await socket.receive_json()
        await socket.send_json({"type": "sub", "sub": "l"})
        first = await socket.receive_json()
        assert quiet in json.dumps(first)
        asking = await world.session_of(ann, "demo:bash touch a")
        await world.asked(asking)
        while True:
            html = (await socket.receive_json())["changes"][0]["html"]
            if "waits for your answer" in html:
                break
    assert html.index("Needs you") < html.index(asking) < html.index("Today") < html.index(quiet)
