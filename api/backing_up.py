"""Commands on backups: list, create, verify, restore, rotate."""

from enum import StrEnum

import msgspec

from api.access import Action
from api.command import Command, SessionCommand
from api.reading import ExportedFile, SessionInfo

MAX_LABEL = 60


class BackupKind(StrEnum):
    """The kind of a backup: of one session; of everything, each day; of everything, for an occasion."""

    SESSION = "session"
    DAILY = "daily"
    MILESTONE = "milestone"


class BackupInfo(msgspec.Struct, frozen=True):
    """A backup. `id` names it in other commands: `sessions/2026-01-31-session-001-login`, `daily/2026-01-31`.

    `trouble` is a sentence on a part that could not be made; `damage` one that the last check found.
    `copied_code` is the exit code of `BACKUP_COMMAND`; None if it did not run.
    """

    id: str
    kind: BackupKind
    name: str
    label: str = ""
    session_id: str = ""
    project: str = ""
    size_bytes: int = 0
    files: int = 0
    made_ms: int = 0
    trouble: str = ""
    verified_ms: int | None = None
    damage: str = ""
    drilled_ms: int | None = None
    copied_code: int | None = None
    copied_ms: int | None = None


class BackupList(msgspec.Struct, frozen=True):
    """Backups, newest first. `due` counts those that the rules would remove now; they take `due_bytes`."""

    backups: tuple[BackupInfo, ...]
    due: int = 0
    due_bytes: int = 0


class VerifiedBackup(msgspec.Struct, frozen=True):
    """A backup that was read byte by byte; its `damage` is a sentence, or empty."""

    backup: BackupInfo
    files: int
    size_bytes: int


class RestoredProject(msgspec.Struct, frozen=True):
    """A project that was written into a new directory of the workspace."""

    project: str
    files: int


class RotationReport(msgspec.Struct, frozen=True):
    """The backups that the rules would remove or, if `applied`, have removed."""

    backups: tuple[BackupInfo, ...]
    size_bytes: int
    applied: bool


class ListBackups(Command[BackupList], frozen=True, tag="list_backups", kw_only=True):
    """Return backups, newest first: of sessions that the actor may manage; for an admin all."""

    action = Action.LIST
    reply = BackupList
    audited = False
    kind: BackupKind | None = None
    limit: int = 25


class BackUpSession(SessionCommand[BackupInfo], frozen=True, tag="back_up_session", kw_only=True):
    """Write the session's bundle as it is now; the session goes on. Raises `BackupRefused`."""

    action = Action.MANAGE
    reply = BackupInfo


class ExportBundle(SessionCommand[ExportedFile], frozen=True, tag="export_bundle", kw_only=True):
    """Return the session's bundle as a file; nothing is kept. Raises `BackupRefused`.

    It holds the project's files, so it needs more than the right to view the session.
    """

    action = Action.MANAGE
    reply = ExportedFile


class BackUpAll(Command[BackupInfo], frozen=True, tag="back_up_all", kw_only=True):
    """Back up projects, database, transcripts and folders: as a milestone with this label, else as a daily one.

    A checkpoint of each project comes first. Raises `BackupRefused`.
    """

    action = Action.ADMINISTER
    reply = BackupInfo
    label: str = ""


class VerifyBackup(Command[VerifiedBackup], frozen=True, tag="verify_backup", kw_only=True):
    """Read every byte of a backup and compare it with the hashes. Raises `BackupRefused` for an unknown id."""

    # The right to this one backup is asked for where it is carried out: its session decides, or whose it was.
    action = Action.LIST
    reply = VerifiedBackup
    audited = False
    backup_id: str


class RestoreBackup(Command[SessionInfo], frozen=True, tag="restore_backup", kw_only=True):
    """Make a session, owned by the actor, that goes on from a session's backup, in conversation and files.

    Its files are written into `project`, which must be empty or missing; without one into the project of its
    origin if that is empty, else into a new one beside it. Raises `BackupRefused`, `PlaceTaken`.
    """

    # The right to the backup itself is asked for as well, when the command is carried out.
    action = Action.CREATE
    reply = SessionInfo
    backup_id: str
    channel_id: str
    key: str = ""
    project: str = ""


class RestoreProject(Command[RestoredProject], frozen=True, tag="restore_project", kw_only=True):
    """Write a project of a daily or milestone backup into a new directory of the workspace.

    Raises `BackupRefused` if the backup does not have it.
    """

    # It holds the files of everybody who worked in the project.
    action = Action.ADMINISTER
    reply = RestoredProject
    backup_id: str
    project: str


class PlanRotation(Command[RotationReport], frozen=True, tag="plan_rotation"):
    """Report the backups that the rules would remove now; change nothing."""

    action = Action.ADMINISTER
    reply = RotationReport
    audited = False


class ApplyRotation(Command[RotationReport], frozen=True, tag="apply_rotation"):
    """Remove the backups that the rules say, for good."""

    action = Action.ADMINISTER
    reply = RotationReport


BackingUpCommand = (
    ListBackups | BackUpAll | VerifyBackup | RestoreBackup | RestoreProject | PlanRotation | ApplyRotation
)
"""The commands of this file that are not about one session."""
