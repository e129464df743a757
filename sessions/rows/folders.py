"""Rows of session folders: readable ids, notes, artifacts, ends.

Tables: `bridge/migrations/0018_session_folders.sql`.
"""

import json
from collections.abc import Mapping, Sequence

from archives.names import slug_of
from sessions.model import SessionId
from sessions.stored_folders import (
    EndStatus,
    FolderPlace,
    NoteKind,
    StoredArtifact,
    StoredEnd,
    StoredFolder,
    StoredNote,
)
from storage import AnyStatement, BulkStatement, Database, Row, SqlValue, Statement
from workdirs.changes import ChangeKind

_FOLDER = "session_id, project, directory, day, number, name, focus, origin, place, tracked_through, began_ms"
_NOTE = "session_id, kind, number, title, text, file, author_id, made_ms"
_END = (
    "session_id, status, draft, drafted_by, drafted_ms, summary, score, metrics, by_user, with_bundle,"
    " trouble, began_ms, ended_ms"
)


# --- folders ----------------------------------------------------------------------------------------------


def insert_folder(folder: StoredFolder) -> Statement:
    """Give the session a folder with the next number of its project and day; nothing if it has one.

    The number comes from the rows inside the transaction, so no two sessions get the same. `folder.number` and
    `folder.name` are not read.
    """
    slug = slug_of(folder.focus)
    return Statement(
        # One statement reads the highest number and uses it: all writes go through one connection, one after
        # the other.
        f"INSERT INTO session_folders ({_FOLDER})"  # noqa: S608 (constants)
        " SELECT id, project, directory, day, next, printf('%s-session-%03d-%s', day, next, slug), focus, '',"
        " 'active', '', began FROM (SELECT given.*, (SELECT coalesce(max(number), 0) + 1 FROM session_folders"
        " AS others WHERE others.directory = given.directory AND others.day = given.day) AS next FROM"
        " (SELECT ? AS id, ? AS project, ? AS directory, ? AS day, ? AS slug, ? AS focus, ? AS began) AS given)"
        " WHERE NOT EXISTS (SELECT 1 FROM session_folders AS known WHERE known.session_id = id)",
        (
            folder.session_id,
            folder.project,
            folder.directory,
            folder.day,
            slug,
            folder.focus,
            folder.began_ms,
        ),
    )


def insert_restored_folder(folder: StoredFolder) -> Statement:
    """Give the session the folder `folder` under the name of its origin. Fails if the name is taken."""
    return Statement(
        f"INSERT INTO session_folders ({_FOLDER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            folder.session_id,
            folder.project,
            folder.directory,
            folder.day,
            folder.number,
            folder.name,
            folder.focus,
            folder.origin,
            folder.place,
            folder.tracked_through,
            folder.began_ms,
        ),
    )


def set_focus(session_id: SessionId, focus: str) -> Statement:
    """Set the text of the focus. The readable id stays as it is."""
    return Statement("UPDATE session_folders SET focus = ? WHERE session_id = ?", (focus, session_id))


def set_place(session_id: SessionId, place: FolderPlace) -> Statement:
    """Store where the folder lies."""
    return Statement("UPDATE session_folders SET place = ? WHERE session_id = ?", (place, session_id))


async def load_folder(db: Database, session_id: str) -> StoredFolder | None:
    """Return the folder of a session; None if it has none."""
    row = await db.read_one(f"SELECT {_FOLDER} FROM session_folders WHERE session_id = ?", (session_id,))  # noqa: S608
    return None if row is None else _folder(row)


async def load_folders(
    db: Database, *, directory: str = "", place: FolderPlace | None = None, limit: int = 500
) -> list[StoredFolder]:
    """Return folders, latest day and number first: of a project, in a place, or all."""
    found = await db.read(
        f"SELECT {_FOLDER} FROM session_folders WHERE (? = '' OR directory = ?) AND (? = '' OR place = ?)"  # noqa: S608
        " ORDER BY day DESC, number DESC, name DESC LIMIT ?",
        (directory, directory, place or "", place or "", limit),
    )
    return [_folder(row) for row in found]


async def load_taken_names(db: Database, directory: str, beginning: str) -> set[str]:
    """Return the readable ids of a project that begin so."""
    found = await db.read(
        # `substr`, not LIKE: `_` in a name is no wildcard.
        "SELECT name FROM session_folders WHERE directory = ? AND substr(name, 1, ?) = ?",
        (directory, len(beginning), beginning),
    )
    return {str(row[0]) for row in found}


# --- notes ------------------------------------------------------------------------------------------------


