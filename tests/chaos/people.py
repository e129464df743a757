"""People who use sessions while the bot dies under them: they prompt, look on, answer, and note what they saw.

Each one has a session of their own and does everything again until the bot says that it is done, as a face
does. What they note goes to `people.ndjson` at once: the checker believes it.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import msgspec

from api import AnswerAsk, Command, GetOrCreateSession, Park, SendMessage
from api.access import unchanging
from bridge.control_client import ControlClient, connected
from bridge.control_socket import local_actor
from sessions.errors import AlreadyDecided, CoreLost, SessionError
from sessions.events import AskOpened, Feed, Noticed, Numbered, TurnEnded
from sessions.model import (
    Allow,
    Answer,
    ApprovePlan,
    Ask,
    Decision,
    Deny,
    FormBody,
    LinkBody,
    PermissionBody,
    PlanBody,
    Postpone,
    QuestionBody,
    TurnStatus,
)
from tests.chaos.history import digest
from tests.chaos.world import World

R = TypeVar("R")

MENU = (
    "demo:slow 3 demo:long 60",
    "demo:text a short answer",
    "demo:bash touch made-by-{n}",
    "demo:thinking well demo:text thought about it",
    "demo:ask-question Which way?",
    "demo:plan build a house",
    "demo:write file-{n}.txt words",
    "demo:bash echo seen demo:text and said",
    "demo:slow 2 demo:long 80 demo:block demo:long 20",
    "cli:rubbish demo:text after rubbish",
    "demo:unicode",
    "demo:big 1",
)
_AT_ONCE = 2


class Notebook:
    """Where everybody notes what happened, one JSON object a line."""

    def __init__(self, world: World) -> None:
        self._file = (world.root / "people.ndjson").open("ab")

    def note(self, what: str, **facts: Any) -> None:
        self._file.write(json.dumps({"what": what, **facts}).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Person:
    """One person at one session. `run` goes on until `enough` is set and every prompt has ended."""

    def __init__(self, world: World, notebook: Notebook, name: str, rng: random.Random, **how: Any) -> None:
        self.name = name
        self.session_id = ""
        self.ended: dict[str, TurnStatus] = {}
        self.accepted: dict[str, str] = {}
        self.asks: list[Ask] = []
        self.enough = asyncio.Event()
        self._world = world
        self._notebook = notebook
        self._rng = rng
        menu: tuple[str, ...] = how.get("menu", MENU)
        self.choose: Callable[[], str] = lambda: rng.choice(menu)
        self._answers: bool = how.get("answers", True)
        self._restless: bool = how.get("restless", False)
        self.most: int = how.get("most", 1_000_000)
        self._at_once: int = how.get("at_once", _AT_ONCE)
        self._patient: bool = how.get("patient", False)
        self.noticed: set[str] = set()
        self._round = 0
        self._after = 0
        self._news = asyncio.Condition()
        self._client: ControlClient | None = None

    @property
    def open_turns(self) -> list[str]:
        return [turn for turn in self.accepted.values() if turn not in self.ended]

    async def run(self) -> None:
        """Prompt, look on and answer until all is over. Raises what is neither a lost bot nor a refusal."""
        await self.enter()
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self.look_on(tasks), name=f"{self.name} looks on")
            await self._prompt()
            await self.enough.wait()  # what is said after the last turn's end is seen as well
            async with self._news:
                await self._news.wait_for(lambda: not self.open_turns)
            looking.cancel()

    async def enter(self) -> None:
        """Get the session, or make it."""
        key = f"place:{self.name}:{self._round}"
        wish = GetOrCreateSession(channel_id=f"terminal:{self.name}", key=key)
        self.session_id = (await self.perform(wish)).id

    async def anew(self) -> None:
        """Take another session; what was asked of the last one is over."""
        self._round += 1
        self._after = 0
        await self.enter()

    async def one_turn(self, content: str) -> TurnStatus:
        """Prompt, and look on until that is done; for people who do not `run`."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self.look_on(tasks), name=f"{self.name} looks on")
            status = await self.until_ended(await self.send(content))
            looking.cancel()
        return status

    async def _prompt(self) -> None:
        while not self.enough.is_set() and len(self.accepted) < self.most:
            n = len(self.accepted)
            await self.send(self.choose().format(n=n))
            if self._restless and n % 3 == 2:
                async with self._news:
                    await self._news.wait_for(lambda: not self.open_turns)
                await self.perform(Park(session_id=self.session_id))
            async with self._news:
                await self._news.wait_for(lambda: len(self.open_turns) < self._at_once)

    async def send(self, content: str) -> str:
        """Hand in a prompt, as often as needed; return its turn."""
        origin = f"{self.name}:{self._round}:{len(self.accepted)}"
        accepted = await self.perform(SendMessage(session_id=self.session_id, content=content, origin=origin))
        self._notebook.note("accepted", session=self.session_id, origin=origin, turn=accepted.turn_id)
        self.accepted[origin] = accepted.turn_id
        async with self._news:
            self._news.notify_all()
        return accepted.turn_id

    async def given(self, count: int) -> None:
        """Wait until so many prompts were accepted."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.accepted) >= count)

    async def goes_on(self) -> None:
        """Wait until another prompt was accepted, or there will be none."""
        count = len(self.accepted)
        async with self._news:
            await self._news.wait_for(lambda: len(self.accepted) > count or self.enough.is_set())

    async def finishes_one(self) -> None:
        """Wait until another turn has ended."""
        count = len(self.ended)
        async with self._news:
            await self._news.wait_for(lambda: len(self.ended) > count)

    async def until_noticed(self, topic: str) -> None:
        """Wait for a notice of this topic."""
        async with self._news:
            await self._news.wait_for(lambda: topic in self.noticed)

    async def asked(self, count: int) -> Ask:
        """Wait until Claude asked so many times; return the last of these asks."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.asks) >= count)
        return self.asks[count - 1]

    async def until_ended(self, turn_id: str) -> TurnStatus:
        """Wait until the turn has ended; `look_on` has to run."""
        async with self._news:
            await self._news.wait_for(lambda: turn_id in self.ended)
        return self.ended[turn_id]

    async def perform(self, command: Command[R]) -> R:
        """Have the bot do it, whatever number of bots it takes."""
        while True:
            await self._world.up.wait()
            try:
                async with connected(self._world.data) as client:
                    return await client.perform(local_actor(), command)
            except CoreLost:
                await asyncio.sleep(0.01)
            except AlreadyDecided:
                raise  # whatever the disk does: somebody else was first
            except SessionError:
                if not self._patient:
                    raise
                await asyncio.sleep(0.1)  # the disk may have room by then

    # --- looking on -------------------------------------------------------------------------------------

    async def look_on(self, tasks: asyncio.TaskGroup) -> None:
        """Follow the session from its first event on, over the deaths of the bot."""
        while True:
            await self._world.up.wait()
            try:
                async with connected(self._world.data) as client, _closing(self._feed(client)) as feed:
                    async for item in feed:
                        await self._see(item, tasks)
            except CoreLost:
                await asyncio.sleep(0.01)

    def _feed(self, client: ControlClient) -> Any:
        return client.follow(unchanging(local_actor()), self.session_id, self._after)

    async def _see(self, item: Feed, tasks: asyncio.TaskGroup) -> None:
        if not isinstance(item, Numbered):
            return
        self._after = item.number
        shown = digest(msgspec.to_builtins(item.event))
        self._notebook.note("seen", session=self.session_id, who=self.name, number=item.number, digest=shown)
        if isinstance(item.event, AskOpened):
            self.asks.append(item.event.ask)
            if self._answers:
                first, second = self.decisions(item.event.ask)
                tasks.create_task(self.answer(item.event.ask, first), name=f"{self.name} answers")
                tasks.create_task(self.answer(item.event.ask, second), name=f"{self.name} answers too")
        if isinstance(item.event, Noticed):
            self.noticed.add(item.event.topic)
        if isinstance(item.event, TurnEnded):
            self.ended[item.event.turn_id] = item.event.status
        async with self._news:
            self._news.notify_all()

    def decisions(self, ask: Ask) -> tuple[Decision, Decision]:
        """Return the choices of two people who click at the same time."""
        match ask.body:
            case PermissionBody():
                return self._shuffled(Allow(), Deny(f"{self.name} says no"))
            case QuestionBody(questions=questions):
                ways = [Answer({each.text: label for each in questions}) for label in ("Left", "Right")]
                return self._shuffled(ways[0], ways[1])
            case PlanBody():
                return self._shuffled(ApprovePlan(), Deny("not now"))
            case FormBody() | LinkBody():
                return self._shuffled(Deny(), Postpone())

    def _shuffled(self, one: Decision, other: Decision) -> tuple[Decision, Decision]:
        return (one, other) if self._rng.random() < 0.7 else (other, one)

    async def answer(self, ask: Ask, decision: Decision) -> bool:
        """Answer, as often as needed; whether this answer was the one."""
        facts = {"session": self.session_id, "ask": ask.id, "decision": msgspec.to_builtins(decision)}
        self._notebook.note("tried", **facts)
        try:
            await self.perform(AnswerAsk(session_id=self.session_id, ask_id=ask.id, decision=decision))
        except AlreadyDecided:
            return False
        except SessionError as error:
            self._notebook.note("refused", **facts, why=str(error))
            return False
        self._notebook.note("answered", **facts)
        return True


