"""One process per test worker that imports modules once and forks programs from them, in milliseconds.

`fork_program`, `BlockingProgram` and `run_to_end` run `run(*arguments)` of a module in a new process, as
`python -m` would, without the half second of CPU that its imports cost. A module may name in `IMPORTED_LATE`
the modules that it imports only while it runs. Each program tells the nursery of further ones, and the nursery
imports them for the next. The nursery starts with the first program, ends with the worker.
"""

import asyncio
import atexit
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace  # noqa: TID251
from pathlib import Path
from typing import Any, BinaryIO

_REPOSITORY = Path(__file__).parents[1]
_LONGEST_REQUEST = 1 << 17
_SOFTWARE_ERROR = 70
_CLOSED_BELOW = 256
"""Of the nursery's descriptors a program keeps none below this."""
_nursery: tuple[socket.socket, "subprocess.Popen[bytes]"] | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """How a program starts: `module.run(*arguments)`, with `environment` as its whole environment.

    stdout goes to `output`, stderr to `errors` or else to the same, both to pytest's without `output`. stdin is
    `given`, or empty. With `exec_it` the program begins anew, as a preloaded library needs.
    """

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path = _REPOSITORY
    output: Path | None = None
    errors: Path | None = None
    given: Path | None = None
    exec_it: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A running program. `ended` is its exit code, negative for a signal, once it is dead and buried."""

    pid: int
    ended: asyncio.Task[int]


async def fork_program(module: str, *arguments: str, **how: Any) -> Program:
    """Run `module.run(*arguments)` in a new process; `how` are the other fields of `Start`."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), _ask_for(Start(module, arguments, **how))
    )
    pid = _number(await reader.readline())
    return Program(pid, asyncio.create_task(_end(reader, transport), name=f"end of {module}"))


async def _end(reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> int:
    try:
        return _number(await reader.readline())
    finally:
        transport.close()


class BlockingProgram:
    """A running program, for tests that are not asynchronous. Close it."""

    def __init__(self, start: Start) -> None:
        self._told = _ask_for(start)
        self.pid = _number(self._told.readline())
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self.wait(0)

    def wait(self, seconds: float) -> int | None:
        """Wait until it has ended, at most so long; return as `poll` does."""
        if self._code is None and select.select([self._told], [], [], seconds)[0]:
            self._code = _number(self._told.readline())
        return self._code

    def close(self) -> None:
        self._told.close()


def run_to_end(start: Start, *, given: bytes = b"", timeout_s: float) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, and return it as `subprocess.run` does. Its files of `start` are not used."""
    with tempfile.TemporaryDirectory(prefix="nursery-") as directory:
        output, errors, stdin = (Path(directory, name) for name in ("out", "err", "in"))
        stdin.write_bytes(given)
        with closing(BlockingProgram(replace(start, output=output, errors=errors, given=stdin))) as program:
            code = program.wait(timeout_s)
            if code is None:
                os.kill(program.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(
                    [start.module, *start.arguments], timeout_s, output.read_bytes()
                )
        said = (each.read_bytes().decode("utf-8", "surrogateescape") for each in (output, errors))
        return subprocess.CompletedProcess([start.module, *start.arguments], code, *said)


def _ask_for(start: Start) -> BinaryIO:
    """Ask the nursery for a program; return where it tells the program's pid, then its exit code."""
    told, tells = os.pipe()
    shown = _writing(start.output) if start.output else os.dup(2)
    wrong = _writing(start.errors) if start.errors else os.dup(shown)
    stdin = os.open(start.given or os.devnull, os.O_RDONLY)
    wish = {
        "module": start.module,
        "arguments": start.arguments,
        "environment": dict(start.environment),
        "cwd": str(start.cwd),
        "exec": start.exec_it,
    }
    passed = [tells, shown, wrong, stdin]
    socket.send_fds(_opened(), [json.dumps(wish).encode()], passed)
    for each in passed:
        os.close(each)
    return os.fdopen(told, "rb", buffering=0)


def _writing(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _number(line: bytes) -> int:
    assert line, "the nursery has ended, as by an error in an import; its stderr says why"
    return int(line)


def _opened() -> socket.socket:
    """The socket to this process's nursery, which is started if there is none."""
    global _nursery  # noqa: PLW0603  # one for all tests of the worker
    if _nursery is None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing of a test is in its environment: who looks for what a test left running does not find it.
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_REPOSITORY)}
        command = [sys.executable, "-m", "tests.nursery"]
        process = subprocess.Popen(command, cwd=_REPOSITORY, env=environment, stdin=theirs.fileno())
        theirs.close()
        _nursery = ours, process
        atexit.register(_close)
    return _nursery[0]


