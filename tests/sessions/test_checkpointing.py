"""Checkpoints of sessions: at their moments, bounded, and restores that wait for quiet. With the real CLI."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

import api as c
import workdirs.git
from api.access import Actor, Role
from api.words.checkpoints import REASONS
from bridge.demo.model import DemoModel
from sessions.checkpointing import CheckpointPolicy
from sessions.errors import CheckpointRefused, IllegalMove, PreviewOutdated
from sessions.model import Allow, PermissionMode, ShareLevel
from sessions.parking import may_be_parked
from sessions.restore_scope import RestoreScope
from sessions.rows import load_turn
from sessions.session import Session
from sessions.session_maker import NewSession
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
from workdirs.checkpoint_rules import CheckpointRules, RetentionAges
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


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_200_000_files_hold_up_no_prompt(tmp_path: Path) -> None:
    rules = replace(policy_in(tmp_path).rules, caps=Caps(max_files=250_000))
    async with running_core(tmp_path / "core", checkpoints=CheckpointPolicy(rules, interval_s=600)) as core:
        session = await core.session()
        work = Path(session.snapshot.work_directory)
        for directory in range(500):
            (work / f"d{directory}").mkdir(parents=True)
            for file in range(400):
                (work / f"d{directory}" / str(file)).touch()
        for number in range(4):
            before = time.monotonic()
            turn = await core.ask(session, f"prompt {number}")
            # The prompt's own checkpoint, and that of the turn before: each is waited for two seconds at most.
            assert time.monotonic() - before < 10
            assert (await core.status(turn)).value == "done"
        assert (await core.notices(session)).count("checkpoints") == 1
        async with asyncio.timeout(300):
            while not (found := await listed(core, session)):  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # the first one goes on by itself
        assert found[0].files == 200_000
        assert found[0].is_late


@pytest.mark.parametrize(("caps", "words"), [(Caps(max_files=0), "1 files"), (Caps(), "Git is not installed")])
async def test_trouble_with_checkpoints_fails_no_turn_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caps: Caps, words: str
) -> None:
    if "Git" in words:
        monkeypatch.setattr(workdirs.git, "which", lambda _: None)
    rules = replace(policy_in(tmp_path).rules, caps=caps)
    async with running_core(tmp_path / "core", checkpoints=CheckpointPolicy(rules)) as core:
        session = await core.session()
        (Path(session.snapshot.work_directory) / "a").write_text("a")
        for number in range(2):
            turn = await core.ask(session, f"prompt {number}")
            assert (await core.status(turn)).value == "done"
        assert (await core.notices(session)).count("checkpoints") == 1
        with pytest.raises(CheckpointRefused, match=words):
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


async def test_leaving_a_process_and_stopping_claude_take_a_checkpoint_first(core: RunningCore) -> None:
    session = await core.session()
    work = Path(session.snapshot.work_directory)

    async def newest() -> tuple[str, int]:
        page: c.CheckpointPage = await core.do(c.ListCheckpoints(session_id=session.id, limit=1))
        return page.checkpoints[0].reason.value, page.checkpoints[0].files

    await end_taken(core, session, await core.ask(session, "hello"))
    (work / "1").touch()
    await session.park_if(may_be_parked, "a test")
    assert await newest() == ("parking", 1)
    await end_taken(core, session, await core.ask(session, "again"))
    (work / "2").touch()
    await session.park("a test")
    assert await newest() == ("parking", 2)
    await end_taken(core, session, await core.ask(session, "again"))
    (work / "3").touch()
    await session.hand_over()
    assert await newest() == ("hand_over", 3)
    await core.say(session, "demo:gate open")
    await reached(session, lambda snapshot: snapshot.running is not None)
    (work / "4").touch()
    stopped = asyncio.create_task(session.stop())
    await reached(session, lambda snapshot: snapshot.running is None)
    reasons = [(each.reason.value, each.files) for each in await listed(core, session)]
    assert ("interrupt", 4) in reasons, "it was taken before the turn ended"
    assert await stopped


async def test_a_stop_does_not_wait_for_a_look_that_hangs_nor_hit_the_next_turn(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path, wait_s=0.05)) as core:
        session = await core.session()
        fifo = Path(session.snapshot.work_directory) / ".gitignore"
        os.mkfifo(fifo)
        await core.say(session, "demo:gate open")
        await reached(session, lambda snapshot: snapshot.running is not None)
        assert await session.stop()
        await idle(session)


async def test_people_are_told_how_many_files_a_turn_changed_by_any_way(core: RunningCore) -> None:
    session = await core.session()
    work = Path(session.snapshot.work_directory)
    turn = await core.say(session, "demo:gate open")
    await reached(session, lambda snapshot: snapshot.running is not None)
    for name in ("a", "b"):
        (work / name).touch()  # as Bash does: no tool reports it
    await session.stop()
    async with asyncio.timeout(DEADLINE_S):
        while (await load_turn(core.db, turn)).changed_files != 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the checkpoint comes after the turn
    quiet = await core.ask(session, "nothing")
    await end_taken(core, session, quiet)
    kinds = "SELECT count(*) FROM events WHERE session_id = ? AND kind = 'turn_files_counted'"
    assert await core.db.read(kinds, (session.id,)) == [(1,)]
    states = "SELECT path, state FROM file_states WHERE session_id = ? ORDER BY path"
    assert await core.db.read(states, (session.id,)) == [(b"a", "present"), (b"b", "present")]
    prompts = "SELECT turn_id, checkpoint IS NOT NULL FROM prompts WHERE session_id = ? ORDER BY number"
    assert await core.db.read(prompts, (session.id,)) == [(turn, 1), (quiet, 1)]


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


def test_each_reason_has_words() -> None:
    assert set(REASONS) == set(Reason)


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
