"""Branches with files of their own: made, told to Claude, compared, merged, undone."""

import re
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from bridge.demo.model import DemoModel
from sessions import events as e
from sessions import rows
from sessions.errors import BranchRefused, BranchUnmerged, MergeOutdated, NotAllowed, SetUpNotAgreed
from sessions.model import ShareLevel, Trust
from sessions.stored import StoredTrust
from tests.fakes.cli_home import make_cli_home
from tests.sessions.own_copies import Work, checkpoints, git, work
from tests.sessions.running_core import CoreParts, running_core
from workdirs.merge_choices import Strategy

__all__ = ["work"]

pytestmark = pytest.mark.timeout(180)


@pytest.mark.real_cli
async def test_claude_works_in_the_copy_and_may_not_touch_the_parents_files(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path, demo.base_url)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with running_core(tmp_path / "core", parts, checkpoints=checkpoints(tmp_path)) as core:
            work = Work(core)
            work.repository()
            (work.root / "untracked").write_text("u")
            parent = await core.session()
            await core.ask(parent, "demo:text one")
            branch = await work.branch(parent)
            copy = Path(branch.snapshot.work_directory)
            assert copy == core.directory / "workspaces" / ".branches" / "default" / "try-it"
            assert git(copy, "status", "--porcelain") == git(work.root, "status", "--porcelain")
            await core.ask(branch, "demo:bash pwd; cat untracked")
            bodies = [seen.body for seen in demo.requests if seen.path == "/v1/messages" and seen.body]
            *_, note = re.findall(r"<bridge-note>.*?</bridge-note>", str(bodies[-1]["messages"]))
            assert str(copy) in note
            assert str(work.root) in note
            shown = await core.do(c.ReadTurns(session_id=branch.id, limit=1))
            assert str(copy) in str(shown.turns[0].blocks)
            report = await core.do(c.DraftReport(session_id=branch.id))
            assert report.by_claude
            (work.root / "untracked").unlink()  # it would be in the way of a merge
            seen = await core.do(c.PreviewMerge(session_id=branch.id, asks_claude=True))
            assert (seen.by_claude, bool(seen.message)) == (True, True)
            asked = (
                "SELECT purpose, status, answer <> '', turn_id FROM ai_requests"
                " WHERE session_id = ? ORDER BY id"
            )
            assert await core.db.read(asked, (branch.id,)) == [
                (purpose, "answered", 1, shown.turns[0].turn.id) for purpose in ("digest", "commit_message")
            ]
            after = await core.do(c.ReadTurns(session_id=branch.id, limit=5))
            assert [each.turn.id for each in after.turns] == [each.turn.id for each in shown.turns]
            settings = (core.run / branch.id / "1" / "launch.json").read_text()
            assert f"Edit(/{work.root}/**)" in settings
            assert f"Read(/{work.root}/**)" in settings


async def test_a_branch_is_merged_undone_and_merged_again(work: Work) -> None:
    work.repository()
    core, root = work.core, work.root
    parent = await core.session()
    await core.ask(parent, "demo:text one")
    branch = await work.branch(parent)
    copy = Path(branch.snapshot.work_directory)
    with pytest.raises(BranchRefused, match="nothing to merge"):
        await work.merge(branch)
    (copy / "a").write_text("one\n2\n3\n")
    (copy / "new").write_text("new\n")
    seen = await work.preview(branch)
    assert (seen.branch, seen.target, seen.has_uncommitted, seen.can_land) == (
        "bridge/try-it",
        "main",
        True,
        True,
    )
    assert [(each.path, each.added, each.removed) for each in seen.files] == [("a", 1, 1), ("new", 1, 0)]
    assert git(copy, "log", "--format=%s") == "base\n", "a preview commits nothing"
    assert (await work.merge(branch)).target == "main"
    assert ((root / "a").read_text(), git(root, "status", "--porcelain")) == ("one\n2\n3\n", "")
    (listed,) = (await core.do(c.ListBranches(session_id=parent.id, with_changes=True))).branches
    assert (listed.session_id, listed.changed, listed.added, listed.removed) == (branch.id, 2, 2, 1)
    await core.do(c.UndoMerge(session_id=branch.id))
    assert ((root / "a").read_text(), (root / "new").exists()) == ("1\n2\n3\n", False)
    with pytest.raises(BranchRefused, match="No merge"):
        await core.do(c.UndoMerge(session_id=branch.id))
    await work.merge(branch)
    (copy / "a").write_text("uno\n2\n3\n")
    await work.merge(branch)
    assert git(root, "log", "--format=%s") == "Try it\n" * 2 + "base\n"
    (copy / "a").write_text("ein\n2\n3\n")
    git(copy, "commit", "-q", "-a", "-m", "merged before")
    await work.merge(branch)
    (copy / "a").write_text("eins\n2\n3\n")
    git(copy, "commit", "-q", "-a", "-m", "the only commit since")
    (copy / "new").write_text("newer\n")
    assert (await work.preview(branch)).message == "the only commit since"
    assert (await work.preview(branch, Strategy.MERGE)).message == "Merge the branch bridge/try-it"
    assert (await work.preview(branch, Strategy.REBASE)).message == ""
    await work.merge(branch, "  Say it in German\n\n# why\n")
    assert git(root, "log", "-1", "--format=%B").strip() == "Say it in German\n\n# why"


