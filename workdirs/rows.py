"""The SQL of work directories, checkpoints, file changes and restores."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from storage import AnyStatement, BulkStatement, Database, Row, Statement
from workdirs.changes import ChangeKind, PathChange
from workdirs.checkpoint_model import (
    Cause,
    Checkpoint,
    CheckpointId,
    Note,
    Reason,
    RestoreId,
    Scope,
)
from workdirs.model import FilePath, ObjectId, Snapshot

_COLUMNS = (
    "id, directory, owner, anchor, reason, label, ref, commit_id, tree, files, uncovered, moving,"
    " is_partial, is_late, pinned, made_ms, head"
)
# More are not stored. Then the scope of a restore stands for its paths, see `load_restore_scope`.
_MOST_CHANGES = 5000


class StoredDirectory(msgspec.Struct, frozen=True):
    """Where the checkpoints of a work directory are. `store` and `cache` are names below the root of all."""

    path: str
    project: str
    store: str
    cache: str


class CutRestore(msgspec.Struct, frozen=True):
    """A restore whose end was not recorded."""

    id: RestoreId
    target: CheckpointId
    safety: CheckpointId
    owner: str
    scope: Scope


class KnownChange(msgspec.Struct, frozen=True):
    """A change of a file whose cause is known."""

    path: FilePath
    owner: str
    cause: Cause


def insert_directory(directory: StoredDirectory, now_ms: int) -> Statement:
    """Store a work directory; nothing if it is stored."""
    return Statement(
        "INSERT INTO work_directories (path, project, store, cache, made_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (path) DO NOTHING",
        (directory.path, directory.project, directory.store, directory.cache, now_ms),
    )


async def load_directory(db: Database, path: str) -> StoredDirectory | None:
    """Return the work directory at `path`."""
    row = await db.read_one("SELECT path, project, store, cache FROM work_directories WHERE path = ?", (path,))
    return None if row is None else StoredDirectory(*map(str, row))


async def load_directories(db: Database) -> list[StoredDirectory]:
    """Return all work directories that have checkpoints."""
    found = await db.read("SELECT path, project, store, cache FROM work_directories ORDER BY path")
    return [StoredDirectory(*map(str, row)) for row in found]


def insert_checkpoint(checkpoint_id: CheckpointId, directory: str, note: Note, now_ms: int) -> Statement:
    """Store a checkpoint that is about to be taken."""
    return Statement(
        "INSERT INTO checkpoints (id, directory, owner, anchor, reason, label, origin, status, made_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'taking', ?)",
        (checkpoint_id, directory, note.owner, note.anchor, note.reason, note.label, note.origin, now_ms),
    )


def checkpoint_taken(
    checkpoint_id: CheckpointId, snapshot: Snapshot, took_ms: int, *, is_late: bool, head: str = ""
) -> Statement:
    """Store the result of a checkpoint that was taken."""
    coverage = snapshot.coverage
    return Statement(
        "UPDATE checkpoints SET status = 'taken', ref = ?, commit_id = ?, tree = ?, files = ?, uncovered = ?,"
        " moving = ?, is_partial = ?, stored_bytes = ?, took_ms = ?, is_late = ?, head = ? WHERE id = ?",
        (
            snapshot.ref,
            snapshot.commit,
            snapshot.tree,
            coverage.files,
            len(coverage.uncovered),
            len(coverage.moving),
            int(coverage.is_partial),
            snapshot.stored_bytes,
            took_ms,
            int(is_late),
            head,
            checkpoint_id,
        ),
    )


def insert_imported(checkpoint: Checkpoint, store_ref: str) -> Statement:
    """Store a checkpoint that came with a bundle and lies in the store under `store_ref`."""
    return Statement(
        "INSERT INTO checkpoints (id, directory, owner, anchor, reason, label, status, ref, commit_id, tree,"
        " files, uncovered, moving, is_partial, is_late, pinned, made_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, 'taken', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(checkpoint.id, checkpoint.directory, checkpoint.owner, checkpoint.anchor, checkpoint.reason),
            *(checkpoint.label, store_ref, checkpoint.commit, checkpoint.tree, checkpoint.files),
            *(checkpoint.uncovered, checkpoint.moving, int(checkpoint.is_partial), int(checkpoint.is_late)),
            *(int(checkpoint.is_pinned), checkpoint.made_ms),
        ),
    )


def checkpoint_failed(checkpoint_id: CheckpointId, trouble: str) -> Statement:
    """Store that a checkpoint was not taken; `trouble` is the reason as a sentence."""
    return Statement(
        "UPDATE checkpoints SET status = 'failed', trouble = ? WHERE id = ?", (trouble, checkpoint_id)
    )


def fail_cut_checkpoints() -> Statement:
    """Mark every unfinished checkpoint as failed; for the start."""
    return Statement(
        "UPDATE checkpoints SET status = 'failed', trouble = 'the bridge stopped meanwhile'"
        " WHERE status = 'taking'"
    )


def pin(checkpoint_id: CheckpointId, *, pinned: bool) -> Statement:
    """Keep a checkpoint for good, or no longer."""
    return Statement("UPDATE checkpoints SET pinned = ? WHERE id = ?", (int(pinned), checkpoint_id))


def release(owner: str) -> Statement:
    """Let the checkpoints of an owner that is deleted go by their age, also those that were kept for good."""
    return Statement("UPDATE checkpoints SET pinned = 0, label = '' WHERE owner = ?", (owner,))


async def load_checkpoint(db: Database, checkpoint_id: str) -> Checkpoint | None:
    """Return a checkpoint that was taken."""
    row = await db.read_one(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE id = ? AND status = 'taken'",  # noqa: S608 (constants)
        (checkpoint_id,),
    )
    return None if row is None else _checkpoint(row)


async def load_by_origin(db: Database, owner: str, origin: str) -> Checkpoint | None:
    """Return the checkpoint of the owner that was taken under `origin`."""
    row = await db.read_one(
        f"SELECT {_COLUMNS} FROM checkpoints"  # noqa: S608 (constants)
        " WHERE owner = ? AND origin = ? AND origin <> '' AND status = 'taken'",
        (owner, origin),
    )
    return None if row is None else _checkpoint(row)


async def load_newest(db: Database, directory: str) -> Checkpoint | None:
    """Return the last checkpoint of a directory."""
    found = await load_checkpoints(db, directory=directory, limit=1)
    return found[0] if found else None


async def load_checkpoints(
    db: Database, *, owner: str = "", directory: str = "", before: str = "", limit: int = 25
) -> list[Checkpoint]:
    """Return checkpoints that were taken, newest first: of an owner, of a directory, or of both."""
    found = await db.read(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE status = 'taken'"  # noqa: S608 (constants)
        " AND (? = '' OR owner = ?) AND (? = '' OR directory = ?) AND (? = '' OR id < ?)"
        " ORDER BY id DESC LIMIT ?",
        (owner, owner, directory, directory, before, before, limit),
    )
    return [_checkpoint(row) for row in found]


async def count_checkpoints(db: Database, owner: str) -> Counter[Reason]:
    """Return how many checkpoints of `owner` were taken, by their reason."""
    sql = "SELECT reason, count(*) FROM checkpoints WHERE status = 'taken' AND owner = ? GROUP BY reason"
    return Counter({Reason(reason): int(count) for reason, count in await db.read(sql, (owner,))})


async def load_anchored(db: Database, owner: str, anchor: str, reason: Reason) -> Checkpoint | None:
    """Return the last checkpoint of that reason at a place of the owner's conversation."""
    row = await db.read_one(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE owner = ? AND anchor = ? AND reason = ?"  # noqa: S608
        " AND status = 'taken' ORDER BY id DESC LIMIT 1",
        (owner, anchor, reason),
    )
    return None if row is None else _checkpoint(row)


