"""The SQL of runs.

A row is checked before it is written; one that cannot be read is shown as such, never skipped.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.run_model import IllegalRunMove, RunUnreadable
from api.workflows import UnreadableRun
from storage import Database, Row, SqlValue, Statement
from workflows.model import SCHEMA, Run

ACTIVE = "status NOT IN ('completed', 'failed')"
_MAX_PAGE = 100
_ONE_CONDITION = 2
"""The conditions of a query that asks for one thing: that one, and the one that always holds."""
_decoder = msgspec.json.Decoder(Run)


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Conditions on runs; empty ones do not count. `visible_to` are the ids of a person, None for an admin."""

    visible_to: tuple[str, ...] | None = None
    exact: dict[str, str] = field(default_factory=dict)
    since_ms: int | None = None
    until_ms: int | None = None
    text: str = ""
    only_active: bool = False
    before: int | None = None
    limit: int = 20


def insert_run(run: Run) -> list[Statement]:
    """Insert a run with the text that people search it by."""
    return [
        Statement(
            "INSERT INTO runs (id, user_id, session_id, project, branch, status, phase, origin, created_ms,"
            " updated_ms, version, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run.id,
                run.user_id,
                run.session_id,
                run.project,
                run.git.branch,
                run.status,
                run.phase,
                run.origin,
                run.created_ms,
                run.updated_ms,
                run.version,
                _checked(run),
            ),
        ),
        Statement(
            "INSERT INTO run_texts (rowid, text) SELECT number, ? FROM runs WHERE id = ?",
            (f"{run.title}\n{run.request}", run.id),
        ),
    ]


def update_run(run: Run) -> Statement:
    """Update a run's row. It changes no row if another change came between: see `Runs.change`."""
    return Statement(
        "UPDATE runs SET session_id = ?, branch = ?, status = ?, phase = ?, updated_ms = ?, version = ?,"
        " data = ? WHERE id = ? AND version = ?",
        (
            run.session_id,
            run.git.branch,
            run.status,
            run.phase,
            run.updated_ms,
            run.version,
            _checked(run),
            run.id,
            # The version that the change was computed from.
            run.version - 1,
        ),
    )


def delete_run(run_id: str) -> list[Statement]:
    """Delete a run; its session stays."""
    return [
        # Before the row of the run, which has the number of its text.
        Statement("DELETE FROM run_texts WHERE rowid = (SELECT number FROM runs WHERE id = ?)", (run_id,)),
        Statement("DELETE FROM runs WHERE id = ?", (run_id,)),
    ]


async def load_run(db: Database, run_id: str) -> Run | None:
    """Return a run, or None. Raises `RunUnreadable` if its row is damaged or of a newer version."""
    row = await db.read_one("SELECT data FROM runs WHERE id = ?", (run_id,))
    return None if row is None else _decoded(run_id, row[0])


async def load_owner(db: Database, run_id: str) -> tuple[str, str] | None:
    """Return the owner and the session of a run, even if the rest of its row is damaged."""
    row = await db.read_one("SELECT user_id, session_id FROM runs WHERE id = ?", (run_id,))
    return None if row is None else (str(row[0]), str(row[1]))


async def load_by_origin(db: Database, origin: str) -> str | None:
    """Return the id of the run that was started with this key."""
    row = await db.read_one("SELECT id FROM runs WHERE origin = ?", (origin,))
    return None if row is None else str(row[0])


async def load_active(db: Database) -> list[Run | UnreadableRun]:
    """Return the runs that have not ended, oldest first."""
    rows = await db.read(f"SELECT {_COLUMNS} FROM runs WHERE {ACTIVE} ORDER BY number")  # noqa: S608
    return [_read(row) for row in rows]