async def test_a_merge_that_became_another_one_or_is_in_the_way_is_refused(work: Work) -> None:
    work.repository()
    core, root = work.core, work.root
    parent = await core.session()
    await core.ask(parent, "demo:text one")
    branch = await work.branch(parent)
    copy = Path(branch.snapshot.work_directory)
    (copy / "a").write_text("theirs\n2\n3\n")
    seen = await work.preview(branch)
    land = c.MergeBranch(session_id=branch.id, strategy=seen.strategy, digest=seen.digest)
    (root / "a").write_text("mine\n")
    blocked = await work.preview(branch)
    assert [(each.path, each.why) for each in blocked.blocked] == [("a", "changed")]
    with pytest.raises(BranchRefused):
        await core.do(land)
    git(root, "commit", "-q", "-a", "-m", "mine")
    with pytest.raises(MergeOutdated):
        await core.do(land)
    conflicted = await work.preview(branch)
    assert [(each.path, each.kind) for each in conflicted.conflicts] == [("a", "contents")]
    with pytest.raises(BranchRefused):
        await core.do(c.MergeBranch(session_id=branch.id, strategy=seen.strategy, digest=conflicted.digest))
    assert git(root, "status", "--porcelain") == ""
    asked = await core.do(c.ResolveMerge(session_id=branch.id, origin="resolve"))
    assert await core.do(c.ResolveMerge(session_id=branch.id, origin="resolve")) == asked, "the same click"
    kept = await core.db.read(
        "SELECT purpose, status, turn_id, instr(question, '- a: contents') FROM ai_requests"
    )
    assert [tuple(each)[:3] for each in kept] == [("conflict", "answered", asked.turn_id)]
    assert kept[0][3]
    git(root, "reset", "-q", "--hard", "HEAD~1")
    with pytest.raises(BranchRefused, match="no conflicts"):
        await core.do(c.ResolveMerge(session_id=branch.id, origin="later"))


async def test_a_copy_without_git_can_be_compared_but_not_merged(work: Work) -> None:
    (work.root / "a").write_text("a\n")
    parent = await work.core.session()
    await work.core.ask(parent, "demo:text one")
    branch = await work.branch(parent)
    (Path(branch.snapshot.work_directory) / "a").write_text("b\n")
    changes = await work.core.do(c.CompareBranch(session_id=branch.id))
    assert [(each.path, each.added, each.removed) for each in changes.files] == [("a", 1, 1)]
    with pytest.raises(BranchRefused, match="without git"):
        await work.preview(branch)
    with pytest.raises(BranchRefused):
        await work.core.do(c.CompareBranch(session_id=parent.id))


async def test_only_who_may_prompt_has_claude_write_the_report(work: Work) -> None:
    work.repository()
    core, eve = work.core, Actor("eve", "test", Role.USER)
    parent = await core.session()
    await core.ask(parent, "demo:text one")
    branch = await work.branch(parent)
    assert not (await core.do(c.DraftReport(session_id=branch.id))).by_claude, "Claude said nothing there yet"
    await core.ask(branch, "demo:text It works.")
    await core.do(c.Share(session_id=branch.id, grantee="eve", level=ShareLevel.VIEW))
    (Path(branch.snapshot.work_directory) / "b").write_text("b\n")
    seen = await core.do(c.DraftReport(session_id=branch.id), eve)
    assert (seen.by_claude, "It works." in seen.text) == (False, True)
    await branch.park("a test")
    written = await core.do(c.DraftReport(session_id=branch.id))
    assert written.by_claude, "a parked session is woken for it"
    for words in ("+1 −0", "- turn 1: demo:text It works.", str(branch.id)):
        assert words in written.text
    assert "Its last answer" not in written.text


async def test_a_repository_with_other_ids_is_branched_and_refused_in_words(work: Work) -> None:
    git(work.root, "init", "-q", "--object-format=sha256")
    (work.root / "a").write_text("a\n")
    git(work.root, "add", "-A")
    git(work.root, "commit", "-q", "-m", "base")
    parent = await work.core.session()
    await work.core.ask(parent, "demo:text one")
    branch = await work.branch(parent)
    copy = Path(branch.snapshot.work_directory)
    assert git(copy, "status", "--porcelain") == ""
    with pytest.raises(BranchRefused, match="SHA-256"):
        await work.preview(branch)
    with pytest.raises(BranchUnmerged, match="cannot be found out"):
        await work.core.do(c.RemoveBranch(session_id=branch.id))
    await work.core.do(c.RemoveBranch(session_id=branch.id, even_unmerged=True))
    assert not copy.exists()


