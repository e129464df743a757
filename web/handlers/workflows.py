"""Routes on runs of work-flows and their pages: start, decide on the plan, edit tasks, pause, go on, merge."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web

import api as c
from api.words.workflows import checks_of_text, tasks_of_text
from web.forms import form_key, read_form
from web.page_routes import form_route, lead_to, page_response, page_route
from web.pages.run_pages import run_page, runs_page
from web.principals import Scope
from web.problems import Refused
from web.routing import Call, Count, Most, Route, Words


class RunsQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Empty conditions do not count; `cursor` continues the list."""

    status: c.RunStatus | None = None
    phase: c.RunPhase | None = None
    branch: str = ""
    project: str = ""
    text: str = ""
    since: Count | None = None
    until: Count | None = None
    active: bool = False
    limit: Most = 20
    # Refused here: the core takes any other text for the first page, and a program would read it for ever.
    cursor: Annotated[str, msgspec.Meta(pattern="^([0-9]{1,15})?$(?!\n)")] = ""


class NewRun(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The request, with the requirements as a path in the project or as a text."""

    request: Words
    title: str = ""
    project: str = ""
    template: str = ""
    prd_path: str = ""
    prd_name: str = ""
    prd_text: str = ""
    checks: tuple[c.Check, ...] = ()
    config: c.Configuration | None = None


class TemplatesQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With a `project`, also its own templates if it is trusted."""

    project: str = ""


class Approval(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The plan as it was seen: `planDigest` of the run."""

    digest: Words


class Revision(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Words for Claude."""

    note: Words


class EditedPlan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The plan's text, its commands, or both."""

    text: str | None = None
    checks: tuple[c.Check, ...] | None = None


class EditedTasks(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The whole list; a new task has an empty id."""

    tasks: tuple[c.RunTask, ...]


class PauseWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With `takeOver` a person works in the session by hand meanwhile."""

    take_over: bool = False


class ResumeWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """At a bound, so many units are added to it."""

    more: Most = 1


async def query_runs(call: Call) -> c.RunPage:
    """List the runs that you may see, newest first."""
    query: RunsQuery = call.query
    return await call.perform(
        c.QueryRuns(
            status=query.status,
            phase=query.phase,
            branch=query.branch,
            project=query.project,
            text=query.text,
            since_ms=query.since,
            until_ms=query.until,
            only_active=query.active,
            limit=query.limit,
            cursor=query.cursor,
        )
    )


async def start_run(call: Call) -> c.RunInfo:
    """Start a run with a session of its own, in a copy of the project's files."""
    wish: NewRun = call.body
    # Fields of the same names, so that a new one of the command is one line here.
    facts = {name: getattr(wish, name) for name in wish.__struct_fields__}
    return await call.perform(c.StartRun(channel_id="web", origin=call.origin, **facts))


async def list_run_templates(call: Call) -> c.Templates:
    """List the templates that a run can follow."""
    query: TemplatesQuery = call.query
    return await call.perform(c.ListTemplates(project=query.project))


async def read_run(call: Call) -> c.RunInfo:
    """Read a run as it is now."""
    return await call.perform(c.GetRun(run_id=_run(call)))


async def delete_run(call: Call) -> c.Nothing:
    """Delete the record of a run that has ended, or is unreadable. Its session stays."""
    return await call.perform(c.DeleteRun(run_id=_run(call)))


async def read_run_report(call: Call) -> web.Response:
    """Read the report as Markdown; before it is written, the state so far."""
    return _file(await call.perform(c.ReadRunReport(run_id=_run(call))), "text/markdown")


async def read_run_patch(call: Call) -> web.Response:
    """Read all that the run changed as a patch."""
    return _file(await call.perform(c.ReadRunPatch(run_id=_run(call))), "text/x-patch")


async def approve_run_plan(call: Call) -> c.RunInfo:
    """Approve the plan and its commands as you saw them; if they changed since, nothing happens."""
    wish: Approval = call.body
    return await call.perform(c.ApproveRunPlan(run_id=_run(call), digest=wish.digest))


async def revise_run_plan(call: Call) -> c.RunInfo:
    """Let Claude plan again with your words."""
    wish: Revision = call.body
    return await call.perform(c.ReviseRunPlan(run_id=_run(call), note=wish.note))


async def edit_run_plan(call: Call) -> c.RunInfo:
    """Replace the plan's text or its commands. It has to be approved again."""
    wish: EditedPlan = call.body
    return await call.perform(c.EditRunPlan(run_id=_run(call), text=wish.text, checks=wish.checks))


async def edit_run_tasks(call: Call) -> c.RunInfo:
    """Replace the list of tasks. Tasks that have begun stay as they are."""
    wish: EditedTasks = call.body
    return await call.perform(c.EditRunTasks(run_id=_run(call), tasks=wish.tasks))


async def retry_task(call: Call) -> c.RunInfo:
    """Do a task again."""
    return await call.perform(c.RetryTask(run_id=_run(call), task_id=call.place("task_id")))


async def skip_task(call: Call) -> c.RunInfo:
    """Leave a task out."""
    return await call.perform(c.SkipTask(run_id=_run(call), task_id=call.place("task_id")))


async def pause_run(call: Call) -> c.RunInfo:
    """Begin nothing new; a running turn ends by itself."""
    wish: PauseWish = call.body
    return await call.perform(c.PauseRun(run_id=_run(call), take_over=wish.take_over))


async def resume_run(call: Call) -> c.RunInfo:
    """Go on where the run was."""
    wish: ResumeWish = call.body
    return await call.perform(c.ResumeRun(run_id=_run(call), more=wish.more))


async def cancel_run(call: Call) -> c.RunInfo:
    """End the run. Its session and its branch stay."""
    return await call.perform(c.CancelRun(run_id=_run(call)))


async def merge_run(call: Call) -> c.MergeResult:
    """Merge a completed run into the git branch that it began at, as one commit."""
    return await call.perform(c.MergeRun(run_id=_run(call)))


# --- pages ----------------------------------------------------------------------------------------------


class PageQuery(msgspec.Struct, frozen=True):
    """`text` is looked for in requests; `cursor` asks for older runs."""

    text: str = ""
    cursor: str = ""


async def show_runs(call: Call) -> web.Response:
    """Show the runs."""
    return page_response(await runs_page(call.parts, call.actor, call.query.text, call.query.cursor))


async def show_run(call: Call) -> web.Response:
    """Show a run, its tasks as a board."""
    return page_response(await run_page(call.parts, call.actor, _run(call)))


async def start_by_form(call: Call) -> web.Response:
    """Start a run, and show it."""
    form = await read_form(call.request)
    wish = c.StartRun(
        request=form.get("request", ""),
        channel_id="web",
        origin=f"web:{call.actor.user_id}:{form_key(form)}",
        project=form.get("project", ""),
        template=form.get("template", ""),
    )
    return lead_to(call, f"/runs/{(await call.perform(wish)).id}")


async def act_by_form(call: Call) -> web.Response:
    """Carry out the act of a button on the page of a run, and show the run."""
    form = await read_form(call.request)
    run_id, text = _run(call), form.get("text", "")
    match form.get("act"):
        case "approve":
            command: c.Command[Any] = c.ApproveRunPlan(run_id=run_id, digest=form.get("digest", ""))
        case "revise":
            command = c.ReviseRunPlan(run_id=run_id, note=text)
        case "edit_plan":
            command = c.EditRunPlan(run_id=run_id, text=text, checks=checks_of_text(form.get("checks", "")))
        case "edit_tasks":
            # Lines name tasks by their numbers; what the form does not show comes from the run as it is now.
            run = await call.perform(c.GetRun(run_id=run_id))
            command = c.EditRunTasks(run_id=run_id, tasks=tasks_of_text(text, run.tasks))
        case "retry":
            command = c.RetryTask(run_id=run_id, task_id=form.get("task", ""))
        case "skip":
            command = c.SkipTask(run_id=run_id, task_id=form.get("task", ""))
        case "pause" | "hand":
            command = c.PauseRun(run_id=run_id, take_over=form.get("act") == "hand")
        case "resume":
            command = c.ResumeRun(run_id=run_id)
        case "cancel":
            command = c.CancelRun(run_id=run_id)
        case "merge":
            command = c.MergeRun(run_id=run_id)
        case _:
            raise Refused(400, "wrong_form", "Load the page anew, then try again.")
    await call.perform(command)
    return lead_to(call, f"/runs/{run_id}")


def _run(call: Call) -> str:
    return call.place("run_id")


def _file(file: c.ExportedFile, media_type: str) -> web.Response:
    # As a download: what Claude and the project's programs wrote is not shown as a page of this origin.
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return web.Response(body=file.data, content_type=media_type, charset="utf-8", headers=headers)


_Handler = Callable[[Call], Awaitable[Any]]
_ALL, _ONE = "/api/runs", "/api/runs/{run_id}"


def _act(path: str, handler: _Handler, body: Any = None, *, scope: Scope = Scope.OPERATE) -> Route:
    return Route("POST", f"{_ONE}/{path}", handler, scope, body, reply=c.RunInfo)


ROUTES: Sequence[Route] = (
    Route("GET", _ALL, query_runs, query=RunsQuery, reply=c.RunPage),
    Route("POST", _ALL, start_run, Scope.OPERATE, NewRun, reply=c.RunInfo, status=201),
    Route("GET", "/api/run-templates", list_run_templates, query=TemplatesQuery, reply=c.Templates),
    Route("GET", _ONE, read_run, reply=c.RunInfo),
    Route("DELETE", _ONE, delete_run, Scope.OPERATE),
    Route("GET", f"{_ONE}/report", read_run_report, reply=None, media_types=("text/markdown",)),
    Route("GET", f"{_ONE}/patch", read_run_patch, reply=None, media_types=("text/x-patch",)),
    # A plan names the commands that the run may start without another question.
    _act("plan/approval", approve_run_plan, Approval, scope=Scope.APPROVE),
    _act("plan/revision", revise_run_plan, Revision),
    Route("PUT", f"{_ONE}/plan", edit_run_plan, Scope.APPROVE, EditedPlan, reply=c.RunInfo),
    Route("PUT", f"{_ONE}/tasks", edit_run_tasks, Scope.OPERATE, EditedTasks, reply=c.RunInfo),
    _act("tasks/{task_id}/retry", retry_task),
    _act("tasks/{task_id}/skip", skip_task),
    _act("pause", pause_run, PauseWish),
    _act("resume", resume_run, ResumeWish, scope=Scope.APPROVE),
    _act("cancel", cancel_run),
    Route("POST", f"{_ONE}/merge", merge_run, Scope.OPERATE, reply=c.MergeResult),
    page_route("/runs", show_runs, query=PageQuery),
    form_route("/runs", start_by_form),
    page_route("/runs/{run_id}", show_run),
    form_route("/runs/{run_id}", act_by_form),
)
