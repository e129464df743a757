"""A start copes with damaged rows, cut turns, full disks and processes that it cannot attach to."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from sessions import retry_until_stored, rows
from sessions.errors import (
    ClaudeUnavailable,
    SessionUnreadable,
)
from sessions.model import Lifecycle
from sessions.prompt_queue import Sender
from sessions.slots import Limits
from storage import AnyStatement, Database, DatabaseFull, Outcome, Statement
from tests.sessions.kit import USER, House, house, idle, send, statuses, until


async def test_a_damaged_snapshot_is_made_anew_from_the_events(here: House) -> None:
    session = await here.session()
    await send(session, "gate x", "two")
    await session.until(lambda snapshot: snapshot.running is not None)
    before = session.snapshot
    await here.bury()
    await here.db.write([Statement("UPDATE sessions SET data = '{' WHERE id = ?", (session.id,))])
    assert await rows.load_snapshot(here.db, session.id) == before
    here.claude.open_gate("x")
    await here.restart()
    session = await here.again(session)
    await idle(session)
    assert await statuses(here, session) == [("gate x", "done"), ("two", "done")]


async def test_a_session_that_cannot_be_read_stops_no_other(here: House) -> None:
    broken, sound = await here.session("a"), await here.session("b")
    for session in (broken, sound):
        await send(session, "gate x")
        await session.until(lambda snapshot: snapshot.running is not None)
    await here.bury()
    await here.db.write(
        [
            Statement("UPDATE sessions SET data = '{' WHERE id = ?", (broken.id,)),
            Statement('UPDATE events SET body = \'{"type":"unheard_of"}\' WHERE session_id = ?', (broken.id,)),
        ]
    )
    await here.restart()
    here.claude.open_gate("x")
    sound = await here.again(sound)
    await idle(sound)
    assert await statuses(here, sound) == [("gate x", "done")]
    with pytest.raises(SessionUnreadable):
        await here.again(broken)


async def test_a_failed_session_can_be_woken(here: House) -> None:
    session = await here.session()
    here.machine.refuse = "no terminal"
    with pytest.raises(ClaudeUnavailable, match="could not be started"):
        await session.wake()
    here.machine.refuse = ""
    run = await session.wake()
    assert run.host.alive()


async def test_a_cut_turn_goes_on_once_when_somebody_says_so_again_and_again(here: House) -> None:
    await here.restart(continue_cut_turns=False)
    session = await here.session()
    await send(session, "gate x")
    await session.until(lambda snapshot: snapshot.running is not None)
    here.machine.reboot()
    await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
    assert await statuses(here, session) == [("gate x", "cut")]
    sender = Sender(USER, "click")
    placed = await asyncio.gather(*(session.continue_(sender=sender) for _ in range(3)))
    assert len({each.turn_id for each in placed}) == 1
    here.claude.open_gate("x")
    await idle(session)
    await session.continue_(sender=sender)
    assert await statuses(here, session) == [("gate x", "done")]
    await session.continue_(sender=Sender(USER, "another click"))
    await idle(session)
    assert (await statuses(here, session))[-1] == ("Continue.", "done")


async def test_a_disk_that_is_full_at_the_start_after_a_reboot_fails_no_session(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await here.session()
    await send(session, "gate x")
    await session.until(lambda snapshot: snapshot.running is not None)
    await here.bury()
    here.machine.reboot(wipe=True)
    here.claude.open_gate("x")
    write, refused = here.db.write, 0

    async def full_at_first(statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise DatabaseFull("The disk is full; nothing was written.")
        return await write(statements)

    monkeypatch.setattr(here.db, "write", full_at_first)
    monkeypatch.setattr(retry_until_stored, "_PAUSE_S", 0.0)
    await here.restart()
    again = await here.again(session)
    await idle(again)
    assert refused == 2
    assert await statuses(here, again) == [("gate x", "done")]


async def test_an_end_that_the_database_refuses_at_first_is_recorded_and_the_next_prompt_runs(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await here.session()
    await send(session, "one")
    await idle(session)
    write, refused = here.db.write, 0

    async def full_once(statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        nonlocal refused
        if refused == 0 and any("UPDATE hosts SET status = 'ended'" in each.sql for each in statements):
            refused += 1
            raise DatabaseFull("The disk is full; nothing was written.")
        return await write(statements)

    monkeypatch.setattr(here.db, "write", full_once)
    monkeypatch.setattr(retry_until_stored, "_PAUSE_S", 0.0)
    assert session.run is not None
    await session.run.host.kill(0)
    await session.until(lambda snapshot: not snapshot.holds_slot)
    assert refused == 1
    await send(session, "two")
    await idle(session)
    assert await statuses(here, session) == [("one", "done"), ("two", "done")]


async def test_a_session_that_breaks_down_before_its_process_is_found_again_leaves_none_running(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await here.session()
    await send(session, "one")
    await idle(session)
    await here.bury()
    with monkeypatch.context() as broken:
        broken.setattr("sessions.recovery.HostRun", lambda *_: 1 / 0)
        await here.restart()
        again = await here.again(session)
        await again.until(lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
    assert here.machine.living() == []
    await send(again, "two")
    await idle(again)
    assert await statuses(here, again) == [("one", "done"), ("two", "done")]


async def test_a_waiting_session_whose_clearing_cannot_be_stored_keeps_its_prompt(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(db, tmp_path, Limits(max_sessions=1, max_sessions_per_user=1)) as here:
        busy, waiting = await here.session("a"), await here.session("b")
        await send(busy, "gate x")
        await busy.until(lambda snapshot: snapshot.running is not None)
        await send(waiting, "patient")
        await waiting.until(lambda snapshot: snapshot.lifecycle is Lifecycle.QUEUED)
        write, kept = here.db.write, list(waiting.snapshot.queue)

        async def full(statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
            if any(
                "lifecycle_changed" in str(each.params) for each in statements if isinstance(each, Statement)
            ):
                raise DatabaseFull("The disk is full; nothing was written.")
            return await write(statements)

        with monkeypatch.context() as broken:
            broken.setattr(here.db, "write", full)
            with pytest.raises(DatabaseFull):
                await here.manager.clear_session(waiting.id)
        assert waiting.snapshot.queue == tuple(kept)
        here.claude.open_gate("x")
        await idle(waiting)
        assert await statuses(here, waiting) == [("patient", "done")]


async def test_what_a_cut_launch_left_is_removed_at_the_next_start(here: House) -> None:
    session = await here.session()
    here.machine.launching.clear()
    await send(session, "one")
    await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.STARTING)
    remains = here.root / "run" / session.id / "1"
    remains.mkdir(parents=True)
    await here.restart()
    await until(lambda: not remains.exists())
    here.machine.launching.set()
    again = await here.again(session)
    await idle(again)
    assert await statuses(here, again) == [("one", "done")]
