"""The SQL of retention: unused and ended sessions, their sizes, and data that only they need."""

import json
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

import msgspec
from msgspec.structs import replace

from backends.base import HostRef
from sessions.model import Lifecycle, SessionId
from storage import Database, Row, Statement

_COLUMNS = "id, title, user_id, conversation_id, last_activity_ms"
_SIZE = (
    "length(data) + (SELECT coalesce(sum(length(body)), 0) FROM events WHERE session_id = sessions.id)"
    " + (SELECT coalesce(sum(length(blocks.body)), 0) FROM turns JOIN blocks ON blocks.turn_id = turns.id"
    " WHERE turns.session_id = sessions.id)"
)


class StoredOne(msgspec.Struct, frozen=True):
    """A session as the rules see it. `last_ms` is the time of its end or of its last activity."""

    id: SessionId
    title: str
    user_id: str
    conversation_id: str
    last_ms: int
    size_bytes: int = 0
    is_archived: bool = False
    """Whether somebody ended it with a summary and a bundle; such sessions have a rule of their own."""


class EndedHost(msgspec.Struct, frozen=True):
    """A host that has ended and whose directory may still be there."""

    number: int
    ref: HostRef


def _stored_one(row: Row) -> StoredOne:
    return StoredOne(SessionId(str(row[0])), str(row[1]), str(row[2]), str(row[3]), int(str(row[4])))


async def load_unused(db: Database, before_ms: int) -> list[StoredOne]:
    """Return sessions without process, pin, or activity since `before_ms`, oldest first."""
    found = await db.read(
        f"SELECT {_COLUMNS} FROM sessions WHERE status IN ('parked', 'failed') AND NOT pinned"  # noqa: S608 (the parts are ours)
        " AND last_activity_ms <= ? ORDER BY last_activity_ms, id",
        (before_ms,),
    )
    return [_stored_one(row) for row in found]


class Wanted(msgspec.Struct, frozen=True):
    """The sessions that a person's rule is about. An empty `project` or `user_id` means any."""

    states: tuple[Lifecycle, ...]
    before_ms: int
    project: str = ""
    user_id: str = ""


async def load_wanted(
    db: Database, wanted: Wanted, *, limit: int, among: Collection[str] | None = None
) -> list[StoredOne]:
    """Return sessions without a pin that are as `wanted`, oldest first; `among` leaves all others out."""
    found = await db.read(
        f"SELECT {_COLUMNS} FROM sessions WHERE status IN (SELECT value FROM json_each(?)) AND NOT pinned"  # noqa: S608 (the parts are ours)
        " AND last_activity_ms <= ? AND (? = '' OR project = ?) AND (? = '' OR user_id = ?)"
        " AND (? IS NULL OR id IN (SELECT value FROM json_each(?))) ORDER BY last_activity_ms, id LIMIT ?",
        (
            json.dumps(wanted.states),
            wanted.before_ms,
            *(wanted.project, wanted.project),
            *(wanted.user_id, wanted.user_id),
            # Any value but NULL lets the list decide. Numbered placeholders would say each value once, but
            # later versions of Python's sqlite3 deprecate them with a sequence.
            *([None, "[]"] if among is None else [1, json.dumps(sorted(among))]),
            limit,
        ),
    )
    return [_stored_one(row) for row in found]


async def load_ended(db: Database) -> list[StoredOne]:
    """Return every ended session, latest end first."""
    found = await db.read(
        f"SELECT {_COLUMNS}, EXISTS (SELECT 1 FROM session_ends WHERE session_id = sessions.id"  # noqa: S608 (ours)
        " AND session_ends.status = 'ended' AND with_bundle) FROM sessions WHERE status = 'ended'"
        " ORDER BY last_activity_ms DESC, id DESC"
    )
    return [replace(_stored_one(row), is_archived=bool(row[5])) for row in found]


async def load_size(db: Database, session_id: SessionId) -> int:
    """Return the number of characters in the session's rows: about their size in bytes."""
    row = await db.read_one(f"SELECT {_SIZE} FROM sessions WHERE id = ?", (session_id,))  # noqa: S608 (ours)
    return int(str(row[0])) if row is not None else 0


