"""The SQL of backups and of restores from bundles. Tables: `bridge/migrations/0021_backups.sql`."""

from dataclasses import dataclass
from enum import StrEnum

from api.backing_up import BackupInfo, BackupKind
from sessions.model import SessionId
from storage import Database, Row, Statement

_COLUMNS = (
    "id, kind, name, label, session_id, project, size_bytes, files, made_ms, trouble, verified_ms, damage,"
    " drilled_ms, copied_code, copied_ms, user_id, sha256, status"
)


class BackupStatus(StrEnum):
    """The progress of a backup."""

    MAKING = "making"
    MADE = "made"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """A backup with what only the service needs: the owner of its session and the hash of its file."""

    info: BackupInfo
    user_id: str = ""
    sha256: str = ""
    status: BackupStatus = BackupStatus.MAKING


@dataclass(frozen=True, slots=True)
class CutBundleRestore:
    """A restore from a bundle whose end was not recorded. `source` is a path below the backups' directory."""

    session_id: SessionId
    source: str


def insert_backup(backup: StoredBackup) -> Statement:
    """Store a backup that is about to be made, or one that was found on the disk."""
    info = backup.info
    # Two looks at the directory may find the same backup.
    return Statement(
        "INSERT INTO backups (id, kind, name, label, session_id, user_id, project, status, sha256, size_bytes,"
        " files, made_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            *(info.id, info.kind, info.name, info.label, info.session_id, backup.user_id, info.project),
            *(backup.status, backup.sha256, info.size_bytes, info.files, info.made_ms),
        ),
    )


def backup_made(backup_id: str, sha256: str, size_bytes: int, files: int, trouble: str) -> Statement:
    """Store that a backup is whole."""
    return Statement(
        "UPDATE backups SET status = 'made', sha256 = ?, size_bytes = ?, files = ?, trouble = ? WHERE id = ?",
        (sha256, size_bytes, files, trouble, backup_id),
    )


def backup_removing(backup_id: str) -> Statement:
    """Store that a backup is being removed."""
    # Before its files go: a start after a kill finds the row and removes the rest.
    return Statement("UPDATE backups SET status = 'removing' WHERE id = ?", (backup_id,))


def delete_backup(backup_id: str) -> Statement:
    """Delete the row of a backup that is gone."""
    return Statement("DELETE FROM backups WHERE id = ?", (backup_id,))


def backup_verified(backup_id: str, damage: str, now_ms: int, *, drilled: bool = False) -> Statement:
    """Store the result of a check; `drilled`: it was restored into a scratch directory."""
    return Statement(
        "UPDATE backups SET verified_ms = ?, damage = ?, drilled_ms = CASE ? WHEN 1 THEN ? ELSE drilled_ms END"
        " WHERE id = ?",
        (now_ms, damage, int(drilled), now_ms, backup_id),
    )


def backup_copied(backup_id: str, code: int, now_ms: int) -> Statement:
    """Store the exit code of the command that copies backups elsewhere."""
    return Statement(
        "UPDATE backups SET copied_code = ?, copied_ms = ? WHERE id = ?", (code, now_ms, backup_id)
    )


async def load_backup(db: Database, backup_id: str) -> StoredBackup | None:
    """Return a backup."""
    row = await db.read_one(f"SELECT {_COLUMNS} FROM backups WHERE id = ?", (backup_id,))  # noqa: S608
    return None if row is None else _backup(row)


async def load_backups(db: Database, *, kind: str = "", session_id: str = "") -> list[StoredBackup]:
    """Return the backups that were made, newest first."""
    found = await db.read(
        # Neither those in the making nor those that are being removed: half a backup must not be offered.
        f"SELECT {_COLUMNS} FROM backups WHERE status = 'made' AND (? = '' OR kind = ?)"  # noqa: S608
        " AND (? = '' OR session_id = ?) ORDER BY made_ms DESC, id DESC",
        (kind, kind, session_id, session_id),
    )
    return [_backup(row) for row in found]


async def load_cut_backups(db: Database) -> list[StoredBackup]:
    """Return the backups whose making or removal was cut."""
    found = await db.read(f"SELECT {_COLUMNS} FROM backups WHERE status IN ('making', 'removing')")  # noqa: S608
    return [_backup(row) for row in found]


async def load_ids(db: Database) -> set[str]:
    """Return the ids of all backups, those in the making included."""
    return {str(row[0]) for row in await db.read("SELECT id FROM backups")}


def insert_bundle_restore(session_id: SessionId, source: str, now_ms: int) -> Statement:
    """Store that the files of a new session are being restored from a bundle."""
    return Statement(
        "INSERT INTO bundle_restores (session_id, source, status, began_ms) VALUES (?, ?, 'restoring', ?)",
        (session_id, source, now_ms),
    )


def bundle_restored(session_id: SessionId, trouble: str, now_ms: int) -> Statement:
    """Store the end of a restore; with `trouble`, a sentence, its files are not there."""
    return Statement(
        "UPDATE bundle_restores SET status = CASE ? WHEN '' THEN 'restored' ELSE 'failed' END, trouble = ?,"
        " ended_ms = ? WHERE session_id = ?",
        (trouble, trouble, now_ms, session_id),
    )


async def load_cut_bundle_restores(db: Database) -> list[CutBundleRestore]:
    """Return the restores that were cut."""
    found = await db.read("SELECT session_id, source FROM bundle_restores WHERE status = 'restoring'")
    return [CutBundleRestore(SessionId(str(row[0])), str(row[1])) for row in found]


def _backup(row: Row) -> StoredBackup:
    def number(column: int) -> int | None:
        value = row[column]
        return None if value is None else int(str(value))

    return StoredBackup(
        BackupInfo(
            id=str(row[0]),
            kind=BackupKind(str(row[1])),
            name=str(row[2]),
            label=str(row[3]),
            session_id=str(row[4]),
            project=str(row[5]),
            size_bytes=number(6) or 0,
            files=number(7) or 0,
            made_ms=number(8) or 0,
            trouble=str(row[9]),
            verified_ms=number(10),
            damage=str(row[11]),
            drilled_ms=number(12),
            copied_code=number(13),
            copied_ms=number(14),
        ),
        user_id=str(row[15]),
        sha256=str(row[16]),
        status=BackupStatus(str(row[17])),
    )
