"""The pages on runs of work-flows: the list, and one run with its plan, its tasks as a board, its checks."""

import secrets
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

import api as c
from api.access import Action, Actor
from api.run_model import Bound, CheckResult, PauseReason, RunStatus, RunTask, TaskStatus
from api.words.workflows import (
    TASK_COLUMNS,
    checks_text,
    list_line,
    run_lines,
    tasks_text,
)
from web.pages.fragments import author_name, text_of
from web.pages.layout import page
from web.pages.list_page import first_ask
from web.parts import WebParts

_MORE = {Bound.ITERATIONS: "1 round", Bound.TIME: "1 hour", Bound.BUDGET: "$5", Bound.TURNS: "10 turns"}
_LISTED = 30


async def runs_page(parts: WebParts, actor: Actor, text: str, cursor: str) -> str:
    """Return the page that lists runs, and starts one."""
    base = escape(parts.options.base_path, quote=True)
    found = await parts.core.perform(actor, c.QueryRuns(text=text, cursor=cursor, limit=_LISTED))
    rows = [
        f'<li><a href="{base}/runs/{escape(each.id)}">{text_of(each.title)}</a>'
        f"<p>{text_of(list_line(each).removeprefix(f'{each.title}: '))} "
        f'<span class="dim">{text_of(each.project or "default")}</span></p></li>'
        for each in found.runs
    ]
    rows += [f'<li class="warn">{text_of(each.id)}: {text_of(each.trouble)}</li>' for each in found.unreadable]
    more = escape(f"?{urlencode({'cursor': found.cursor, 'text': text})}", quote=True)
    older = f'<p><a href="{more}">Older runs</a></p>' if found.cursor else ""
    nothing = '<p class="dim">No run here yet.</p>'
    body = (
        f'<div class="work"><h1>Work-flows</h1>{await _new(parts, actor, base)}'
        f'<form method="get" class="row"><label>Search <input name="text" value="{escape(text, quote=True)}">'
        "</label><button>Search</button></form>"
        f'<ul class="sessions">{"".join(rows)}</ul>{"" if rows else nothing}{older}</div>'
    )
    return page(parts.options, "Work-flows", body, reader=actor)


async def _new(parts: WebParts, actor: Actor, base: str) -> str:
    templates = await parts.core.perform(actor, c.ListTemplates())
    options = "".join(
        f'<option value="{escape(each.name)}">{text_of(each.description or each.name)}</option>'
        for each in templates.templates
        if not each.trouble
    )
    return (
        f'<form class="card by-form" method="post" action="{base}/runs"><h2>New run</h2>{_key()}'
        '<label class="wide">What shall be done '
        '<textarea name="request" rows="3" required maxlength="20000"></textarea>'
        '</label><div class="row"><label>Project <input name="project" maxlength="200"></label>'
        f'<label>Template <select name="template"><option value="">none</option>{options}</select></label>'
        '<button class="first">Start with a plan</button></div></form>'
    )


async def run_page(parts: WebParts, actor: Actor, run_id: str) -> str:
    """Return the page of one run."""
    first = await parts.core.perform(actor, c.GetRun(run_id=run_id))
    # Before the run that is shown, so that no change falls between the page and its stream.
    info = await parts.core.perform(actor, c.GetSession(session_id=first.session_id))
    asked = await first_ask(parts, actor, info) if info.open_asks else ""
    run = await parts.core.perform(actor, c.GetRun(run_id=run_id))
    if run.plan is not None:
        await parts.people.learn([run.plan.approved_by])
    prompts = await parts.core.may(actor, Action.PROMPT, run.session_id)
    approves = await parts.core.may(actor, Action.APPROVE, run.session_id)
    manages = await parts.core.may(actor, Action.MANAGE, run.session_id)
    base = escape(parts.options.base_path, quote=True)
    lines = "".join(f"<p>{text_of(line)}</p>" for line in run_lines(run.shown))
    plan = _plan(run, base, prompts, approves, parts.people.names)
    live = f' data-run="{escape(run.session_id)}" data-after="{info.last_event}"'
    body = (
        f'<div class="work"{live}>{_STALE}<p class="of dim"><a href="{base}/runs">Work-flows</a> · '
        f'<a href="{base}/chat/{escape(run.session_id)}">its session</a></p><h1>{text_of(run.title)}</h1>'
        f'<section class="card">{lines}{_acts(run, base, prompts, approves, manages)}</section>'
        f"{asked}{plan}{_board(run, base, prompts)}{_checks(run)}{_notes(run)}</div>"
    )
    return page(parts.options, run.title, body, reader=actor)


