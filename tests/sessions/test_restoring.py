"""Restores wait for quiet, put back a session's own files, and are finished after a kill."""

import asyncio
import subprocess
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from bridge.demo.model import DemoModel
from sessions.errors import CheckpointRefused, IllegalMove, PreviewOutdated
from sessions.model import Allow, PermissionMode, ShareLevel
from sessions.restore_scope import RestoreScope
from sessions.session import Session
from sessions.session_maker import NewSession
from storage import Statement
from tests.sessions.checkpointed import core, end_taken, listed, policy_in
from tests.sessions.running_core import (
    RunningCore,
    idle,
    is_idle,
    reached,
    real_cli_core,
    running_core,
)
from workdirs.checkpoint_model import Reason

__all__ = ["core"]


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


async def test_a_restore_is_refused_while_somebody_works_above_or_below(core: RunningCore) -> None:
    root = core.directory / "workspaces"
    (root / "shop" / "api").mkdir(parents=True)
    make = core.manager.create_session
    upper, lower = [await make(NewSession("ann", name, project=name)) for name in ("shop", "shop/api")]
    (root / "shop" / "api" / "a").write_text("old")
    for here, other in ((upper, lower), (lower, upper)):
        taken: c.CheckpointInfo = await core.do(c.TakeCheckpoint(session_id=here.id))
        (root / "shop" / "api" / "a").write_text(f"new of {here.id}")
        preview = await core.do(c.PreviewRestore(session_id=here.id, checkpoint_id=taken.id))
        assert preview.scope is RestoreScope.SESSION  # another session has files there
        wish = c.PreviewRestore(session_id=here.id, checkpoint_id=taken.id, scope=RestoreScope.EVERYTHING)
        preview = await core.do(wish)
        await core.say(other, "demo:gate open")
        await reached(other, lambda snapshot: snapshot.running is not None)
        with pytest.raises(CheckpointRefused, match="Another session works"):
            await core.do(
                c.RestoreFiles(
                    session_id=here.id, checkpoint_id=taken.id, scope=preview.scope, digest=preview.digest
                )
            )
        await other.stop()
        await idle(other)


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


@pytest.mark.parametrize("move", ["commit", "branch", "detach"])
async def test_a_preview_says_that_head_moved(core: RunningCore, move: str) -> None:
    session = await core.session()
    work = Path(session.snapshot.work_directory)

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *identity, *arguments], cwd=work, check=True, capture_output=True)

    async def heads(checkpoint_id: str) -> tuple[str, str]:
        seen = await core.do(c.PreviewRestore(session_id=session.id, checkpoint_id=checkpoint_id))
        then, now = seen.head_then, seen.head_now
        return then.partition(" at ")[0], now.partition(" at ")[0]

    (work / "a").write_text("a")
    unborn = await core.do(c.TakeCheckpoint(session_id=session.id))
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    taken = await core.do(c.TakeCheckpoint(session_id=session.id))
    (work / "a").write_text("b")
    assert await heads(taken.id) == ("", "")
    match move:
        case "commit":
            git("commit", "-q", "-a", "--allow-empty", "-m", "two")
        case "branch":
            git("checkout", "-q", "-b", "other")
        case _:
            git("checkout", "-q", "--detach")
    now = {"commit": "main", "branch": "other", "detach": "no branch"}[move]
    assert await heads(taken.id) == ("main", now)
    assert await heads(unborn.id) == ("", ""), "it is not known where HEAD was"


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
