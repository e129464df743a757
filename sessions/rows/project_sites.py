"""The SQL of the internet's hosts that sandboxes of a project wanted: `project_sites` in the migrations."""

from sessions.model import SiteState
from sessions.stored import StoredSite
from storage import Database, Row, Statement

_COLUMNS = "directory, name, state, decided_by, at_ms"


async def load_sites(db: Database, directory: str) -> list[StoredSite]:
    """Return the hosts that the project in `directory` wanted, those without a decision first, then by name."""
    found = await db.read(
        f"SELECT {_COLUMNS} FROM project_sites WHERE directory = ?"  # noqa: S608 (constants)
        " ORDER BY state <> 'wanted', name",
        (directory,),
    )
    return [_site(row) for row in found]


async def load_work_directories(db: Database) -> list[str]:
    """Return the work directories of all sessions, each once."""
    return [str(row[0]) for row in await db.read("SELECT DISTINCT work_directory FROM sessions")]


def upsert_site(site: StoredSite) -> Statement:
    """Store the host with its decision. It replaces an earlier one on the same host and project."""
    return Statement(
        f"INSERT INTO project_sites ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 (constants)
        " ON CONFLICT (directory, name) DO UPDATE SET state = excluded.state,"
        " decided_by = excluded.decided_by, at_ms = excluded.at_ms",
        (site.directory, site.name, site.state, site.decided_by, site.at_ms),
    )


def _site(row: Row) -> StoredSite:
    return StoredSite(str(row[0]), str(row[1]), SiteState(str(row[2])), str(row[3]), int(str(row[4])))
