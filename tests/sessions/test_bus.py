"""Replay and live are one stream: each event once and in order, growing text without holes."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from sessions import bus as bus_module
from sessions import events as e
from sessions import rows
from sessions.bus import Bus
from sessions.events import Feed, Numbered, PartialText
from sessions.model import GrowingKind, SessionId, TurnId
from sessions.state import Snapshot
from storage import Database

ID = SessionId("01890000-0000-7000-8000-000000000001")
TURN = TurnId("t")
DEADLINE_S = 60.0


@dataclass
class Source:
    """Stores and publishes as a session does; `whole` is the text that is being written."""

    db: Database
    number: int = 0
    whole: str = ""
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = Bus(self.db, self.partials)

    async def begin(self) -> None:
        await self.db.write([rows.insert_session(Snapshot(ID))])

    def partials(self, session_id: SessionId) -> Sequence[PartialText]:
        return (
            [PartialText(ID, self.number, TURN, "m/0", GrowingKind.TEXT, 0, self.whole)] if self.whole else []
        )

    async def event(self, title: str = "x", *, publish: bool = True) -> None:
        self.number += 1
        numbered = Numbered(ID, self.number, 1, e.TitleChanged(title, by_person=False))
        await self.db.write([rows.insert_event(ID, numbered.number, 1, numbered.event)])
        if publish:
            self.bus.publish(ID, [numbered])

    def text(self, added: str) -> None:
        piece = PartialText(ID, self.number, TURN, "m/0", GrowingKind.TEXT, len(self.whole), added)
        self.whole += added
        self.bus.publish(ID, [piece])


class Reader:
    """A subscriber that notes what it gets, in a task of its own."""

    def __init__(self, bus: Bus, after: int = 0) -> None:
        self.numbers: list[int] = []
        self.text = ""
        self._bus = bus
        self._after = after
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for item in self._bus.follow(ID, self._after):
            self._take(item)
            self._news.set()

    def _take(self, item: Feed) -> None:
        if isinstance(item, Numbered):
            self.numbers.append(item.number)
        else:
            assert item.start in (0, len(self.text)), "a hole or a repetition"
            self.text = item.added if item.start == 0 else self.text + item.added

    async def until(self, number: int, text: str = "") -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not self.numbers or self.numbers[-1] < number or self.text != text:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def source(db: Database) -> Source:
    source = Source(db)
    await source.begin()
    return source


async def test_a_subscriber_gets_what_was_stored_and_then_what_comes(source: Source) -> None:
    for _ in range(3):
        await source.event()
    reader = Reader(source.bus, after=1)
    await reader.until(3)
    await source.event()
    await reader.until(4)
    assert reader.numbers == [2, 3, 4]
    await reader.close()


async def test_a_history_longer_than_a_page_comes_whole(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "PAGE", 2)
    for _ in range(7):
        await source.event()
    reader = Reader(source.bus)
    await reader.until(7)
    assert reader.numbers == list(range(1, 8))
    await reader.close()


async def test_who_joins_late_gets_growing_text_once_from_its_beginning(source: Source) -> None:
    await source.event()
    source.text("Hello, ")
    reader = Reader(source.bus)
    await reader.until(1, "Hello, ")
    source.text("world")
    await reader.until(1, "Hello, world")
    await reader.close()


async def test_a_subscriber_that_lags_is_sent_back_to_the_store(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "QUEUE_LENGTH", 3)
    await source.event()
    reader = Reader(source.bus)
    await reader.until(1)
    for n in range(20):
        source.text(f"{n} ")
    for _ in range(20):
        await source.event()
    await reader.until(21, source.whole)
    assert reader.numbers == list(range(1, 22))
    await reader.close()


async def test_an_event_that_was_stored_but_not_published_comes_with_the_next(source: Source) -> None:
    await source.event()
    reader = Reader(source.bus)
    await reader.until(1)
    await source.event(publish=False)
    await source.event()
    await reader.until(3)
    assert reader.numbers == [1, 2, 3]
    await reader.close()


async def test_void_text_is_dropped_and_begins_anew(source: Source) -> None:
    await source.event()
    bus, got = source.bus, []
    follow = bus.follow(ID, 0)
    got.append(await anext(follow))
    waiting = asyncio.ensure_future(anext(follow))
    await asyncio.sleep(0)
    bus.publish(
        ID,
        [
            PartialText(ID, 1, TURN, "m1/0", GrowingKind.TEXT, 0, "half"),
            PartialText(ID, 1, TURN, "", GrowingKind.TEXT, 0, "", void=True),
            PartialText(ID, 1, TURN, "m2/0", GrowingKind.TEXT, 0, "anew"),
        ],
    )
    pieces = [await waiting, await anext(follow), await anext(follow)]
    assert [(p.added, p.void) for p in pieces if isinstance(p, PartialText)] == [
        ("half", False),
        ("", True),
        ("anew", False),
    ]
    await follow.aclose()


async def test_a_subscriber_that_leaves_is_forgotten(source: Source) -> None:
    await source.event()
    reader = Reader(source.bus)
    await reader.until(1)
    await reader.close()
    assert source.bus._of_one == {}


@pytest.mark.parametrize("seed", range(30))
async def test_any_interleaving_gives_every_subscriber_the_same_stream(
    source: Source, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Events and text come while subscribers join, are slow, and lag."""
    dice = random.Random(seed)
    monkeypatch.setattr(bus_module, "QUEUE_LENGTH", dice.choice([1, 3, 10, 2000]))
    monkeypatch.setattr(bus_module, "PAGE", dice.choice([1, 2, 200]))
    readers: list[Reader] = []
    for _ in range(40):
        match dice.choice(["event", "hidden", "text", "join", "yield"]):
            case "event":
                await source.event()
            case "hidden":
                await source.event(publish=False)
            case "text":
                source.text(dice.choice(["a", "bc", "def "]))
            case "join":
                readers.append(Reader(source.bus, after=dice.randint(0, source.number)))
            case _:
                await asyncio.sleep(0)
    await source.event()
    source.text("end")
    for reader in readers:
        await reader.until(source.number, source.whole)
        assert reader.numbers == list(range(reader.numbers[0], source.number + 1))
        await reader.close()


async def test_following_for_long_keeps_nothing_of_turns_that_are_over(source: Source) -> None:
    await source.event()
    seams = bus_module._PartialSeams()
    for n in range(100):
        turn_id = TurnId(f"turn {n}")
        assert seams.join(PartialText(ID, 1, turn_id, "m/0", GrowingKind.TEXT, 0, "x"), lambda _: [])
        seams.forget(turn_id)
    assert seams._known == {}
