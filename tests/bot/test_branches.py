"""Branches with files of their own, in Discord: made by a button, merged by cards, removed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bodies import Control, Verb
from sessions.events import TrustChanged
from sessions.model import Lifecycle, Trust
from sessions.rows import upsert_trust
from sessions.session import Session
from sessions.stored import StoredTrust
from tests.bot.posted import buttons, post
from tests.bot.ways import Town, Ways, fake, ways_in
from tests.fakes.discord_server import FakeDiscord, Place
from tests.sessions.own_copies import checkpoints, git
from tests.sessions.running_core import idle, reached, running_core

__all__ = ["fake"]


@pytest.fixture
async def ways(fake: FakeDiscord, tmp_path: Path) -> AsyncIterator[Ways]:
    async with (
        running_core(tmp_path / "core", checkpoints=checkpoints(tmp_path)) as core,
        ways_in(fake, core, Town(fake)) as running,
    ):
        yield running


async def trusted(session: Session) -> None:
    async with session.change() as draft:
        draft.add(TrustChanged(Trust.TRUSTED))


async def branched(ways: Ways, *, lock_file: str = "") -> tuple[Path, Place, Session]:
    """A session in a repository, and its branch with a thread of its own; trusted if it has a `lock_file`."""
    root = ways.core.directory / "workspaces" / "default"
    root.mkdir(parents=True)
    git(root, "init", "-q")
    (root / "a").write_text("1\n2\n3\n")
    if lock_file:
        (root / lock_file).write_text("{}")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "base")
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    if lock_file:
        trust = StoredTrust(str(root), Trust.TRUSTED, "hash", "ann", 1)
        await ways.core.db.write([upsert_trust(trust)])
        await trusted(session)
    made = await ways.town.ann.slash(thread, "branch new").settled()
    assert "with its own copy of the files" in made.text
    place = await ways.fake.general.wait_for_thread(lambda each: each.id != thread.id)
    return root, place, await ways.session_in(place)


async def test_a_branch_is_compared_merged_undone_and_removed_from_its_thread(ways: Ways) -> None:
    ann = ways.town.ann
    root, thread, branch = await branched(ways)
    copy = Path(branch.snapshot.work_directory)
    assert copy.is_relative_to(root.parent / ".branches")
    (copy / "a").write_text("`one` **two**\n2\n3\n")
    assert "a changed +1 −1" in (await ann.slash(thread, "branch compare").settled()).text
    shown = await ann.slash(thread, "branch merge").settled()
    assert "committed first" in shown.text
    assert "Message of the commit:" in shown.text
    assert shown.reply is not None
    opened = await ann.click(shown.reply, "Edit the message").acknowledged()
    edited = await ann.submit_modal(opened, {"text": "Two *marks*\n\nwhy"}).settled()
    assert edited.reply is not None
    merged = await ann.click(edited.reply, "Merge (squash)").settled()
    assert git(root, "log", "-1", "--format=%B").strip() == "Two *marks*\n\nwhy"
    assert "main has it now" in merged.text
    assert (root / "a").read_text().startswith("`one`")
    again = await ann.click(shown.reply, "Merge (squash)").settled()
    assert "Nothing was merged: something changed since that preview" in again.text
    assert "There is nothing to merge." in again.text
    assert merged.reply is not None
    undone = await ann.click(merged.reply, "Undo").settled()
    assert "as before the merge" in undone.text
    assert (root / "a").read_text() == "1\n2\n3\n"
    asked = await ann.slash(thread, "branch remove").settled()
    assert asked.reply is not None
    refused = await ann.click(asked.reply, "Remove the branch").settled()
    assert "Not removed. " in refused.text.replace("*", "")
    assert copy.exists()
    assert refused.reply is not None
    assert "removed" in (await ann.click(refused.reply, "Remove it all the same").settled()).text
    assert branch.snapshot.lifecycle is Lifecycle.ENDED
    assert not copy.exists()


async def test_conflicts_go_to_claude_in_the_branch(ways: Ways) -> None:
    ann = ways.town.ann
    root, thread, branch = await branched(ways)
    (Path(branch.snapshot.work_directory) / "a").write_text("theirs\n2\n3\n")
    (root / "a").write_text("ours\n2\n3\n")
    git(root, "commit", "-q", "-a", "-m", "ours")
    shown = await ann.slash(thread, "branch merge").settled()
    assert "a: contents" in shown.text
    assert shown.reply is not None
    asked = await ann.click(shown.reply, "Ask Claude to resolve").settled()
    assert "Claude is asked" in asked.text
    await idle(branch)
    (prompt,) = await ways.prompts(branch)
    assert "git merge main" in prompt
    assert "- a: contents" in prompt


async def test_dependencies_are_installed_after_somebody_agreed_to_the_command_with_its_files(
    ways: Ways,
) -> None:
    ann = ways.town.ann
    _, thread, branch = await branched(ways, lock_file="package-lock.json")
    await trusted(branch)
    notice = await post(ways, thread, buttons(Control(Verb.SET_UP_BRANCH, branch.id)))
    asked = await ann.click(notice, "set_up_branch").settled()
    assert "`npm ci`" in asked.text
    assert "package-lock.json" in asked.text
    (Path(branch.snapshot.work_directory) / "package.json").write_text('{"scripts": {"postinstall": "x"}}')
    assert asked.reply is not None
    again = await ann.click(asked.reply, "Run npm ci").settled()
    assert "Something changed since you looked" in again.text
    assert again.reply is not None
    assert "Claude is asked" in (await ann.click(again.reply, "Run npm ci").settled()).text
    await idle(branch)
    await trusted(branch)  # its process began without that
    assert "Claude is asked" in (await ann.click(notice, "set_up_branch").settled()).text, "agreed already"
    await idle(branch)
    assert len(await ways.prompts(branch)) == 2


async def test_the_parent_lists_its_branches_and_another_may_share_its_directory(ways: Ways) -> None:
    ann = ways.town.ann
    root, _, branch = await branched(ways)
    parent_thread = min(ways.fake.general.threads, key=lambda each: each.id)
    (Path(branch.snapshot.work_directory) / "b").write_text("b\n")
    listed = await ann.slash(parent_thread, "branch list").settled()
    assert "1 file +1 −0" in listed.text
    assert listed.reply is not None
    picked = await ann.click(listed.reply, "Pick demo-text-first…").settled()
    assert "b created +1 −0" in picked.text
    by_name = await ann.slash(parent_thread, "branch pick", branch="demo-text-first").settled()
    assert by_name.text == picked.text
    assert "no such branch" in (await ann.slash(parent_thread, "branch pick", branch="x").settled()).text
    known = {each.id for each in ways.fake.general.threads}
    await ann.slash(parent_thread, "turn branch", files="same").settled()
    place = await ways.fake.general.wait_for_thread(lambda each: each.id not in known)
    assert (await ways.session_in(place)).snapshot.work_directory == str(root)
    refused = await ann.slash(parent_thread, "branch merge").settled()
    assert "no copy of the files of its own" in refused.text


async def test_a_report_is_read_edited_and_sent_to_the_parent_as_a_prompt(ways: Ways) -> None:
    ann = ways.town.ann
    _, thread, branch = await branched(ways)
    parent_thread = min(ways.fake.general.threads, key=lambda each: each.id)
    parent = await ways.session_in(parent_thread)
    ann.send(thread, "demo:text It works now.")
    await ways.dealt_with()
    await reached(branch, lambda snapshot: snapshot.next_turn == 2)
    await idle(branch)
    (Path(branch.snapshot.work_directory) / "b").write_text("b\n")
    shown = await ann.slash(thread, "branch report").settled()
    wanted = ("Nothing of it is merged here", "- turn 1: demo:text It works now.", "- b created +1 −0")
    for words in (*wanted, "Claude wrote"):
        assert words in shown.text
    assert await ways.prompts(parent) == ["demo:text first"], "nothing is sent before somebody says so"
    assert shown.reply is not None
    opened = await ann.click(shown.reply, "Edit").acknowledged()
    edited = await ann.submit_modal(opened, {"text": "demo:text Short report"}).settled()
    assert edited.reply is not None
    sent = await ann.click(edited.reply, "Send").settled()
    assert "is sent" in sent.text
    await idle(parent)
    assert await ways.prompts(parent) == ["demo:text first", "demo:text Short report"]
    discarded = await ann.click(shown.reply, "Discard").settled()
    assert "discarded" in discarded.text
