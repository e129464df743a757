"""`/workflow …`: runs that take a request from a plan to a report and a branch."""

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from api import (
    CancelRun,
    EditRunTasks,
    GetRun,
    PauseRun,
    QueryRuns,
    ResumeRun,
    RetryTask,
    RunInfo,
    SkipTask,
    StartRun,
)
from api.access import Action, authorize
from api.run_model import Configuration, RunStatus, RunTask
from bot.attachments import FileRefused, fetch_data, incoming
from bot.bodies import Card
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import Reply, reply_to
from bot.errors import Refused
from bot.markdown.cards import escape_inline
from bot.opening import Spot
from bot.session_lookup import meant
from sessions.errors import UNSEEN

if TYPE_CHECKING:
    from bot.run_controls import RunControls

Interaction = discord.Interaction[Any]
_WHICH = "Which run; without it, the one of this thread"
_MOST_PRD = 128 * 1024
_NO_RUN = "There is no run in this thread. `/workflow start` begins one, `/workflow list` shows yours."
_STATES = [app_commands.Choice(name=each.replace("_", " "), value=each.value) for each in RunStatus]


class WorkflowCommands(
    commands.GroupCog, group_name="workflow", group_description="From a request to a checked branch"
):
    """The group `/workflow`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @property
    def _controls(self) -> "RunControls":
        from bot.run_controls import RunControls  # runs are rare

        return RunControls(self._face)

    @app_commands.command(description="Plan, tasks, implementation, checks and report, in a thread of its own.")
    @app_commands.describe(
        request="What shall be done",
        prd="A file with the requirements",
        project="The directory that it works in, as a copy",
        template="feature, bug-fix, refactoring, or one of yours",
        rounds="Rounds of implementing and checking at most (3)",
        minutes="Minutes of Claude's work at most (120)",
        dollars="Dollars at most (no limit)",
        parallel="Independent tasks at once (1)",
    )
    @app_commands.autocomplete(project=choices.projects, template=choices.templates)
    async def start(  # noqa: PLR0913, PLR0917 (the options of the command)
        self,
        interaction: Interaction,
        request: app_commands.Range[str, 1, 6000],
        prd: discord.Attachment | None = None,
        project: str | None = None,
        template: str | None = None,
        rounds: app_commands.Range[int, 1, 20] = 3,
        minutes: app_commands.Range[int, 1, 1440] = 120,
        dollars: app_commands.Range[float, 0, 1000] = 0.0,
        parallel: app_commands.Range[int, 1, 4] = 1,
    ) -> None:
        reply = reply_to(interaction)
        authorize(reply.actor, Action.CREATE)
        await reply.think(ephemeral=False)  # the thread opens on this answer
        config = Configuration(
            max_iterations=rounds, timeout_s=minutes * 60, budget_usd=dollars, parallel=parallel
        )
        wish = StartRun(
            request=request,
            channel_id="",
            origin=reply.origin,
            project=project or "",
            template=template or "",
            prd_name=prd.filename if prd is not None else "",
            prd_text=await self._prd(prd) if prd is not None else "",
            # None, so that a template's own bounds count unless somebody chose others.
            config=None if config == Configuration() else config,
        )
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, reply.message_id)
        place, run = await self._parts.opener.open_run(reply.actor, spot, wish)
        await self._parts.opener.bring_in(reply.actor, place.channel_id)
        words = f"“{escape_inline(run.title, 90)}” has begun in <#{place.channel_id}>: first the plan."
        await reply.say(words, ephemeral=False)

    async def _prd(self, prd: discord.Attachment) -> str:
        (file,) = incoming([prd])
        if file.size > _MOST_PRD:
            raise Refused("The requirements are too large; 128 kB are possible.")
        try:
            return (await fetch_data(file, self._face.options)).decode("utf-8")
        except FileRefused as refused:
            raise Refused(f"“{escape_inline(file.name, 80)}” {refused.reason}") from refused
        except UnicodeDecodeError as error:
            raise Refused("The requirements are no UTF-8 text.") from error

    @app_commands.command(name="list", description="Runs that you may see, newest first.")
    @app_commands.describe(text="Only those with these words", state="Only those in this state")
    @app_commands.choices(state=_STATES)
    async def list_(self, interaction: Interaction, text: str | None = None, state: str | None = None) -> None:
        from bot.run_cards import runs_card

        reply = reply_to(interaction)
        wish = QueryRuns(text=text or "", status=RunStatus(state) if state else None)
        await reply.say(runs_card(await self._face.core.perform(reply.actor, wish)))

    @app_commands.command(description="The plan and the tasks of a run.")
    @app_commands.describe(run=_WHICH)
    @app_commands.autocomplete(run=choices.runs)
    async def show(self, interaction: Interaction, run: str | None = None) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.VIEW)
        body = await self._controls.tasks(reply, found.id) if found.tasks else None
        await reply.say(body or await self._controls.plan(reply, found.id))

    @app_commands.command(description="Begin nothing new; a running turn ends by itself.")
    @app_commands.describe(run=_WHICH)
    @app_commands.autocomplete(run=choices.runs)
    async def pause(self, interaction: Interaction, run: str | None = None) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.PROMPT)
        await self._face.core.perform(reply.actor, PauseRun(run_id=found.id))
        await reply.say("The run is paused. `/workflow resume` goes on where it was.")

    @app_commands.command(description="Go on where the run was paused.")
    @app_commands.describe(run=_WHICH, more="At a bound: how much more")
    @app_commands.autocomplete(run=choices.runs)
    async def resume(
        self, interaction: Interaction, run: str | None = None, more: app_commands.Range[int, 1, 10] = 1
    ) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.APPROVE)
        await self._face.core.perform(reply.actor, ResumeRun(run_id=found.id, more=more))
        await reply.say("The run goes on.")

    @app_commands.command(description="Do a task of this run again.")
    @app_commands.describe(task="Its number in the list", run=_WHICH)
    @app_commands.autocomplete(run=choices.runs)
    async def retry(
        self, interaction: Interaction, task: app_commands.Range[int, 1, 99], run: str | None = None
    ) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.PROMPT)
        wish = RetryTask(run_id=found.id, task_id=_task_id(found, task))
        await reply.say(_said(await self._face.core.perform(reply.actor, wish), task, "is done again"))

    @app_commands.command(description="Leave a task of this run out.")
    @app_commands.describe(task="Its number in the list", run=_WHICH)
    @app_commands.autocomplete(run=choices.runs)
    async def skip(
        self, interaction: Interaction, task: app_commands.Range[int, 1, 99], run: str | None = None
    ) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.PROMPT)
        wish = SkipTask(run_id=found.id, task_id=_task_id(found, task))
        await reply.say(_said(await self._face.core.perform(reply.actor, wish), task, "is left out"))

    @app_commands.command(description="Add a task to the end of this run's list.")
    @app_commands.describe(title="What is to be done", run=_WHICH)
    @app_commands.autocomplete(run=choices.runs)
    async def add(
        self, interaction: Interaction, title: app_commands.Range[str, 1, 200], run: str | None = None
    ) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.PROMPT)
        # Without an id it is a new task; the others are known by theirs.
        tasks = (*found.tasks, RunTask("", title))
        await self._face.core.perform(reply.actor, EditRunTasks(run_id=found.id, tasks=tasks))
        await reply.say(f"“{escape_inline(title, 100)}” is on the list.")

    @app_commands.command(description="End this run. Its session and its branch stay.")
    @app_commands.describe(run=_WHICH)
    @app_commands.autocomplete(run=choices.runs)
    async def cancel(self, interaction: Interaction, run: str | None = None) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.PROMPT)
        await self._face.core.perform(reply.actor, CancelRun(run_id=found.id))
        await reply.say("The run has ended. Its session and its branch stay.")

    @app_commands.command(description="The report of a run, as a file.")
    @app_commands.describe(run=_WHICH)
    @app_commands.autocomplete(run=choices.runs)
    async def report(self, interaction: Interaction, run: str | None = None) -> None:
        reply = reply_to(interaction)
        found = await self._run(reply, run, Action.VIEW)
        await reply.say(await self._controls.report(reply, found.id))

    async def _run(self, reply: Reply, named: str | None, action: Action) -> RunInfo:
        """Return the run that is meant. The right is checked first: nobody learns of others' runs."""
        if named:
            try:
                return await self._face.core.perform(reply.actor, GetRun(run_id=named))
            # One answer for a foreign id and a missing one: it must not
            # tell whether others have a run of this id.
            except UNSEEN as error:
                raise Refused("There is no run of this id that you may see.") from error
        info = await meant(self._face, reply)
        await self._face.check(reply.actor, action, info.id)
        if info.work_flow is None:
            raise Refused(_NO_RUN)
        return await self._face.core.perform(reply.actor, GetRun(run_id=info.work_flow.id))


def _task_id(run: RunInfo, number: int) -> str:
    if number > len(run.tasks):
        raise Refused(f"The run has {len(run.tasks)} tasks; `/workflow show` lists them.")
    return run.tasks[number - 1].id


def _said(run: RunInfo, number: int, words: str) -> Card:
    return Card((f"“{escape_inline(run.tasks[number - 1].title, 100)}” {words}.",))