async def conversations_of(db: Database, session_id: SessionId) -> set[str]:
    """Return the session's conversations that no other session uses."""
    found = await db.read(
        "SELECT conversation_id FROM turns WHERE session_id = ?"
        " UNION SELECT conversation_id FROM sessions WHERE id = ?"
        " UNION SELECT data ->> 'fork_conversation' FROM sessions WHERE id = ?",
        (session_id,) * 3,
    )
    own = {str(row[0]) for row in found if row[0]}
    # Without any, this becomes `IN ()`, which SQLite takes as a list that has nothing.
    marks = ", ".join("?" for _ in own)
    others = await db.read(
        f"SELECT conversation_id FROM sessions WHERE conversation_id IN ({marks}) AND id <> ?",  # noqa: S608
        (*own, session_id),
    )
    return own - {str(row[0]) for row in others}


async def conversations_to_branch_from(db: Database) -> set[str]:
    """Return the conversations that branches which never ran will begin from. Reads every session's row."""
    found = await db.read(
        "SELECT DISTINCT data ->> 'fork_conversation' FROM sessions"
        " WHERE data ->> 'fork_conversation' <> '' AND NOT coalesce(data ->> 'conversation_begun', 0)"
    )
    return {str(row[0]) for row in found}


def delete_session(session_id: SessionId) -> Statement:
    """Delete the session and everything that belongs to it. Its audit rows stay."""
    # Foreign keys delete the rest (ON DELETE CASCADE); the table `audit` has none on purpose.
    return Statement("DELETE FROM sessions WHERE id = ?", (session_id,))


async def load_hosts_without_address(db: Database, session_id: SessionId) -> set[int]:
    """Return the numbers of the session's ended hosts that left no files, or were never started."""
    found = await db.read(
        "SELECT number FROM hosts WHERE session_id = ? AND status = 'ended' AND address = ''", (session_id,)
    )
    return {int(str(row[0])) for row in found}


async def load_ended_hosts(db: Database, session_id: SessionId) -> list[EndedHost]:
    """Return the session's ended hosts that are not removed yet."""
    found = await db.read(
        "SELECT number, backend, address FROM hosts"
        " WHERE session_id = ? AND status = 'ended' AND address <> '' ORDER BY number",
        (session_id,),
    )
    return [EndedHost(int(str(row[0])), HostRef(str(row[1]), str(row[2]))) for row in found]


async def sessions_with_ended_hosts(db: Database) -> list[SessionId]:
    """Return the sessions that have hosts to remove. Reads every host's row."""
    found = await db.read("SELECT DISTINCT session_id FROM hosts WHERE status = 'ended' AND address <> ''")
    return [SessionId(str(row[0])) for row in found]


def end_forgotten_hosts(at_ms: int) -> Statement:
    """Record the end of hosts whose end was missed: a later one has begun, or the session has no process."""
    return Statement(
        "UPDATE hosts SET status = 'ended', ended_ms = ?, reason = 'Its end was not recorded.'"
        " WHERE status <> 'ended' AND EXISTS (SELECT 1 FROM sessions WHERE id = session_id AND"
        " (number < data ->> 'host' OR sessions.status NOT IN ('starting', 'live', 'stopping')))",
        (at_ms,),
    )


async def sessions_that_exist(db: Database, among: AbstractSet[SessionId]) -> set[SessionId]:
    """Return the sessions of `among` that have a row."""
    found = await db.read(
        # One parameter for all ids: SQLite bounds how many parameters a statement may have.
        "SELECT sessions.id FROM json_each(?) JOIN sessions ON sessions.id = value",
        (json.dumps(sorted(among)),),
    )
    return {SessionId(str(row[0])) for row in found}


def host_removed(session_id: SessionId, number: int) -> Sequence[Statement]:
    """Record that the host's files are removed: clear its address, and delete its inputs."""
    place = (session_id, number)
    return (
        Statement("UPDATE hosts SET address = '' WHERE session_id = ? AND number = ?", place),
        Statement("DELETE FROM inputs WHERE session_id = ? AND host = ?", place),
    )
