"""Claude's promises keep its process, are listed with their times, and are missed in words."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api as c
from bridge.demo.model import DemoModel
from sessions import events as e
from sessions import rows
from sessions.claude.cron import next_run
from sessions.claude.lines import ScheduleFired, ToolResult, ToolUseBlock
from sessions.claude.scheduling import WAKEUP, Schedules, after_calls, after_firing, after_results
from sessions.dependencies import Patience
from sessions.model import Lifecycle, Schedule, TurnKind, TurnStatus
from sessions.session import Session
from sessions.slots import Limits
from sessions.supervision import Supervisor, Vigilance
from sessions.topics import Topic
from tests.sessions.kit import DEADLINE_S, House, idle, send
from tests.sessions.running_core import RunningCore, reached, real_cli_core

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("* * * * *", "2026-11-29 18:03:17", "2026-11-29 18:04:00"),
        ("*/15 * * * *", "2026-11-29 18:45:00", "2026-11-29 19:00:00"),
        ("30 14 * * *", "2026-11-29 14:30:00", "2026-11-30 14:30:00"),
        ("0 9-17/4 * * 1-5", "2026-11-27 17:00:00", "2026-11-30 09:00:00"),
        ("5,35 0 1 * *", "2026-11-29 00:00:00", "2026-12-01 00:05:00"),
        ("0 0 29 2 *", "2026-11-29 00:00:00", "2028-02-29 00:00:00"),
        ("0 12 13 * 5", "2026-11-29 00:00:00", "2026-12-04 12:00:00"),  # the 13th, or a Friday
        ("0 12 * * 0", "2026-11-29 12:00:00", "2026-12-06 12:00:00"),
        ("0 12 * * 7", "2026-11-29 11:59:59", "2026-11-29 12:00:00"),
        ("59 23 31 12 *", "2026-12-31 23:59:00", "2027-12-31 23:59:00"),
        ("0 0 31 2 *", "2026-11-29 00:00:00", None),
        ("bad", "2026-11-29 00:00:00", None),
        ("60 * * * *", "2026-11-29 00:00:00", None),
        ("5-1 * * * *", "2026-11-29 00:00:00", None),
        ("*/0 * * * *", "2026-11-29 00:00:00", None),
        ("a b c d e", "2026-11-29 00:00:00", None),
        ("", "2026-11-29 00:00:00", None),
    ],
)
def test_a_cron_line_names_its_next_minute(cron: str, after: str, expected: str | None) -> None:
    found = next_run(cron, datetime.fromisoformat(after))
    assert (str(found) if found is not None else None) == expected


@given(st.text(alphabet="0123456789*/,- ", max_size=40), st.datetimes(max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_whatever_is_written_there_is_answered(cron: str, after: datetime) -> None:
    found = next_run(cron, after)
    assert found is None or timedelta() < found - after <= timedelta(days=4 * 366 + 1)


def called(name: str, call: str, **body: object) -> ToolUseBlock:
    return ToolUseBlock(call, name, body)


def answered(call: str, detail: dict[str, object] | None, *, is_error: bool = False) -> ToolResult:
    return ToolResult("u", call, "", is_error, detail)


def create(known: Schedules, name: str, *, at_ms: int = 0, **detail: object) -> Schedules:
    call = called("CronCreate", f"call {name}", cron="* * * * *", prompt=f"do {name}")
    result = {"id": name, "humanSchedule": "Every minute", "nextFireAt": at_ms + 17_747.5, **detail}
    return after_results(after_calls(known, [call]), [answered(f"call {name}", result)], at_ms)


def shown(known: Schedules) -> list[tuple[str, str, int | None]]:
    return [(each.id, each.prompt, each.next_ms) for each in known if each.next_ms is not None]


def test_a_schedule_is_promised_once_the_tool_has_answered() -> None:
    asked = after_calls(
        (), [called("CronCreate", "c", cron="* * * * *", prompt="x"), called("Bash", "b", x="y")]
    )
    assert len(asked) == 1
    assert shown(asked) == []
    assert after_results(asked, [answered("c", None, is_error=True)], 0) == ()
    assert after_results(asked, [answered("b", {"id": "1", "nextFireAt": 5})], 0) == asked
    (made,) = create((), "a", recurring=True, durable=False)
    assert made == Schedule(
        "a", "do a", "Every minute", 17_748, recurring=True, cron="* * * * *", tool="CronCreate"
    )


def test_what_is_cancelled_or_not_listed_is_gone() -> None:
    known = create(create((), "a"), "b", at_ms=MINUTE_MS)
    deleting = after_calls(known, [called("CronDelete", "d", id="a")])
    assert shown(after_results(deleting, [answered("d", None, is_error=True)], 0)) == shown(known)
    assert shown(after_results(deleting, [answered("d", {"id": "a"})], 0)) == shown(known)[1:]
    jobs = [{"id": "b", "cron": "1 1 1 1 *", "prompt": "new", "durable": False, "nextFireAt": 9}, {"id": "z"}]
    listing = after_calls(known, [called("CronList", "l")])
    listed = after_results(listing, [answered("l", {"jobs": jobs})], 5)
    assert [(each.id, each.made_ms, each.durable) for each in listed] == [
        ("b", MINUTE_MS, False),
        ("z", 5, True),
    ]


def test_a_wake_up_replaces_the_one_before_and_can_be_stopped() -> None:
    def woken(known: Schedules, call: str, **detail: object) -> Schedules:
        asked = after_calls(known, [called("ScheduleWakeup", call, prompt=call, reason="why", delaySeconds=60)])
        return after_results(asked, [answered(call, detail)], 7)

    first = woken((), "one", scheduledFor=1000)
    assert shown(first) == [(WAKEUP, "one", 1000)]
    second = woken(first, "two", scheduledFor=2000)
    assert shown(second) == [(WAKEUP, "two", 2000)]
    assert woken(second, "three", scheduledFor=0, stopped=True) == ()
    assert after_firing(second, ScheduleFired(is_wakeup=True), 2000) == ()


def test_the_one_whose_time_has_come_has_fired() -> None:
    known = create(create((), "often", recurring=True), "once", at_ms=2 * MINUTE_MS)
    first = after_firing(known, ScheduleFired(is_wakeup=False), 17_800)
    assert [each.id for each in first] == ["often", "once"]
    assert first[0].next_ms == MINUTE_MS + 17_748
    # Read late, after the bot was down: the next time lies ahead all the same.
    late = after_firing(first, ScheduleFired(is_wakeup=False), 10 * MINUTE_MS)
    assert late[0].next_ms == 11 * MINUTE_MS + 17_748
    assert [each.id for each in after_firing(late, ScheduleFired(is_wakeup=False), 10 * MINUTE_MS)] == ["often"]
    assert after_firing((), ScheduleFired(is_wakeup=False), 0) == ()


# --- a session with promises ----------------------------------------------------------------------------


@asynccontextmanager
async def with_the_real_cli(directory: Path, demo: DemoModel, **policy: object) -> AsyncIterator[RunningCore]:
    patience = Patience(start_s=30, request_s=30, stop_s=5, idle_s=1)
    async with real_cli_core(directory, demo, patience=patience, **policy) as core:
        yield core


@pytest.mark.soak  # a minute is the least that Claude waits
@pytest.mark.real_cli
@pytest.mark.timeout(180)
async def test_a_scheduled_prompt_fires_though_nobody_types_for_longer_than_the_idle_time(
    tmp_path: Path,
) -> None:
    async with DemoModel() as demo, with_the_real_cli(tmp_path, demo) as core:
        session = await core.session()
        body = {"cron": "* * * * *", "prompt": "demo:text by itself", "recurring": True}
        await core.ask(session, f"demo:tool CronCreate {json.dumps(body)}")
        (promised,) = session.snapshot.promised
        assert (promised.prompt, promised.rhythm, promised.recurring) == (
            "demo:text by itself",
            "Every minute",
            True,
        )
        info = await core.do(c.GetSession(session_id=session.id))
        assert info.promised == (promised,)
        async with asyncio.timeout(100):
            await session.until(lambda snapshot: snapshot.promised != (promised,) and snapshot.is_idle)
        (again,) = session.snapshot.promised
        assert promised.next_ms is not None
        assert again.next_ms == promised.next_ms + MINUTE_MS
        turns = await rows.load_turns(core.db, session.id)
        assert [turn.kind for turn in turns] == [TurnKind.BACKGROUND, TurnKind.PROMPT]

        await core.ask(session, f"demo:tool CronDelete {json.dumps({'id': again.id})}")
        await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
        assert Topic.SCHEDULES_LOST not in await core.notices(session)


@pytest.mark.real_cli
@pytest.mark.timeout(120)
async def test_promises_survive_the_bot_and_are_missed_in_words_after_the_clis_end(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        async with with_the_real_cli(tmp_path, demo) as core:
            session = await core.session()
            body = {"delaySeconds": 900, "reason": "the build", "prompt": "demo:text look at the build"}
            await core.ask(session, f"demo:tool ScheduleWakeup {json.dumps(body)}")
            before = session.snapshot.promised
            assert [each.prompt for each in before] == ["demo:text look at the build"]
            await core.manager.shutdown()
            snapshot = await rows.load_snapshot(core.db, session.id)
            assert snapshot is not None
            assert snapshot.promised == before
        # The block before has ended the CLI; nobody was there to see it.
        async with with_the_real_cli(tmp_path, demo) as core:
            again = await core.manager.get_session(session.id)
            await reached(again, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
            assert again.snapshot.promised == ()
            events = await rows.load_events(core.db, again.id, after=0, limit=1000)
            (lost,) = [
                each.event
                for each in events
                if isinstance(each.event, e.Noticed) and each.event.topic is Topic.SCHEDULES_LOST
            ]
            assert "look at the build" in lost.text


class Place:
    """One place, a session that has promised something in it, and a supervisor that is asked to look round."""

    def __init__(self, here: House) -> None:
        self.here = here
        keeper = here.manager.keeper
        keeper.slots.limits = Limits(max_sessions=1)
        vigilance = Vigilance(ask_park_s=3600, schedule_keep_s=86_400)
        self.supervisor = Supervisor(vigilance, here.manager.loaded, keeper.is_place_wanted, self._daily)

    async def _daily(self) -> None:
        return

    async def holder(self, *, durable: bool = False) -> Session:
        session = await self.here.session()
        await send(session, "one")
        await idle(session)
        at_ms = self.here.clock.now_ms()
        promise = Schedule("a", "look at the build", "Every hour", at_ms + 1, durable=durable, made_ms=at_ms)
        async with session.change() as draft:
            draft.add(e.SchedulesChanged((promise,)))
        return session

    async def topics(self, session: Session) -> list[Topic]:
        events = await rows.load_events(self.here.db, session.id, after=0, limit=1000)
        return [each.event.topic for each in events if isinstance(each.event, e.Noticed)]


@pytest.mark.parametrize("durable", [False, True])
async def test_after_a_day_it_is_waited_for_no_longer(here: House, *, durable: bool) -> None:
    place = Place(here)
    session = await place.holder(durable=durable)
    here.clock.seconds += 86_399
    await place.supervisor._look_after(session)
    assert session.snapshot.is_idle
    here.clock.seconds += 1
    await place.supervisor._look_after(session)
    assert session.snapshot.lifecycle is Lifecycle.PARKED
    assert await place.topics(session) == [Topic.SCHEDULES_WAIT if durable else Topic.SCHEDULES_LOST]
    assert bool(session.snapshot.promised) is durable


async def test_a_turn_that_fires_by_itself_is_shown_and_moves_the_schedule_on(here: House) -> None:
    session = await Place(here).holder()
    cli = here.claude.of_session(session.id)
    assert cli is not None
    cli.set_state("running")
    cli.line("command_lifecycle", command_uuid="x", state="started", wakeup_source="schedule_wakeup")
    cli.finished.append("the build")
    cli.advance()
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: not snapshot.promised and snapshot.is_idle)
    turn = (await rows.load_turns(here.db, session.id))[0]
    assert (turn.kind, turn.status) == (TurnKind.BACKGROUND, TurnStatus.DONE)


async def test_others_who_wait_get_its_place_as_they_get_that_of_an_ask(here: House) -> None:
    place = Place(here)
    session, other = await place.holder(), await here.session("other")
    await send(other, "two")
    async with asyncio.timeout(DEADLINE_S):
        await other.until(lambda snapshot: snapshot.lifecycle is Lifecycle.QUEUED)
    await place.supervisor._look_after(session)
    assert session.snapshot.is_idle
    here.clock.seconds += 3600
    await place.supervisor._look_after(session)
    await idle(other)
    assert await place.topics(session) == [Topic.SCHEDULES_LOST]


async def test_a_user_at_the_own_limit_takes_no_place_from_others(here: House) -> None:
    place = Place(here)
    session = await place.holder()
    keeper = here.manager.keeper
    keeper.slots.limits = Limits(max_sessions=2, max_sessions_per_user=1)
    keeper.slots.add(session.id, "somebody")
    assert not keeper.is_place_wanted(session), "somebody has a place to come"
    keeper.slots.remove(session.id)
    keeper.slots.add(session.id, session.snapshot.user_id)
    assert keeper.is_place_wanted(session)
    keeper.slots.remove(session.id)
