"""Faults of processes, on the scripted CLI: each ends in a state with a sentence, and nothing is lost."""

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backends import spawn
from backends.directory import HostDirectory
from bridge.demo.model import DemoModel
from sessions import events as e
from sessions import host_run, rows
from sessions.dependencies import Patience
from sessions.model import Allow, Blocker, Lifecycle
from sessions.session import Session
from sessions.slots import Limits
from sessions.supervision import Vigilance
from tests.backends.kit import kill_process
from tests.sessions.running_core import reached, real_cli_core
from tests.sessions.scripted import Place, by, make, open_ask, rest, seen, send, turns


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.take_down()


async def notices(session: Session) -> list[str]:
    events = await rows.load_events(session.around.db, session.id, after=0, limit=1000)
    return [each.event.topic for each in events if isinstance(each.event, e.Noticed)]


# --- the CLI --------------------------------------------------------------------------------------------


async def test_a_cli_that_dies_in_a_turn_goes_on_with_it_once(place: Place) -> None:
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "demo:text before demo:gate g demo:text after", "demo:text next")
        await place.at_gate("g")
        assert session.run is not None
        (place.config / "gates" / "g.reached").unlink()
        await session.run.host.kill(0)
        await place.at_gate("g")
        place.open_gate("g")
        await rest(session)
        found = await turns(session)
        assert [status for _, status, _ in found] == ["done", "done"]
        assert found[0][2].endswith("after")
        assert found[1][2] == "DEMO: next"
        assert session.snapshot.host == 2


async def test_a_cli_that_dies_each_time_it_works_is_given_up_with_a_reason(place: Place) -> None:
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "cli:crash", "demo:text next")
        failed = await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
        assert "5 times in a minute" in failed.reason
        assert failed.host == 5
        assert [status for _, status, _ in await turns(session)] == ["cut", "queued"]
        assert "crash_loop" in await notices(session)


async def test_a_cli_that_ends_at_its_start_is_a_state_with_a_sentence(place: Place) -> None:
    place.start_faults("exit 3")
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "demo:text one")
        failed = await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
        said = "scripted: ends at its start with code 3"
        assert failed.reason == f"Claude could not be started (exit code 3): {said}."
        await send(session, "demo:text two")
        await rest(session)
        assert [said for *_, said in await turns(session)] == ["DEMO: one", "DEMO: two"]


async def test_a_cli_that_hangs_at_its_start_is_ended(place: Place) -> None:
    place.patience = Patience(start_s=0.5, request_s=5, stop_s=1, idle_s=300)
    place.start_faults("hang")
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "demo:text one")
        failed = await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
        assert failed.reason.startswith("Claude was started but did not answer within 0.5 s; it was ended.")
        assert "START_TIMEOUT" in failed.reason


@pytest.mark.real_cli
async def test_a_slow_session_start_hook_is_named_as_the_cause(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        # Long enough for Claude to reach the hook on a busy machine; the test waits for all of it.
        patience = Patience(start_s=10, request_s=30, stop_s=2, idle_s=300)
        async with real_cli_core(tmp_path, demo, patience=patience) as core:
            hook = {"hooks": [{"type": "command", "command": "sleep 60"}]}
            (core.claude / "settings.json").write_text(json.dumps({"hooks": {"SessionStart": [hook]}}))
            session = await core.session()
            await core.say(session, "demo:text hi")
            failed = await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
            assert "SessionStart hook was still running" in failed.reason
            assert "START_TIMEOUT" in failed.reason


async def test_a_cli_that_hangs_and_ignores_term_is_ended(place: Place) -> None:
    place.patience = Patience(start_s=30, request_s=2, stop_s=0.5, idle_s=300)
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "cli:ignore-term cli:hang")
        await seen(session, lambda snapshot: snapshot.running is not None)
        await by(manager.clear_session(session.id))
        assert session.snapshot.lifecycle is Lifecycle.ENDED
        assert [status for _, status, _ in await turns(session)] == ["interrupted"]


