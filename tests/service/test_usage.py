"""Statistics: every dollar once, per day, user and session; what waited and failed is counted."""

import json
from pathlib import Path
from typing import Any

import pytest

import api as c
from service.usage_rows import read_usage
from sessions.claude import lines as cli
from sessions.claude.parse import parse
from sessions.draft import Draft
from sessions.events import TurnEnded, TurnQueued, TurnSent, TurnStarted
from sessions.interpreter import Moment, interpret
from sessions.model import AllowSession, Lifecycle, SessionId, TurnId, TurnKind
from sessions.state import Snapshot
from storage import Database, Statement
from tests.sessions.running_core import idle, reached, running_core

DAY_MS = 86_400_000
SESSION = SessionId("01890000-0000-7000-8000-000000000001")


def result(cost_usd: float, prompt_uuid: str, **facts: Any) -> cli.TurnResult:
    """A `result` line whose `cost_usd` is the process's running total."""
    body: dict[str, Any] = {
        "type": "result", "subtype": "success", "is_error": False, "duration_ms": 5, "num_turns": 1,
        "result": "", "terminal_reason": "completed", "total_cost_usd": cost_usd,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        "user_message_uuids": [prompt_uuid], "session_id": "s", "uuid": "u", **facts,
    }  # fmt: skip
    line = parse(json.dumps(body).encode())
    assert isinstance(line, cli.TurnResult)
    return line


def turn_costs(*totals: float) -> list[float]:
    """Return the cost of each turn of one process for these running totals of the CLI."""
    snapshot = Snapshot(SESSION, lifecycle=Lifecycle.LIVE, host=1)
    costs = []
    for number, total in enumerate(totals, start=1):
        draft = Draft(snapshot, 0)
        turn_id, ident = TurnId(f"t{number}"), f"p{number}"
        draft.add(TurnQueued(turn_id, number, TurnKind.PROMPT, "ann", "x", ident, str(number)))
        draft.add(TurnSent(turn_id, 1))
        draft.add(TurnStarted(turn_id))
        for event in interpret(draft.snapshot, result(total, ident), Moment(1, number, 0)):
            draft.add(event)
            if isinstance(event, TurnEnded):
                costs.append(event.cost_usd)
        snapshot = draft.snapshot
    assert snapshot.cost_usd == pytest.approx(sum(costs))
    return costs


@pytest.mark.parametrize(
    ("totals", "costs"),
    [
        ([0.5], [0.5]),
        ([0.5, 0.75, 1.0], [0.5, 0.25, 0.25]),
        ([0.5, 0.5, 0.6], [0.5, 0.0, 0.1]),
        ([0.5, 0.1, 0.3], [0.5, 0.1, 0.2]),
        ([0.0, 0.0], [0.0, 0.0]),
    ],
    ids=["one", "running total", "a free turn", "started anew by /clear", "nothing"],
)
def test_a_running_total_becomes_differences(totals: list[float], costs: list[float]) -> None:
    assert turn_costs(*totals) == pytest.approx(costs)


async def turn(
    db: Database, number: int, author: str, day: int, cost: float = 0.0, status: str = "done"
) -> None:
    insert = (
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, cost_usd, queued_ms, duration_ms)"
    )
    await db.write(
        [
            Statement(
                "INSERT OR IGNORE INTO sessions"
                " (id, user_id, channel_id, status, model, created_at, updated_at, data)"
                " VALUES (?, 'ann', 'c', 'parked', '', 0, 0, '{}')",
                (SESSION,),
            ),
            Statement(
                f"{insert} VALUES (?, ?, ?, 'prompt', ?, ?, ?, ?, 100)",
                (f"t{number}", SESSION, number, status, author, cost, day * DAY_MS),
            ),
        ]
    )


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (None, {"": (3, 3.5)}),
        (c.GroupBy.USER, {"ann": (2, 1.5), "ben": (1, 2.0)}),
        (c.GroupBy.DAY, {"1970-01-02": (2, 3.0), "1970-01-03": (1, 0.5)}),
        (c.GroupBy.SESSION, {SESSION: (3, 3.5)}),
    ],
)
async def test_totals_by_group_leave_out_what_was_withdrawn(
    group: c.GroupBy | None, expected: dict[str, tuple[int, float]], db: Database
) -> None:
    await turn(db, 1, "ann", 1, 1.0)
    await turn(db, 2, "ben", 1, 2.0, "failed")
    await turn(db, 3, "ann", 2, 0.5)
    await turn(db, 4, "ann", 2, 0.0, "withdrawn")
    usage = await read_usage(db, 0, group)
    assert {row.group: (row.totals.turns, row.totals.cost_usd) for row in usage} == expected
    assert sum(row.totals.failed_turns for row in usage) == 1
    assert [row.totals.turns for row in await read_usage(db, 2 * DAY_MS, None)] == [1]


async def test_nothing_yet_is_zero(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        statistics = await core.do(c.ReadStatistics(group_by=c.GroupBy.DAY))
        assert (statistics.totals, statistics.groups, statistics.live_processes) == (c.Totals(), (), 0)


async def test_a_session_at_work_shows_in_the_statistics(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text hi")
        await core.say(session, "demo:bash touch made")
        asked = await reached(session, lambda snapshot: bool(snapshot.asks))
        statistics = await core.do(c.ReadStatistics())
        assert (statistics.live_processes, statistics.open_asks, statistics.by_lifecycle) == (1, 1, {"live": 1})
        assert statistics.memory_bytes > 2**20
        await core.do(c.AnswerAsk(session_id=session.id, ask_id=asked.asks[0].id, decision=AllowSession()))
        await idle(session)
        statistics = await core.do(c.ReadStatistics(group_by=c.GroupBy.USER))
        totals = statistics.totals
        assert (totals.turns, totals.tool_calls, totals.asks, totals.failed_turns) == (2, 1, 1, 0)
        assert totals.cost_usd == pytest.approx(session.snapshot.cost_usd)
        assert totals.cost_usd > 0
        assert totals.input_tokens > 0
        assert [row.group for row in statistics.groups] == ["ann"]


async def test_a_new_process_counts_from_zero_and_the_session_goes_on_counting(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text one")
        first = session.snapshot.cost_usd
        await session.park("test")
        await core.ask(session, "demo:text two")
        assert session.snapshot.cost_usd == pytest.approx(2 * first)


async def test_the_audit_says_who_did_what_newest_first_and_cannot_be_changed(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.do(c.Rename(session_id=session.id, title="A name"))
        await core.do(c.Park(session_id=session.id))
        page = await core.do(c.ReadAudit(session_id=session.id, limit=1))
        assert [(entry.action, entry.actor, entry.allowed) for entry in page.entries] == [
            ("park", "admin", True)
        ]
        older = await core.do(c.ReadAudit(session_id=session.id, before=page.entries[0].id))
        assert [entry.action for entry in older.entries] == ["rename"]
        for sql in ("UPDATE audit SET actor = 'x'", "UPDATE audit SET allowed = 0 WHERE id = 1"):
            with pytest.raises(Exception, match="never changed"):
                await core.db.write([Statement(sql)])