async def query_runs(db: Database, query: RunQuery) -> tuple[list[Run | UnreadableRun], str]:
    """Return a page of runs, newest first, and the cursor of the next page (or "")."""
    where, params = _conditions(query)
    limit = max(1, min(query.limit, _MAX_PAGE))
    has_words = bool(_match(query.text))
    if has_words:
        # FTS5 yields its rows by descending number, so the newest matches come without sorting all.
        source, order = "run_texts JOIN runs ON runs.number = run_texts.rowid", "run_texts.rowid"
    else:
        source, order = "runs", "runs.number"
    if not has_words and len(where) > _ONE_CONDITION:
        # Two conditions of little effect would read many whole rows: a narrow index has what they ask for.
        chosen = f"SELECT number FROM runs INDEXED BY runs_facts WHERE {' AND '.join(where)}"  # noqa: S608 (parts are ours)
        where = [f"runs.number IN ({chosen} ORDER BY number DESC LIMIT ?)"]
        params.append(limit)
    rows = await db.read(
        f"SELECT {_COLUMNS} FROM {source} WHERE {' AND '.join(where)} ORDER BY {order} DESC LIMIT ?",  # noqa: S608 (parts are ours)
        (*params, limit),
    )
    return [_read(row) for row in rows], str(rows[-1][0]) if len(rows) == limit else ""


_MOST_WORDS = 20
_COLUMNS = (
    "runs.number, runs.id, runs.user_id, runs.session_id, runs.project, runs.status, runs.created_ms, runs.data"
)


def _match(text: str) -> str:
    """Return what FTS5 takes for the words of any text; empty without words."""
    # FTS5 refuses a null byte and a lone quotation mark; SQLite takes no lone surrogates.
    clean = text.encode("utf-8", "replace").decode().replace("\0", " ").replace('"', " ")
    # Quoted, so that no word is an operator of FTS5. Prefixes, because people type beginnings.
    return " ".join(f'"{word}"*' for word in clean.split()[:_MOST_WORDS])


def _conditions(query: RunQuery) -> tuple[list[str], list[SqlValue]]:
    where, params = ["1 = 1"], list[SqlValue]()
    if matched := _match(query.text):
        where.append("run_texts MATCH ?")
        params.append(matched)
    if query.visible_to is not None:
        marks = ", ".join("?" for _ in query.visible_to)
        shared = f"SELECT session_id FROM shares WHERE grantee IN ({marks})"  # noqa: S608
        where.append(f"(runs.user_id = ? OR runs.session_id IN ({shared}))")
        # The first id is the person's own. The others are groups, and no group owns a run.
        params += [query.visible_to[0], *query.visible_to]
    for column, value in query.exact.items():
        if value:
            where.append(f"runs.{column} = ?")
            params.append(value)
    if query.only_active:
        where.append(f"runs.{ACTIVE}")
    if query.since_ms is not None:
        where.append("runs.created_ms >= ?")
        params.append(query.since_ms)
    if query.until_ms is not None:
        where.append("runs.created_ms <= ?")
        params.append(query.until_ms)
    if query.before is not None:
        where.append("runs.number < ?")
        params.append(query.before)
    return where, params


def _read(row: Row) -> Run | UnreadableRun:
    try:
        return _decoded(str(row[1]), row[7])
    except RunUnreadable as error:
        return UnreadableRun(
            id=str(row[1]),
            user_id=str(row[2]),
            session_id=str(row[3]),
            project=str(row[4]),
            status=str(row[5]),
            created_ms=int(str(row[6])),
            trouble=str(error),
        )


def _decoded(run_id: str, data: Any) -> Run:
    try:
        run = _decoder.decode(data)
    except (ValueError, RecursionError) as error:
        raise RunUnreadable(run_id) from error
    # A newer bridge wrote it: changed here, it would lose what this version does not know.
    if run.schema > SCHEMA or run.id != run_id:
        raise RunUnreadable(run_id)
    return run


def _checked(run: Run) -> str:
    """Return the run as JSON. It is read back first: a wrong type is refused here, not at the next start."""
    raw = msgspec.json.encode(run)
    if _decoder.decode(raw) != run:
        raise IllegalRunMove("Storing the run", run.status)
    return raw.decode()
