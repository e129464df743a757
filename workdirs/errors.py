"""The errors of work directories: one class per decision that a caller can take.

Messages are sentences for people. They name files by their path below the work directory, never a host path.
"""


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


class DirectoryRefused(WorkdirError):
    """Checkpoints of this directory are refused; the message says why and names no path."""
