"""`python -m backends.commands.keeper DIRECTORY`: runs one command, and outlives the bridge.

Reads a `Request` as JSON from stdin, starts the command, writes `ready` to stdout and detaches. Then it keeps
the first and last part of the output, ends the command when its time is over or at SIGTERM, ends everything
that the command started, and writes `result.json`. It stands outside of the sandbox.

Files in DIRECTORY, mode 0600:

    pid             `boot ID`, then `keeper|program|sandbox PID START`, a line each
    output          the kept output
    result.json     how it ended; written by rename when nothing of it runs any more
    keeper.log      empty, unless the keeper itself fails
"""

import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import termios
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import machine
from backends import processes
from backends.directory import MARKER
from backends.sandbox.bwrap import INFO
from machine import ProcessId

READY = b"ready"
_CHUNK = 1 << 16
_TERM_S = 2.0
_KILL_S = 10.0
_POLL_S = 0.02


class Request(msgspec.Struct, frozen=True):
    """Everything that the keeper needs. `key` is the marker's value; with `is_in_bwrap`, bwrap tells a pid."""

    key: str
    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    timeout_s: float
    max_bytes: int
    is_in_bwrap: bool


class Result(msgspec.Struct, frozen=True):
    """`result.json`. `how` is `exited`, `timed_out`, `stopped` or `lost`; `code` counts for `exited` only."""

    how: str
    code: int
    printed_bytes: int
    is_cut: bool


@dataclass(slots=True)
class _Kept:
    """The kept output: writes the first half as it comes, and the last half at the end."""

    file: int
    half: int
    printed: int = 0
    _first: int = 0
    _last: deque[bytes] = field(default_factory=deque)
    _last_bytes: int = 0

    def take(self, chunk: bytes) -> None:
        self.printed += len(chunk)
        now = chunk[: max(self.half - self._first, 0)]
        _write(self.file, now)
        self._first += len(now)
        if rest := chunk[len(now) :]:
            self._last.append(rest)
            self._last_bytes += len(rest)
            while self._last_bytes - len(self._last[0]) >= self.half:
                self._last_bytes -= len(self._last.popleft())

    @property
    def is_cut(self) -> bool:
        return self.printed > 2 * self.half

    def close(self) -> None:
        last = b"".join(self._last)
        if self.is_cut:
            last = last[len(last) - self.half :]
            _write(self.file, f"\n… {self.printed - 2 * self.half} bytes left out …\n".encode())
        _write(self.file, last)
        os.close(self.file)


def _write(file: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(file, data) :]
    except OSError:  # the disk is full: the command still ends in order
        return


