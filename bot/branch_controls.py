"""Clicks on cards of branches: preview a merge, merge, undo, ask Claude to resolve, remove."""

from msgspec.structs import replace

from api import (
    DraftReport,
    GetSession,
    MergeBranch,
    PreviewMerge,
    ReadSetUp,
    RemoveBranch,
    ResolveMerge,
    SendMessage,
    SetUpBranch,
    UndoMerge,
)
from api.words.branches import merge_words
from bot import branch_cards
from bot.bodies import Body, Card, Control, Verb
from bot.branch_cards import merge_card, merged_card, removal_card
from bot.entry import Reply
from bot.errors import ControlGone, Refused
from bot.face import Face
from bot.modals import Question, dialog
from bot.panel_controls import stored
from sessions.errors import BranchUnmerged, MergeOutdated, SetUpNotAgreed
from workdirs.merge_choices import Strategy


class BranchControls:
    """Carries out clicks on cards of branches; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def handle(self, reply: Reply, control: Control, text: str | None) -> None:
        """Carry out one click. Its subject is the strategy, its detail the digest of the preview.

        `text` is that of a submitted dialog.
        """
        perform, session_id = self._face.core.perform, control.session_id
        if control.verb is Verb.REPORT:
            await self._report(reply, control, text)
            return
        # Before `think`: Discord opens a dialog only as the first answer.
        if control.verb is Verb.MERGE_MESSAGE and text is None:
            question = Question("Edit the message", "The message of the commit", text=control.detail)
            await reply.open_dialog(dialog(control, question))
            return
        await reply.think(ephemeral=True)
        match control.verb:
            case Verb.PREVIEW_MERGE if control.subject == branch_cards.BY_CLAUDE:
                wish = PreviewMerge(session_id=session_id, asks_claude=True)
                await reply.say(await merge_body(self._face, reply, wish))
            case Verb.PREVIEW_MERGE:
                wish = PreviewMerge(session_id=session_id, strategy=_strategy(control))
                await reply.say(await merge_body(self._face, reply, wish))
            case Verb.MERGE_MESSAGE:
                wish = PreviewMerge(session_id=session_id, strategy=_strategy(control))
                await reply.say(await merge_body(self._face, reply, wish, message=text or ""))
            case Verb.MERGE_BRANCH:
                await self._merge(reply, control)
            case Verb.UNDO_MERGE:
                result = await perform(reply.actor, UndoMerge(session_id=session_id))
                await reply.say(Card((f"Undone: {merge_words(result)}",)))
            case Verb.RESOLVE_MERGE:
                await self._resolve(reply, session_id, _strategy(control))
            case Verb.SET_UP_BRANCH:
                await self._set_up(reply, session_id, control.detail)
            case Verb.REMOVE_BRANCH:
                await self._remove(
                    reply, session_id, even_unmerged=control.subject == branch_cards.ALL_THE_SAME
                )
            case _:
                raise ControlGone

    async def _merge(self, reply: Reply, control: Control) -> None:
        """Merge as it was previewed. If that is out of date, show the new preview instead."""
        session_id, strategy = control.session_id, _strategy(control)
        digest, _, message = control.detail.partition("\n")
        wish = MergeBranch(session_id=session_id, strategy=strategy, digest=digest, message=message)
        try:
            result = await self._face.core.perform(reply.actor, wish)
        # People merge exactly what they saw: they get the new preview, and the message that they wrote stays.
        except MergeOutdated:
            new = PreviewMerge(session_id=session_id, strategy=strategy)
            await reply.say(await merge_body(self._face, reply, new, outdated=True, message=message))
            return
        await reply.say(await stored(self._face, merged_card(session_id, result)))

    async def _remove(self, reply: Reply, session_id: str, *, even_unmerged: bool) -> None:
        wish = RemoveBranch(session_id=session_id, even_unmerged=even_unmerged)
        try:
            await self._face.core.perform(reply.actor, wish)
        except BranchUnmerged as error:
            card = branch_cards.unmerged_card(session_id, str(error))
            await reply.say(await stored(self._face, card))
            return
        await reply.say("The branch is removed. Its files stay in a checkpoint.")

    async def _report(self, reply: Reply, control: Control, text: str | None) -> None:
        """Send, edit or discard a report; the control's session is the parent, its detail the text."""
        match control.subject:
            case branch_cards.EDIT if text is None:
                question = Question("Edit the report", "The report", text=control.detail)
                await reply.open_dialog(dialog(control, question))
            case branch_cards.EDIT:
                await reply.say(
                    await stored(self._face, branch_cards.report_card(control.session_id, text or ""))
                )
            # The text comes from the row of this button: it is what the person saw, whatever happened since.
            case branch_cards.SEND:
                await reply.will_update()
                wish = SendMessage(session_id=control.session_id, content=control.detail, origin=reply.origin)
                await self._face.core.perform(reply.actor, wish)
                await reply.update(Card(("The report is sent to the session that this branch came from.",)))
            case branch_cards.DISCARD:
                await reply.update(Card(("The report is discarded.",)))
            case _:
                raise ControlGone

    async def _set_up(self, reply: Reply, session_id: str, digest: str) -> None:
        """Have the dependencies installed if somebody agreed to it, as it is now; else ask for that."""
        perform = self._face.core.perform
        try:
            await perform(reply.actor, SetUpBranch(session_id=session_id, origin=reply.origin, digest=digest))
        # Consent holds for these commands and files: after a change people see them before anything runs.
        except SetUpNotAgreed:
            set_up = await perform(reply.actor, ReadSetUp(session_id=session_id))
            card = branch_cards.set_up_card(session_id, set_up, changed=bool(digest))
            await reply.say(await stored(self._face, card))
            return
        await reply.say("Claude is asked to install the dependencies.")

    async def _resolve(self, reply: Reply, session_id: str, strategy: Strategy) -> None:
        wish = ResolveMerge(session_id=session_id, strategy=strategy, origin=reply.origin)
        await self._face.core.perform(reply.actor, wish)
        await reply.say("Claude is asked to resolve the conflicts in the branch. Then merge again.")


def _strategy(control: Control) -> Strategy:
    try:
        return Strategy(control.subject)
    except ValueError as error:
        raise ControlGone from error


async def merge_body(
    face: Face, reply: Reply, wish: PreviewMerge, *, outdated: bool = False, message: str = ""
) -> Body:
    """Return the card on what merging the branch would do; `outdated` if an earlier preview no longer holds.

    `message` is one that a person wrote for the commit.
    """
    preview = await face.core.perform(reply.actor, wish)
    if message.strip():
        preview = replace(preview, message=message.strip())
    return await stored(face, merge_card(wish.session_id, preview, outdated=outdated))


async def report_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Return the card with the draft of a report on the branch."""
    report = await face.core.perform(reply.actor, DraftReport(session_id=session_id))
    return await stored(
        face, branch_cards.report_card(report.parent_id, report.text, by_claude=report.by_claude)
    )


async def removal_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Return the card that asks whether the branch is to be removed. Raises `Refused` if it is not one."""
    info = await face.core.perform(reply.actor, GetSession(session_id=session_id))
    if not info.has_own_copy:
        raise Refused("This session is no branch with files of its own.")
    return await stored(face, removal_card(info))