@asynccontextmanager
async def _closing(feed: Any) -> AsyncIterator[Any]:
    async with aclosing(feed):
        yield feed


class Crowd:
    """Several people at once."""

    def __init__(self, world: World, seed: int, size: int, *, name: str = "p", **how: Any) -> None:
        self.notebook = Notebook(world)
        self.people = [
            Person(world, self.notebook, f"{name}{n}", random.Random(f"{seed}.{n}"), **how) for n in range(size)
        ]

    @asynccontextmanager
    async def busy(self, finish_s: float = 90.0) -> AsyncIterator["Crowd"]:
        """Let all work inside the block; on leaving, wait until everything they began has ended.

        The block is left at once, with the reason, if one of them cannot go on.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                at_work = [tasks.create_task(each.run(), name=each.name) for each in self.people]
                try:
                    yield self
                    for each in self.people:
                        each.enough.set()
                    async with asyncio.timeout(finish_s):
                        await asyncio.wait(at_work)
                finally:
                    for task in at_work:
                        task.cancel()
        finally:
            self.notebook.close()

    @contextmanager
    def on_call(self) -> Iterator["Crowd"]:
        """Let people do only what the test has them do inside the block."""
        try:
            yield self
        finally:
            self.notebook.close()

    async def park_all(self) -> None:
        """End every process; the sessions stay."""
        for each in self.people:
            await each.perform(Park(session_id=each.session_id))
