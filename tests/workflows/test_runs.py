"""Runs on a real core: from the request to the merged branch, and everything that may come between."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import api as c
from api.access import Actor, Role
from api.run_model import Bound, Configuration
from bridge.demo.model import DemoModel
from mcp_server.in_session import SessionToolbox
from sessions.errors import BranchRefused, NotAllowed
from sessions.model import Allow, PermissionMode
from sessions.stored_folders import NoteKind
from storage import Statement
from tests.backends.kit import alive, until
from tests.fakes.cli_home import make_cli_home
from tests.sessions.running_core import ADMIN, CoreParts, RunningCore, reached, running_core
from tests.workflows.flow_world import COMMAND, Flow, git, make_repository, policy_of, request, request_by_tools
from workflows import checking, parallel

pytestmark = pytest.mark.timeout(180)


@pytest.mark.real_cli
async def test_a_request_becomes_a_merged_branch_after_a_first_try_that_fails_its_check(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path, demo.base_url)
        parts = CoreParts(
            command=home.binary, claude=home.config, environment=home.environment, tools=SessionToolbox
        )
        async with running_core(tmp_path / "core", parts, **policy_of(tmp_path)) as core:
            await _from_request_to_merge(core)


async def _from_request_to_merge(core: RunningCore) -> None:
    root, flow = make_repository(core), Flow(core)
    run = await flow.rest(await flow.start(request_by_tools()))
    assert run.shown.waits_for == "plan"
    assert run.plan is not None
    assert "The plan" in run.plan.text
    assert [each.command for each in run.plan.checks] == [COMMAND]
    assert not (root / "calc.py").exists()

    run = await flow.rest(await flow.approve(run))
    assert (run.status, run.detail) == (c.RunStatus.COMPLETED, "")
    assert run.round == 2, "the first validation failed, the second passed"
    assert [each.passed for each in run.checks] == [True]
    assert run.stats.tasks_done == 1
    assert run.stats.turns == 4  # plan, tasks, the task, the repair
    assert not (root / "calc.py").exists(), "the work is on a branch of its own"
    assert git(root, "show", f"{run.git.branch}:calc.py")

    report = (await core.do(c.ReadRunReport(run_id=run.id))).data.decode()
    assert "[x] Write add" in report
    assert "- Add without a loop Reason: It is shorter." in report
    assert f"`{COMMAND}`: passed" in report
    patch = (await core.do(c.ReadRunPatch(run_id=run.id))).data.decode()
    assert "+def add" in patch

    await core.do(c.MergeRun(run_id=run.id))
    assert "return a + b" in (root / "calc.py").read_text()
    assert (await flow.get(run)).merged_into == "main"


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as running:
        make_repository(running)
        yield running


ALWAYS_FAILS = ({"name": "tests", "command": "echo no; exit 3"},)
PASSES = ({"name": "tests", "command": "true"},)


async def planned(flow: Flow, wish: str | None = None, **facts: Any) -> c.RunInfo:
    """A run whose plan is approved."""
    return await flow.approve(await flow.rest(await flow.start(wish, **facts)))


@pytest.mark.parametrize(
    ("config", "bound", "after"),
    [
        (Configuration(max_iterations=1), Bound.ITERATIONS, c.RunStatus.VALIDATING),
        (Configuration(max_turns=2), Bound.TURNS, c.RunStatus.IMPLEMENTING),
        (Configuration(budget_usd=0.0001), Bound.BUDGET, c.RunStatus.GENERATING_TASKS),
    ],
)
async def test_a_bound_pauses_across_a_restart_and_going_on_raises_it(
    tmp_path: Path, config: Configuration, bound: Bound, after: c.RunStatus
) -> None:
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as core:
        make_repository(core)
        flow = Flow(core)
        run = await flow.rest(await flow.start(request(checks=ALWAYS_FAILS), config=config))
        if run.shown.waits_for == "plan":
            run = await flow.rest(await flow.approve(run))
        assert (run.status, run.pause, run.bound, run.doing) == (
            c.RunStatus.PAUSED,
            c.PauseReason.BOUND,
            bound,
            after,
        )
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as core:
        flow = Flow(core)
        assert (await flow.get(run)).bound is bound, "a restart goes past no bound"
        with pytest.raises(c.IllegalRunMove):
            await core.do(c.PauseRun(run_id=run.id))
        went_on = await core.do(c.ResumeRun(run_id=run.id))
        assert went_on.status is after
        again = await flow.rest(run)
        assert again.bound is not bound or again.config != run.config
        ended = await core.do(c.CancelRun(run_id=run.id))
        assert (ended.status, ended.detail) == (c.RunStatus.FAILED, "cancelled by admin")


async def test_checks_that_hang_print_leave_processes_or_want_input_are_bounded_ended_and_said(
    core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MOST_S", 1.5)
    left = core.directory / "left"
    checks = (
        {"name": "hangs", "command": "sleep 1000"},
        {"name": "prints", "command": "yes no | head -c 10000000; exit 4"},
        {"name": "leaves", "command": f"sleep 1000 & echo $! >{left}"},
        {"name": "asks", "command": "read answer || exit 5"},
    )
    flow = Flow(core)
    run = await flow.rest(await planned(flow, request(checks=checks), config=Configuration(max_iterations=1)))
    assert run.bound is Bound.ITERATIONS, "the commands win, whatever Claude says"
    hangs, prints, leaves, asks = run.checks
    assert (hangs.exit_code, hangs.trouble) == (None, "It was ended after 2 s.")
    assert prints.exit_code == 4
    assert len(prints.output) < 10_000
    assert leaves.passed
    assert asks.exit_code == 5
    # It is killed; whoever inherited it may not have buried it yet.
    await until(lambda: not alive(int(left.read_text())))
    report = (await core.do(c.ReadRunReport(run_id=run.id))).data.decode()
    assert "The check hangs does not pass." in report


async def test_only_commands_that_a_person_saw_are_run(core: RunningCore) -> None:
    flow = Flow(core)
    run = await flow.rest(await flow.start(request(checks=PASSES)))
    seen = run.plan_digest
    changed = await core.do(
        c.EditRunPlan(run_id=run.id, checks=(c.Check("tests", f"touch {core.directory}/ran"),))
    )
    with pytest.raises(c.PlanOutdated):
        await core.do(c.ApproveRunPlan(run_id=run.id, digest=seen))
    assert not (core.directory / "ran").exists()
    assert (await flow.rest(await flow.approve(changed))).status is c.RunStatus.COMPLETED
    assert (core.directory / "ran").exists()


async def test_a_plan_is_revised_with_words_and_tasks_are_edited(core: RunningCore) -> None:
    flow = Flow(core)
    run = await flow.rest(await flow.start(request(checks=PASSES)))
    held = {"title": "Other", "details": "demo:gate held"}
    revised = request((held, {"title": "Drop me"}, {"title": "Last"}), PASSES)
    await core.do(c.ReviseRunPlan(run_id=run.id, note=revised.partition(". ")[2]))
    run = await flow.until(
        run, lambda each: each.shown.waits_for == "plan" and each.plan is not None and each.plan.revision == 2
    )
    run = await flow.until(
        await flow.approve(run), lambda each: bool(each.tasks) and each.tasks[0].status is c.TaskStatus.RUNNING
    )
    first, _, last = run.tasks
    wished = (first, c.RunTask("", "New", acceptance=("it is there",)), last)
    run = await core.do(c.EditRunTasks(run_id=run.id, tasks=wished))
    assert [each.title for each in run.tasks] == ["Other", "New", "Last"]
    for tasks, why in (((last, last), "twice"), ((replace(first, acceptance=("x",)),), "has begun")):
        with pytest.raises(c.RunFieldWrong, match=why):
            await core.do(c.EditRunTasks(run_id=run.id, tasks=tasks))
    await core.do(c.SkipTask(run_id=run.id, task_id=last.id))
    await core.do(c.PauseRun(run_id=run.id))
    (core.claude / "gates").mkdir(exist_ok=True)
    (core.claude / "gates" / "held").touch()
    run = await flow.until(run, lambda each: each.tasks[0].status is c.TaskStatus.DONE)
    assert run.status is c.RunStatus.PAUSED, "the running turn ended by itself, and nothing new began"
    await core.do(c.ResumeRun(run_id=run.id))
    run = await flow.rest(run)
    assert [each.status for each in run.tasks] == ["done", "done", "skipped"]


async def test_an_answer_that_does_not_fit_is_asked_for_again_twice_then_a_person_gets_it(
    core: RunningCore,
) -> None:
    flow = Flow(core)
    wish = 'Add. demo:text {\nA plan\n\ndemo:text {no list of tasks}\n\n```json\n{"checks": []}\n```\n}'
    run = await flow.rest(await planned(flow, wish))
    assert run.pause is c.PauseReason.ANSWER_UNREADABLE
    assert run.stats.turns == 4  # the plan, and three tries
    run = await core.do(c.EditRunTasks(run_id=run.id, tasks=(c.RunTask("", "By hand"),)))
    run = await flow.rest(run)
    assert run.status is c.RunStatus.COMPLETED
    assert (
        "No command of the project checked this work."
        in (await core.do(c.ReadRunReport(run_id=run.id))).data.decode()
    )


async def test_two_runs_of_one_project_stand_in_nobodys_way(core: RunningCore) -> None:
    flow = Flow(core)
    tasks = [({"title": f"Write {n}", "details": f"demo:write {n}.txt {n}"},) for n in ("one", "two")]
    runs = [await planned(flow, request(each, PASSES), origin=f"o{n}") for n, each in enumerate(tasks)]
    ended = [await flow.rest(each) for each in runs]
    assert [each.status for each in ended] == [c.RunStatus.COMPLETED] * 2
    assert ended[0].git.branch != ended[1].git.branch
    await core.do(c.MergeRun(run_id=ended[0].id))
    seen = await core.do(c.PreviewMerge(session_id=ended[1].session_id))
    merge = c.MergeBranch(session_id=ended[1].session_id, strategy=seen.strategy, digest=seen.digest)
    await core.do(merge)
    assert [(await flow.get(each)).merged_into for each in ended] == ["main", "main"], "whichever way it went"
    session = await core.manager.get_session(ended[0].session_id)
    told = [each for each in await core.notices(session) if each.startswith("run_")]
    assert told == ["run_waits", "run_ended"], "its person is told when to come, and nothing else"
    root = core.directory / "workspaces" / "default"
    assert {each.name for each in root.glob("*.txt")} == {"one.txt", "two.txt"}


async def test_a_project_without_git_gets_a_plain_copy_and_ends_with_a_patch(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as core:
        root, flow = core.directory / "workspaces" / "default", Flow(core)
        root.mkdir(parents=True)
        (root / "old.txt").write_text("old\n")
        tasks = [
            {"title": f"Write {n}", "details": f"demo:write {n}.txt {n}", "independent": True}
            for n in ("a", "b")
        ]
        run = await flow.rest(await planned(flow, request(tasks, PASSES), config=Configuration(parallel=2)))
        assert (run.status, run.detail) == (c.RunStatus.COMPLETED, "")
        assert [each.attempts for each in run.tasks] == [1, 1]
        assert any("Not committed" in each for each in run.notes)
        patch = tmp_path / "run.patch"
        patch.write_bytes((await core.do(c.ReadRunPatch(run_id=run.id))).data)
        (elsewhere := tmp_path / "elsewhere").mkdir()
        git(elsewhere, "apply", str(patch))
        assert {each.name: each.read_text() for each in elsewhere.iterdir()} == {"a.txt": "a", "b.txt": "b"}
        with pytest.raises(BranchRefused, match="plain copy"):
            await core.do(c.MergeRun(run_id=run.id))
        assert [each.name for each in root.iterdir()] == ["old.txt"]


async def test_the_same_start_sent_again_is_one_run(core: RunningCore) -> None:
    first, again = await Flow(core).start(), await Flow(core).start()
    assert first.id == again.id
    assert len((await core.do(c.QueryRuns())).runs) == 1


async def test_a_run_whose_session_is_cleared_waits_and_brings_it_back(core: RunningCore) -> None:
    flow = Flow(core)
    run = await flow.rest(await flow.start(request(checks=PASSES)))
    await core.do(c.Clear(session_id=run.session_id))
    run = await flow.until(await flow.approve(run), lambda each: each.status is c.RunStatus.PAUSED)
    assert run.pause is c.PauseReason.SESSION_ENDED
    await core.do(c.ResumeRun(run_id=run.id))
    assert (await flow.rest(run)).status is c.RunStatus.COMPLETED


async def test_a_run_whose_directory_is_deleted_by_hand_waits_and_makes_it_again(core: RunningCore) -> None:
    flow = Flow(core)
    run = await flow.rest(await flow.start(request(checks=PASSES)))
    (directory,) = (core.directory / "workspaces" / ".branches" / "default").iterdir()
    await core.do(c.Park(session_id=run.session_id))
    shutil.rmtree(directory)
    run = await flow.until(await flow.approve(run), lambda each: each.status is c.RunStatus.PAUSED)
    assert (run.pause, bool(run.detail)) == (c.PauseReason.BRANCH_GONE, True)
    await core.do(c.ResumeRun(run_id=run.id))
    run = await flow.rest(run)
    assert (run.status, run.detail) == (c.RunStatus.COMPLETED, "")
    assert any("made again" in each for each in run.notes)
    await core.do(c.MergeRun(run_id=run.id))
    assert (core.directory / "workspaces" / "default" / "calc.py").exists()


async def test_a_run_whose_person_left_goes_on_in_the_name_of_another(tmp_path: Path) -> None:
    gone = set[str]()

    async def person(user_id: str) -> Actor:
        roles = {"ann": Role.USER, "admin": Role.ADMIN}
        return Actor(user_id, "test", Role.NOBODY if user_id in gone else roles[user_id])

    parts = CoreParts(person=person)
    async with running_core(tmp_path / "core", parts, **policy_of(tmp_path)) as core:
        make_repository(core)
        ann, boss = Flow(core, Actor("ann", "test", Role.USER)), Flow(core)
        run = await ann.rest(await ann.start(request(checks=PASSES)))
        gone.add("ann")
        run = await boss.rest(await boss.approve(run))
        assert run.pause is c.PauseReason.OWNER_REFUSED
        with pytest.raises(NotAllowed):
            await core.do(c.ResumeRun(run_id=run.id), Actor("bob", "test", Role.USER))
        gone.clear()
        run = await core.do(c.ResumeRun(run_id=run.id), ADMIN)
        assert run.acts_for == "admin"
        assert (await boss.rest(run)).status is c.RunStatus.COMPLETED
        audit = await core.db.read("SELECT DISTINCT actor FROM audit WHERE face = 'workflow' ORDER BY actor")
        assert [row[0] for row in audit] == ["admin", "ann"]


async def test_asks_inside_a_run_reach_its_people_and_no_mode_is_widened(tmp_path: Path) -> None:
    changes = {**policy_of(tmp_path), "default_mode": PermissionMode.DEFAULT}
    async with running_core(tmp_path / "core", **changes) as core:
        make_repository(core)
        flow = Flow(core)
        run = await planned(flow, request(({"title": "Write", "details": "demo:write new.txt x"},), PASSES))
        session = await core.manager.get_session(run.session_id)
        snapshot = await reached(session, lambda now: bool(now.asks))
        assert snapshot.mode is PermissionMode.DEFAULT
        assert (await flow.get(run)).status is c.RunStatus.IMPLEMENTING
        wish = c.AnswerAsk(session_id=session.id, ask_id=snapshot.asks[0].id, decision=Allow())
        await core.do(wish)
        assert (await flow.rest(run)).status is c.RunStatus.COMPLETED


async def test_parallel_tasks_are_merged_back_and_a_loser_is_repeated_alone(
    core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = parallel._session

    async def begin_and_decide(runner: Any, run: Any, task: c.RunTask, key: str) -> str:
        session_id = await begin(runner, run, task, key)
        await core.do(
            c.AddNote(
                session_id=session_id, kind=NoteKind.DECISION, title=f"Decided in {task.title}", text="why"
            )
        )
        return session_id

    monkeypatch.setattr(parallel, "_session", begin_and_decide)
    tasks = [
        {"title": "One", "details": "demo:write one.txt 1", "independent": True},
        {"title": "Two", "details": "demo:write two.txt 2", "independent": True},
        {"title": "Two again", "details": "demo:write two.txt 3", "independent": True},
    ]
    flow = Flow(core)
    wish = request(tasks, PASSES)
    run = await flow.rest(await planned(flow, wish, config=Configuration(parallel=3)))
    assert (run.status, run.detail) == (c.RunStatus.COMPLETED, "")
    assert [each.status for each in run.tasks] == ["done"] * 3
    assert [each.attempts for each in run.tasks] == [1, 1, 2]
    (note,) = [each for each in run.notes if "conflicted" in each]
    assert "“Two again”" in note
    assert run.stats.recoveries == 1
    decided = [c.RunDecision(f"Decided in {title}", "why") for title in ("One", "Two")]
    assert list(run.decisions) == decided, "the loser's work was thrown away, and with it what it decided"
    assert "Decided in Two" in (await core.do(c.ReadRunReport(run_id=run.id))).data.decode()
    shown = git(core.directory / "workspaces" / "default", "show", "--stat", run.git.branch)
    assert "two.txt" in shown or "one.txt" in shown
    await core.do(c.MergeRun(run_id=run.id))
    assert (core.directory / "workspaces" / "default" / "two.txt").read_text() == "3"


async def test_a_damaged_run_is_listed_as_such_and_can_be_deleted(core: RunningCore) -> None:
    flow = Flow(core)
    run = await flow.rest(await flow.start())
    await core.service.close()
    await core.db.write([Statement("UPDATE runs SET data = json_set(data, '$.status', 7)")])
    core.service._workflows = None
    page = await core.do(c.QueryRuns())
    assert page.runs == ()
    assert [each.id for each in page.unreadable] == [run.id]
    with pytest.raises(c.RunUnreadable):
        await core.do(c.GetRun(run_id=run.id))
    with pytest.raises(c.RunNotFound):
        await core.do(c.GetRun(run_id="../../etc"))
    await core.do(c.DeleteRun(run_id=run.id))
    assert (await core.do(c.QueryRuns())).unreadable == ()


async def test_the_view_of_a_run_has_the_owners_names(core: RunningCore) -> None:
    run = await Flow(core).rest(await Flow(core).start())
    path = core.directory / "projects" / "default" / "runs" / run.id / "metadata.json"
    facts = json.loads(path.read_text())
    assert (facts["session_id"], facts["status"], facts["current_phase"]) == (run.id, "planning", "plan")
    assert facts["git_context"]["branch"] == run.git.branch
    assert facts["configuration"]["max_iterations"] == 3
    assert path.stat().st_mode & 0o777 == 0o600


async def test_requirements_come_from_a_file_of_the_project_or_along(core: RunningCore) -> None:
    root, flow = core.directory / "workspaces" / "default", Flow(core)
    (root / "prd.md").write_text("It must add.")
    (root / "out").symlink_to("/etc")
    run = await flow.start(prd_path="prd.md")
    assert run.prd is not None
    assert (run.prd.filename, run.prd.path, len(run.prd.sha256)) == ("prd.md", "prd.md", 64)
    for wrong in ("out/passwd", "../../sessions.db", "no.md", "."):
        with pytest.raises(c.RunFieldWrong):
            await flow.start(prd_path=wrong, origin=f"o {wrong}")
    with pytest.raises(c.RunFieldWrong):
        await core.do(c.StartRun(request=" ", channel_id="c", origin="empty"))
