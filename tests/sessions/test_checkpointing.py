"""Checkpoints of sessions: at their moments, bounded, told once. With the real CLI."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

import api as c
import workdirs.git
from api.words.checkpoints import REASONS
from sessions.checkpointing import CheckpointPolicy, SessionCheckpoints
from sessions.errors import CheckpointRefused
from sessions.parking import may_be_parked
from sessions.rows import load_turn
from tests.sessions.checkpointed import core, end_taken, listed, policy_in
from tests.sessions.running_core import (
    DEADLINE_S,
    RunningCore,
    idle,
    reached,
    running_core,
)
from workdirs.checkpoint_model import Reason
from workdirs.model import Caps

__all__ = ["core"]


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


async def test_old_checkpoints_go_soon_after_each_start(tmp_path: Path) -> None:
    clock_s, tidied = 0.0, asyncio.Event()

    def minute_later() -> float:
        nonlocal clock_s
        clock_s += 60
        return clock_s

    class Engine:
        async def tidy(self) -> int:
            tidied.set()
            return 0

    made = SessionCheckpoints(
        cast("Any", None), policy_in(tmp_path, interval_s=0), tmp_path, lambda: 0, minute_later
    )
    made.engine = cast("Any", Engine())
    running = asyncio.create_task(made.run(list))
    async with asyncio.timeout(DEADLINE_S):
        await tidied.wait()
    running.cancel()
    assert 600 < clock_s < 3600


def test_each_reason_has_words() -> None:
    assert set(REASONS) == set(Reason)


async def test_without_checkpoints_their_commands_say_so(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        with pytest.raises(CheckpointRefused, match="switched off"):
            await core.do(c.ListCheckpoints(session_id=session.id))
