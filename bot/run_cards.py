"""Cards on runs of work-flows: the one that follows a run, the plan, the tasks, the list. Pure."""

from api import RunInfo, RunPage, SessionInfo
from api.run_model import Bound, PauseReason, RunStatus
from api.words.workflows import WAITS_FOR_PLAN, check_lines, list_line, run_lines, task_line
from bot.bodies import Button, Card, Control, File, Row, Style, Verb
from bot.markdown.cards import code_block, escape_inline
from sessions.run_shown import RunShown
from workdirs.merge_choices import Strategy

QUIET, WORKING, WAITING, TROUBLED, DONE = 0x4E5058, 0x5865F2, 0xF0B232, 0xDA373C, 0x248046
LOOK, APPROVE, REVISE, EDIT_PLAN, EDIT_CHECKS = "look", "approve", "revise", "edit_plan", "edit_checks"
TASKS, PAUSE, RESUME, HAND, END, REPORT, PATCH = "tasks", "pause", "resume", "hand", "end", "report", "patch"
EDIT_TASKS = "edit_tasks"
_MORE = {Bound.ITERATIONS: "1 round", Bound.TIME: "1 hour", Bound.BUDGET: "$5", Bound.TURNS: "10 turns"}
_MOST = 3_600
_MOST_PLAN = 1_900
_MOST_COMMANDS = 1_800  # all that a plan may have: see `workflows/answers.py`
_MOST_LISTED = 20


def run_card(info: SessionInfo) -> Card | None:
    """Return the card that follows a session's run; None if it has none. Made to be read on a phone."""
    run = info.work_flow
    if run is None:
        return None
    lines = [f"**{escape_inline(run.title, 100)}**", *(escape_inline(line, 300) for line in run_lines(run))]
    return Card(("\n".join(lines)[:_MOST],), _rows(info.id, run), accent=_accent(run))


def _rows(session_id: str, run: RunShown) -> tuple[Row, ...]:
    def button(act: str, label: str, style: Style = Style.SECONDARY) -> Button:
        return Button(Control(Verb.RUN, session_id, act, run.id), label, style)

    end = button(END, "End", Style.DANGER)
    match run.status:
        case RunStatus.COMPLETED:
            merge = Button(Control(Verb.PREVIEW_MERGE, session_id, Strategy.SQUASH), "Merge…", Style.SUCCESS)
            first = () if run.merged_into else (merge,)
            return ((*first, button(REPORT, "Report"), button(PATCH, "Patch")),)
        case RunStatus.FAILED:
            return ((button(REPORT, "Report"),),)
        case RunStatus.PAUSED:
            more = f"Go on ({_MORE[Bound(run.bound)]} more)" if run.bound else "Go on"
            hand = () if run.waits_for == PauseReason.TAKEN_OVER else (button(HAND, "Take over by hand"),)
            return ((button(RESUME, more, Style.PRIMARY), *hand, button(TASKS, "Tasks"), end),)
        case _ if run.waits_for == WAITS_FOR_PLAN:
            return ((button(LOOK, "Look at the plan", Style.PRIMARY), end),)
        case _:
            return ((button(PAUSE, "Pause"), button(TASKS, "Tasks"), end),)


def _accent(run: RunShown) -> int:
    match run.status:
        case RunStatus.COMPLETED:
            return DONE
        case RunStatus.FAILED:
            return TROUBLED
        case _:
            return WAITING if run.waits_for else WORKING


def plan_card(run: RunInfo) -> Card:
    """Return the card that shows the plan and the commands, with the buttons that decide on them."""

    def button(act: str, label: str, style: Style = Style.SECONDARY) -> Button:
        # With the digest, an approval holds for exactly the plan and the commands that were shown.
        return Button(Control(Verb.RUN, run.session_id, act, f"{run.id} {run.plan_digest}"), label, style)

    if run.plan is None:
        return Card(("Claude has not written the plan yet.",), accent=QUIET)
    head = f"**Plan of “{escape_inline(run.title, 80)}”** (revision {run.plan.revision})"
    commands = "\n".join(check_lines(run.plan.checks))
    text = code_block(run.plan.text, "md", _MOST_PLAN)
    checks = (
        f"These commands will check the work, in its sandbox:\n{code_block(commands, 'sh', _MOST_COMMANDS)}"
    )
    # A part of a plan is no basis for a decision: what the card cuts is in the file.
    whole = (
        (File("plan.md", run.plan.text.encode("utf-8", "replace")),) if len(run.plan.text) > _MOST_PLAN else ()
    )
    approve = button(APPROVE, "Approve", Style.SUCCESS)
    rows: tuple[Row, ...] = ()
    if run.doing is RunStatus.PLANNING and not run.plan.approved_by:
        rows = (
            (approve, button(REVISE, "Revise…"), button(EDIT_PLAN, "Edit…"), button(EDIT_CHECKS, "Commands…")),
        )
    return Card((head, text, checks), rows, whole, accent=WAITING)


def tasks_card(run: RunInfo) -> Card:
    """Return the card with the tasks of a run."""
    if not run.tasks:
        return Card(("There are no tasks yet.",), accent=QUIET)
    lines = [escape_inline(task_line(n, each), 200) for n, each in enumerate(run.tasks, 1)]
    edit = Button(Control(Verb.RUN, run.session_id, EDIT_TASKS, run.id), "Edit the list…")
    rows: tuple[Row, ...] = () if run.completed_ms is not None else ((edit,),)
    return Card(("\n".join(["**Tasks**", *lines])[:_MOST],), rows, accent=QUIET)


def runs_card(page: RunPage) -> Card:
    """Return the card that lists runs; unreadable ones are named, too."""
    lines = [f"- {escape_inline(list_line(each), 200)}{_link(each)}" for each in page.runs[:_MOST_LISTED]]
    lines += [f"- {each.id}: {escape_inline(each.trouble, 150)}" for each in page.unreadable[:_MOST_LISTED]]
    if not lines:
        return Card(("There are no runs that you may see. `/workflow start` begins one.",), accent=QUIET)
    return Card(("\n".join(["**Runs**", *lines])[:_MOST],), accent=QUIET)


def _link(run: RunInfo) -> str:
    channel = run.channel_id.rpartition(":")[2]
    return f" <#{channel}>" if channel.isdecimal() else ""