_STALE = '<p id="stale" class="warn" hidden>The run has changed. <a href="?">Look again</a></p>'


def _acts(run: c.RunInfo, base: str, prompts: bool, approves: bool, manages: bool) -> str:
    buttons = []
    ended = run.status in (RunStatus.COMPLETED, RunStatus.FAILED)
    if run.status is RunStatus.PAUSED:
        if approves:
            label = f"Go on ({_MORE[run.bound]} more)" if run.bound is not None else "Go on"
            buttons.append(_button("resume", label, "first"))
        # A run that a person works on by hand is taken over already.
        if prompts and run.pause is not PauseReason.TAKEN_OVER:
            buttons.append(_button("hand", "Take over by hand"))
    elif not ended and prompts:
        buttons.append(_button("pause", "Pause"))
    if not ended and prompts:
        buttons.append(_button("cancel", "End", "danger"))
    if run.status is RunStatus.COMPLETED and manages and not run.merged_into:
        buttons.append(_button("merge", "Merge as one commit", "first"))
    links = f'<a href="{base}/api/runs/{escape(run.id)}/report">Report</a>'
    if run.status is RunStatus.COMPLETED:
        # Only at the end: before it, the files are in the middle of a task.
        links += f' <a href="{base}/api/runs/{escape(run.id)}/patch">Patch</a>'
        links += f' <a href="{base}/chat/{escape(run.session_id)}/merge">Other ways to merge</a>'
    return _form(run, base, f'<div class="row">{"".join(buttons)} {links}</div>')


def _plan(run: c.RunInfo, base: str, prompts: bool, approves: bool, names: Mapping[str, str]) -> str:
    # The text stays plain: rendered Markdown could hide a part of what is approved.
    plan = run.plan
    if plan is None:
        return ""
    waits = run.doing is RunStatus.PLANNING and not plan.approved_by
    commands = "".join(
        f"<li>{text_of(each.name)}: <code>{text_of(each.command)}</code></li>" for each in plan.checks
    )
    none = "<p>No command of the project will check this work.</p>"
    decide = ""
    if waits and approves:
        # The digest of the plan on this page: if the plan changes meanwhile, approving is refused.
        digest = f'<input type="hidden" name="digest" value="{escape(run.plan_digest)}">'
        decide += _form(
            run, base, f'{digest}<div class="row">{_button("approve", "Approve this plan", "first")}</div>'
        )
    if waits and prompts:
        decide += _form(
            run,
            base,
            '<label class="wide">What shall be different <textarea name="text" rows="2"></textarea></label>'
            f'<div class="row">{_button("revise", "Plan again")}</div>',
        )
    if waits and approves:
        decide += (
            "<details><summary>Edit the plan and its commands</summary>"
            + _form(
                run,
                base,
                '<label class="wide">Plan <textarea name="text" rows="12">'
                f"{text_of(plan.text)}</textarea></label>"
                f'<label class="wide">Commands, "name: command" in each line <textarea name="checks" rows="4">'
                f"{text_of(checks_text(plan.checks))}</textarea></label>"
                f'<div class="row">{_button("edit_plan", "Keep this plan")}</div>',
            )
            + "</details>"
        )
    by = f" · approved by {text_of(author_name(plan.approved_by, names))}" if plan.approved_by else ""
    return (
        f'<section class="card"><details{" open" if waits else ""}><summary>Plan (revision {plan.revision}){by}'
        f"</summary><pre>{text_of(plan.text)}</pre><h2>Commands that check the work</h2>"
        f"<ul>{commands}</ul>{'' if commands else none}</details>{decide}</section>"
    )


