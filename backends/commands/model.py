"""The values of a command, and the port through which sessions run one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from backends.base import BackendError
from backends.sandbox.model import Access


class CommandNotStarted(BackendError):
    """The command could not be started; nothing of it runs."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a command was not started: {reason}")
        self.reason = reason


class CommandSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One command to run once. `session_id` and `name` are its identity.

    `name` consists of a-z, 0-9 and `-`, at most 64 characters. `environment` is the child's whole environment;
    `access` is what it needs in a sandbox. It is ended after `timeout_s`. Of its output, the first and the last
    `max_bytes / 2` are kept.
    """

    session_id: str
    name: str
    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    timeout_s: float
    max_bytes: int
    access: Access = msgspec.field(default_factory=Access)


class CommandOutput(msgspec.Struct, frozen=True):
    """The output, stdout and stderr together as they came: the file with what was kept, and all bytes printed.

    If `is_cut`, a line of its own in the file says how many bytes are left out there.
    """

    path: Path
    printed_bytes: int
    is_cut: bool


class Exited(msgspec.Struct, frozen=True):
    """The command ended by itself. `code` is its exit code; negative: the signal that ended it."""

    code: int
    output: CommandOutput


class TimedOut(msgspec.Struct, frozen=True):
    """The command was ended because its time was over."""

    output: CommandOutput


class Stopped(msgspec.Struct, frozen=True):
    """The command was ended on request (`CommandRunner.stop`)."""

    output: CommandOutput


class Lost(msgspec.Struct, frozen=True):
    """The command was cut: the machine was restarted, or the process that keeps it was killed."""

    output: CommandOutput


CommandEnd = Exited | TimedOut | Stopped | Lost


class CommandRunner(Protocol):
    """Runs commands detached from the bridge, once each. Every method may be called again after a crash."""

    async def run(self, spec: CommandSpec) -> CommandEnd:
        """Run the command in the sandbox of the installation, and return its end.

        Its stdin is empty. When it ends, for whatever reason, all processes that it started are ended.
        The command does not depend on this process: cancelling, or the end of the bridge, leaves it running,
        within its time. Another call with the same session and name does not start it again; it waits for the
        same run, or returns its stored end at once, until `forget`. Raises `CommandNotStarted`, and
        `LaunchRefused` if the settings demand a sandbox that does not work here.
        """
        ...

    async def stop(self, session_id: str, name: str) -> None:
        """End the command and everything that it started. No-op if it has ended or never ran."""
        ...

    async def forget(self, session_id: str, name: str) -> None:
        """Stop the command, and remove its output and its end."""
        ...

    async def stop_all(self, session_id: str = "") -> None:
        """End every command of the session, or of all sessions."""
        ...

    async def sweep(self) -> int:
        """End what is left of commands whose keeper died; return how many. Others run on. Call at a start."""
        ...
