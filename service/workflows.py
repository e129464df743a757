"""Carries out the commands of `api/workflows.py`, and fills the ports of the room `workflows/`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import assert_never

import api as c
from api.access import Actor, ActorSource, Role
from api.words.workflows import run_lines
from service.branching import MOST_PATCH_BYTES, branch_patch
from service.following import follow_durable
from service.parts import ServiceParts
from service.run_checks import RunChecks
from service.run_documents import read_document
from sessions.claude.project_offer import read_offer
from sessions.errors import BranchRefused, MergeOutdated, SessionError
from sessions.events import Noticed, Numbered, RunChanged
from sessions.model import SessionId, Trust
from sessions.own_copies import remake_own_copy
from sessions.rows import load_last_merge, load_trust
from sessions.run_shown import RunShown
from sessions.session import Session
from sessions.topics import Topic
from sessions.trust import trust_now
from sessions.work_directory import open_project
from texts.whole_numbers import LARGEST, whole_number
from workdirs.manifests import Manifests, find_commands
from workdirs.merge_choices import Strategy
from workflows import model as m
from workflows import rows
from workflows.answers import AnswerWrong, check_commands, checked_tasks
from workflows.checking import check_name
from workflows.model import Run, StepKind
from workflows.ports import Ports
from workflows.report import write_report
from workflows.runs import Runs
from workflows.shown import info, plan_digest
from workflows.tasks import edited_tasks
from workflows.template import Template, built_in, in_directory, read_template

OWN_TEMPLATES = "workflows"
PROJECT_TEMPLATES = ".claude-bridge/workflows"
_MERGE_TRIES = 3
_MOST_WORDS = 60_000


class WorkflowRoom:
    """The open room, and how commands reach it. `close` leaves runs and their turns as they are."""

    def __init__(self, parts: ServiceParts, core: c.Core) -> None:
        if parts.workflows is None:
            raise c.RunFieldWrong("work-flow", "this bridge has none")
        self._parts = parts
        self._own = parts.workflows
        self._checks = RunChecks(parts.manager)
        self._core = core
        self._manager = parts.manager
        self._stack = AsyncExitStack()
        self.runs = Runs(parts.manager.db, self._ports())

    async def open(self) -> None:
        """Let the active runs go on."""
        await self._stack.enter_async_context(self.runs)

    async def close(self) -> None:
        """Stop the tasks of the room."""
        await self._stack.aclose()

    # --- commands ---------------------------------------------------------------------------------------

    async def do(self, actor: Actor, command: c.WorkflowCommand) -> object:
        """Carry out a command about no run or many."""
        match command:
            case c.StartRun():
                return await self._start(actor, command)
            case c.QueryRuns():
                return await self._query(actor, command)
            case c.ListTemplates():
                return c.Templates(tuple(await self._templates(command.project)))
            case _:
                assert_never(command)

    async def do_with(self, actor: Actor, command: c.AnyRunCommand) -> object:
        """Carry out a command about one run. Raises the errors that its docstring names."""
        # Before the run is read: also a run that cannot be read any more must go.
        if isinstance(command, c.DeleteRun):
            await self.runs.delete_session(command.run_id)
            return c.Nothing()
        run = await self.runs.get_session(command.run_id)
        match command:
            case c.GetRun():
                return info(run)
            case c.ReadRunReport():
                return await self._report(run)
            case c.ReadRunPatch():
                return await self._patch(run)
            case c.MergeRun():
                return await self._merge(actor, run)
            case c.CancelRun():
                return await self._cancel(actor, run)
            case _:
                return info(await self._change(actor, run, command))

    async def answer(self, session: Session, command: c.RunAnswerCommand) -> c.Nothing:
        """Take Claude's answer for the run of its session. Raises `RunFieldWrong`."""
        shown = session.snapshot.work_flow
        # Claude's tools name no run: the session that calls has one or none, so a session cannot answer for
        # another's.
        run = await self.runs.get_session(shown.id) if shown is not None else None
        # Only while its step waits for it: a plan that comes later must not replace one that a person has
        # approved.
        wanted = StepKind.PLAN if isinstance(command, c.OfferRunPlan) else StepKind.TASKS
        if run is None or run.step is None or run.step.kind is not wanted:
            raise c.RunFieldWrong("answer", "no run of this session asks for it now")
        try:
            if isinstance(command, c.OfferRunPlan):
                _require_words("plan", command.text)
                offered = m.Offered(run.step.origin, command.text, check_commands(command.checks))
            else:
                offered = m.Offered(run.step.origin, tasks=checked_tasks(command.tasks))
        except AnswerWrong as wrong:
            raise c.RunFieldWrong("answer", str(wrong)) from wrong
        await self.runs.change(run.id, m.AnswerOffered(offered))
        return c.Nothing()

    async def _change(self, actor: Actor, run: Run, command: object) -> Run:
        update, run_id = self.runs.update_session, run.id
        match command:
            case c.ApproveRunPlan():
                # The approval lets commands run, so it holds only for those that the person saw.
                if plan_digest(run.plan) != command.digest:
                    raise c.PlanOutdated
                return await update(run_id, m.PlanApproved(actor.user_id))
            case c.ReviseRunPlan():
                _require_words("note", command.note)
                return await update(run_id, m.PlanSentBack(command.note), *_going_on(run))
            case c.EditRunPlan():
                return await update(run_id, _edited_plan(run, command), *_going_on(run))
            case c.EditRunTasks():
                return await update(run_id, m.TasksSet(edited_tasks(run, command.tasks)), *_going_on(run))
            case c.RetryTask():
                return await self._task(run, command.task_id, c.TaskStatus.TODO)
            case c.SkipTask():
                return await self._task(run, command.task_id, c.TaskStatus.SKIPPED)
            case c.PauseRun():
                reason = c.PauseReason.TAKEN_OVER if command.take_over else c.PauseReason.PERSON
                return await update(run_id, m.Paused(reason, f"Paused by {actor.user_id}."))
            case c.ResumeRun():
                return await self._resume(actor, run, command.more)
            case _:
                raise NotImplementedError(type(command))

    async def _start(self, actor: Actor, wish: c.StartRun) -> c.RunInfo:
        template = await self._template(wish.template, wish.project) if wish.template else None
        try:
            check_commands(wish.checks)
        except AnswerWrong as wrong:
            raise c.RunFieldWrong("checks", str(wrong)) from wrong
        document = await asyncio.to_thread(read_document, self._project(wish.project), wish)
        run = await self.runs.create_session(
            wish, actor.user_id, template, (document.reference, document.text) if document else None
        )
        return info(run if run.session_id else await self.runs.begin(run))

    async def _task(self, run: Run, task_id: str, to: c.TaskStatus) -> Run:
        if any(each.task_id == task_id for each in run.children) or (run.step and run.step.task_id == task_id):
            raise c.IllegalRunMove("Changing a task that Claude works on", run.status)
        events: list[m.RunEvent] = [m.TaskMoved(task_id, to)]
        if run.pause is c.PauseReason.TURN_FAILED:
            # A failed turn paused the run for just this decision.
            events = [m.Resumed(), *events]
        return await self.runs.update_session(run.id, *events)

    async def _resume(self, actor: Actor, run: Run, more: int) -> Run:
        """Go on. Whoever resumes a run whose person lost the rights acts for it from here on."""
        acts_for = actor.user_id if run.pause is c.PauseReason.OWNER_REFUSED else ""
        if run.pause is c.PauseReason.BRANCH_GONE:
            await self._bring_back(run)
        if run.pause is c.PauseReason.SESSION_ENDED:
            # Through `Core`, so the person's own right to the session decides, and it is audited.
            await self._core.perform(actor, c.RestoreSession(session_id=run.session_id))
        return await self.runs.update_session(run.id, m.Resumed(more, acts_for))

    async def _bring_back(self, run: Run) -> None:
        """Make the run's directory again if it was deleted by hand. Raises `BranchRefused`."""
        session = await self._manager.get_session(run.session_id)
        if await remake_own_copy(session):
            await self.runs.change(
                run.id, m.Noted("Its directory was deleted, and made again from a checkpoint.")
            )

    async def _cancel(self, actor: Actor, run: Run) -> c.RunInfo:
        # The state first: after a kill in between the run is over and starts no further turn.
        changed = await self.runs.update_session(run.id, m.Failed(f"cancelled by {actor.user_id}"))
        task = self.runs.halt(run.id)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
        for number in range(len(run.plan.checks) if run.plan is not None else 0):
            await self._checks.forget(run.session_id, check_name(run, number))
        for session_id in (run.session_id, *(each.session_id for each in run.children)):
            if session_id:
                await self._interrupt(actor, session_id)
        return info(changed)

    async def _interrupt(self, actor: Actor, session_id: str) -> None:
        try:
            await self._core.perform(actor, c.Interrupt(session_id=session_id))
        except SessionError:
            return  # it has ended, or somebody else stops it

    async def _merge(self, actor: Actor, run: Run) -> c.MergeResult:
        if run.status is not c.RunStatus.COMPLETED:
            raise c.IllegalRunMove("Merging", run.status)
        # Somebody may merge or commit between the look and the merge; then the look is taken again.
        for _ in range(_MERGE_TRIES):
            seen = await self._core.perform(actor, c.PreviewMerge(session_id=run.session_id))
            last = await load_last_merge(self._manager.db, SessionId(run.session_id))
            if not seen.files and last is not None:
                # It landed, and the bridge was killed before the run knew.
                await self.runs.change(run.id, m.MergedInto(seen.target))
                return c.MergeResult(seen.target, 0)
            wish = c.MergeBranch(session_id=run.session_id, strategy=Strategy.SQUASH, digest=seen.digest)
            try:
                done = await self._core.perform(actor, wish)
            except MergeOutdated:
                continue
            return done
        raise BranchRefused("the branch keeps changing; try again")

    async def merged(self, session: Session, target: str) -> None:
        """Note that the branch of a run's session was merged into `target`; empty: that was undone."""
        shown = session.snapshot.work_flow
        if shown is not None and shown.status == c.RunStatus.COMPLETED:
            await self.runs.change(shown.id, m.MergedInto(target))

    async def _report(self, run: Run) -> c.ExportedFile:
        text = run.report or write_report(run, None, run.decisions)
        return c.ExportedFile(f"report-{run.id[:8]}.md", text.encode("utf-8", "replace"))

    async def _patch(self, run: Run) -> c.ExportedFile:
        patch = await branch_patch(await self._manager.get_session(run.session_id))
        if patch is None:
            raise c.RunFieldWrong("patch", f"it is larger than {MOST_PATCH_BYTES:,} bytes; merge the branch")
        return c.ExportedFile(f"run-{run.id[:8]}.patch", patch)

    async def _query(self, actor: Actor, command: c.QueryRuns) -> c.RunPage:
        visible = None if actor.role is Role.ADMIN else (actor.user_id, *actor.group_ids)
        query = rows.RunQuery(
            visible_to=visible,
            exact={
                "status": command.status or "",
                "phase": command.phase or "",
                "branch": command.branch,
                "project": command.project,
                "user_id": command.user_id,
                "session_id": command.session_id,
            },
            since_ms=command.since_ms,
            until_ms=command.until_ms,
            text=command.text,
            only_active=command.only_active,
            before=whole_number(command.cursor, LARGEST),
            limit=command.limit,
        )
        found, cursor = await self.runs.query_sessions(query)
        return c.RunPage(
            tuple(info(each) for each in found if isinstance(each, Run)),
            tuple(each for each in found if isinstance(each, c.UnreadableRun)),
            cursor,
        )

    # --- templates --------------------------------------------------------------------------------------

    async def _texts(self, project: str) -> dict[str, tuple[str, str]]:
        """Return the texts of all templates with their sources; the nearer one wins."""
        found = {name: (text, "built-in") for name, text in built_in().items()}
        trusted = await self._trusted(project)
        places = [(self._own.data_dir / OWN_TEMPLATES, "own")]
        if trusted is not None:
            # Below the others: a project cannot take the name of a template that people know.
            beside = await asyncio.to_thread(in_directory, trusted / PROJECT_TEMPLATES)
            found = {name: (text, "project") for name, text in beside.items()} | found
        for place, source in places:
            own = await asyncio.to_thread(in_directory, place)
            found |= {name: (text, source) for name, text in own.items()}
        return found

    async def _templates(self, project: str) -> list[c.TemplateInfo]:
        listed = []
        for name, (text, source) in sorted((await self._texts(project)).items()):
            try:
                listed.append(c.TemplateInfo(name, read_template(name, text).description, source))
            except c.TemplateRefused as refused:
                listed.append(c.TemplateInfo(name, "", source, str(refused)))
        return listed

    async def _template(self, name: str, project: str) -> Template:
        texts = await self._texts(project)
        if name not in texts:
            raise c.RunFieldWrong(
                "template", f"no template has this name; the names are {', '.join(sorted(texts))}"
            )
        return read_template(name, texts[name][0])

    def _project(self, project: str) -> Path:
        policy = self._manager.policy
        return open_project(project, policy.workspace_root, policy.private_places)

    async def _trusted(self, project: str) -> Path | None:
        try:
            directory = await asyncio.to_thread(self._project, project)
        except SessionError:
            return None
        stored = await load_trust(self._manager.db, str(directory))
        offer = await asyncio.to_thread(read_offer, directory)
        now = trust_now(self._manager.policy.trust.who, stored, offer)
        return directory if now.state is Trust.TRUSTED else None

    async def session_of(self, run_id: str) -> str:
        """Return the id of a run's session, even of an unreadable run. Raises `RunNotFound`."""
        known = await rows.load_owner(self._manager.db, run_id)
        if known is None:
            raise c.RunNotFound(run_id)
        return known[1]

    # --- ports ------------------------------------------------------------------------------------------

    def _ports(self) -> Ports:
        manager, parts = self._manager, self._parts

        def follow(who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Numbered, None]:
            return follow_durable(parts, who, session_id, after)

        async def announce(session_id: str, shown: RunShown) -> None:
            session = await manager.get_session(session_id)
            before = session.snapshot.work_flow
            async with session.change() as draft:
                draft.add(RunChanged(shown))
                if (notice := _notice(before, shown)) is not None:
                    draft.add(notice)

        async def found_checks(directory: str) -> Sequence[c.Check]:
            found = (
                await asyncio.to_thread(lambda: find_commands(Manifests(Path(directory)))) if directory else ()
            )
            return tuple(c.Check(each.purpose, each.command) for each in found if each.purpose != "build")

        return Ports(
            core=self._core,
            actor_of=self._own.person,
            follow=follow,
            run_check=self._checks.run,
            forget_check=self._checks.forget,
            announce=announce,
            found_checks=found_checks,
            now_ms=manager.now_ms,
            data_dir=self._own.data_dir,
        )


