"""A host's directory: its files, and the contents of the small ones.

    launch.json     the launch: command, directory, names of variables, never their values
    in              the FIFO that is the program's stdin
    input.ndjson    every line sent, output.ndjson every line printed, stderr.log the rest
    sandbox         only with bwrap: a FIFO at the start, on which it tells the pid of its process 1
    pid             `boot ID`, then `shell|program|follower|sandbox PID START`, a line each; replaced by rename.
                    START is `gone` for a program that ended before its start was read
    title           the name of the tmux window, if there is one
    exit            the program's exit code as the shell counts (128 + signal), written by rename

The logs themselves are read and written by `output_log.py` and `input_log.py`; `host.sh` writes `pid`, `exit`.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import machine
from backends.base import HostExit, LaunchSpec
from backends.sandbox.model import Enclosure, Mechanism, Network
from machine import ProcessId

# All processes of a host have this environment variable, so those that lost their parent are still found.
MARKER = "CLAUDE_BRIDGE_HOST"

_SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOST_NUMBER = re.compile(r"[1-9]\d*")
_STDERR_TAIL_BYTES = 4096
# A shell's exit codes for death by the signals 1 to 64.
_FIRST_SIGNAL_CODE = 129
_LAST_SIGNAL_CODE = 192


class LaunchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`launch.json`. `environment` holds names only; `sandbox` and `network` are the words of `Enclosure`."""

    session_id: str
    number: int
    backend: str
    argv: tuple[str, ...]
    cwd: str
    environment: tuple[str, ...]
    title: str = ""
    sandbox: str = "none"
    network: str = "open"

    @property
    def enclosure(self) -> Enclosure:
        """The sandbox. A word of a later version counts as the default."""
        mechanism = Mechanism(self.sandbox) if self.sandbox in list(Mechanism) else Mechanism.NONE
        return Enclosure(mechanism, Network(self.network) if self.network in list(Network) else Network.OPEN)


class HostPids(msgspec.Struct, frozen=True):
    """The processes that run a host. Pids from before a reboot do not count.

    `sandbox` is the process 1 of a bwrap sandbox: everything inside ends with it. `program` is then bwrap
    itself, which waits outside for the program inside.
    """

    shell: ProcessId
    program: ProcessId
    follower: ProcessId
    sandbox: ProcessId | None = None

    @property
    def own(self) -> set[ProcessId]:
        """All of them."""
        return {self.shell, self.program, self.follower} | ({self.sandbox} if self.sandbox else set())


