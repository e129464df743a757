"""Checkpoints of sessions: at their moments, bounded, and restores that wait for quiet. With the real CLI."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from bridge.demo.model import DemoModel
from sessions.checkpointing import CheckpointPolicy
from sessions.errors import CheckpointRefused, IllegalMove, PreviewOutdated
from sessions.model import Allow, PermissionMode, ShareLevel
from sessions.restore_scope import RestoreScope
from sessions.session import Session
from storage import Statement
from tests.sessions.running_core import (
    DEADLINE_S,
    RunningCore,
    idle,
    is_idle,
    reached,
    real_cli_core,
    running_core,
)
from workdirs.checkpoint_model import Reason
from workdirs.checkpoint_retention import RetentionAges
from workdirs.checkpoints import CheckpointRules
from workdirs.model import Caps


def policy_in(directory: Path, **changes: float) -> CheckpointPolicy:
    rules = CheckpointRules(directory / "checkpoints", Caps(), RetentionAges())
    return CheckpointPolicy(rules, **changes)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path)) as running:
        yield running


async def listed(core: RunningCore, session: Session) -> list[c.CheckpointInfo]:
    page: c.CheckpointPage = await core.do(c.ListCheckpoints(session_id=session.id))
    return list(reversed(page.checkpoints))


async def end_taken(core: RunningCore, session: Session, turn: str = "") -> None:
    """Wait for the checkpoint of a turn's end. It comes after the session says that it is idle."""
    async with asyncio.timeout(DEADLINE_S):
        while (Reason.TURN_END, turn) not in {  # noqa: ASYNC110
            (each.reason, turn and each.turn_id) for each in await listed(core, session)
        }:
            await asyncio.sleep(0.02)  # there is no event


async def put_back(core: RunningCore, session: Session, checkpoint_id: str) -> c.RestoreResult:
    preview = await core.do(c.PreviewRestore(session_id=session.id, checkpoint_id=checkpoint_id))
    wish = c.RestoreFiles(
        session_id=session.id, checkpoint_id=checkpoint_id, scope=preview.scope, digest=preview.digest
    )
    result: c.RestoreResult = await core.do(wish)
    return result


@pytest.mark.real_cli
async def test_a_turn_of_the_real_cli_is_undone_with_what_bash_did(tmp_path: Path) -> None:
    async with DemoModel() as demo, real_cli_core(tmp_path, demo, checkpoints=policy_in(tmp_path)) as core:
        session = await core.session()
        await session.set_permission_mode(PermissionMode.ACCEPT_EDITS)
        work = Path(session.snapshot.work_directory)
        (work / "kept.txt").write_text("before")
        (work / "mine.txt").write_text("before")
        turn = await core.say(session, "demo:write made.txt new demo:bash echo after > kept.txt; rm mine.txt")
        asking = await reached(session, lambda snapshot: bool(snapshot.asks) or is_idle(snapshot))
        for ask in asking.asks:
            await core.do(c.AnswerAsk(session_id=session.id, ask_id=ask.id, decision=Allow()))
        await idle(session)
        assert (work / "kept.txt").read_text() == "after\n"
        await end_taken(core, session)
        before, after = await listed(core, session)
        assert [(each.reason, each.turn_id) for each in (before, after)] == [
            (Reason.BEFORE_PROMPT, turn),
            (Reason.TURN_END, turn),
        ]
        changed: c.Comparison = await core.do(
            c.ReadTurnChanges(session_id=session.id, turn_id=turn, with_diff=True)
        )
        assert {(each.path, each.kind.value) for each in changed.changes} == {
            ("made.txt", "created"),
            ("kept.txt", "changed"),
            ("mine.txt", "deleted"),
        }
        assert changed.diff is not None
        assert "-before" in changed.diff
        result = await put_back(core, session, before.id)
        assert (result.restored, result.left, result.differing) == (3, (), ())
        assert sorted(path.name for path in work.iterdir()) == ["kept.txt", "mine.txt"]
        assert (work / "kept.txt").read_text() == "before"
        assert "restored" in await core.notices(session)
        undone: c.RestoreResult = await core.do(c.UndoRestore(session_id=session.id))
        assert undone.restored == 3
        assert (work / "kept.txt").read_text() == "after\n"
        await core.ask(session, "demo:text still here")
        with pytest.raises(CheckpointRefused, match="no restore"):
            await core.do(c.UndoRestore(session_id=session.id))