async def test_a_follower_that_cannot_be_started_now_is_started_later_and_claude_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refused = spawn.start, 0

    async def no_process_at_first(*arguments: Any, **more: Any) -> None:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        await start(*arguments, **more)

    monkeypatch.setattr(host_run, "_FIRST_MENDING_PAUSE_S", 0.01)
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "demo:text one")
        await rest(session)
        assert session.run is not None
        pids = HostDirectory(place.root / "run", session.id, 1).pids()
        assert pids is not None
        monkeypatch.setattr(spawn, "start", no_process_at_first)
        await kill_process(pids.follower)
        await send(session, "demo:text two")
        await rest(session)
        assert refused == 2
        assert [said for *_, said in await turns(session)] == ["DEMO: one", "DEMO: two"]
        assert session.snapshot.host == 1


@pytest.mark.parametrize("prompt", ["demo:text a cli:rubbish demo:text b", "demo:unicode", "demo:big 3"])
async def test_strange_lines_stop_nothing(place: Place, prompt: str) -> None:
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, prompt, "demo:text next")
        await rest(session)
        found = await turns(session)
        assert [status for _, status, _ in found] == ["done", "done"]
        assert found[1][2] == "DEMO: next"


async def test_a_cli_that_dies_within_a_line_loses_no_turn(place: Place) -> None:
    async with place.bridge() as manager:
        session = await make(manager)
        place.start_faults("ok")
        await send(session, "demo:gate torn demo:text after")
        await place.at_gate("torn")
        assert session.run is not None
        log = place.root / "run" / session.id / "1" / "output.ndjson"
        with log.open("ab") as file:
            file.write(b'{"type":"assistant","mess')
        await session.run.host.kill(0)
        place.open_gate("torn")
        await rest(session)
        assert await turns(session) == [("demo:gate torn demo:text after", "done", "DEMO: after")]


@pytest.mark.parametrize("command", ["/nonexistent/claude", "/bin/true", "/bin/false"])
async def test_a_claude_that_is_none_is_a_state_with_a_sentence(tmp_path: Path, command: str) -> None:
    place = Place(tmp_path, command=command)
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "hello")
        failed = await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
        assert failed.reason
        assert [status for _, status, _ in await turns(session)] == ["queued"]


async def test_a_work_directory_that_went_away_is_a_state_with_a_sentence(place: Place) -> None:
    (place.workspaces / "project").mkdir()
    async with place.bridge() as manager:
        session = await make(manager, project="project")
        (place.workspaces / "project").rmdir()
        await send(session, "demo:text one")
        failed = await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
        assert failed.reason == "The project “project” cannot be used: it does not exist."
        (place.workspaces / "project").mkdir()
        await send(session, "demo:text two")
        await rest(session)


async def test_a_usage_limit_holds_the_queue_back_until_it_opens(place: Place) -> None:
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "cli:usage-limit", "demo:text later")
        await seen(session, lambda snapshot: snapshot.blocker is Blocker.USAGE_LIMIT and not snapshot.current)
        assert [status for _, status, _ in await turns(session)] == ["queued", "queued"]
        assert session.snapshot.limit_until_ms > manager.now_ms()


ERRORS = {"401": "login", "429": "rate_limited", "500": "server_error", "529": "overloaded"}


@pytest.mark.parametrize("status", ERRORS)
async def test_an_error_of_the_api_is_said_in_our_words(place: Place, status: str) -> None:
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, f"demo:error {status}", "demo:text next")
        await rest(session)
        assert [each[1] for each in await turns(session)] == ["failed", "done"]
        assert ERRORS[status] in await notices(session)


async def test_an_error_that_passes_is_waited_out(place: Place) -> None:
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "demo:text half demo:error 529 times=1 demo:text whole")
        await rest(session)
        ((_, status, said),) = await turns(session)
        assert status == "done"
        assert "whole" in said


# --- room -----------------------------------------------------------------------------------------------


async def test_a_session_that_is_idle_for_long_is_parked_and_wakes(place: Place) -> None:
    place.patience = Patience(start_s=30, request_s=30, stop_s=5, idle_s=0.2)
    async with place.bridge() as manager:
        session = await make(manager)
        await send(session, "demo:text one")
        await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED and snapshot.host == 1)
        await send(session, "demo:text two")
        await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED and snapshot.host == 2)
        assert [status for _, status, _ in await turns(session)] == ["done", "done"]


