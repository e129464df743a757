"""The errors of work directories: one class per decision that a caller can take.

Messages are sentences for people. They name files by their path below the work directory, never a host path.
"""

from enum import StrEnum


class WorkdirError(Exception):
    """Root of all errors of this package."""


class GitMissing(WorkdirError):
    """The program git is not installed, so that there are no checkpoints, branches and merges."""

    def __init__(self) -> None:
        super().__init__("git is not installed on the bridge's machine; install it, version 2.38 or newer")


class GitFailed(WorkdirError):
    """git ended with an error. `code` is its exit code, `stderr` the end of what it said, for the log."""

    def __init__(self, command: str, code: int, stderr: str) -> None:
        super().__init__(f"git {command} failed with exit code {code}")
        self.command = command
        self.code = code
        self.stderr = stderr


class GitTimedOut(WorkdirError):
    """git did not end within its deadline and was killed."""

    def __init__(self, command: str, deadline_s: float) -> None:
        super().__init__(f"git {command} took longer than {deadline_s:g} seconds and was stopped")
        self.command = command


class GitSaidTooMuch(WorkdirError):
    """git printed more than the caller is ready to hold, and was killed."""

    def __init__(self, command: str, max_bytes: int) -> None:
        super().__init__(f"git {command} printed more than {max_bytes} bytes and was stopped")
        self.command = command


class GitMisused(WorkdirError):
    """This call would run the repository's own programs: a bug of the caller."""

    def __init__(self, command: str) -> None:
        super().__init__(f"git {command} is not among the calls that are safe in a foreign repository")


class UnsafePath(WorkdirError):
    """A path has a part that must not be written: `..`, `.git` in any spelling, nothing, or a NUL."""

    def __init__(self, path: bytes) -> None:
        super().__init__(f"the path {path!r} must not be written")
        self.path = path


class StoreMissing(WorkdirError):
    """The store has no such checkpoint any more."""

    def __init__(self, commit: str) -> None:
        super().__init__(f"the files of checkpoint {commit[:12] or '?'} are no longer stored")
        self.commit = commit


class StoreDamaged(WorkdirError):
    """Content of a checkpoint is missing or wrong. Nothing of it was written out."""

    def __init__(self, path: bytes) -> None:
        name = path.decode(errors="replace")
        super().__init__(f"the stored content of {name!r} is damaged; nothing was changed in the directory")
        self.path = path


class BundleUnusable(WorkdirError):
    """A file with checkpoints is damaged, or holds what no checkpoint can hold. Nothing of it was kept."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the checkpoints of the bundle cannot be used: {why}")


class WhyNoCheckpoint(StrEnum):
    """Why a checkpoint was not taken."""

    NO_GIT = "no_git"
    TOO_SLOW = "too_slow"
    TOO_MANY_FILES = "too_many_files"
    STORE_FULL = "store_full"
    DISK_FULL = "disk_full"
    GONE = "gone"
    FAILED = "failed"


class CheckpointFailed(WorkdirError):
    """No checkpoint was taken. The message is a sentence for people; `why` is for decisions."""

    def __init__(self, why: WhyNoCheckpoint, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


class CheckpointGone(WorkdirError):
    """The checkpoint does not exist, or its files were removed by age."""

    def __init__(self) -> None:
        super().__init__("this checkpoint is no longer kept")


class PlanChanged(WorkdirError):
    """The files changed since the preview: the restore would do something else than people saw."""

    def __init__(self) -> None:
        super().__init__("files changed since the preview; nothing was restored, look at it again")


class RestoreFailed(WorkdirError):
    """Files could not be written. Those before the failure are restored; the safety checkpoint has all."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the restore stopped: {reason}")


class DirectoryRefused(WorkdirError):
    """Checkpoints of this directory are refused; the message says why and names no path."""


class BadBranchName(WorkdirError):
    """The name of a branch can stand neither in a path nor in a ref."""

    def __init__(self, name: str) -> None:
        super().__init__("the name of a branch has letters from a to z, digits and single dashes, at most 50")
        self.name = name


class PlaceTaken(WorkdirError):
    """Something lies where the directory of the branch should be."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a branch of the name {name} exists already; choose another name")
        self.name = name


class RemovalFailed(WorkdirError):
    """The directory of a branch was not removed; `reason` says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the directory {name} was not removed: {reason}")
        self.name = name


class BranchGone(WorkdirError):
    """A branch of a merge does not exist any more."""

    def __init__(self, ref: str) -> None:
        name = ref.removeprefix("refs/heads/")
        super().__init__(f"the branch {name} does not exist any more")
        self.ref = ref


class MergeImpossible(WorkdirError):
    """The two branches cannot be merged; the message says why."""


class MergeBlocked(WorkdirError):
    """The merge cannot land now; the message says why. Nothing was changed."""


class RefMoved(WorkdirError):
    """The target moved between the preview and the merge: a new preview is needed. Nothing was changed."""

    def __init__(self, ref: str) -> None:
        name = ref.removeprefix("refs/heads/")
        super().__init__(f"{name} has moved since the preview; look at the merge again")
        self.ref = ref


class CommitRefused(WorkdirError):
    """Changes of a branch were not committed by us; `reason` says why. Claude or a person can do it there."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the changes were not committed: {reason}; ask Claude to commit them in the branch")