class _Keeper:
    """The running command and its tree. After `end_tree` nothing of it runs."""

    def __init__(self, directory: Path, request: Request, starter: ProcessId | None) -> None:
        self._directory = directory
        # It has the marker, too, and may not have answered yet when a short command has ended.
        self._starter = starter
        self._request = request
        self._deadline = time.monotonic() + request.timeout_s
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        self._asked_to_stop = False
        self._sandbox: ProcessId | None = None
        self._sessions: dict[int, ProcessId | None] = {}
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._kept = _Kept(os.open(directory / "output", flags, 0o600), request.max_bytes // 2)
        self._output = self._start()

    def _start(self) -> int:
        """Start the command, record the processes, and return the reading end of its output."""
        request = self._request
        output, prints = os.pipe()
        told: tuple[int, ...] = ()
        info = -1
        if request.is_in_bwrap:
            info, tells = os.pipe()
            os.dup2(tells, INFO)  # inheritable
            os.close(tells)
            told = (INFO,)
        # Python restarts `select` after a signal (PEP 475): only a byte on a descriptor ends it. A signal
        # writes one only if it has a handler, even one that does nothing.
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        self._program = subprocess.Popen(
            request.argv,
            cwd=request.cwd,
            env=dict(request.environment),
            stdin=subprocess.DEVNULL,
            stdout=prints,
            stderr=prints,
            pass_fds=told,
            start_new_session=True,
        )
        os.close(prints)
        if told:
            os.close(INFO)
            self._sandbox = _sandbox_of(info)
        self._record()
        return output

    def _stop(self) -> None:
        self._asked_to_stop = True

    def _record(self) -> None:
        these = {"keeper": _identity(os.getpid()), "program": _identity(self._program.pid)}
        lines = [f"boot {machine.this().boot_id()}"]
        lines += [
            f"{role} {each.pid} {each.start}"
            for role, each in {**these, "sandbox": self._sandbox}.items()
            if each is not None
        ]
        replace_file(self._directory / "pid", "\n".join([*lines, ""]).encode())

    def run(self) -> str:
        """Keep the output until the command has ended or is to end; return `how` of the result."""
        selector = selectors.DefaultSelector()
        selector.register(self._output, selectors.EVENT_READ)
        selector.register(self._wake, selectors.EVENT_READ)
        while self._program.poll() is None:
            left = self._deadline - time.monotonic()
            if self._asked_to_stop or left <= 0:
                return "stopped" if self._asked_to_stop else "timed_out"
            for key, _ in selector.select(left):
                if key.fd == self._wake:
                    os.read(self._wake, 512)
                elif chunk := os.read(self._output, _CHUNK):
                    self._kept.take(chunk)
                else:
                    # At its end a pipe stays readable: `select` would return at once for ever.
                    selector.unregister(self._output)
        return "exited"

    def end_tree(self, how: str) -> None:
        """End everything: TERM first if the command still runs, then KILL, until nothing is left."""
        if how != "exited":
            self._signal_until(signal.SIGTERM, time.monotonic() + _TERM_S)
        # The rest is not the command's: shells that still live say that others were killed.
        self._drain()
        self._signal_until(signal.SIGKILL, time.monotonic() + _KILL_S)

    def _signal_until(self, number: signal.Signals, end: float) -> None:
        while (living := self._living()) and time.monotonic() < end:
            if number is signal.SIGKILL and self._sandbox in living:
                living = {self._sandbox}  # first: nothing inside can start more than is killed
            for each in living:
                machine.this().send_signal(each, number)
            if number is not signal.SIGKILL:
                self._drain()  # a program that prints as it ends is not held up
            time.sleep(_POLL_S)

    def _living(self) -> set[ProcessId]:
        self._reap()
        table = machine.this().read_table()
        # Orphans become children of this process (`adopt_orphans`): so even one that emptied its environment is
        # found.
        roots = {each.process for each in table.values() if each.parent == os.getpid()}
        roots |= machine.this().carrying(MARKER, self._request.key) - {self._starter}
        roots |= {self._sandbox} if self._sandbox else set()
        found = processes.tree(table, roots, self._sessions)
        self._sessions = processes.sessions_of(table, found) | self._sessions
        return found

    def _reap(self) -> None:
        self._program.poll()
        try:
            # Only after the program's own end: `waitpid(-1)` would take the exit code that `Popen` waits for.
            while self._program.returncode is not None and os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return

    def _drain(self) -> None:
        """Take what is in the pipe now, and no more: somebody may print without end."""
        waiting = bytearray(4)
        fcntl.ioctl(self._output, termios.FIONREAD, waiting)
        left = int.from_bytes(waiting, sys.byteorder)
        while left > 0 and (chunk := os.read(self._output, left)):
            self._kept.take(chunk)
            left -= len(chunk)

    def finish(self, how: str) -> None:
        """Write the result."""
        self._kept.close()
        code = self._program.returncode if self._program.returncode is not None else 0
        write_result(self._directory, Result(how, code, self._kept.printed, self._kept.is_cut))


def _sandbox_of(info: int) -> ProcessId | None:
    """Return the sandbox's process 1, as bwrap tells it in JSON; None if it made none."""
    with os.fdopen(info, "rb") as pipe:
        said = pipe.read()
    try:
        return _identity(int(json.loads(said)["child-pid"]))
    except (ValueError, KeyError, TypeError):
        return None


def _identity(pid: int) -> ProcessId | None:
    row = machine.this().read_process(pid)
    return row.process if row is not None else None


def write_result(directory: Path, result: Result) -> None:
    """Store the end of a command in one step."""
    replace_file(directory / "result.json", msgspec.json.encode(result))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file of this user alone, in one step."""
    draft = path.with_name(f".{path.name}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def main(arguments: Sequence[str]) -> None:
    """Run the command of stdin in the background; return in the foreground process once it is started."""
    (place,) = arguments
    _reserve_descriptors()
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    said, says = os.pipe()
    starter = _identity(os.getpid())
    # No threads and no event loop run yet, so forking is safe.
    if os.fork():
        # The foreground: the starter waits for this process, never for the command.
        os.close(says)
        sys.stdout.buffer.write(os.read(said, 4096))
        sys.stdout.buffer.flush()
        os._exit(0)
    os.setsid()
    _leave_streams(Path(place) / "keeper.log")
    machine.this().adopt_orphans()
    try:
        keeper = _Keeper(Path(place), request, starter)
    except (OSError, ValueError) as error:
        # At most 4,096 bytes: the foreground process reads once.
        os.write(says, str(error).encode()[:4000])
        os._exit(1)
    # Only now: `pid` is written, so a bridge that dies after this answer finds the command again.
    os.write(says, READY)
    os.close(says)
    how = keeper.run()
    keeper.end_tree(how)
    keeper.finish(how)


def _reserve_descriptors() -> None:
    """Use up the low numbers, so that a descriptor of ours never has the one on which bwrap tells its pid."""
    while os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC) <= INFO:
        pass


def _leave_streams(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(2):
        os.dup2(null, number)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600), 2)


if __name__ == "__main__":
    main(sys.argv[1:])