def insert_changes(after: Checkpoint, cause: Cause, changes: Sequence[PathChange]) -> list[AnyStatement]:
    """Store that the owner of the checkpoint `after` made these changes, by `cause`."""
    rows = [
        (after.id, each.path, after.directory, after.owner, cause, each.kind, each.added, each.removed)
        for each in changes[:_MOST_CHANGES]
    ]
    sql = (
        "INSERT INTO file_changes (checkpoint, path, directory, owner, cause, kind, added, removed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    )
    return [BulkStatement(sql, rows)] if rows else []


async def load_touched(db: Database, directory: str, owner: str) -> set[FilePath]:
    """Return the paths that turns of `owner` changed in the directory."""
    found = await db.read(
        "SELECT DISTINCT path FROM file_changes WHERE directory = ? AND owner = ? AND cause = 'turn'",
        (directory, owner),
    )
    return {_path(row[0]) for row in found}


async def load_changes(db: Database, checkpoint_id: CheckpointId) -> list[PathChange]:
    """Return the changes that are stored with a checkpoint."""
    found = await db.read(
        "SELECT path, kind, added, removed FROM file_changes WHERE checkpoint = ? ORDER BY path",
        (checkpoint_id,),
    )
    return [
        PathChange(_path(row[0]), ChangeKind(str(row[1])), _number(row[2]), _number(row[3])) for row in found
    ]


async def load_known_changes(db: Database, directory: str, after: CheckpointId) -> list[KnownChange]:
    """Return the changes with a known cause that came after a checkpoint, oldest first."""
    found = await db.read(
        "SELECT path, owner, cause FROM file_changes WHERE directory = ? AND checkpoint > ?"
        " ORDER BY checkpoint",
        (directory, after),
    )
    return [KnownChange(_path(row[0]), str(row[1]), Cause(str(row[2]))) for row in found]


def insert_restore(restore: CutRestore, directory: str, undoes: str | None, now_ms: int) -> Statement:
    """Store a restore that is about to change files."""
    return Statement(
        "INSERT INTO restores (id, directory, target, safety, undoes, owner, scope, status, began_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'applying', ?)",
        (
            restore.id,
            directory,
            restore.target,
            restore.safety,
            undoes,
            restore.owner,
            _scope_text(restore.scope),
            now_ms,
        ),
    )


def restore_applied(restore_id: RestoreId, after: CheckpointId, done: int, kept: int, now_ms: int) -> Statement:
    """Store the end of a restore."""
    return Statement(
        "UPDATE restores SET status = 'applied', after = ?, done = ?, kept = ?, ended_ms = ? WHERE id = ?",
        (after, done, kept, now_ms, restore_id),
    )


def restore_failed(restore_id: RestoreId, trouble: str, now_ms: int) -> Statement:
    """Store that a restore did not reach its end."""
    return Statement(
        "UPDATE restores SET status = 'failed', trouble = ?, ended_ms = ? WHERE id = ?",
        (trouble, now_ms, restore_id),
    )


async def load_cut_restores(db: Database) -> list[CutRestore]:
    """Return the restores that were cut."""
    found = await db.read(
        "SELECT id, target, safety, owner, scope FROM restores WHERE status = 'applying' ORDER BY id"
    )
    return [
        CutRestore(
            RestoreId(str(row[0])),
            CheckpointId(str(row[1])),
            CheckpointId(str(row[2])),
            str(row[3]),
            _scope(str(row[4])),
        )
        for row in found
    ]


async def load_last_restore(db: Database, owner: str) -> tuple[RestoreId, CheckpointId] | None:
    """Return the owner's last restore that was applied and not undone, and its safety checkpoint."""
    row = await db.read_one(
        "SELECT id, safety FROM restores WHERE owner = ? AND status = 'applied' AND undoes IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM restores AS later WHERE later.undoes = restores.id"
        " AND later.status = 'applied') ORDER BY id DESC LIMIT 1",
        (owner,),
    )
    return None if row is None else (RestoreId(str(row[0])), CheckpointId(str(row[1])))


async def load_restore_scope(db: Database, restore_id: RestoreId) -> Scope:
    """Return the paths that a restore changed; its scope if they are too many to be stored."""
    row = await db.read_one("SELECT scope, after FROM restores WHERE id = ?", (restore_id,))
    if row is None:
        return frozenset()
    found = await db.read(
        "SELECT path FROM file_changes WHERE checkpoint = ? AND cause = 'restore'", (str(row[1]),)
    )
    # At the limit, there may have been more than are stored.
    return frozenset(_path(each[0]) for each in found) if len(found) < _MOST_CHANGES else _scope(str(row[0]))


def delete_checkpoints(ids: Iterable[CheckpointId]) -> AnyStatement:
    """Delete rows. Restores that name them go first."""
    return BulkStatement("DELETE FROM checkpoints WHERE id = ?", [(each,) for each in ids])


def delete_restores_of(ids: Iterable[CheckpointId]) -> list[AnyStatement]:
    """Delete the restores that name one of these checkpoints."""
    listed = list(ids)
    # `undoes` refers to another restore: the reference goes first, or SQLite refuses to delete that one.
    unlink = "UPDATE restores SET undoes = NULL WHERE undoes IN (SELECT id FROM restores WHERE {0} = ?)"
    delete = "DELETE FROM restores WHERE {0} = ?"
    return [
        BulkStatement(sql.format(column), [(each,) for each in listed])
        for column in ("target", "safety", "after")
        for sql in (unlink, delete)
    ]


async def load_used_refs(db: Database, refs: Sequence[str]) -> set[str]:
    """Return those of `refs` that a checkpoint still needs."""
    found = await db.read(
        "SELECT DISTINCT ref FROM checkpoints WHERE ref IN (SELECT value FROM json_each(?))",
        (json.dumps(refs),),
    )
    return {str(row[0]) for row in found}


def _checkpoint(row: Row) -> Checkpoint:
    numbers = [int(str(value)) for value in row[9:16]]
    return Checkpoint(
        id=CheckpointId(str(row[0])),
        directory=str(row[1]),
        owner=str(row[2]),
        anchor=str(row[3]),
        reason=Reason(str(row[4])),
        label=str(row[5]),
        ref=str(row[6]),
        commit=ObjectId(str(row[7])),
        tree=ObjectId(str(row[8])),
        files=numbers[0],
        uncovered=numbers[1],
        moving=numbers[2],
        is_partial=bool(numbers[3]),
        is_late=bool(numbers[4]),
        is_pinned=bool(numbers[5]),
        made_ms=numbers[6],
        head=str(row[16]),
    )


def _path(value: object) -> FilePath:
    assert isinstance(value, bytes)
    return FilePath(value)


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))


def _scope_text(scope: Scope) -> str:
    # ASCII: a name of invalid UTF-8 is a lone surrogate, which SQLite refuses.
    return "" if scope is None else json.dumps(sorted(os.fsdecode(path) for path in scope))


def _scope(text: str) -> Scope:
    return None if not text else frozenset(FilePath(os.fsencode(path)) for path in json.loads(text))