async def test_a_restore_waits_for_nobody_and_refuses_while_somebody_works(core: RunningCore) -> None:
    session, other = await core.session(), await core.session(channel="d")
    work = Path(session.snapshot.work_directory)
    (work / "a").write_text("old")
    await core.ask(session, "hello")
    (before, *_) = await listed(core, session)
    (work / "a").write_text("new")
    preview = await core.do(
        c.PreviewRestore(session_id=session.id, checkpoint_id=before.id, scope=RestoreScope.EVERYTHING)
    )
    wish = c.RestoreFiles(
        session_id=session.id, checkpoint_id=before.id, scope=preview.scope, digest=preview.digest
    )
    await core.say(other, "demo:gate open")
    await reached(other, lambda snapshot: snapshot.running is not None)
    with pytest.raises(CheckpointRefused, match="Another session works"):
        await core.do(wish)
    await other.stop()
    await idle(other)
    await core.say(session, "demo:gate open")
    await reached(session, lambda snapshot: snapshot.running is not None)
    with pytest.raises(IllegalMove):
        await core.do(wish)
    await session.stop()
    await idle(session)
    (work / "b").write_text("made since the preview")
    with pytest.raises(PreviewOutdated):
        await core.do(wish)
    (work / "b").unlink()
    assert (await core.do(wish)).restored == 1
    assert (work / "a").read_text() == "old"
    assert other.run is None  # an idle process knows the files as they were: it is parked


async def test_in_a_shared_directory_only_the_sessions_own_files_are_put_back(core: RunningCore) -> None:
    session, _ = await core.session(), await core.session(channel="d")
    work = Path(session.snapshot.work_directory)
    (work / "mine").write_text("old")
    (work / "yours").write_text("old")
    await core.say(session, "demo:gate open")
    await reached(session, lambda snapshot: snapshot.running is not None)
    (work / "mine").write_text("new")
    await session.stop()
    await idle(session)
    await end_taken(core, session)
    (before, *_) = await listed(core, session)
    (work / "yours").write_text("new")
    preview: c.RestorePreview = await core.do(c.PreviewRestore(session_id=session.id, checkpoint_id=before.id))
    assert preview.scope is RestoreScope.SESSION
    assert [(each.path, each.changed_since_by) for each in preview.steps] == [("mine", session.id)]
    await put_back(core, session, before.id)
    assert ((work / "mine").read_text(), (work / "yours").read_text()) == ("old", "new")


async def test_a_slow_look_lets_the_prompt_go_and_is_told_once(tmp_path: Path) -> None:
    policy = policy_in(tmp_path, wait_s=0.05, interval_s=600)
    async with running_core(tmp_path / "core", checkpoints=policy) as core:
        session = await core.session()
        # git waits for this FIFO to be written, as for a file system that does not answer.
        os.mkfifo(Path(session.snapshot.work_directory) / ".gitignore")
        for number in range(4):
            await core.ask(session, f"prompt {number}")
        notices = await core.notices(session)
        assert notices.count("checkpoints") == 1
        assert await listed(core, session) == []


async def test_trouble_with_checkpoints_fails_no_turn_and_is_told_once(tmp_path: Path) -> None:
    rules = replace(policy_in(tmp_path).rules, caps=Caps(max_files=0))
    async with running_core(tmp_path / "core", checkpoints=CheckpointPolicy(rules)) as core:
        session = await core.session()
        (Path(session.snapshot.work_directory) / "a").write_text("a")
        for number in range(2):
            turn = await core.ask(session, f"prompt {number}")
            assert (await core.status(turn)).value == "done"
        assert (await core.notices(session)).count("checkpoints") == 1
        with pytest.raises(CheckpointRefused, match="1 files"):
            await core.do(c.TakeCheckpoint(session_id=session.id))


