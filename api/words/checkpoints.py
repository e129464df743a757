"""The words of checkpoints: why one was taken, what changed, what a restore leaves and why."""

from collections.abc import Iterator, Sequence

from api.checkpointing import CheckpointInfo, FileChange, LeftFile, RestorePreview, RestoreResult, StepKind
from api.prompting import FilesChanged
from sessions.restore_scope import RestoreScope
from workdirs.changes import ChangeKind
from workdirs.checkpoint_model import Reason
from workdirs.plan import WhyLeft

REASONS = {
    Reason.BEFORE_PROMPT: "before a prompt",
    Reason.TURN_END: "after a turn",
    Reason.INTERVAL: "during a turn",
    Reason.ASK: "when Claude asked",
    Reason.MANUAL: "taken by hand",
    Reason.MILESTONE: "a milestone",
    Reason.SESSION_END: "the session's end",
    Reason.BACKUP: "for a backup",
    Reason.BEFORE_RESTORE: "before a restore",
    Reason.AFTER_RESTORE: "after a restore",
    Reason.BEFORE_MERGE: "before a merge",
    Reason.AFTER_MERGE: "after a merge",
    Reason.BEFORE_REMOVAL: "before a branch was removed",
    Reason.PARKING: "when the session was parked",
    Reason.HAND_OVER: "before it went to a terminal",
    Reason.INTERRUPT: "when Claude was stopped",
    Reason.BRANCH_POINT: "where a branch began",
    Reason.COMPARE: "for a comparison",
}
WHY_LEFT = {
    WhyLeft.IGNORED: "kept: the checkpoint's ignore rules cover it",
    WhyLeft.IN_THE_WAY: "blocked: something stands there that no checkpoint holds",
    WhyLeft.UNCOVERED: "kept: no checkpoint holds it",
    WhyLeft.CHANGED_MEANWHILE: "kept: it changed meanwhile",
    WhyLeft.NOT_WRITABLE: "blocked: the system refuses to write there",
    WhyLeft.CLASHES: "blocked: two names are one on this file system",
}
_SCOPES = {
    RestoreScope.SESSION: "only files that this session's turns changed",
    RestoreScope.EVERYTHING: "all files of the directory",
    RestoreScope.AUTO: "the files that fit",
}
_CHANGES = {ChangeKind.CREATED: "+", ChangeKind.CHANGED: "~", ChangeKind.DELETED: "−"}
_STEPS = {StepKind.CREATE: "+", StepKind.CHANGE: "~", StepKind.DELETE: "−"}


def about(checkpoint: CheckpointInfo) -> str:
    """Return what a checkpoint is, without its time: `after a turn · 12 files · “label”`."""
    files = "1 file" if checkpoint.files == 1 else f"{checkpoint.files:,} files"
    parts = [REASONS[checkpoint.reason], files]
    if checkpoint.label:
        parts.append(f"“{checkpoint.label}”")
    return " · ".join(parts)


PUT_BACK, KEEP_FILES = "Put back, ask again", "Keep, ask again"
"""The answers to `put_back_question`."""


def put_back_question(changed: FilesChanged) -> str:
    """Return the question before an answer that changed files is asked for again."""
    files = "1 file" if len(changed.paths) == 1 else f"{len(changed.paths):,} files"
    lines = f" (+{changed.insertions} −{changed.deletions})"
    return f"The last answer changed {files}{lines}. Put them back or keep them?"


def cautions(checkpoint: CheckpointInfo) -> Iterator[str]:
    """Yield a sentence for each thing that the checkpoint does not hold, or may not hold."""
    if checkpoint.is_late:
        yield "It was late: changes of its turn may be in it already."
    if checkpoint.is_partial:
        yield "Some files could not be looked at, so it may lack them."
    if checkpoint.uncovered:
        words = f"It does not hold {_paths(checkpoint.uncovered)}"
        yield f"{words}: too large, unreadable, or no ordinary file."
    if checkpoint.moving:
        yield f"{_paths(checkpoint.moving).capitalize()} changed while it was taken."


def change_line(change: FileChange) -> str:
    """Return a changed file with its lines: `~ src/app.py +3 −1`."""
    numbers = "" if change.added is None else f" +{change.added} −{change.removed}"
    return f"{_CHANGES[change.kind]} {change.path}{numbers}"


def preview_words(preview: RestorePreview) -> str:
    """Return the sentence of a preview: how many files it would create, change, delete and leave."""
    if not preview.steps:
        left = f" {_paths(preview.kept).capitalize()} would stay as they are." if preview.kept else ""
        return f"Nothing would change.{left}"
    counts = ((preview.creates, "create"), (preview.changes, "change"), (preview.deletes, "delete"))
    acts = ", ".join(f"{act} {count:,}" for count, act in counts if count)
    left = f" {_paths(preview.kept).capitalize()} would stay." if preview.kept else ""
    return f"This would {acts}. It covers {_SCOPES[preview.scope]}.{left}"


def head_words(preview: RestorePreview) -> str:
    """Return a sentence if HEAD of the repository moved since the checkpoint; empty if it did not."""
    if not preview.head_now:
        return ""
    return (
        f"HEAD moved since: from {preview.head_then} to {preview.head_now}. A restore puts files back; commits"
        " and branches stay."
    )


def step_lines(preview: RestorePreview, own_session: str) -> Iterator[str]:
    """Yield a line for each file that would change, with a note if another session changed it since."""
    for step in preview.steps:
        is_foreign = step.changed_since_by not in ("", own_session)
        yield f"{_STEPS[step.kind]} {step.path}{' · another session changed it' if is_foreign else ''}"


def left_lines(left: Sequence[LeftFile]) -> Iterator[str]:
    """Yield a line for each file that stays, with the reason."""
    for each in left:
        yield f"{each.path} · {WHY_LEFT[each.why]}"


def result_words(result: RestoreResult) -> str:
    """Return the sentence on a restore that was carried out."""
    words = f"{_paths(result.restored).capitalize()} put back."
    if result.left:
        words += f" {_paths(len(result.left)).capitalize()} left as they are."
    if result.differing:
        words += f" {_paths(len(result.differing)).capitalize()} changed again at once: somebody writes there."
    return words


def _paths(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
