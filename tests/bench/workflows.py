"""Runs of work-flows: the runner's own time for a step, what waiting runs cost, queries over many stored runs.

The core is one that answers at once, so that only the time of `workflows/` counts.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import api as c
from api.access import Actor, ActorSource, Role
from bridge.schema import schema
from sessions.events import Numbered, PartialText, TurnEnded
from sessions.model import GrowingKind, PermissionMode, SessionId, Text, TurnId, TurnStatus
from sessions.run_shown import RunShown
from storage import Database, Statement
from tests.bench.figures import Figure, median
from workflows import model as m
from workflows.model import Run
from workflows.ports import Ports
from workflows.rows import RunQuery, query_runs
from workflows.runs import Runs

STORED = 100_000
_ROUNDS, _WRITES = 4, 50
_MOST_WRITES_A_STEP = 150
_MOST_PAGES_A_QUERY = 10
_SESSION = SessionId("01890000-0000-7000-8000-000000000001")
_TASKS = '```json\n{"tasks": [' + ", ".join(f'{{"title": "Task {n}"}}' for n in range(20)) + "]}\n```"


class QuickCore:
    """A core that carries everything out at once: each prompt is a turn that has ended."""

    def __init__(self) -> None:
        self.turns = 0

    async def perform(self, actor: Actor, command: c.Command[Any]) -> Any:
        match command:
            case c.GetOrCreateSession() | c.GetSession():
                return _Session(self.turns)
            case c.SendMessage():
                self.turns += 1
                return c.Accepted(TurnId(f"t{self.turns}"), 0)
            case c.ReadTurn():
                return _Turn((Text("A plan." if command.turn_id == "t1" else _TASKS),))
            case c.ReadEvents():
                return c.EventPage(())
            case c.ReadWorkPlace() | c.CommitBranch():
                return c.WorkPlace("b", "0" * 40)
            case c.ListNotes():
                return c.FolderNotes(())
            case c.CompareBranch():
                return c.BranchChanges(())
            case _:
                return c.Nothing()

    async def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Numbered, None]:
        await asyncio.sleep(0)
        yield Numbered(_SESSION, after + 1, 1, TurnEnded(TurnId(f"t{self.turns}"), TurnStatus.DONE))


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """All figures. Takes some 20 s, short some 5 s."""
    async with Database.open(directory / "runs.db", schema()) as db:
        step, write = await _step_ms(db, directory), await _write_ms(db)
        stored = STORED // 10 if short else STORED
        await _fill(db, stored)
        slowest, page = await _slowest_query_ms(db), await _query_ms(db, RunQuery())
        active = await _has_active_ms(db)
    alone, watched = await _publishing_s(directory)
    waiting = (watched - alone) * 100
    return [
        Figure("run of a work-flow, CPU of the runner per step", step, "ms", at_most=20),
        Figure("CPU of a step", step, "ms", write, "a stored row", at_most=_MOST_WRITES_A_STEP),
        Figure("100 runs that wait while 100 sessions write, CPU", waiting, "% of a core", at_most=1),
        Figure("events with 100 waiting runs", watched * 1000, "ms", alone * 1000, "without", at_most=2),
        Figure(f"query over {stored:,} runs, slowest of its kind", slowest, "ms", at_most=20),
        Figure("slowest query", slowest, "ms", page, "the first page", at_most=_MOST_PAGES_A_QUERY),
        Figure(f"start with {stored:,} stored runs asks for active ones", active, "ms", at_most=1),
    ]


async def _step_ms(db: Database, directory: Path) -> float:
    """Return the CPU of one step of a run with twenty tasks: its acts, rows and views."""
    core = QuickCore()
    async with Runs(db, _ports(core, directory)) as runs:
        wish = c.StartRun(request="Add", channel_id="c", origin="o", config=c.Configuration())
        run = await runs.begin(await runs.create_session(wish, "ann"))
        await _until(runs, run.id, lambda each: each.plan is not None)
        begun = time.process_time()
        await runs.update_session(run.id, m.PlanApproved("ann"))
        await _until(runs, run.id, lambda each: each.status in c.TERMINAL)
        spent = time.process_time() - begun
    return spent / (core.turns - 1) * 1000


async def _until(runs: Runs, run_id: str, is_so: Any) -> Run:
    async with asyncio.timeout(60):
        while not is_so(run := await runs.get_session(run_id)):  # noqa: ASYNC110 (no event here)
            await asyncio.sleep(0.005)
    return run


async def _fill(db: Database, count: int) -> None:
    """Store runs of all kinds, a few of them with a rare word."""
    run = Run("", "ann", "ann", "Add", "Add", "c", "k", "p")
    data = msgspec.json.encode(run).decode()
    statuses = "json_array('completed','failed','completed','failed','paused')"
    await db.write(
        [
            Statement(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO runs (id, user_id, session_id, project, branch, status, phase, origin,"
                " created_ms, updated_ms, version, data)"
                " SELECT printf('01890000-0000-7000-8000-%012x', i), 'user' || i % 50,"
                f" 's' || i, 'project' || i % 20, 'b' || i, {statuses} ->> (i % 5), 'plan', '', i, i, 1,"
                " json_set(?, '$.id', printf('01890000-0000-7000-8000-%012x', i)) FROM n",
                (count, data),
            ),
            Statement(
                "INSERT INTO run_texts (rowid, text) SELECT number,"
                " 'add a function to the shop ' || CASE WHEN number % 977 = 0 THEN 'zebra' ELSE 'login' END"
                " FROM runs WHERE number > 1",
            ),
        ]
    )


async def _slowest_query_ms(db: Database) -> float:
    queries = [
        RunQuery(),
        RunQuery(before=500),
        RunQuery(exact={"status": "paused", "project": "project19"}),
        RunQuery(exact={"status": "completed", "phase": "plan"}, since_ms=10, until_ms=90),
        RunQuery(visible_to=("user7", "group")),
        RunQuery(text="zebra"),
        RunQuery(text="function log"),
        RunQuery(text="zebra", visible_to=("user7",)),
        RunQuery(exact={"branch": "b77"}),
        RunQuery(only_active=True, exact={"project": "project0"}),
    ]
    return max([await _query_ms(db, each) for each in queries])


async def _query_ms(db: Database, query: RunQuery) -> float:
    times = []
    for _ in range(7):
        begun = time.process_time()
        await query_runs(db, query)
        times.append((time.process_time() - begun) * 1000)
    return min(times)


async def _write_ms(db: Database) -> float:
    """Return the CPU of one transaction that changes one row, the best of some rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        begun = time.process_time()
        for _ in range(_WRITES):
            await db.write([Statement("UPDATE runs SET updated_ms = updated_ms + 1 WHERE number = 1")])
        best = min(best, time.process_time() - begun)
    return best / _WRITES * 1000