def _board(run: c.RunInfo, base: str, prompts: bool) -> str:
    """Return the tasks in a column for each state; columns without tasks are left out."""
    if not run.tasks:
        return ""
    columns = []
    for status, label in TASK_COLUMNS.items():
        cards = [_task(run, each, base, prompts) for each in run.tasks if each.status is status]
        if cards:
            columns.append(f"<section><h3>{label} ({len(cards)})</h3>{''.join(cards)}</section>")
    edit = ""
    if prompts and run.status not in (RunStatus.COMPLETED, RunStatus.FAILED):
        edit = (
            "<details><summary>Add, drop, reorder</summary>"
            + _form(
                run,
                base,
                '<label class="wide">A task in each line <textarea name="text" rows="8">'
                f'{text_of(tasks_text(run.tasks))}</textarea></label><div class="row">'
                f"{_button('edit_tasks', 'Keep this list')}</div>",
            )
            + "</details>"
        )
    return f'<section><h2>Tasks</h2><div class="board">{"".join(columns)}</div>{edit}</section>'


def _task(run: c.RunInfo, task: RunTask, base: str, prompts: bool) -> str:
    number = next(n for n, each in enumerate(run.tasks, 1) if each.id == task.id)
    points = "".join(f"<li>{text_of(each)}</li>" for each in task.acceptance)
    acts = ""
    if prompts and run.status not in (RunStatus.COMPLETED, RunStatus.FAILED):
        hidden = f'<input type="hidden" name="task" value="{escape(task.id, quote=True)}">'
        retry = _button("retry", "Again") if task.status is not TaskStatus.TODO else ""
        skip = _button("skip", "Leave out") if task.status in (TaskStatus.TODO, TaskStatus.FAILED) else ""
        acts = _form(run, base, f'{hidden}<div class="row">{retry}{skip}</div>') if retry or skip else ""
    said = (
        f"<details><summary>Claude's words</summary><pre>{text_of(task.said)}</pre></details>"
        if task.said
        else ""
    )
    again = f' <span class="dim">attempt {task.attempts}</span>' if task.attempts > 1 else ""
    head = f"<p>{number}. {text_of(task.title)}{again}</p>"
    return f'<article class="card">{head}<ul>{points}</ul>{said}{acts}</article>'


def _checks(run: c.RunInfo) -> str:
    if not run.checks:
        return ""
    rows = "".join(_check(each) for each in run.checks)
    return f'<section class="card"><h2>Checks of round {run.round}</h2>{rows}</section>'


def _check(result: CheckResult) -> str:
    ended = "passed" if result.passed else result.trouble or f"failed with exit code {result.exit_code}"
    kind = "" if result.passed else ' class="warn"'
    output = f"<pre>{text_of(result.output)}</pre>" if result.output else ""
    return (
        f"<details><summary{kind}>{text_of(result.name)}: {text_of(ended)} ({result.seconds:.0f} s)</summary>"
        f"<p><code>{text_of(result.command)}</code></p>{output}</details>"
    )


def _notes(run: c.RunInfo) -> str:
    notes = "".join(f"<li>{text_of(each)}</li>" for each in run.notes)
    return f'<section class="card"><h2>Notes</h2><ul>{notes}</ul></section>' if notes else ""


def _button(act: str, label: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<button name="act" value="{act}"{style}>{text_of(label)}</button>'


def _form(run: c.RunInfo, base: str, inside: str) -> str:
    return f'<form class="by-form" method="post" action="{base}/runs/{escape(run.id)}">{inside}</form>'


def _key() -> str:
    return f'<input type="hidden" name="key" value="{secrets.token_urlsafe(16)}">'