def insert_note(note: StoredNote, origin: str = "") -> Statement:
    """Store a note or decision under the next number of its kind. The note's number and file are not read.

    `origin` is the key of the act that writes it, or empty.
    """
    slug = slug_of(note.title, note.kind.value)
    return Statement(
        f"INSERT INTO session_notes ({_NOTE}, origin)"  # noqa: S608 (constants)
        " SELECT id, kind, next, title, text, printf('%03d-%s.md', next, slug), author, made, origin"
        " FROM (SELECT given.*, (SELECT coalesce(max(number), 0) + 1 FROM session_notes AS others"
        " WHERE others.session_id = given.id AND others.kind = given.kind) AS next"
        " FROM (SELECT ? AS id, ? AS kind, ? AS title, ? AS text, ? AS slug, ? AS author, ? AS made,"
        " ? AS origin) AS given)",
        (note.session_id, note.kind, note.title, note.text, slug, note.author_id, note.made_ms, origin),
    )


def insert_restored_notes(notes: Sequence[StoredNote]) -> list[AnyStatement]:
    """Store the notes of a restored session under numbers of their order, with their files."""
    numbers: dict[NoteKind, int] = {}
    values: list[tuple[SqlValue, ...]] = []
    for each in notes:
        numbers[each.kind] = number = numbers.get(each.kind, 0) + 1
        values.append(
            (each.session_id, each.kind, number, each.title, each.text, each.file, each.author_id, each.made_ms)
        )
    sql = f"INSERT INTO session_notes ({_NOTE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 (constants)
    return [BulkStatement(sql, values)] if values else []


async def note_of_origin(db: Database, session_id: str, origin: str) -> tuple[NoteKind, int] | None:
    """Return the kind and number of the note that the act with this key wrote; None for an empty key."""
    row = await db.read_one(
        "SELECT kind, number FROM session_notes WHERE session_id = ? AND origin = ? AND origin <> ''",
        (session_id, origin),
    )
    return None if row is None else (NoteKind(str(row[0])), _number(row[1]))


async def load_notes(db: Database, session_id: str) -> list[StoredNote]:
    """Return the notes and decisions of a session, oldest first."""
    found = await db.read(
        f"SELECT {_NOTE} FROM session_notes WHERE session_id = ? ORDER BY made_ms, kind, number",  # noqa: S608
        (session_id,),
    )
    return [
        StoredNote(
            session_id=SessionId(str(row[0])),
            kind=NoteKind(str(row[1])),
            number=_number(row[2]),
            title=str(row[3]),
            text=str(row[4]),
            file=str(row[5]),
            author_id=str(row[6]),
            made_ms=_number(row[7]),
        )
        for row in found
    ]


# --- artifacts --------------------------------------------------------------------------------------------


async def load_artifacts(db: Database, session_id: str) -> list[StoredArtifact]:
    """Return the files that the session created, changed or deleted, by path."""
    found = await db.read(
        "SELECT path, kind, added, removed FROM session_artifacts WHERE session_id = ? ORDER BY path",
        (session_id,),
    )
    return [
        StoredArtifact(_bytes(row[0]), ChangeKind(str(row[1])), _number(row[2]), _number(row[3]))
        for row in found
    ]


async def load_new_changes(
    db: Database, session_id: str, after: str
) -> list[tuple[str, bytes, ChangeKind, int, int]]:
    """Return the changes of the session's checkpoints after one: checkpoint, path, kind, added, removed."""
    found = await db.read(
        "SELECT checkpoints.id, path, kind, added, removed FROM checkpoints JOIN file_changes"
        " ON file_changes.checkpoint = checkpoints.id WHERE checkpoints.owner = ? AND checkpoints.id > ?"
        " ORDER BY checkpoints.id, path",
        (session_id, after),
    )
    return [
        (str(row[0]), _bytes(row[1]), ChangeKind(str(row[2])), _number(row[3]), _number(row[4]))
        for row in found
    ]


def store_artifacts(
    session_id: SessionId, artifacts: Mapping[bytes, StoredArtifact | None], through: str
) -> list[AnyStatement]:
    """Store what became of paths (None: no artifact any more), and the last checkpoint that was looked at."""
    gone = [(session_id, path) for path, each in artifacts.items() if each is None]
    kept = [
        (session_id, path, each.kind, each.added, each.removed)
        for path, each in artifacts.items()
        if each is not None
    ]
    statements: list[AnyStatement] = [
        # In one transaction with the artifacts: a checkpoint is counted once, whatever a kill cuts.
        Statement("UPDATE session_folders SET tracked_through = ? WHERE session_id = ?", (through, session_id))
    ]
    if gone:
        statements.append(
            BulkStatement("DELETE FROM session_artifacts WHERE session_id = ? AND path = ?", gone)
        )
    if kept:
        sql = (
            "INSERT INTO session_artifacts (session_id, path, kind, added, removed) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET kind = excluded.kind, added = excluded.added,"
            " removed = excluded.removed"
        )
        statements.append(BulkStatement(sql, kept))
    return statements


