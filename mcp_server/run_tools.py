"""The tools with which Claude answers the run of a work-flow in its session: its plan, its list of tasks."""

from typing import Annotated

import msgspec

import api as c
from mcp_server.tool import AnyTool, Arguments, Caller, LongText, ToolRefused, ToolSpec, Words
from texts.unseen import as_seen

INSTRUCTIONS = """
This session works for a run: give its plan with workflow_plan and its tasks with workflow_tasks, when you are
asked for them. A refusal says what does not fit; call again then. Record decisions with session_decision."""


class NamedCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command of the project that checks the work."""

    name: Annotated[Words, msgspec.Meta(description="One word, such as tests.")]
    command: Annotated[str, msgspec.Meta(max_length=500, description="One line for a shell.")]


class PlanGiven(Arguments, frozen=True, kw_only=True):
    """Arguments of `workflow_plan`."""

    text: Annotated[LongText, msgspec.Meta(description="The plan in Markdown.")]
    checks: Annotated[
        tuple[NamedCommand, ...],
        msgspec.Meta(max_length=12, description="The project's own commands for tests, linter and types."),
    ] = ()


class TaskGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task."""

    title: Words
    details: Annotated[str, msgspec.Meta(max_length=8_000)] = ""
    acceptance: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=400)], ...],
        msgspec.Meta(max_length=20, description="How to tell that it is done."),
    ] = ()
    independent: Annotated[
        bool, msgspec.Meta(description="It changes other files than the tasks beside it.")
    ] = False


class TasksGiven(Arguments, frozen=True, kw_only=True):
    """Arguments of `workflow_tasks`."""

    tasks: Annotated[tuple[TaskGiven, ...], msgspec.Meta(max_length=40, description="In order.")]


class Taken(msgspec.Struct, frozen=True):
    """The answer of both tools."""

    next: str = "Taken. It counts when this turn ends; a person sees it then."


async def _plan(caller: Caller, wish: PlanGiven) -> Taken:
    # Commands are not cleaned: the core refuses one that hides something. People approve exactly what runs.
    checks = tuple(c.Check(each.name, each.command) for each in wish.checks)
    command = c.OfferRunPlan(session_id=_session(caller), text=as_seen(wish.text), checks=checks)
    await caller.core.perform(caller.actor, command)
    return Taken()


async def _tasks(caller: Caller, wish: TasksGiven) -> Taken:
    tasks = tuple(
        c.RunTask(
            "",
            as_seen(each.title),
            as_seen(each.details),
            tuple(map(as_seen, each.acceptance)),
            each.independent,
        )
        for each in wish.tasks
    )
    await caller.core.perform(caller.actor, c.OfferRunTasks(session_id=_session(caller), tasks=tasks))
    return Taken()


def _session(caller: Caller) -> str:
    # Only a call from within names a session by itself. An agent outside could answer for any run of its
    # person.
    if not caller.session_id:
        raise ToolRefused("Only the Claude of a run's session gives this.")
    return caller.session_id


RUN_TOOLS: tuple[AnyTool, ...] = (
    ToolSpec("workflow_plan", "Give the plan that the run of this session asks for.", PlanGiven, _plan),
    ToolSpec("workflow_tasks", "Give the tasks that the run of this session asks for.", TasksGiven, _tasks),
)
