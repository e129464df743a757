"""`workflow …`: runs from the terminal, in the bridge that runs here or in a core opened for this command."""

import asyncio
import sys
from codecs import getincrementaldecoder
from contextlib import aclosing
from functools import partial
from pathlib import Path
from uuid import uuid4

import msgspec

import api as c
from api.access import Actor, unchanging
from api.command import R
from api.run_model import Configuration
from api.words.branches import merge_words
from api.words.workflows import check_lines, checks_of_text, list_line, run_lines, task_line
from bridge.cli_core import choose_place, finish, reached_core, say_on_stderr
from bridge.control_socket import local_actor
from bridge.invocation import BAD_USAGE, FAILED, OK
from bridge.settings import Settings
from bridge.workflow_arguments import Workflow
from console.text import clean
from machine.own_command import typed_bridge
from sessions.errors import SessionNotFound
from sessions.events import AskOpened, Feed, LifecycleChanged, Numbered, RunChanged

_MOST_PRD = 128 * 1024
_LISTED = 30
_LEAST_OF_AN_ID = 4


def _may_matter(item: Feed) -> bool:
    """Whether an item of the stream of all sessions can mean that somebody has to act on a run."""
    return isinstance(item, Numbered) and isinstance(item.event, AskOpened | RunChanged | LifecycleChanged)


def workflow(invocation: Workflow) -> int:
    """Carry out one act; return the exit code."""
    return finish(partial(_workflow, invocation))


async def _workflow(wish: Workflow, settings: Settings) -> int:
    place = await choose_place(settings, demo=wish.demo, say=say_on_stderr)
    async with reached_core(place, say_on_stderr) as core:
        return await Acts(core, local_actor(), wish).do()


