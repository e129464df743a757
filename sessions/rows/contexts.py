"""Rows of `contexts`: what Claude read before a prompt, one row a turn."""

from sessions.model import SessionId, TurnId
from sessions.stored import ContextKind, StoredContext
from storage import Database, Statement


def insert_context(context: StoredContext) -> Statement:
    """Insert the context of a turn. A repeat changes nothing."""
    return Statement(
        "INSERT INTO contexts (turn_id, kind, text, shown, made_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (context.turn_id, context.kind, context.text, context.shown, context.made_ms),
    )


async def load_context(db: Database, turn_id: TurnId) -> StoredContext | None:
    """Return the context of a turn, or None."""
    row = await db.read_one("SELECT kind, text, shown, made_ms FROM contexts WHERE turn_id = ?", (turn_id,))
    if row is None:
        return None
    return StoredContext(turn_id, ContextKind(str(row[0])), str(row[1]), str(row[2]), int(str(row[3])))


async def count_in_directory(db: Database, work_directory: str, *, but: SessionId) -> int:
    """Return how many other sessions, of anybody, have the directory and have not ended."""
    row = await db.read_one(
        "SELECT count(*) FROM sessions WHERE work_directory = ? AND status <> 'ended' AND id <> ?",
        (work_directory, but),
    )
    return int(str(row[0])) if row is not None else 0


async def titles_in_directory(
    db: Database, work_directory: str, *, user_id: str, but: SessionId, limit: int
) -> list[str]:
    """Return the titles of the user's other sessions in the directory, newest activity first; no ended ones."""
    found = await db.read(
        "SELECT title FROM sessions WHERE work_directory = ? AND status <> 'ended' AND user_id = ? AND id <> ?"
        " AND title <> ''"
        " ORDER BY last_activity_ms DESC LIMIT ?",
        (work_directory, user_id, but, limit),
    )
    return [str(row[0]) for row in found]