@pytest.mark.parametrize(
    ("files", "trust", "commands"),
    [
        (("package-lock.json",), Trust.TRUSTED, ("npm ci",)),
        (("package-lock.json", "uv.lock", "poetry.lock"), Trust.TRUSTED, ("npm ci", "uv sync")),
        (("package-lock.json",), Trust.INSTRUCTIONS, ()),
        (("Cargo.lock", "package.json"), Trust.TRUSTED, ()),
    ],
)
async def test_dependencies_are_installed_only_in_trusted_projects_and_if_somebody_says_so(
    work: Work, files: tuple[str, ...], trust: Trust, commands: tuple[str, ...]
) -> None:
    for name in files:
        (work.root / name).write_text("{}")
    core = work.core
    parent = await core.session()
    async with parent.change() as draft:
        draft.add(e.TrustChanged(trust))
    stored = StoredTrust(str(work.root), trust, "hash", "ann", 1)
    await core.db.write([rows.upsert_trust(stored)])
    await core.ask(parent, "demo:text one")
    async with parent.change() as draft:
        draft.add(e.TrustChanged(trust))
    branch = await work.branch(parent)
    events = "SELECT body ->> 'about' FROM events WHERE session_id = ? AND body ->> 'topic' = 'own_copy'"
    assert await core.db.read(events, (branch.id,)) == [("; ".join(commands),)]
    assert branch.snapshot.last_turn is None, "nothing is run by itself"
    async with branch.change() as draft:
        draft.add(e.TrustChanged(trust))
    if not commands:
        with pytest.raises(BranchRefused, match="nothing to install"):
            await core.do(c.SetUpBranch(session_id=branch.id, origin="click"))
        return
    with pytest.raises(SetUpNotAgreed):
        await core.do(c.SetUpBranch(session_id=branch.id, origin="click"))
    seen = await core.do(c.ReadSetUp(session_id=branch.id))
    assert (seen.commands, seen.is_agreed) == (commands, False)
    assert set(seen.files) == {*files} - {"poetry.lock"}, "only two commands are offered"
    (Path(branch.snapshot.work_directory) / files[0]).write_text('{"scripts": "other"}')
    with pytest.raises(SetUpNotAgreed):
        await core.do(c.SetUpBranch(session_id=branch.id, origin="seen before", digest=seen.digest))
    seen = await core.do(c.ReadSetUp(session_id=branch.id))
    done = await core.do(c.SetUpBranch(session_id=branch.id, origin="agreed", digest=seen.digest))
    turn = await rows.load_turn(core.db, done.turn_id)
    assert all(f"`{each}`" in turn.prompt for each in commands)
    assert (await core.do(c.ReadSetUp(session_id=branch.id))).is_agreed
    kept = await core.db.read("SELECT project, digest, commands, by_user FROM setup_consents")
    assert kept == [(str(work.root), seen.digest, "; ".join(commands), "admin")]


async def test_owners_merge_and_remove_and_others_only_look(work: Work) -> None:
    work.repository()
    core, eve = work.core, Actor("eve", "test", Role.USER)
    parent = await core.session("eve")
    await core.ask(parent, "demo:text one")
    branch = await work.branch(parent)
    await core.do(c.Share(session_id=branch.id, grantee="eve", level=ShareLevel.APPROVE))
    await core.do(c.PreviewMerge(session_id=branch.id), eve)
    for command in (
        c.MergeBranch(session_id=branch.id, strategy=Strategy.SQUASH, digest="x"),
        c.UndoMerge(session_id=branch.id),
        c.RemoveBranch(session_id=branch.id),
    ):
        with pytest.raises(NotAllowed):
            await core.do(command, eve)
    await core.do(c.Share(session_id=branch.id, grantee="eve", level=None))
    assert (await core.do(c.ListBranches(session_id=parent.id), eve)).branches == ()


async def test_a_branch_has_the_trust_of_its_parent_and_branches_of_it_keep_out_of_both(work: Work) -> None:
    (work.root / "a").write_text("a\n")
    core = work.core
    parent = await core.session()
    await core.ask(parent, "demo:text one")
    trust = StoredTrust(str(work.root), Trust.TRUSTED, "hash", "ann", 1)
    await core.db.write([rows.upsert_trust(trust)])
    branch = await work.branch(parent)
    copied = await rows.load_trust(core.db, branch.snapshot.work_directory)
    assert copied is not None
    assert (copied.state, copied.content_hash) == (Trust.TRUSTED, "hash")
    await core.ask(branch, "demo:text two")
    second = await work.branch(branch)
    assert second.snapshot.keeps_out_of == (str(work.root), branch.snapshot.work_directory)
    assert second.snapshot.work_directory.endswith("/.branches/default/try-it-2")
    info = await core.do(c.Branch(session_id=branch.id, channel_id="s", own_copy=False))
    shared = await core.manager.get_session(info.id)
    assert shared.snapshot.work_directory == branch.snapshot.work_directory
    assert shared.snapshot.keeps_out_of == branch.snapshot.keeps_out_of
    assert ".branches" not in (await core.do(c.ListProjects())).names