class Acts:
    """The acts on one core. Prints for people, or JSON."""

    def __init__(self, core: c.Core, actor: Actor, wish: Workflow) -> None:
        self._core = core
        self._actor = actor
        self._wish = wish

    async def do(self) -> int:
        """Carry the act out; return the exit code."""
        wish = self._wish
        match wish.act:
            case "start":
                return await self._start()
            case "list":
                page = await self._perform(c.QueryRuns(text=wish.text, project=wish.project, limit=_LISTED))
                lines = [f"{each.id}  {list_line(each)}" for each in page.runs]
                lines += [f"{each.id}  {each.trouble}" for each in page.unreadable]
                return self._print(page, lines or ["There are no runs."])
            case "templates":
                found = await self._perform(c.ListTemplates(project=wish.project))
                return self._print(
                    found, [f"{each.name:<16} {each.trouble or each.description}" for each in found.templates]
                )
            case _:
                run = await self._find()
                if run is None:
                    say_on_stderr(f"There is no run {wish.run}. {typed_bridge()} workflow list shows them.")
                    return BAD_USAGE
                return await self._with(run)

    async def _with(self, run: c.RunInfo) -> int:
        wish, run_id = self._wish, run.id
        match wish.act:
            case "show":
                return self._print(run, [*_shown(run), *await self._asks(run)])
            case "report" | "patch":
                command = c.ReadRunReport if wish.act == "report" else c.ReadRunPatch
                file = await self._perform(command(run_id=run_id))
                # As bytes: a patch that was decoded and encoded again would not apply to files in another
                # encoding.
                sys.stdout.buffer.write(file.data)
                return OK
            case "merge":
                merged = await self._perform(c.MergeRun(run_id=run_id))
                return self._print(merged, [merge_words(merged)])
            case "delete":
                await self._perform(c.DeleteRun(run_id=run_id))
                return self._print(run, ["The record of the run is deleted. Its session stays."])
            case "retry" | "skip":
                if not 1 <= wish.task <= len(run.tasks):
                    say_on_stderr(f"The run has {len(run.tasks)} tasks.")
                    return BAD_USAGE
                kind = c.RetryTask if wish.act == "retry" else c.SkipTask
                changed = await self._perform(kind(run_id=run_id, task_id=run.tasks[wish.task - 1].id))
            case "approve":
                changed = await self._perform(c.ApproveRunPlan(run_id=run_id, digest=wish.plan))
            case "revise":
                changed = await self._perform(c.ReviseRunPlan(run_id=run_id, note=wish.text))
            case "resume":
                changed = await self._perform(c.ResumeRun(run_id=run_id, more=wish.more))
            case "cancel":
                changed = await self._perform(c.CancelRun(run_id=run_id))
            case _:
                changed = await self._perform(c.PauseRun(run_id=run_id, take_over=wish.act == "take-over"))
        return await self._end_with(changed)

    async def _start(self) -> int:
        wish = self._wish
        prd = ""
        if wish.prd:
            try:
                data = await asyncio.to_thread(Path(wish.prd).read_bytes)
                # More than is allowed, so that a longer document is refused and not silently cut. A character
                # cut at the end is left out: at most three of the four further bytes.
                decoder = getincrementaldecoder("utf-8")()
                prd = decoder.decode(data[: _MOST_PRD + 4], final=len(data) <= _MOST_PRD + 4)
            except OSError as error:
                say_on_stderr(f"{wish.prd} cannot be read: {error.strerror}.")
                return BAD_USAGE
            except UnicodeDecodeError:
                say_on_stderr(f"{wish.prd} is not UTF-8 text.")
                return BAD_USAGE
        run = await self._perform(
            c.StartRun(
                request=wish.text,
                channel_id="terminal",
                origin=f"terminal:{uuid4()}",
                project=wish.project,
                template=wish.template,
                prd_name=Path(wish.prd).name,
                prd_text=prd,
                checks=checks_of_text("\n".join(wish.checks)),
                config=_configuration(wish),
            )
        )
        return await self._end_with(run)

    async def _end_with(self, run: c.RunInfo) -> int:
        """Wait if that is wished, and print the run."""
        if self._wish.wait:
            run = await self._waited(run)
        # A cancelled run ends as failed, and that was the wish.
        failed = run.status is c.RunStatus.FAILED and self._wish.act != "cancel"
        shown = [*_shown(run), *await self._asks(run)] if self._wish.wait else [f"{run.id}  {list_line(run)}"]
        self._print(run, shown)
        return FAILED if failed else OK

    async def _waited(self, run: c.RunInfo) -> c.RunInfo:
        """Return the run once a person has to act, or it has ended."""
        # Tasks beside each other ask in sessions of their own, which begin while the run is watched.
        feed = self._core.follow_all(unchanging(self._actor), None, growing=False)
        async with aclosing(feed):
            async for news in feed:
                # `Begun` always counts: the run may have come to its end before the stream began.
                if isinstance(news, c.Changes) and not any(map(_may_matter, news.items)):
                    continue
                run = await self._perform(c.GetRun(run_id=run.id))
                if run.shown.waits_for or run.status in c.TERMINAL or await self._asks(run):
                    return run
        return run

    async def _asks(self, run: c.RunInfo) -> list[str]:
        """Return a line for each session of the run in which Claude waits for an answer."""
        try:
            beside = await self._perform(c.ListBranches(session_id=run.session_id))
            tasks = [each.session_id for each in beside.branches if each.session_id != run.session_id]
            asks = []
            for session_id in (run.session_id, *tasks):
                info = await self._perform(c.GetSession(session_id=session_id))
                whose = "the session of the run" if session_id == run.session_id else f"the task “{info.title}”"
                chat = f"{typed_bridge()} chat --session {session_id}"
                if info.open_asks:
                    asks.append(f"Claude waits for an answer in {whose}: {chat}")
        # The session may be deleted; what is known of the run is shown all the same.
        except SessionNotFound:
            return []
        return asks

    async def _find(self) -> c.RunInfo | None:
        """Return the run of a whole id, or the newest one whose id ends with the typed text."""
        typed = self._wish.run
        page = await self._perform(c.QueryRuns(limit=100))
        # By the end of the id: ids begin with the time, so the newest ones begin alike.
        ends = [each for each in page.runs if each.id.endswith(typed) and len(typed) >= _LEAST_OF_AN_ID]
        if ends:
            return ends[0]
        try:
            # An older run is not among the newest hundred; it takes its whole id.
            return await self._perform(c.GetRun(run_id=typed))
        except c.RunNotFound:
            return None

    async def _perform(self, command: c.Command[R]) -> R:
        return await self._core.perform(self._actor, command)

    def _print(self, value: object, lines: list[str]) -> int:
        print(msgspec.json.encode(value).decode() if self._wish.as_json else "\n".join(map(clean, lines)))
        return OK


def _configuration(wish: Workflow) -> Configuration | None:
    """Return the bounds that were typed; None if none was."""
    typed = {
        "max_iterations": wish.rounds,
        "timeout_s": None if wish.minutes is None else wish.minutes * 60,
        "budget_usd": wish.dollars,
        "max_turns": wish.turns,
        "parallel": wish.parallel,
    }
    given = {name: value for name, value in typed.items() if value is not None}
    return msgspec.convert(given, Configuration) if given else None


def _shown(run: c.RunInfo) -> list[str]:
    lines = [f"{run.id}  {run.title}", *run_lines(run.shown)]
    if run.plan is not None and not run.tasks:
        lines += ["", run.plan.text, "", "Commands that will check the work:"]
        lines += [f"  {line}" for line in check_lines(run.plan.checks)]
        if not run.plan.approved_by:
            # With the digest: a plan that changes after the person has read it cannot be approved by this line.
            approve = f"{typed_bridge()} workflow approve {run.id[-6:]} --plan {run.plan_digest}"
            lines += ["", f"To approve exactly this: {approve}"]
    lines += [task_line(number, each) for number, each in enumerate(run.tasks, 1)]
    return lines
