"""The sessions that an actor may view: a list in pages, their last events, their queued turns."""

import re
from collections.abc import Sequence

import msgspec

from api import QuerySessions
from api.access import Actor, Role
from sessions.manager import SessionManager
from sessions.model import Lifecycle, SessionId
from sessions.rows.reading import TURN_COLUMNS, turn_of
from sessions.session import Session
from sessions.stored import StoredTurn
from storage import Database, SqlValue

_MAX_PAGE = 100
_CURSOR = re.compile(r"([01]) ([0-9]{1,15}) (.*)")
"""The last row of a page: whether it is pinned, its time, its id."""


async def list_sessions(
    manager: SessionManager, actor: Actor, query: QuerySessions
) -> tuple[list[Session], str]:
    """Return a page of the sessions that `actor` may view, and the next page's cursor; see `QuerySessions`.

    Damaged sessions, and those deleted just now, are left out.
    """
    ids, cursor = await read_page(manager.db, actor, query)
    return await manager.get_readable(ids), cursor


async def read_page(db: Database, actor: Actor, query: QuerySessions) -> tuple[list[SessionId], str]:
    """Return a page of session ids for `query`, and the next page's cursor (or "").

    An admin gets all sessions, other actors only their own and those shared with them. Cursors are made from
    the last row's time and id, so pages stay right while sessions come and go. An invalid cursor gives the
    first page.
    """
    # What the actor may view is a condition of the query. Filtered afterwards, pages would have holes and tell
    # how much is hidden.
    where, params = _conditions(actor, query)
    # Without pins in the order, the index on the times can be used.
    pin, first = ("pinned", "pinned DESC, ") if query.pinned_first else ("0", "")
    direction = "ASC" if query.oldest_first else "DESC"
    sign = ">" if query.oldest_first else "<"
    if last := _CURSOR.fullmatch(query.cursor):
        where.append(f"({pin} < ? OR {pin} = ? AND (last_activity_ms, id) {sign} (?, ?))")
        params += [int(last[1]), int(last[1]), int(last[2]), last[3]]
    limit = max(1, min(query.limit, _MAX_PAGE))
    rows = await db.read(
        f"SELECT id, last_activity_ms, {pin} FROM sessions WHERE "  # noqa: S608 (the parts are ours, values are bound)
        f"{' AND '.join(where)} ORDER BY {first}last_activity_ms {direction}, id {direction} LIMIT ?",
        (*params, limit),
    )
    ids = [SessionId(str(row[0])) for row in rows]
    # A full page may be the last one. Its cursor then leads to an empty page.
    cursor = f"{rows[-1][2]} {rows[-1][1]} {rows[-1][0]}" if len(rows) == limit else ""
    return ids, cursor


async def last_events(db: Database, actor: Actor, session_ids: Sequence[str]) -> dict[str, int]:
    """Return the last event number of each given session that exists and that `actor` may view."""
    visible, params = visible_to(actor)
    rows = await db.read(
        "SELECT id, coalesce((SELECT max(number) FROM events WHERE session_id = sessions.id), 0) FROM sessions"  # noqa: S608
        f" WHERE id IN (SELECT value FROM json_each(?)) AND {visible}",
        (msgspec.json.encode(session_ids).decode(), *params),
    )
    return {str(row[0]): int(str(row[1])) for row in rows}


async def queued_turns(db: Database, actor: Actor) -> list[StoredTurn]:
    """Return the queued turns of all sessions that `actor` may view, oldest first."""
    visible, params = visible_to(actor)
    rows = await db.read(
        f"SELECT {TURN_COLUMNS} FROM turns WHERE status = 'queued'"  # noqa: S608
        f" AND session_id IN (SELECT id FROM sessions WHERE {visible}) ORDER BY queued_ms, number",
        params,
    )
    return [turn_of(row) for row in rows]


def visible_to(actor: Actor) -> tuple[str, list[SqlValue]]:
    """Return a condition on rows of `sessions` that holds for those that `actor` may view, and its values."""
    # An admin views all, and a condition on each row would only cost time.
    if actor.role is Role.ADMIN:
        return "1 = 1", []
    grantees = (actor.user_id, *actor.group_ids)
    marks = ", ".join("?" for _ in grantees)
    condition = f"(user_id = ? OR id IN (SELECT session_id FROM shares WHERE grantee IN ({marks})))"  # noqa: S608
    return condition, [actor.user_id, *grantees]


def _conditions(actor: Actor, query: QuerySessions) -> tuple[list[str], list[SqlValue]]:
    visible, params = visible_to(actor)
    where = [visible]
    if not query.include_ended and query.lifecycle is not Lifecycle.ENDED:
        where.append("status <> 'ended'")
    exact = {
        "status": query.lifecycle or "",
        "user_id": query.user_id,
        "channel_id": query.channel_id,
        "model": query.model,
        "project": query.project,
    }
    # The names of columns are ours; the values are bound.
    for column, value in exact.items():
        if value:
            where.append(f"{column} = ?")
            params.append(value)
    if query.since_ms is not None:
        where.append("last_activity_ms >= ?")
        params.append(query.since_ms)
    if query.until_ms is not None:
        where.append("last_activity_ms <= ?")
        params.append(query.until_ms)
    if query.text:
        # Loaded with the first search: a start has no use for it.
        from sessions.rows.search import sessions_with
        from sessions.search_words import Words, literal

        like = f"%{literal(query.text)}%"
        # Not in the index yet, or too short for it: prompts are few enough to be read.
        found = [
            "title LIKE ? ESCAPE '\\'",
            "id IN (SELECT session_id FROM turns WHERE prompt LIKE ? ESCAPE '\\')",
        ]
        params += [like, like]
        if (words := Words.of(query.text)).indexed:
            having, values = sessions_with(words)
            found.append(having)
            params += values
        where.append(f"({' OR '.join(found)})")
    return where, params
