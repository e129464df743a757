"""The values of checkpoints and restores as they are kept in rows."""

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import NewType

import msgspec

from workdirs.model import FilePath, ObjectId
from workdirs.plan import Left, RestorePlan

CheckpointId = NewType("CheckpointId", str)
RestoreId = NewType("RestoreId", str)


class Reason(StrEnum):
    """Why a checkpoint was taken."""

    BEFORE_PROMPT = "before_prompt"
    TURN_END = "turn_end"
    INTERVAL = "interval"
    ASK = "ask"
    MANUAL = "manual"
    MILESTONE = "milestone"
    SESSION_END = "session_end"
    BACKUP = "backup"
    BEFORE_RESTORE = "before_restore"
    AFTER_RESTORE = "after_restore"
    BEFORE_MERGE = "before_merge"
    AFTER_MERGE = "after_merge"
    BEFORE_REMOVAL = "before_removal"
    PARKING = "parking"
    HAND_OVER = "hand_over"
    INTERRUPT = "interrupt"
    BRANCH_POINT = "branch_point"
    COMPARE = "compare"


class Cause(StrEnum):
    """The known causes of a change to a file."""

    TURN = "turn"
    RESTORE = "restore"
    MERGE = "merge"


class Place(msgspec.Struct, frozen=True):
    """A work directory, and the project whose store has its checkpoints. A branch uses that of its parent."""

    directory: Path
    project: Path


class Note(msgspec.Struct, frozen=True):
    """The facts stored with a checkpoint. `late_after_s`: a checkpoint that takes longer is marked late.

    `origin` is the key of the act that asked for it, or empty.
    """

    owner: str
    anchor: str
    reason: Reason
    label: str = ""
    late_after_s: float | None = None
    origin: str = ""


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint that was taken. `head` is HEAD of the user's repository then; see `repository.head_of`."""

    id: CheckpointId
    directory: str
    owner: str
    anchor: str
    reason: Reason
    label: str
    ref: str
    commit: ObjectId
    tree: ObjectId
    files: int
    uncovered: int
    moving: int
    is_partial: bool
    is_late: bool
    is_pinned: bool
    made_ms: int
    head: str = ""


Scope = Collection[FilePath] | None
"""The paths that a restore may touch; `None` is everything."""


class Preview(msgspec.Struct, frozen=True):
    """The plan of a restore. `digest` names it: a restore is refused if it became another one."""

    target: Checkpoint
    safety: Checkpoint
    plan: RestorePlan
    digest: str


class Restored(msgspec.Struct, frozen=True):
    """A restore that ended. `differing` are paths that are not as in the target although they were written."""

    id: RestoreId
    target: Checkpoint
    safety: Checkpoint
    after: Checkpoint
    paths: tuple[FilePath, ...]
    left: tuple[Left, ...]
    differing: tuple[FilePath, ...]