def _close() -> None:
    assert _nursery is not None
    _nursery[0].close()
    _nursery[1].wait()


# --- in the nursery -----------------------------------------------------------------------------------------


def main() -> None:
    """Serve until the socket on stdin is closed. No threads here: a fork copies only the one that forks."""
    wishes = socket.socket(fileno=0)
    waking, wakes = os.pipe()
    os.set_blocking(wakes, False)
    os.set_blocking(waking, False)
    late = _LateImports()
    sys.meta_path.insert(0, late)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([wishes.fileno(), waking], [], [])
        if waking in ready:
            with suppress(BlockingIOError):
                os.read(waking, 512)
            _bury(children)
        if wishes.fileno() in ready:
            data, descriptors, _, _ = socket.recv_fds(wishes, _LONGEST_REQUEST, 4)
            if not data:
                return
            tells, *standard = descriptors
            late.import_all()
            _start(json.loads(data), tells, standard, children)


class _LateImports:
    """The modules that programs began to import. They tell of them at once, since most are killed."""

    def __init__(self) -> None:
        self._told, tells = os.pipe()
        self._tells = fcntl.fcntl(tells, fcntl.F_DUPFD_CLOEXEC, _CLOSED_BELOW)
        os.close(tells)
        os.set_blocking(self._told, False)
        os.set_blocking(self._tells, False)
        self._nursery = os.getpid()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Tell of the module, and leave the search to the other finders."""
        if os.getpid() != self._nursery:
            with suppress(OSError):  # the pipe is full: the next program imports it itself
                os.write(self._tells, name.encode() + b"\n")

    def import_all(self) -> None:
        """Import what was told until now. A program may have asked for a module that is not installed."""
        with suppress(BlockingIOError):
            for name in os.read(self._told, 1 << 16).decode().split():
                with suppress(ImportError):
                    importlib.import_module(name)


def _start(wish: dict[str, Any], tells: int, standard: list[int], children: dict[int, int]) -> None:
    """Fork the program. `standard` are its stdout, stderr and stdin."""
    # Before the fork, so that the next program finds everything imported.
    module = importlib.import_module(wish["module"])
    for name in getattr(module, "IMPORTED_LATE", ()):
        importlib.import_module(name)
    gc.freeze()  # a collection in the program would copy every page that the two share
    pid = os.fork()
    if pid:
        for each in standard:
            os.close(each)
        children[pid] = tells
        os.write(tells, b"%d\n" % pid)
        return
    code = _SOFTWARE_ERROR
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each, place in zip(standard, (1, 2, 0), strict=True):
            os.dup2(each, place)
        os.closerange(3, _CLOSED_BELOW)
        os.environ.clear()
        os.environ.update(wish["environment"])
        os.chdir(wish["cwd"])
        if wish["exec"]:
            os.environ["PYTHONPATH"] = str(_REPOSITORY)
            os.execv(sys.executable, [sys.executable, "-m", wish["module"], *wish["arguments"]])
        code = module.run(*wish["arguments"]) or 0
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else 1
    except BaseException:
        # The frames below are the nursery's: nothing may return to them.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bury(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tells = children.pop(pid)
        with suppress(BrokenPipeError):  # the test is over
            os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(tells)


if __name__ == "__main__":
    main()
