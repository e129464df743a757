"""Retention: what goes, what stays, what comes back; a dry run changes nothing."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import api as c
from api.access import Actor, Role
from sessions.errors import IllegalMove, NotAllowed, PlaceTaken, SessionNotFound
from sessions.host_run import HostRun
from sessions.model import Lifecycle, SessionId
from sessions.retention import ARCHIVED, RetentionRules, due_for_deletion
from sessions.retention_rows import StoredOne
from sessions.session import Session
from storage import Statement
from tests.sessions.running_core import CoreParts, RunningCore, idle, reached, running_core, until

DAY_MS = 86_400_000
NOW_MS = 1_000 * DAY_MS


class MovableClock:
    """Wall time that a test moves; the steady clock stands."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return 0.0


def ended(*days_ago: float, size: int = 100) -> list[StoredOne]:
    """Sessions named by when they ended, newest first."""
    return [
        StoredOne(SessionId(f"{days:g}"), "", "", "", round(NOW_MS - days * DAY_MS), size) for days in days_ago
    ]


@pytest.mark.parametrize(
    ("rules", "goes"),
    [
        (RetentionRules(), []),
        (RetentionRules(keep_ended_days=30), ["30", "40"]),
        (RetentionRules(keep_ended_days=0), ["0", "1", "2", "30", "40"]),
        (RetentionRules(max_ended=2), ["2", "30", "40"]),
        (RetentionRules(max_ended=0), ["0", "1", "2", "30", "40"]),
        (RetentionRules(max_ended_bytes=300), ["30", "40"]),
        (RetentionRules(max_ended_bytes=299), ["2", "30", "40"]),
        (RetentionRules(keep_ended_days=35, max_ended=3), ["30", "40"]),
    ],
)
def test_each_rule_takes_the_oldest_beyond_its_bound(rules: RetentionRules, goes: list[str]) -> None:
    due = list(due_for_deletion(rules, ended(0, 1, 2, 30, 40), NOW_MS))
    assert [each.session.id for each in due] == goes
    assert all(each.why for each in due)


def test_a_session_with_a_bundle_goes_by_its_own_rule_and_counts_in_no_other() -> None:
    sessions = [
        msgspec.structs.replace(each, is_archived=each.id in ("1", "40")) for each in ended(0, 1, 2, 40)
    ]

    def goes(**rules: float) -> list[str]:
        return [each.session.id for each in due_for_deletion(RetentionRules(**rules), sessions, NOW_MS)]  # type: ignore[arg-type]

    assert goes(keep_ended_days=0, max_ended=0, max_ended_bytes=0) == ["0", "2"]
    assert goes(max_ended=1) == ["2"]
    assert goes(keep_archived_days=30) == ["40"]
    assert goes(keep_archived_days=0, keep_ended_days=1) == ["1", "40", "2"]


async def cleared(core: RunningCore, prompt: str = "demo:text hi") -> str:
    session = await core.session()
    await core.ask(session, prompt)
    await core.do(c.Clear(session_id=session.id))
    await until(lambda: not (core.run / session.id).exists())
    return session.id


def copies(core: RunningCore) -> set[str]:
    return {path.stem for path in core.copies.glob("*.jsonl")}


async def rows_of(core: RunningCore, session_id: str) -> int:
    """How many rows name the session, audit aside."""
    total = 0
    for table in ("events", "turns", "asks", "hosts", "inputs", "shares"):
        row = await core.db.read_one(f"SELECT count(*) FROM {table} WHERE session_id = ?", (session_id,))
        assert row is not None
        total += int(str(row[0]))
    return total


async def test_an_ended_session_is_deleted_with_all_that_is_kept_of_it_but_the_audit(tmp_path: Path) -> None:
    clock = MovableClock()
    rules = RetentionRules(keep_ended_days=30)
    async with running_core(tmp_path, CoreParts(clock=clock), retention=rules) as core:
        gone = await cleared(core)
        stays = await core.session()
        await core.ask(stays, "demo:text still here")
        await until(lambda: len(copies(core)) == 2)

        clock.ms += 29 * DAY_MS
        assert (await core.do(c.PlanRetention())).deleted == 0
        clock.ms += DAY_MS
        plan = await core.do(c.PlanRetention())
        assert [(step.verb, step.session_id) for step in plan.steps] == [("delete", gone)]
        assert plan.steps[0].size_bytes > 1000
        assert not plan.applied
        assert await rows_of(core, gone) > 0

        done = await core.do(c.ApplyRetention())
        assert (done.deleted, done.archived, done.applied) == (1, 0, True)
        assert await rows_of(core, gone) == 0
        assert copies(core) == {stays.snapshot.conversation_id}
        with pytest.raises(SessionNotFound):
            await core.manager.get_session(gone)
        audit = await core.do(c.ReadAudit(session_id=gone))
        assert {entry.action for entry in audit.entries} == {"clear"}
        assert (await core.do(c.ApplyRetention())).deleted == 0


