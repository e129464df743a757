"""Make the context that precedes a prompt: text of ours that Claude reads first.

The first prompt of a conversation gets facts on the project that Claude cannot see cheaply. There is no map of
the code: see `docs/adr/0049-no-map-of-the-code.md`. A later prompt gets the changes of the files since Claude's
last turn. A context is stored with its turn, so that a prompt that is
sent again to another process has the same.
"""

import msgspec
from msgspec.structs import replace

from sessions import rows
from sessions.model import TurnId, TurnKind
from sessions.session_port import SessionPort
from sessions.snapshot import QueuedTurn
from sessions.stored import ContextKind, StoredContext
from storage import Statement


class Made(msgspec.Struct, frozen=True):
    """The context of a prompt, if it has one. `wants_guide` comes from a survey; None without one."""

    context: StoredContext | None = None
    wants_guide: bool | None = None


async def make_context(session: SessionPort, turn: QueuedTurn) -> Made:
    """Return the context of the waiting prompt `turn`, the stored one if there is one."""
    snapshot = session.snapshot
    if turn.kind is not TurnKind.PROMPT or not snapshot.tells_changes:
        return Made()
    # A prompt that was sent before, or that asks for another answer, keeps the text that Claude had: a new one
    # would speak of changes that Claude made itself.
    stored = await _stored(session, turn)
    if stored is not None or turn.rewind_to is not None:
        return Made(stored)
    now_ms = session.around.clock.now_ms()
    if snapshot.conversation_begun or snapshot.fork_conversation:
        from sessions.context_changes import changes_since_last_turn

        text, shown = await changes_since_last_turn(session, turn.turn_id)
        changes = StoredContext(turn.turn_id, ContextKind.CHANGES, text, shown, now_ms)
        return Made(changes if text else None)
    # Here only the first prompt of a conversation is left.
    if not session.around.surveys:
        return Made()
    from sessions.context_survey import survey_project

    surveyed = await survey_project(session, turn.turn_id)
    context = StoredContext(turn.turn_id, ContextKind.SURVEY, surveyed.text, surveyed.shown, now_ms)
    return Made(context if surveyed.text else None, surveyed.wants_guide)


def keep_context(context: StoredContext | None) -> list[Statement]:
    """Return the statements that store the context."""
    return [] if context is None else [rows.insert_context(context)]


async def _stored(session: SessionPort, turn: QueuedTurn) -> StoredContext | None:
    """Return the context of this turn, or of the turn that it replaces: Claude forgets that one."""
    database = session.around.db
    found = await rows.load_context(database, turn.turn_id)
    if found is not None or turn.rewind_to is None:
        return found
    replaced = (await rows.load_turn(database, turn.turn_id)).alternative_of
    found = await rows.load_context(database, TurnId(replaced)) if replaced else None
    return None if found is None else replace(found, turn_id=turn.turn_id)
