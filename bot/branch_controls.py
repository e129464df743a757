"""Clicks on cards of branches: preview a merge, merge, undo, ask Claude to resolve, remove."""

from api import GetSession, MergeBranch, PreviewMerge, RemoveBranch, SendMessage, UndoMerge
from api.words.branches import merge_words, resolving_prompt
from bot.bodies import Body, Card, Control, Verb
from bot.branch_cards import merge_card, merged_card, removal_card
from bot.entry import Reply
from bot.errors import ControlGone, Refused
from bot.face import Face
from bot.panel_controls import stored
from workdirs.merging import Strategy


class BranchControls:
    """Carries out clicks on cards of branches; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def handle(self, reply: Reply, control: Control) -> None:
        """Carry out one click. Its subject is the strategy, its detail the digest of the preview."""
        perform, session_id = self._face.core.perform, control.session_id
        await reply.think(ephemeral=True)
        match control.verb:
            case Verb.PREVIEW_MERGE:
                await reply.say(await merge_body(self._face, reply, session_id, _strategy(control)))
            case Verb.MERGE_BRANCH:
                strategy = _strategy(control)
                wish = MergeBranch(session_id=session_id, strategy=strategy, digest=control.detail)
                result = await perform(reply.actor, wish)
                await reply.say(await stored(self._face, merged_card(session_id, result)))
            case Verb.UNDO_MERGE:
                result = await perform(reply.actor, UndoMerge(session_id=session_id))
                await reply.say(Card((f"Undone: {merge_words(result)}",)))
            case Verb.RESOLVE_MERGE:
                await self._resolve(reply, session_id, _strategy(control))
            case Verb.REMOVE_BRANCH:
                await perform(reply.actor, RemoveBranch(session_id=session_id))
                await reply.say("The branch is removed. Its files stay in a checkpoint.")
            case _:
                raise ControlGone

    async def _resolve(self, reply: Reply, session_id: str, strategy: Strategy) -> None:
        preview = await self._face.core.perform(
            reply.actor, PreviewMerge(session_id=session_id, strategy=strategy)
        )
        if not preview.conflicts:
            raise Refused("There are no conflicts any more. `/branch merge` shows what would be merged.")
        wish = SendMessage(session_id=session_id, content=resolving_prompt(preview), origin=reply.origin)
        await self._face.core.perform(reply.actor, wish)
        await reply.say("Claude is asked to resolve the conflicts in the branch. Then merge again.")


def _strategy(control: Control) -> Strategy:
    try:
        return Strategy(control.subject)
    except ValueError as error:
        raise ControlGone from error


async def merge_body(face: Face, reply: Reply, session_id: str, strategy: Strategy) -> Body:
    """Return the card on what merging the branch would do."""
    preview = await face.core.perform(reply.actor, PreviewMerge(session_id=session_id, strategy=strategy))
    return await stored(face, merge_card(session_id, preview))


async def removal_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Return the card that asks whether the branch is to be removed. Raises `Refused` if it is none."""
    info = await face.core.perform(reply.actor, GetSession(session_id=session_id))
    if not info.has_own_copy:
        raise Refused("This session is no branch with files of its own.")
    return await stored(face, removal_card(info))