# --- ends -------------------------------------------------------------------------------------------------


async def load_end(db: Database, session_id: str) -> StoredEnd | None:
    """Return the end of a session as far as it came; None if nobody began it."""
    row = await db.read_one(f"SELECT {_END} FROM session_ends WHERE session_id = ?", (session_id,))  # noqa: S608
    return None if row is None else _end(row)


async def load_ends(db: Database, directory: str) -> dict[str, StoredEnd]:
    """Return the ends of a project's sessions by their ids."""
    found = await db.read(
        f"SELECT {_END} FROM session_ends WHERE session_id IN"  # noqa: S608 (constants)
        " (SELECT session_id FROM session_folders WHERE directory = ?)",
        (directory,),
    )
    return {str(row[0]): _end(row) for row in found}


async def load_cut_ends(db: Database) -> list[StoredEnd]:
    """Return the ends that the end of the last process cut."""
    found = await db.read(f"SELECT {_END} FROM session_ends WHERE status = 'ending'")  # noqa: S608 (constants)
    return [_end(row) for row in found]


def store_draft(session_id: SessionId, status: EndStatus, draft: str, by: str, now_ms: int) -> Statement:
    """Store a drafted summary. It never replaces an end that has begun."""
    return Statement(
        "INSERT INTO session_ends (session_id, status, draft, drafted_by, drafted_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET status = excluded.status, draft = excluded.draft,"
        " drafted_by = excluded.drafted_by, drafted_ms = excluded.drafted_ms"
        # An end that has begun is carried out to its finish, also by the next process: no late draft may undo
        # it.
        " WHERE session_ends.status IN ('drafted', 'proposed')",
        (session_id, status, draft, by, now_ms),
    )


def begin_end(
    session_id: SessionId,
    summary: str,
    score: Mapping[str, int],
    by: str,
    now_ms: int,
    *,
    with_bundle: bool = True,
) -> Statement:
    """Store that the session is being ended. The first one who ends it wins."""
    return Statement(
        "INSERT INTO session_ends (session_id, status, summary, score, by_user, with_bundle, began_ms)"
        " VALUES (?, 'ending', ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET status = 'ending',"
        " summary = excluded.summary, score = excluded.score, by_user = excluded.by_user,"
        " with_bundle = excluded.with_bundle, began_ms = excluded.began_ms, ended_ms = NULL, trouble = ''"
        " WHERE session_ends.status IN ('drafted', 'proposed')",
        (session_id, summary, json.dumps(dict(score)), by, int(with_bundle), now_ms),
    )


def end_done(session_id: SessionId, metrics: Mapping[str, float], trouble: str, now_ms: int) -> Statement:
    """Store that the end is finished. `trouble` is a sentence if a part of it was not possible."""
    return Statement(
        "UPDATE session_ends SET status = 'ended', metrics = ?, trouble = ?, ended_ms = ? WHERE session_id = ?",
        (json.dumps(dict(metrics)), trouble, now_ms, session_id),
    )


def reopen(session_id: SessionId) -> Sequence[Statement]:
    """Store that an ended session goes on: its folder is active again, its summary stays as a draft."""
    return (
        Statement(
            # Only a finished end: one that is still being carried out goes on first.
            "UPDATE session_ends SET status = 'drafted', draft = summary, ended_ms = NULL"
            " WHERE session_id = ? AND status = 'ended'",
            (session_id,),
        ),
        set_place(session_id, FolderPlace.ACTIVE),
    )


def _folder(row: Row) -> StoredFolder:
    return StoredFolder(
        session_id=SessionId(str(row[0])),
        project=str(row[1]),
        directory=str(row[2]),
        day=str(row[3]),
        number=_number(row[4]),
        name=str(row[5]),
        focus=str(row[6]),
        origin=str(row[7]),
        place=FolderPlace(str(row[8])),
        tracked_through=str(row[9]),
        began_ms=_number(row[10]),
    )


def _end(row: Row) -> StoredEnd:
    return StoredEnd(
        session_id=SessionId(str(row[0])),
        status=EndStatus(str(row[1])),
        draft=str(row[2]),
        drafted_by=str(row[3]),
        drafted_ms=_number(row[4]),
        summary=str(row[5]),
        score={str(axis): int(value) for axis, value in json.loads(str(row[6])).items()},
        metrics=json.loads(str(row[7])),
        by_user=str(row[8]),
        with_bundle=bool(row[9]),
        trouble=str(row[10]),
        began_ms=_number(row[11]),
        ended_ms=None if row[12] is None else _number(row[12]),
    )


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def _number(value: object) -> int:
    return 0 if value is None else int(str(value))