@dataclass(frozen=True, slots=True)
class HostDirectory:
    """The directory of host `number` of a session, below the directory of all hosts. Checked on making."""

    run: Path
    session_id: str
    number: int
    path: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise `ValueError` if the session id is no lower-case UUID or the number not positive."""
        if not _SESSION_ID.fullmatch(self.session_id):
            raise ValueError("a session id is a lower-case UUID")
        if self.number < 1:
            raise ValueError("hosts are numbered from 1")
        # Cached: attaching to a thousand hosts reads it again and again.
        object.__setattr__(self, "path", self.run / self.session_id / str(self.number))

    @property
    def key(self) -> str:
        """`<session>/<number>`, unique among the hosts of one run directory."""
        return f"{self.session_id}/{self.number}"

    @property
    def fifo(self) -> Path:
        return self.path / "in"

    @property
    def input_log(self) -> Path:
        return self.path / "input.ndjson"

    @property
    def output_log(self) -> Path:
        return self.path / "output.ndjson"

    @property
    def stderr_log(self) -> Path:
        return self.path / "stderr.log"

    @property
    def sandbox_fifo(self) -> Path:
        return self.path / "sandbox"

    def make(self, spec: LaunchSpec, backend: str) -> None:
        """Make the directory with empty logs, FIFO and `launch.json`. Raises `OSError`, even if it exists."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # No `exist_ok`: the number fences. A second launch of the same number must fail, not share these logs.
        self.path.mkdir(mode=0o700)
        try:
            record = LaunchRecord(
                session_id=spec.session_id,
                number=spec.number,
                backend=backend,
                argv=spec.argv,
                cwd=str(spec.cwd),
                environment=tuple(sorted(spec.environment)),
                title=spec.title,
                sandbox=spec.enclosure.mechanism.value,
                network=spec.enclosure.network.value,
            )
            # Made here, not by the shell's `>>`: that uses the program's own umask, which may let others read.
            for log in (self.input_log, self.output_log, self.stderr_log):
                log.touch(mode=0o600)
            os.mkfifo(self.fifo, mode=0o600)
            if spec.enclosure.mechanism is Mechanism.BWRAP:
                os.mkfifo(self.sandbox_fifo, mode=0o600)
            # The record comes last: a directory that has one is complete.
            draft = self.path / "launch.json.tmp"
            draft.touch(mode=0o600)
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
            draft.rename(self.path / "launch.json")
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the directory, and the session's directory if that is empty then."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            # Fails while other hosts, uploads or commands of the session lie there.
            self.path.parent.rmdir()

    def launch_record(self) -> LaunchRecord | None:
        """Return the launch record, or None if the launch was not completed."""
        try:
            return msgspec.json.decode((self.path / "launch.json").read_bytes(), type=LaunchRecord)
        except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
            return None

    def pids(self) -> HostPids | None:
        """Return the host's processes; None before the shell has recorded them, and after a reboot."""
        try:
            lines = (self.path / "pid").read_text("ascii", "replace").split("\n")
        except FileNotFoundError:
            return None
        words = {role: rest for role, *rest in (line.split() for line in lines if line)}
        try:
            # Start times count from the boot: after a reboot another process can have the same pid and start.
            if words["boot"] != [machine.this().boot_id()]:
                return None
            shell, program, follower = (_process(words[role]) for role in ("shell", "program", "follower"))
            sandbox = _process(words["sandbox"]) if "sandbox" in words else None
        except (KeyError, IndexError, ValueError):
            return None
        return HostPids(shell, program, follower, sandbox)

    def was_started(self) -> bool:
        """Whether the host's shell has recorded its processes, before or after the last reboot."""
        return (self.path / "pid").exists()

    def exit_code(self) -> int | None:
        """Return the program's exit code, negative for a signal; None while it runs or if none is recorded."""
        try:
            code = int((self.path / "exit").read_text("ascii"))
        except (FileNotFoundError, ValueError):
            return None
        # A shell does not distinguish death by signal 15 from exit code 143; by custom they mean the same.
        return 128 - code if _FIRST_SIGNAL_CODE <= code <= _LAST_SIGNAL_CODE else code

    def exit(self) -> HostExit:
        """Return the end of the program, with the last 4 KiB that it wrote to stderr."""
        tail = b""
        with suppress(FileNotFoundError), self.stderr_log.open("rb") as file:
            # Read the end only: a program may write gigabytes to stderr.
            file.seek(max(file.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES, 0))
            tail = file.read()
        # The cut may go through the middle of a character.
        return HostExit(self.exit_code(), tail.decode("utf-8", "replace"))


def _process(words: Sequence[str]) -> ProcessId:
    return ProcessId(int(words[0]), words[1])


def host_directories(run: Path) -> Iterator[HostDirectory]:
    """Yield every host's directory below `run`, in any state. Entries with other names are skipped."""
    try:
        with os.scandir(run) as entries:  # faster than a thousand `Path` objects
            sessions = sorted(
                each.name for each in entries if _SESSION_ID.fullmatch(each.name) and each.is_dir()
            )
    except FileNotFoundError:
        return
    for session in sessions:
        try:
            with os.scandir(run / session) as entries:
                numbers = sorted(int(each.name) for each in entries if _HOST_NUMBER.fullmatch(each.name))
        except FileNotFoundError:  # removed meanwhile, together with its last host
            continue
        for number in numbers:
            yield HostDirectory(run, session, number)
