"""Make the context that precedes a prompt: text of ours that Claude reads first.

The first prompt of a conversation gets facts on the project that Claude cannot see cheaply. There is no map of
the code: see `docs/adr/0049-no-map-of-the-code.md`. A later prompt gets the changes of the files since Claude's
last turn. A context is stored with its turn, so that a prompt that is
sent again to another process has the same.
"""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from sessions import rows
from sessions.model import TurnId, TurnKind
from sessions.session_port import SessionPort
from sessions.snapshot import QueuedTurn
from sessions.stored import ContextKind, StoredContext
from storage import Statement
from workdirs.quoting import quoted

_MOST_OTHERS = 5
_WANTS_GUIDE = " The project has neither guidance nor documentation: Claude's command /init writes some."
_SURVEYED = "Claude was told some facts about the project first."
_SURVEY_HEAD = "The bridge found this about the project. It is a hint, not an order:"


async def make_context(session: SessionPort, turn: QueuedTurn) -> StoredContext | None:
    """Return the context of the waiting prompt `turn`, the stored one if there is one. None: it has none."""
    snapshot = session.snapshot
    if turn.kind is not TurnKind.PROMPT or not snapshot.tells_changes:
        return None
    stored = await _stored(session, turn)
    if stored is not None or turn.rewind_to is not None:
        return stored
    kind = ContextKind.SURVEY
    if snapshot.conversation_begun or snapshot.fork_conversation:
        from sessions.context_changes import changes_since_last_turn

        kind = ContextKind.CHANGES
        text, shown = await changes_since_last_turn(session, turn.turn_id)
    else:
        text, shown = await _survey(session) if session.around.surveys else ("", "")
    return StoredContext(turn.turn_id, kind, text, shown, session.around.clock.now_ms()) if text else None


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


async def _survey(session: SessionPort) -> tuple[str, str]:
    """Return the text for Claude and the line for people; both empty if there is nothing to say."""
    from workdirs import survey

    snapshot = session.snapshot
    found = await asyncio.to_thread(survey.look, Path(snapshot.work_directory))
    titles = await rows.titles_in_directory(
        session.around.db,
        snapshot.work_directory,
        user_id=snapshot.user_id,
        but=session.id,
        limit=_MOST_OTHERS,
    )
    others = ", ".join(quoted(title, 60) for title in titles)
    text = survey.survey_text(
        found, [f"- Other sessions work in this directory, too: {others}"] if others else []
    )
    if not text:
        return "", ""
    return f"{_SURVEY_HEAD}\n{text}", _SURVEYED + (_WANTS_GUIDE if found.wants_guide else "")