async def _has_active_ms(db: Database) -> float:
    from service.usage_rows import has_active_runs

    times = []
    for _ in range(9):
        begun = time.process_time()
        await has_active_runs(db)
        times.append((time.process_time() - begun) * 1000)
    return median(times)


async def _publishing_s(directory: Path) -> tuple[float, float]:
    """Return the CPU of a second of 100 sessions that write 20 pieces of text each, without and with runs."""
    rounds = [
        [await _published_s(directory / f"{number}-{count}", count) for count in (0, 100)]
        for number in range(_ROUNDS)
    ]
    return min(alone for alone, _ in rounds), min(watched for _, watched in rounds)


async def _published_s(directory: Path, watchers: int) -> float:
    """Return the CPU of publishing a second's worth of events of 100 sessions to `watchers` runs."""
    from sessions.bus import Bus

    directory.mkdir()
    async with Database.open(directory / "bus.db", schema()) as db:
        bus = Bus(db, lambda _: ())
        ids = [SessionId(f"s{n}") for n in range(100)]

        async def watch(session_id: SessionId) -> None:
            subscription = bus.subscribe(session_id, only_durable=True)
            async for _ in bus.batches(session_id, 0, subscription):
                pass

        tasks = [asyncio.create_task(watch(each)) for each in ids[:watchers]]
        await asyncio.sleep(0.3)
        begun = time.process_time()
        for piece in range(20):
            for session_id in ids:
                part = PartialText(session_id, 0, TurnId("t"), "k", GrowingKind.TEXT, piece * 10, "0123456789")
                bus.publish(session_id, [part])
            await asyncio.sleep(0)
        spent = time.process_time() - begun
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return spent


def _ports(core: QuickCore, directory: Path) -> Ports:
    async def person(user_id: str) -> Actor:
        return Actor(user_id, "test", Role.ADMIN)

    async def check(session_id: str, name: str, check: c.Check, seconds: float) -> c.CheckResult:
        return c.CheckResult(check.name, check.command, 0)

    async def nothing(*_: object) -> None:
        return None

    async def none(*_: object) -> Sequence[Any]:
        return ()

    async def announce(session_id: str, run: RunShown) -> None:
        return None

    return Ports(
        core=core,  # type: ignore[arg-type]  # it has what runs use
        actor_of=person,
        follow=core.follow,
        run_check=check,
        forget_check=nothing,
        announce=announce,
        found_checks=none,
        now_ms=lambda: time.time_ns() // 1_000_000,
        data_dir=directory,
    )


@dataclass(frozen=True, slots=True)
class _Session:
    """The fields of a session that runs look at."""

    last_event: int
    id: str = _SESSION
    mode: PermissionMode = PermissionMode.DEFAULT
    has_own_copy: bool = True
    open_asks: tuple[str, ...] = ()
    running_turn: None = None
    queued_turns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Turn:
    """A turn that has ended with this answer."""

    contents: tuple[Text, ...]