async def test_checkpoints_are_taken_by_hand_compared_and_paged(core: RunningCore) -> None:
    session = await core.session()
    work = Path(session.snapshot.work_directory)
    (work / "a").write_text("one\n")
    first: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=session.id, label=" my\n label "))
    assert (first.label, first.reason, first.files) == ("my label", Reason.MANUAL, 1)
    (work / "a").write_text("two\n")
    second: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=session.id))
    (work / "b").write_text("three\n")
    between: c.Comparison = await core.do(
        c.CompareCheckpoints(session_id=session.id, checkpoint_id=first.id, with_id=second.id)
    )
    assert [(each.path, each.added, each.removed) for each in between.changes] == [("a", 1, 1)]
    now: c.Comparison = await core.do(c.CompareCheckpoints(session_id=session.id, checkpoint_id=first.id))
    assert [each.path for each in now.changes] == ["a", "b"]
    page: c.CheckpointPage = await core.do(c.ListCheckpoints(session_id=session.id, limit=1))
    rest: c.CheckpointPage = await core.do(
        c.ListCheckpoints(session_id=session.id, limit=10, cursor=page.cursor)
    )
    assert {each.id for each in (*page.checkpoints, *rest.checkpoints)} >= {first.id, second.id}


async def test_a_checkpoint_of_another_session_is_not_shown(core: RunningCore) -> None:
    session, other = await core.session(), await core.session(channel="d")
    taken: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=other.id))
    for wish in (
        c.CompareCheckpoints(session_id=session.id, checkpoint_id=taken.id),
        c.PreviewRestore(session_id=session.id, checkpoint_id=taken.id),
    ):
        with pytest.raises(CheckpointRefused, match="no such checkpoint"):
            await core.do(wish)


async def test_a_restore_that_the_last_process_began_is_finished_and_told(tmp_path: Path) -> None:
    policy = policy_in(tmp_path)
    async with running_core(tmp_path / "core", checkpoints=policy) as core:
        session = await core.session()
        work = Path(session.snapshot.work_directory)
        (work / "a").write_text("old")
        target: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=session.id))
        (work / "a").write_text("new")
        preview = await core.do(c.PreviewRestore(session_id=session.id, checkpoint_id=target.id))
        await put_back(core, session, preview.checkpoint.id)
        (work / "a").write_text("new")  # as if the process had been killed before the first file
        safety: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=session.id))
        statement = Statement("UPDATE restores SET status = 'applying', safety = ?", (safety.id,))
        await core.db.write([statement])
    async with running_core(tmp_path / "core", checkpoints=policy) as core:
        assert (work / "a").read_text() == "old"
        found = await core.manager.get_session(session.id)
        assert (await core.notices(found)).count("restored") == 2


async def test_without_checkpoints_their_commands_say_so(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        with pytest.raises(CheckpointRefused, match="switched off"):
            await core.do(c.ListCheckpoints(session_id=session.id))


async def test_viewing_is_not_restoring(core: RunningCore) -> None:
    session = await core.session()
    taken: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=session.id))
    viewer = Actor("bob", "test", Role.VIEWER)
    await core.do(c.Share(session_id=session.id, grantee="bob", level=ShareLevel.VIEW))
    assert (await core.do(c.PreviewRestore(session_id=session.id, checkpoint_id=taken.id), viewer)).steps == ()
    for wish in (c.UndoRestore(session_id=session.id), c.TakeCheckpoint(session_id=session.id)):
        with pytest.raises(Exception, match="may not"):
            await core.do(wish, viewer)


async def test_two_clicks_at_once_restore_once(core: RunningCore) -> None:
    session = await core.session()
    work = Path(session.snapshot.work_directory)
    (work / "a").write_text("old")
    target: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=session.id))
    (work / "a").write_text("new")
    preview = await core.do(c.PreviewRestore(session_id=session.id, checkpoint_id=target.id))
    wish = c.RestoreFiles(
        session_id=session.id, checkpoint_id=target.id, scope=preview.scope, digest=preview.digest
    )
    results = await asyncio.gather(core.do(wish), core.do(wish), return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["PreviewOutdated", "RestoreResult"]