def _notice(before: RunShown | None, now: RunShown) -> Noticed | None:
    """Return the notice on a run that begins to wait for somebody, or has ended; None for all else."""
    # A run changes many times within a phase: a notice for each change would bury the conversation.
    if before is not None and (before.status, before.waits_for) == (now.status, now.waits_for):
        return None
    sentence = f"“{now.title}”: {'. '.join(run_lines(now)[:2])}"
    if now.status in c.TERMINAL:
        return Noticed(Topic.RUN_ENDED, sentence, about=now.id)
    asked_for = (c.PauseReason.PERSON, c.PauseReason.TAKEN_OVER)
    # The person who paused it knows.
    waits = now.waits_for and now.waits_for not in asked_for
    return Noticed(Topic.RUN_WAITS, sentence, about=now.id) if waits else None


def _edited_plan(run: Run, command: c.EditRunPlan) -> m.PlanMade:
    plan = run.plan
    text = command.text if command.text is not None else plan.text if plan is not None else ""
    _require_words("plan", text)
    checks = command.checks if command.checks is not None else plan.checks if plan is not None else ()
    try:
        return m.PlanMade(text, check_commands(checks))
    except AnswerWrong as wrong:
        raise c.RunFieldWrong("checks", str(wrong)) from wrong


def _going_on(run: Run) -> tuple[m.Resumed, ...]:
    """A run that waits because Claude's answer could not be read goes on with a person's."""
    return (m.Resumed(),) if run.pause is c.PauseReason.ANSWER_UNREADABLE else ()


def _require_words(name: str, text: str) -> None:
    if not text.strip():
        raise c.RunFieldWrong(name, "it is empty")
    if len(text) > _MOST_WORDS:
        raise c.RunFieldWrong(name, f"it is longer than {_MOST_WORDS:,} characters")
