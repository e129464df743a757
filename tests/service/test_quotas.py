"""Budgets: warned at 80 %, refused at 100 % with the time when it opens, over windows that slide."""

from pathlib import Path
from uuid import uuid4

import pytest

import api as c
from api.access import Actor, Role
from service.quotas import DAY_MS, HOUR_MS, Budget, check_budget
from sessions.errors import LimitReached
from storage import Database, Statement
from tests.sessions.running_core import CoreParts, idle, running_core

NOW = 1_700_000_000_000
SESSION = "01890000-0000-7000-8000-000000000001"


async def turns(db: Database, *facts: tuple[str, int, float, str]) -> None:
    """Rows of turns: author, milliseconds before now, dollars, status."""
    await db.write(
        [
            Statement(
                "INSERT OR IGNORE INTO sessions"
                " (id, user_id, channel_id, status, model, created_at, updated_at, data)"
                " VALUES (?, 'ann', 'c', 'parked', '', 0, 0, '{}')",
                (SESSION,),
            ),
            *(
                Statement(
                    "INSERT INTO turns (id, session_id, number, kind, status, author_id, cost_usd, queued_ms)"
                    " VALUES (?, ?, ?, 'prompt', ?, ?, ?, ?)",
                    (str(uuid4()), SESSION, number, status, author, cost, NOW - ago_ms),
                )
                for number, (author, ago_ms, cost, status) in enumerate(facts, start=1)
            ),
        ]
    )


@pytest.mark.parametrize(
    ("used", "warns"), [(0, False), (7, False), (8, True), (9, True)], ids=["none", "below", "at 80 %", "above"]
)
async def test_turns_are_warned_of_at_80_percent(used: int, warns: bool, db: Database) -> None:
    await turns(db, *[("ann", 1000 * n, 0.0, "done") for n in range(used)])
    warning = await check_budget(db, Budget(turns_per_hour=10), "ann", NOW)
    assert bool(warning) is warns
    if warns:
        assert f"{used} of your 10 turns this hour" in warning


async def test_turns_that_nobody_typed_count_for_the_sessions_owner(db: Database) -> None:
    await turns(db, ("ann", 1000, 1.0, "done"), ("bob", 900, 2.0, "done"), ("", 800, 4.0, "done"))
    await db.write([Statement("UPDATE turns SET kind = 'background' WHERE author_id = ''")])
    budget = Budget(turns_per_hour=2, dollars_per_day=5)
    with pytest.raises(LimitReached):
        await check_budget(db, Budget(turns_per_hour=2), "ann", NOW)
    with pytest.raises(LimitReached):
        await check_budget(db, Budget(dollars_per_day=5), "ann", NOW)
    assert await check_budget(db, budget, "bob", NOW) == ""


async def test_at_100_percent_it_says_when_it_opens_again(db: Database) -> None:
    await turns(db, *[("ann", HOUR_MS - 600_000 + n, 0.0, "done") for n in range(-3, 0)])
    with pytest.raises(LimitReached) as refused:
        await check_budget(db, Budget(turns_per_hour=3), "ann", NOW)
    assert refused.value.opens_ms == NOW + 600_000 + 1
    assert "in about 10 min" in str(refused.value)
    assert "UTC" in str(refused.value)
    opens_ms = NOW + 600_001
    assert await check_budget(db, Budget(turns_per_hour=3), "ann", opens_ms) == ""
    with pytest.raises(LimitReached):
        await check_budget(db, Budget(turns_per_hour=3), "ann", opens_ms - 1)


async def test_what_does_not_count_does_not_count(db: Database) -> None:
    await turns(
        db, ("ben", 0, 9.0, "done"), ("ann", HOUR_MS, 0.0, "done"), ("ann", 0, 0.0, "withdrawn"),
        ("ann", DAY_MS, 9.0, "done"),
    )  # fmt: skip
    assert await check_budget(db, Budget(turns_per_hour=1, dollars_per_day=1.0), "ann", NOW) == ""


@pytest.mark.parametrize(("spent", "says"), [(0.79, ""), (0.8, "dollars today"), (0.99, "dollars today")])
async def test_dollars_are_warned_of(spent: float, says: str, db: Database) -> None:
    await turns(db, ("ann", 2 * HOUR_MS, spent / 2, "done"), ("ann", 1000, spent / 2, "failed"))
    warning = await check_budget(db, Budget(dollars_per_day=1.0), "ann", NOW)
    assert says in warning
    assert bool(warning) is bool(says)


async def test_dollars_are_refused_until_enough_of_them_is_a_day_old(db: Database) -> None:
    await turns(db, ("ann", 5 * HOUR_MS, 0.1, "done"), ("ann", 3 * HOUR_MS, 2.0, "done"))
    with pytest.raises(LimitReached) as refused:
        await check_budget(db, Budget(dollars_per_day=1.0), "ann", NOW)
    opens_ms = refused.value.opens_ms
    assert opens_ms is not None
    assert await check_budget(db, Budget(dollars_per_day=1.0), "ann", opens_ms) == ""
    with pytest.raises(LimitReached):
        await check_budget(db, Budget(dollars_per_day=1.0), "ann", opens_ms - 1)


async def test_a_limit_that_was_lowered_opens_when_enough_has_dropped_out(db: Database) -> None:
    await turns(db, *[("ann", minutes * 60_000, 0.0, "done") for minutes in (50, 40, 30, 20)])
    with pytest.raises(LimitReached) as refused:
        await check_budget(db, Budget(turns_per_hour=2), "ann", NOW)
    assert refused.value.opens_ms == NOW + 30 * 60_000


async def test_no_budget_is_no_limit(db: Database) -> None:
    await turns(db, *[("ann", n, 100.0, "done") for n in range(50)])
    assert await check_budget(db, Budget(), "ann", NOW) == ""


async def test_a_used_up_budget_refuses_every_way_to_ask_and_tells_the_session_before(tmp_path: Path) -> None:
    ann = Actor("ann", "test", Role.USER)
    async with running_core(tmp_path, CoreParts(budget=Budget(turns_per_hour=2))) as core:
        session = await core.session()

        async def send(origin: str) -> None:
            await core.do(c.SendMessage(session_id=session.id, content="demo:text hi", origin=origin), ann)
            await idle(session)

        await send("1")
        await send("2")
        for command in (
            c.SendMessage(session_id=session.id, content="x", origin="3"),
            c.RunCommand(session_id=session.id, name="compact", origin="4"),
            c.Continue(session_id=session.id, origin="5"),
            c.Regenerate(session_id=session.id, origin="6"),
        ):
            with pytest.raises(LimitReached):
                await core.do(command, ann)
        assert session.snapshot.message_count == 2
        ben = Actor("ben", "test", Role.ADMIN)
        await core.do(c.SendMessage(session_id=session.id, content="demo:text hi", origin="7"), ben)
        await idle(session)
