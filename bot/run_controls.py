"""Clicks on cards of runs: look at the plan and decide on it, pause, go on, take over, end, report, patch."""

from api import (
    ApproveRunPlan,
    CancelRun,
    EditRunPlan,
    EditRunTasks,
    ExportedFile,
    GetRun,
    PauseRun,
    PlanOutdated,
    ReadRunPatch,
    ReadRunReport,
    ResumeRun,
    ReviseRunPlan,
    RunInfo,
)
from api.words.workflows import checks_of_text, checks_text, tasks_of_text, tasks_text
from bot import run_cards
from bot.bodies import Card, Control, File, Plain
from bot.entry import Reply
from bot.errors import ControlGone, Refused
from bot.face import Face
from bot.modals import Question, dialog
from bot.panel_controls import stored
from bot.run_cards import plan_card, tasks_card

_MOST_IN_DIALOG = 4_000  # Discord's most for a text field


class RunControls:
    """Carries out clicks on cards of runs; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def handle(self, reply: Reply, control: Control, text: str | None) -> None:
        """Carry out one click. Its subject is the act, its detail the run (and the digest of the plan)."""
        run_id, _, digest = control.detail.partition(" ")
        # Before `think`: Discord opens a dialog only as the first answer.
        if control.subject in _QUESTIONS and text is None:
            await reply.open_dialog(dialog(control, await self._question(reply, control.subject, run_id)))
            return
        await reply.think(ephemeral=True)
        perform, actor, words = self._face.core.perform, reply.actor, text or ""
        match control.subject:
            case run_cards.LOOK:
                await reply.say(await self.plan(reply, run_id))
            case run_cards.APPROVE:
                await self._approve(reply, run_id, digest)
            case run_cards.REVISE:
                await perform(actor, ReviseRunPlan(run_id=run_id, note=words))
                await reply.say("Claude plans again with your words.")
            case run_cards.EDIT_PLAN:
                await perform(actor, EditRunPlan(run_id=run_id, text=words))
                await reply.say(await self.plan(reply, run_id))
            case run_cards.EDIT_CHECKS:
                await perform(actor, EditRunPlan(run_id=run_id, checks=checks_of_text(words)))
                await reply.say(await self.plan(reply, run_id))
            case run_cards.TASKS:
                await reply.say(await self.tasks(reply, run_id))
            case run_cards.EDIT_TASKS:
                # Read again: the lines of the dialog are matched with the tasks as they are now.
                run = await self._run(reply, run_id)
                await perform(actor, EditRunTasks(run_id=run_id, tasks=tasks_of_text(words, run.tasks)))
                await reply.say(await self.tasks(reply, run_id))
            case run_cards.PAUSE:
                await perform(actor, PauseRun(run_id=run_id))
                await reply.say("The run is paused. A running turn ends by itself.")
            case run_cards.RESUME:
                await perform(actor, ResumeRun(run_id=run_id))
                await reply.say("The run goes on.")
            case run_cards.HAND:
                await perform(actor, PauseRun(run_id=run_id, take_over=True))
                await reply.say("The run is yours: write in its thread. *Go on* gives it back.")
            case run_cards.END:
                await perform(actor, CancelRun(run_id=run_id))
                await reply.say("The run has ended. Its session and its branch stay.")
            case run_cards.REPORT:
                await reply.say(await self.report(reply, run_id))
            case run_cards.PATCH:
                patch = await perform(actor, ReadRunPatch(run_id=run_id))
                await reply.say(_file("All that the run changed:", patch))
            case _:
                raise ControlGone

    async def plan(self, reply: Reply, run_id: str) -> Card:
        """Return the plan's card, its controls stored."""
        card = await stored(self._face, plan_card(await self._run(reply, run_id)))
        assert isinstance(card, Card)
        return card

    async def tasks(self, reply: Reply, run_id: str) -> Card:
        """Return the card of the tasks, its controls stored."""
        card = await stored(self._face, tasks_card(await self._run(reply, run_id)))
        assert isinstance(card, Card)
        return card

    async def report(self, reply: Reply, run_id: str) -> Plain:
        """Return the report as a file."""
        return _file("The report:", await self._face.core.perform(reply.actor, ReadRunReport(run_id=run_id)))

    async def _approve(self, reply: Reply, run_id: str, digest: str) -> None:
        try:
            await self._face.core.perform(reply.actor, ApproveRunPlan(run_id=run_id, digest=digest))
        # The button is of an older plan: the person sees the present one instead of approving it unseen.
        except PlanOutdated:
            await reply.say(await self.plan(reply, run_id))
            return
        await reply.say("The plan is approved. The card shows how it goes on.")

    async def _question(self, reply: Reply, act: str, run_id: str) -> Question:
        run = await self._run(reply, run_id)
        plan = run.plan
        match act:
            case run_cards.EDIT_PLAN:
                return _whole("Edit the plan", "The plan", plan.text if plan is not None else "")
            case run_cards.EDIT_CHECKS:
                text = checks_text(plan.checks) if plan is not None else ""
                return _whole("The commands", "name: command, a line each", text)
            case run_cards.EDIT_TASKS:
                return _whole("The tasks", "A line each; order, drop, add", tasks_text(run.tasks))
            case _:
                return Question("Revise the plan", "What Claude shall change")

    async def _run(self, reply: Reply, run_id: str) -> RunInfo:
        return await self._face.core.perform(reply.actor, GetRun(run_id=run_id))


_QUESTIONS = {run_cards.REVISE, run_cards.EDIT_PLAN, run_cards.EDIT_CHECKS, run_cards.EDIT_TASKS}


def _whole(title: str, label: str, text: str) -> Question:
    """Return a dialog with all of `text`: a part of it would lose the rest."""
    if len(text) > _MOST_IN_DIALOG:
        raise Refused(
            "It is too long for a dialog of Discord. Revise it with words, or edit it in the dashboard."
        )
    return Question(title, label, text=text)


def _file(words: str, file: ExportedFile) -> Plain:
    return Plain(words, files=(File(file.name, file.data),))
