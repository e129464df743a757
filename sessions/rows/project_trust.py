"""The SQL of decisions on projects: `project_trust` in the migrations."""

from sessions.model import Trust
from sessions.stored import StoredTrust
from storage import Database, Row, Statement

_COLUMNS = "directory, state, content_hash, decided_by, decided_ms"


async def load_trust(db: Database, directory: str) -> StoredTrust | None:
    """Return the decision on the project in `directory`; None before any decision."""
    row = await db.read_one(f"SELECT {_COLUMNS} FROM project_trust WHERE directory = ?", (directory,))  # noqa: S608
    return _trust(row) if row is not None else None


async def load_all_trust(db: Database, limit: int) -> list[StoredTrust]:
    """Return all decisions, newest first."""
    found = await db.read(
        f"SELECT {_COLUMNS} FROM project_trust ORDER BY decided_ms DESC LIMIT ?",  # noqa: S608 (constants)
        (limit,),
    )
    return [_trust(row) for row in found]


def upsert_trust(trust: StoredTrust) -> Statement:
    """Store the decision. It replaces an earlier one on the same project."""
    return Statement(
        f"INSERT INTO project_trust ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 (constants)
        " ON CONFLICT (directory) DO UPDATE SET state = excluded.state, content_hash = excluded.content_hash,"
        " decided_by = excluded.decided_by, decided_ms = excluded.decided_ms",
        (trust.directory, trust.state, trust.content_hash, trust.decided_by, trust.decided_ms),
    )


def _trust(row: Row) -> StoredTrust:
    return StoredTrust(str(row[0]), Trust(str(row[1])), str(row[2]), str(row[3]), int(str(row[4])))


def copy_trust(directory: str, to: str) -> Statement:
    """Give the directory `to`, a copy of `directory`, the same decision. It holds for the same content only."""
    return Statement(
        "INSERT INTO project_trust (directory, state, content_hash, decided_by, decided_ms)"
        " SELECT ?, state, content_hash, decided_by, decided_ms FROM project_trust WHERE directory = ?"
        " ON CONFLICT DO NOTHING",
        (to, directory),
    )
