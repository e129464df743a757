"""Checkpoints in Discord: listed, opened, compared, restored after a preview, and undone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api import (
    CheckpointInfo,
    GetSession,
    LeftFile,
    ReadTurn,
    RestorePreview,
    RestoreStep,
    RewindFiles,
    StepKind,
)
from bot.actors import core_id
from bot.checkpoint_cards import preview_card
from bot.outgoing_files import written_files
from sessions.restore_scope import RestoreScope
from tests.bot.ways import Ways, fake, town, ways
from tests.sessions.checkpointed import end_taken, policy_in
from tests.sessions.running_core import ADMIN, RunningCore, idle, reached, running_core
from workdirs.checkpoint_model import Reason
from workdirs.plan import WhyLeft

__all__ = ["fake", "town", "ways"]


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path)) as running:
        yield running


async def test_a_person_lists_compares_restores_and_undoes(ways: Ways) -> None:
    ann = ways.town.ann
    work = ways.core.directory / "workspaces" / "default"
    work.mkdir(parents=True)
    (work / "a.txt").write_text("one\n")
    thread, session = await ways.started(ann, "demo:text hello")
    await end_taken(ways.core, session)
    taken = await ann.slash(thread, "checkpoint take", label="good *state*").settled()
    assert "1 file kept as “good \\*state\\*”" in taken.text
    (work / "a.txt").write_text("two\n")
    (work / "b.txt").write_text("made\n")
    listed = await ann.slash(thread, "checkpoint list").settled()
    for words in ("before a prompt · 1 file", "after a turn", "taken by hand", "good"):
        assert words in listed.text
    assert listed.reply is not None
    opened = await ann.select(listed.reply, "Open one", "taken by hand · 1 file · “good *state*”").settled()
    assert opened.reply is not None
    compared = await ann.click(opened.reply, "Compare with now").settled()
    assert "~ a.txt +1 −1" in compared.text
    assert "+ b.txt +1 −0" in compared.text
    preview = await ann.click(opened.reply, "Restore …").settled()
    assert "change 1, delete 1" in preview.text
    assert preview.reply is not None
    done = await ann.click(preview.reply, "Restore").settled()
    assert "2 files put back." in done.text
    assert ((work / "a.txt").read_text(), (work / "b.txt").exists()) == ("one\n", False)
    assert done.reply is not None
    undone = await ann.click(done.reply, "Undo").settled()
    assert "2 files put back." in undone.text
    assert ((work / "a.txt").read_text(), (work / "b.txt").exists()) == ("two\n", True)
    nothing = await ann.slash(thread, "checkpoint undo").settled()
    assert "no restore of this session that can be undone" in nothing.text


async def test_files_and_put_back_know_what_no_tool_reported(ways: Ways) -> None:
    ann = ways.town.ann
    _, session = await ways.started(ann, "demo:text first")
    work = Path(session.snapshot.work_directory)
    (work / "old.txt").write_text("old\n")
    turn = await ways.core.say(session, "demo:gate open", user=core_id(ann.id))
    await reached(session, lambda snapshot: snapshot.running is not None)
    (work / "made.txt").write_text("made by a command\n")
    (work / "old.txt").unlink()
    await session.stop()
    await idle(session)
    await end_taken(ways.core, session, turn)
    view = await ways.core.do(ReadTurn(session_id=session.id, turn_id=turn))
    info = await ways.core.do(GetSession(session_id=session.id))
    bundle = await written_files(ways.core.service, ADMIN, info, view, 1_000_000)
    assert [each.name for each in bundle.files] == ["changes.diff", "made.txt"]
    assert b"+made by a command" in bundle.files[0].data
    assert bundle.troubles == ("Deleted: old.txt",)
    changed = await ways.core.do(RewindFiles(session_id=session.id, turn_id=turn))
    assert (changed.paths, changed.done) == (("made.txt", "old.txt"), False)
    await ways.core.do(RewindFiles(session_id=session.id, turn_id=turn, dry_run=False))
    assert [path.name for path in work.iterdir()] == ["old.txt"]


async def test_files_and_conversation_go_back_together_in_a_thread_of_their_own(ways: Ways) -> None:
    ann = ways.town.ann
    thread, session = await ways.started(ann, "demo:text first")
    work = Path(session.snapshot.work_directory)
    await end_taken(ways.core, session)
    (work / "a.txt").write_text("made after the first turn\n")
    second = await ways.core.ask(session, "demo:text second", user=core_id(ann.id))
    await end_taken(ways.core, session, second)
    (work / "b.txt").write_text("made after the second turn\n")
    preview = await ann.slash(thread, "checkpoint restore", files="everything").settled()
    assert preview.reply is not None
    known = {each.id for each in ways.fake.general.threads}
    await ann.click(preview.reply, "Restore, branch there").settled()
    branch = await ways.session_in(await ways.fake.general.wait_for_thread(lambda each: each.id not in known))
    assert sorted(path.name for path in work.iterdir()) == ["a.txt"]
    prompts = [view.turn.prompt for view in await ways.turns(session)]
    assert prompts[-2:] == ["demo:text first", "demo:text second"]  # the old conversation is whole
    turn = await ways.core.ask(branch, "demo:text third", user=core_id(ann.id))
    found = await ways.core.db.read("SELECT text FROM contexts WHERE turn_id = ?", (turn,))
    # Claude goes on from its first turn, when there was no file yet.
    assert "a.txt" in str(found[0][0])
    assert "b.txt" not in str(found[0][0])


async def test_a_preview_that_is_out_of_date_restores_nothing(ways: Ways) -> None:
    ann = ways.town.ann
    thread, session = await ways.started(ann, "demo:text hello")
    work = Path(session.snapshot.work_directory)
    await end_taken(ways.core, session)
    (work / "a.txt").write_text("one\n")
    preview = await ann.slash(thread, "checkpoint restore").settled()
    assert "delete 1" in preview.text
    (work / "b.txt").write_text("made since\n")
    assert preview.reply is not None
    refused = await ann.click(preview.reply, "Restore").settled()
    assert "Files changed since this preview" in refused.text
    assert (work / "a.txt").exists()


async def test_names_are_suggested_and_text_of_files_is_shown_as_text(ways: Ways) -> None:
    ann = ways.town.ann
    thread, session = await ways.started(ann, "demo:text hello")
    await end_taken(ways.core, session)
    (Path(session.snapshot.work_directory) / "@everyone **x**").write_text("x")
    suggested = await ann.autocomplete(thread, "checkpoint compare", "checkpoint", "turn").settled()
    assert [each["name"] for each in suggested.choices] == ["after a turn · 0 files"]
    compared = await ann.slash(thread, "checkpoint compare", checkpoint=suggested.choices[0]["value"]).settled()
    assert "\\*\\*x" in compared.text


def test_a_preview_says_what_stays_and_whose_change_it_would_undo() -> None:
    preview = RestorePreview(
        checkpoint=CheckpointInfo("c", Reason.MANUAL, "", "t", 1_700_000_000_000, 3),
        scope=RestoreScope.EVERYTHING,
        digest="d",
        creates=0,
        changes=1,
        deletes=0,
        kept=2,
        steps=(RestoreStep("a.txt", StepKind.CHANGE, "another"),),
        left=(LeftFile(".env", WhyLeft.IGNORED), LeftFile("big.bin", WhyLeft.UNCOVERED)),
    )
    text = "\n".join(preview_card("mine", preview).texts)
    for words in (
        "change 1. It covers all files of the directory.",
        "a.txt · another session changed it",
        "ignore rules cover it",
        "no checkpoint holds it",
    ):
        assert words in text