async def test_a_session_that_came_back_goes_on_in_its_conversation(tmp_path: Path) -> None:
    async with running_core(tmp_path, retention=RetentionRules(keep_ended_days=30)) as core:
        session = await core.session(key="place")
        await core.ask(session, "demo:text one")
        conversation = session.snapshot.conversation_id
        await core.do(c.Clear(session_id=session.id))
        info = await core.do(c.RestoreSession(session_id=session.id))
        assert info.lifecycle is Lifecycle.PARKED
        assert (await core.do(c.FindSession(key="place"))).id == session.id
        await core.ask(session, "demo:text two")
        assert session.snapshot.conversation_id == conversation
        transcript = next((core.claude / "projects").glob(f"*/{conversation}.jsonl")).read_text()
        said = [json.loads(line)["message"]["content"] for line in transcript.splitlines() if '"user"' in line]
        assert said[0] == "demo:text one"
        assert "demo:text two" in said


async def test_it_is_woken_from_our_copy_when_claude_has_deleted_its_transcript(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session_id = await cleared(core, "demo:text one")
        session = await core.manager.get_session(session_id)
        conversation = session.snapshot.conversation_id
        for transcript in (core.claude / "projects").glob("*/*.jsonl"):
            transcript.unlink()
        await core.do(c.RestoreSession(session_id=session_id))
        await core.ask(session, "demo:text two")
        assert session.snapshot.conversation_id == conversation
        transcript = next((core.claude / "projects").glob(f"*/{conversation}.jsonl"))
        assert "demo:text one" in transcript.read_text()


async def test_a_place_that_another_session_took_meanwhile_stays_with_it(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        first, other = await core.session(key="place"), None
        with pytest.raises(IllegalMove):
            await core.do(c.RestoreSession(session_id=first.id))
        await core.do(c.Clear(session_id=first.id))
        other = await core.session(key="place")
        with pytest.raises(PlaceTaken):
            await core.do(c.RestoreSession(session_id=first.id, key="place"))
        assert first.snapshot.lifecycle is Lifecycle.ENDED
        await core.do(c.RestoreSession(session_id=first.id, channel_id="d"))
        assert (first.snapshot.key, first.snapshot.channel_id) == ("", "d")
        assert (await core.do(c.FindSession(key="place"))).id == other.id


async def test_who_may_not_manage_a_session_cannot_bring_it_back_nor_run_retention(tmp_path: Path) -> None:
    stranger = Actor("eve", "test", Role.USER)
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.do(c.Clear(session_id=session.id))
        for command in (c.RestoreSession(session_id=session.id), c.PlanRetention(), c.ApplyRetention()):
            with pytest.raises(NotAllowed):
                await core.do(command, stranger)
        assert session.snapshot.lifecycle is Lifecycle.ENDED


async def test_unused_sessions_are_archived_and_used_or_pinned_ones_are_not(tmp_path: Path) -> None:
    clock = MovableClock()
    rules = RetentionRules(archive_after_days=90)
    async with running_core(tmp_path, CoreParts(clock=clock), retention=rules) as core:
        unused, waking, live, pinned = [await core.session() for _ in range(4)]
        await core.do(c.Pin(session_id=pinned.id))
        await core.ask(live, "demo:text hi")
        clock.ms += 90 * DAY_MS
        await core.ask(waking, "demo:text hi")
        report = await core.do(c.ApplyRetention())
        assert [(step.verb, step.session_id) for step in report.steps] == [("archive", unused.id)]
        assert (unused.snapshot.lifecycle, unused.snapshot.reason) == (Lifecycle.ENDED, ARCHIVED)
        assert live.snapshot.is_idle
        await core.do(c.RestoreSession(session_id=unused.id))
        await core.ask(unused, "demo:text back")
        await core.do(c.Pin(session_id=pinned.id, pinned=False))
        clock.ms += 90 * DAY_MS
        steps = (await core.do(c.ApplyRetention())).steps
        assert pinned.id in {step.session_id for step in steps}


async def test_a_branch_that_never_ran_keeps_the_transcript_that_it_begins_from(tmp_path: Path) -> None:
    async with running_core(tmp_path, retention=RetentionRules(keep_ended_days=0)) as core:
        parent = await core.session()
        await core.ask(parent, "demo:text root")
        info = await core.do(c.Branch(session_id=parent.id, channel_id="b"))
        await core.do(c.Clear(session_id=parent.id))
        await until(lambda: not (core.run / parent.id).exists())
        assert (await core.do(c.ApplyRetention())).deleted == 1
        for transcript in (core.claude / "projects").glob("*/*.jsonl"):
            transcript.unlink()
        assert copies(core) == {parent.snapshot.conversation_id}
        branch = await core.manager.get_session(info.id)
        await core.ask(branch, "demo:text leaf")
        transcripts = (core.claude / "projects").glob(f"*/{branch.snapshot.conversation_id}.jsonl")
        assert "demo:text root" in next(transcripts).read_text()


async def test_a_branch_whose_parent_is_lost_says_so_and_works(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        parent = await core.session()
        await core.ask(parent, "demo:text root")
        info = await core.do(c.Branch(session_id=parent.id, channel_id="b"))
        await core.do(c.Clear(session_id=parent.id))
        await until(lambda: not (core.run / parent.id).exists())
        for transcript in (*core.copies.glob("*"), *(core.claude / "projects").glob("*/*.jsonl")):
            transcript.unlink()
        branch = await core.manager.get_session(info.id)
        assert await core.status(await core.ask(branch, "demo:text leaf")) == "done"
        notices = await core.db.read(
            "SELECT body ->> 'topic' FROM events WHERE session_id = ? AND kind = 'noticed'", (branch.id,)
        )
        assert ("conversation_lost",) in [tuple(row) for row in notices]


async def test_a_host_leaves_nothing_once_it_has_ended_and_its_transcript_is_copied(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text hi")
        assert (core.run / session.id / "1" / "output.ndjson").exists()
        await session.park("test")
        await until(lambda: not (core.run / session.id).exists())
        assert copies(core) == {session.snapshot.conversation_id}
        await core.ask(session, "demo:text again")
        assert session.snapshot.host == 2
        assert sorted(path.name for path in (core.run / session.id).iterdir()) == ["2", "uploads"]


async def test_a_long_log_parks_the_session_at_its_next_idle_and_the_queue_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.between_turns.MAX_LOG_BYTES", 20_000)
    async with running_core(tmp_path) as core:
        session = await core.session()
        # Three: on a busy machine all of the first answer is read at once. The next prompt may leave before the
        # size of the log is known, and the one after it must not.
        turns = [await core.say(session, f"demo:{words}") for words in ("long 200", "text short", "text last")]
        await idle(session)
        assert session.snapshot.host == 2
        assert [await core.status(turn) for turn in turns] == ["done"] * 3


async def breaks_down(core: RunningCore, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what the CLI prints next break the session, once."""
    apply_lines = HostRun._apply

    async def broken(self: HostRun, lines: Any) -> None:
        monkeypatch.setattr(HostRun, "_apply", apply_lines)
        raise RuntimeError("a defect")

    monkeypatch.setattr(HostRun, "_apply", broken)
    await core.say(session, "demo:text the words of the prompt")
    await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)


async def test_the_words_of_a_session_that_broke_down_go_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_core(tmp_path, retention=RetentionRules(max_ended=0)) as core:
        session = await core.session()
        await core.ask(session, "demo:text one")
        await breaks_down(core, session, monkeypatch)
        await core.ask(session, "demo:text two")
        assert session.snapshot.host == 2
        await core.do(c.Clear(session_id=session.id))
        # What no version has a row for any more goes as well.
        (core.run / session.id / "7").mkdir(parents=True)
        assert (await core.do(c.ApplyRetention())).deleted == 1
        assert not (core.run / session.id).exists()


async def test_what_older_versions_left_behind_is_swept(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text one")
        await session.park("test")
        await core.ask(session, "demo:text two")
        # An older version recorded no end of host 1 when its session broke down.
        forgotten, unknown = core.run / session.id / "1", core.run / f"{session.id[:-4]}0000" / "1"
        for directory in (forgotten, unknown):
            shutil.copytree(core.run / session.id / "2", directory, ignore=shutil.ignore_patterns("in", "pid"))
        an_hour_ago = time.time() - 3601
        os.utime(unknown.parent, (an_hour_ago, an_hour_ago))
        address = "(SELECT json_set(address, '$.number', 1) FROM hosts WHERE number = 2)"
        forget = f"UPDATE hosts SET status = 'live', address = {address} WHERE number = 1"
        await core.db.write([Statement(forget)])
        await core.do(c.ApplyRetention())
        assert not forgotten.exists()
        assert not unknown.parent.exists()
        await core.ask(session, "demo:text three")
        assert session.snapshot.host == 2, "the living one was touched"
