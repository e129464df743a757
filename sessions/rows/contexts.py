"""Rows of `contexts`: what Claude read before a prompt, one row a turn."""

from sessions.model import SessionId, TurnId
from sessions.stored import ContextKind, StoredContext
from storage import Database, Statement


def insert_context(context: StoredContext) -> Statement:
    """Insert the context of a turn. A repeat changes nothing."""
    return Statement(
        "INSERT INTO contexts (turn_id, kind, text, shown, made_ms) VALUES (?, ?, ?, ?, ?)"
        # A prompt that goes to another process, or is answered again, must carry the text that people saw
        # first.
        " ON CONFLICT DO NOTHING",
        (context.turn_id, context.kind, context.text, context.shown, context.made_ms),
    )


async def load_context(db: Database, turn_id: TurnId) -> StoredContext | None:
    """Return the context of a turn, or None."""
    row = await db.read_one("SELECT kind, text, shown, made_ms FROM contexts WHERE turn_id = ?", (turn_id,))
    if row is None:
        return None
    return StoredContext(turn_id, ContextKind(str(row[0])), str(row[1]), str(row[2]), int(str(row[3])))


def insert_survey(session_id: SessionId, turn_id: TurnId, text: str, now_ms: int) -> Statement:
    """Store Claude's own survey of the project; a newer one replaces it."""
    return Statement(
        "INSERT INTO session_surveys (session_id, turn_id, text, made_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (session_id) DO UPDATE SET turn_id = excluded.turn_id, text = excluded.text,"
        " made_ms = excluded.made_ms",
        (session_id, turn_id, text, now_ms),
    )


async def load_survey(db: Database, session_id: SessionId) -> str:
    """Return Claude's own survey of the project; empty before the first one."""
    row = await db.read_one("SELECT text FROM session_surveys WHERE session_id = ?", (session_id,))
    return "" if row is None else str(row[0])


async def focus_of(db: Database, session_id: SessionId) -> str:
    """Return the focus of the session; empty if nobody gave it one."""
    row = await db.read_one("SELECT focus FROM session_folders WHERE session_id = ?", (session_id,))
    return "" if row is None else str(row[0])


async def load_last_end(
    db: Database, work_directory: str, *, user_id: str, but: SessionId
) -> tuple[str, str] | None:
    """Return title and summary of the session of this user in the directory that ended last with a summary."""
    row = await db.read_one(
        "SELECT sessions.title, session_ends.summary FROM session_ends"
        " JOIN sessions ON sessions.id = session_ends.session_id"
        " WHERE sessions.work_directory = ? AND sessions.user_id = ? AND sessions.id <> ?"
        " AND session_ends.status = 'ended' AND session_ends.summary <> ''"
        " ORDER BY session_ends.ended_ms DESC LIMIT 1",
        (work_directory, user_id, but),
    )
    return None if row is None else (str(row[0]), str(row[1]))


async def count_in_directory(db: Database, work_directory: str, *, but: SessionId) -> int:
    """Return how many other sessions, of anybody, have files of the directory and have not ended.

    Their directory is this one, or one above or below it.
    """
    row = await db.read_one(
        # `substr`, not LIKE: a directory's name may hold `%` and `_`.
        "SELECT count(*) FROM sessions WHERE status <> 'ended' AND id <> ? AND work_directory <> ''"
        " AND (work_directory = ? OR substr(?, 1, length(work_directory) + 1) = work_directory || '/'"
        " OR substr(work_directory, 1, length(?) + 1) = ? || '/')",
        (but, work_directory, work_directory, work_directory, work_directory),
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


async def load_last_context(db: Database, session_id: SessionId) -> StoredContext | None:
    """Return the context of the session's newest turn that has one."""
    row = await db.read_one(
        "SELECT id FROM turns WHERE session_id = ? AND context <> '' ORDER BY number DESC LIMIT 1",
        (session_id,),
    )
    return None if row is None else await load_context(db, TurnId(str(row[0])))


async def branch_origin(db: Database, session_id: SessionId) -> tuple[SessionId, TurnId] | None:
    """Return the session and the turn that a branch goes on from; None if the session is no branch."""
    row = await db.read_one(
        # From the event, not from `branches`: a branch without files of its own has no row there.
        "SELECT body ->> 'parent', body ->> 'parent_turn' FROM events"
        " WHERE session_id = ? AND kind = 'branched' ORDER BY number LIMIT 1",
        (session_id,),
    )
    return None if row is None else (SessionId(str(row[0])), TurnId(str(row[1])))


async def title_of(db: Database, session_id: SessionId, *, user_id: str) -> str:
    """Return the title of a session of this user; empty if it is somebody else's."""
    # The title is put into a prompt: nobody may read another person's by it.
    row = await db.read_one("SELECT title FROM sessions WHERE id = ? AND user_id = ?", (session_id, user_id))
    return "" if row is None else str(row[0])


async def files_read(db: Database, session_id: SessionId) -> list[str]:
    """Return the paths of the files that Claude's tools were given in the session, each once."""
    found = await db.read(
        "SELECT DISTINCT coalesce(body ->> '$.input.file_path', body ->> '$.input.notebook_path') AS path"
        " FROM blocks JOIN turns ON turns.id = blocks.turn_id"
        " WHERE session_id = ? AND blocks.kind = 'tool_call' AND path IS NOT NULL LIMIT 2000",
        (session_id,),
    )
    return [str(row[0]) for row in found]