async def test_background_work_keeps_an_idle_session_awake_and_is_a_turn_of_its_own(place: Place) -> None:
    place.patience = Patience(start_s=30, request_s=30, stop_s=5, idle_s=0.2)
    place.open_gate("never-mind")
    async with place.bridge() as manager:
        session = await make(manager)
        flag = place.root / "flag"
        await send(session, f"demo:background until [ -e {flag} ]; do sleep 0.05; done")
        await seen(session, lambda snapshot: bool(snapshot.asks or snapshot.background_tasks))
        for ask in session.snapshot.asks:
            await session.answer(ask.id, Allow(), by="discord:1")
        await seen(session, lambda snapshot: bool(snapshot.background_tasks) and snapshot.current is None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
        flag.touch()
        await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
        assert [status for _, status, _ in await turns(session)] == ["done", "done"]


async def test_a_full_house_parks_the_longest_idle(place: Place) -> None:
    place.limits = Limits(max_sessions=2, max_sessions_per_user=2)
    async with place.bridge() as manager:
        sessions = [await make(manager, str(n)) for n in range(3)]
        for session in sessions:
            await send(session, "demo:text hello")
            await rest(session)
        lifecycles = [session.snapshot.lifecycle for session in sessions]
        assert lifecycles == [Lifecycle.PARKED, Lifecycle.LIVE, Lifecycle.LIVE]


async def test_a_full_house_of_work_queues_fairly_and_tells_the_place(place: Place) -> None:
    place.limits = Limits(max_sessions=1, max_sessions_per_user=1)
    async with place.bridge() as manager:
        busy = await make(manager, "busy", user_id="ann")
        await send(busy, "demo:gate g")
        await place.at_gate("g")
        waiting: list[Session] = []
        for user in ("ann", "ann", "bob"):
            waiting.append(await make(manager, f"c{len(waiting)}", user_id=user))
            await send(waiting[-1], "demo:text hello")
        assert [manager.place_in_line(each.id) for each in waiting] == [1, 2, 0]
        for each in waiting:
            await seen(each, lambda snapshot: snapshot.lifecycle is Lifecycle.QUEUED)
        place.open_gate("g")
        for each in waiting:
            await seen(each, lambda snapshot: not snapshot.queue and snapshot.current is None)
        started = [await rows.load_turns(manager.db, each.id) for each in waiting]
        times = [found[0].started_ms or 0 for found in started]
        assert times[2] < times[0] < times[1]


async def test_an_open_ask_holds_its_place_only_so_long(place: Place) -> None:
    place.limits = Limits(max_sessions=1, max_sessions_per_user=1)
    place.policy = {"vigilance": Vigilance(round_s=0.05, ask_park_s=0.2)}
    async with place.bridge() as manager:
        asking, other = await make(manager, "a"), await make(manager, "b")
        await send(asking, "demo:bash touch x; echo done")
        (first,) = (await open_ask(asking)).asks
        await send(other, "demo:text hello")
        await seen(other, lambda snapshot: snapshot.message_count == 1 and not snapshot.queue)
        await seen(asking, lambda snapshot: bool(snapshot.asks) and snapshot.asks[0].id != first.id)
        assert [status for _, status, _ in await turns(other)] == ["done"]


async def test_the_emergency_stop_ends_everything_in_time(place: Place) -> None:
    async with place.bridge() as manager:
        sessions = [await make(manager, str(n)) for n in range(3)]
        prompts = ("demo:text x", "cli:ignore-term cli:hang", "demo:bash touch y")
        for session, prompt in zip(sessions, prompts, strict=True):
            await send(session, prompt)
        await rest(sessions[0])
        await seen(sessions[1], lambda snapshot: snapshot.running is not None)
        await open_ask(sessions[2])
        async with asyncio.timeout(60):
            report = await manager.clear_all_sessions()
        assert {each.trouble for each in report} == {""}
        assert len(report) == 3
        assert {each.snapshot.lifecycle for each in sessions} == {Lifecycle.ENDED}
