"""Commands on checkpoints of a session's files: take, list, compare, restore, undo."""

from enum import StrEnum

import msgspec

from api.access import Action
from api.command import SessionCommand
from sessions.restore_scope import RestoreScope
from workdirs.changes import ChangeKind
from workdirs.checkpoint_model import Reason
from workdirs.plan import WhyLeft

MOST_LISTED = 50
MOST_PATHS = 500


class CheckpointInfo(msgspec.Struct, frozen=True):
    """A checkpoint. `turn_id` is the turn that it precedes or ends, or the last one; empty before the first.

    `uncovered` counts paths that it names but does not hold, `moving` files that changed while they were read.
    A `late` one may hold changes of its turn already; a `partial` one may lack files.
    """

    id: str
    reason: Reason
    label: str
    turn_id: str
    made_ms: int
    files: int
    uncovered: int = 0
    moving: int = 0
    is_late: bool = False
    is_partial: bool = False


class CheckpointPage(msgspec.Struct, frozen=True):
    """Checkpoints, newest first. `cursor` continues the list; empty at its end."""

    checkpoints: tuple[CheckpointInfo, ...]
    cursor: str = ""


class FileChange(msgspec.Struct, frozen=True):
    """A changed file; `path` has U+FFFD for bytes that are not UTF-8. No numbers for a binary file."""

    path: str
    kind: ChangeKind
    added: int | None = None
    removed: int | None = None


class Comparison(msgspec.Struct, frozen=True):
    """The changes from one state of the files to another; at most `MOST_PATHS` of `total` are listed.

    `diff` is a unified diff if it was asked for, None if it is too long.
    """

    changes: tuple[FileChange, ...]
    total: int
    diff: str | None = ""


class StepKind(StrEnum):
    """The effect of a restore on one file."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


class RestoreStep(msgspec.Struct, frozen=True):
    """A step of a restore."""

    path: str
    kind: StepKind
    changed_since_by: str = ""
    """The author of the newest change that is known since the checkpoint: a session's id, or empty."""


class LeftFile(msgspec.Struct, frozen=True):
    """A file that differs from the checkpoint, and that the restore leaves as it is."""

    path: str
    why: WhyLeft


class RestorePreview(msgspec.Struct, frozen=True):
    """A preview of a restore. `scope` is the one that applies, never `auto`.

    `steps` and `left` have at most `MOST_PATHS` each; the numbers count all. `digest` names the plan.
    `head_then` and `head_now` say where HEAD of the repository was and is, as `main at 1a2b3c4`; both are empty
    if it did not move. A restore leaves it where it is.
    """

    checkpoint: CheckpointInfo
    scope: RestoreScope
    digest: str
    creates: int
    changes: int
    deletes: int
    kept: int
    steps: tuple[RestoreStep, ...]
    left: tuple[LeftFile, ...]
    head_then: str = ""
    head_now: str = ""


class RestoreResult(msgspec.Struct, frozen=True):
    """A restore that was carried out. `safety` is the checkpoint of the files before it.

    `differing` are files that were put back and are different already: somebody writes to them.
    """

    checkpoint: CheckpointInfo
    safety: CheckpointInfo
    restored: int
    left: tuple[LeftFile, ...] = ()
    differing: tuple[str, ...] = ()


class TakeCheckpoint(SessionCommand[CheckpointInfo], frozen=True, tag="take_checkpoint", kw_only=True):
    """Take a checkpoint of the session's work directory, and keep it for good. Raises `CheckpointRefused`.

    A `milestone` is counted and listed in the session's folder. A repeated `origin` takes
    no second checkpoint.
    """

    action = Action.PROMPT
    reply = CheckpointInfo
    label: str = ""
    milestone: bool = False
    origin: str = ""


class ListCheckpoints(SessionCommand[CheckpointPage], frozen=True, tag="list_checkpoints", kw_only=True):
    """Return the session's checkpoints, newest first. Raises `CheckpointRefused` if they are switched off."""

    action = Action.VIEW
    reply = CheckpointPage
    audited = False
    cursor: str = ""
    limit: int = 20


class CompareCheckpoints(SessionCommand[Comparison], frozen=True, tag="compare_checkpoints", kw_only=True):
    """Compare a checkpoint with a later one, or with the files as they are now if `with_id` is empty.

    `with_diff` adds the text of the changes. Raises `CheckpointRefused`.
    """

    action = Action.VIEW
    reply = Comparison
    audited = False
    checkpoint_id: str
    with_id: str = ""
    with_diff: bool = False


class ReadTurnChanges(SessionCommand[Comparison], frozen=True, tag="read_turn_changes", kw_only=True):
    """Return what a turn changed, Bash's changes included. Raises `CheckpointRefused` if it is not known."""

    action = Action.VIEW
    reply = Comparison
    audited = False
    turn_id: str
    with_diff: bool = False


class PreviewRestore(SessionCommand[RestorePreview], frozen=True, tag="preview_restore", kw_only=True):
    """Say what a restore of the files would do now; changes no file. Raises `CheckpointRefused`."""

    action = Action.VIEW
    reply = RestorePreview
    audited = False
    checkpoint_id: str
    scope: RestoreScope = RestoreScope.AUTO


class RestoreFiles(SessionCommand[RestoreResult], frozen=True, tag="restore_files", kw_only=True):
    """Put the files back as the preview of this `digest` said; `scope` is the preview's.

    Raises `IllegalMove` while Claude works, `PreviewOutdated` if files changed since, `CheckpointRefused`.
    """

    # More than PROMPT: files change at once, and Claude asks nobody first.
    action = Action.APPROVE
    reply = RestoreResult
    checkpoint_id: str
    scope: RestoreScope
    digest: str


class UndoRestore(SessionCommand[RestoreResult], frozen=True, tag="undo_restore", kw_only=True):
    """Undo the session's last restore, for the files that it changed. Raises as `RestoreFiles` does."""

    action = Action.APPROVE
    reply = RestoreResult


CheckpointingCommand = (
    TakeCheckpoint
    | ListCheckpoints
    | CompareCheckpoints
    | ReadTurnChanges
    | PreviewRestore
    | RestoreFiles
    | UndoRestore
)
"""The commands of this file."""
