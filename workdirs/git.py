"""Starts git: the only file that does. Calls are of two kinds.

*Ours* reads and writes a repository that the bridge made. *Theirs* is about a repository of a user, whose
configuration names programs: fsmonitor, hooks, filters, text conversions, merge drivers. Only subcommands that
were measured to run none of them are let through; `status`, `diff`, `checkout` and `merge-tree` are refused.

Every call gets a bare environment, no configuration of the machine or the user, no terminal, a deadline and a
limit of output. It is killed if it exceeds one of them, or if its caller is cancelled.
"""

import asyncio
import os
import re
import selectors
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from enum import Enum
from pathlib import Path
from shutil import which
from typing import IO

import msgspec

from workdirs.errors import GitFailed, GitMissing, GitMisused, GitSaidTooMuch, GitTimedOut, WorkdirError

MEGABYTE = 1024 * 1024
# `core.fsmonitor` is off for our own repositories as well: git starts itself inside nested ones.
_FLAGS = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    "log.mailmap=false",
    # No `gc` that git starts by itself: it packs refs, and `Store.holds` reads them as files.
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
)
_STDERR_KEPT = 64 * 1024
_CHUNK = 256 * 1024
_STOP_PAUSE_S = 0.2

STOP: ContextVar[threading.Event | None] = ContextVar("STOP", default=None)
"""Set in a thread's context, it ends the calls of `run` there: nobody can cancel a thread."""


class Kind(Enum):
    """The owner of the repository that a call is about."""

    OURS = "ours"
    THEIRS = "theirs"


# Subcommand -> arguments of which one must be there. Empty: always safe.
_SAFE_IN_THEIRS: Mapping[str, tuple[str, ...]] = {
    "cat-file": (),
    "check-attr": ("--cached",),
    "config": ("--get-regexp",),
    "commit-tree": (),
    "for-each-ref": (),
    "log": ("--no-show-signature",),
    "ls-files": (),
    "ls-tree": (),
    "merge-base": (),
    "read-tree": (),
    "rev-list": (),
    "rev-parse": (),
    "symbolic-ref": (),
    "update-index": ("--no-split-index", "--index-info"),
    "update-ref": (),
    "worktree": ("--no-checkout", "list", "remove", "prune", "lock", "unlock"),
    "write-tree": (),
}
# With these, a subcommand of the list reads or writes the work tree through filters, or shows differences.
_UNSAFE_IN_THEIRS = frozenset(
    {
        "--textconv",
        "--filters",
        "-p",
        "--patch",
        "--stat",
        "--modified",
        "-m",
        "--ext-diff",
        "-u",
        "--show-signature",
    }
)


class GitCall(msgspec.Struct, frozen=True):
    """One start of git. `index` and `objects` replace the files of `git_dir` that they are named after."""

    kind: Kind
    git_dir: Path
    arguments: tuple[str | bytes, ...]
    work_tree: Path | None = None
    cwd: Path | None = None
    index: Path | None = None
    objects: Path | None = None
    alternates: tuple[Path, ...] = ()
    """More places to read objects from."""
    stdin: bytes = b""
    variables: Mapping[str, str] = msgspec.field(default_factory=dict)
    settings: tuple[tuple[str, str], ...] = ()
    """Settings of git for this call only."""
    deadline_s: float = 30.0
    max_output: int = 64 * MEGABYTE

    @property
    def command(self) -> str:
        """The subcommand, for messages."""
        return str(self.arguments[0])


class Answer(msgspec.Struct, frozen=True):
    """The output of git, and its exit code."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """The output as text without its last line end; for ids and names of refs."""
        return self.out.decode(errors="replace").rstrip("\n")


def environment(call: GitCall) -> dict[str, str]:
    """Return the whole environment of a call: nothing is inherited but PATH."""
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        # A path below a file cannot exist: git takes that for "no configuration", without a warning.
        "HOME": os.devnull,
        "XDG_CONFIG_HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        # No refresh of the index on the side: it takes `index.lock`, and a git of the user would fail
        # meanwhile.
        "GIT_OPTIONAL_LOCKS": "0",
        # A replace ref in their repository would show another content under an object's id.
        "GIT_NO_REPLACE_OBJECTS": "1",
        # Missing objects are not fetched: a remote names programs for that. Older git knows the second only.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_PAGER": "cat",
        # English, because `listing` reads git's warnings.
        "LC_ALL": "C",
        **call.variables,
    }
    if call.index is not None:
        variables["GIT_INDEX_FILE"] = os.fspath(call.index)
    if call.objects is not None:
        variables["GIT_OBJECT_DIRECTORY"] = os.fspath(call.objects)
    if call.alternates:
        variables["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.pathsep.join(map(os.fspath, call.alternates))
    return variables


def argv(call: GitCall) -> list[str | bytes]:
    """Return the command line. Raises `GitMisused` for a call that could run a program of their repository."""
    if call.kind is Kind.THEIRS:
        _check_theirs(call)
    program = which("git")
    if program is None:
        raise GitMissing
    line: list[str | bytes] = [program, "--no-pager", *_FLAGS]
    for name, value in call.settings:
        line.extend(("-c", f"{name}={value}"))
    line.append(f"--git-dir={os.fspath(call.git_dir)}")
    if call.work_tree is not None:
        line.append(f"--work-tree={os.fspath(call.work_tree)}")
    return [*line, *call.arguments]


def run(call: GitCall, *, codes: tuple[int, ...] = (0,)) -> Answer:
    """Run git and wait for its end; for threads and processes that may block.

    Raises `GitFailed` if its exit code is none of `codes`, `GitTimedOut`, `GitSaidTooMuch`, `GitMissing`.
    """
    with start(call) as process:
        try:
            out, err = _exchange(process, call)
        except BaseException:
            process.kill()
            raise
        code = process.wait()
    return _checked(call, Answer(code, out, err), codes)


def start(call: GitCall) -> subprocess.Popen[bytes]:
    """Start git with pipes at its input, output and errors. The caller feeds, reads and ends it."""
    try:
        return subprocess.Popen(
            argv(call),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(call),
            cwd=call.cwd or os.sep,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise GitMissing from error


async def installed_version() -> tuple[int, ...] | None:
    """Return the version of the git on PATH, such as (2, 39, 5); None without git, or if it does not answer."""
    try:
        answer = await ask(GitCall(Kind.OURS, Path(os.devnull), ("version",), deadline_s=10.0))
    except (WorkdirError, OSError):
        return None
    found = re.search(r"(?<!\d)\d{1,9}(?:\.\d{1,9})+", answer.text)
    return tuple(int(part) for part in found[0].split(".")) if found else None


async def ask(call: GitCall, *, codes: tuple[int, ...] = (0,)) -> Answer:
    """Run git without blocking the event loop. Kills it if cancelled. Raises what `run` raises."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv(call),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(call),
            cwd=call.cwd or os.sep,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise GitMissing from error
    try:
        async with asyncio.timeout(call.deadline_s):
            answer = await _communicate(process, call)
    except TimeoutError as error:
        raise GitTimedOut(call.command, call.deadline_s) from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return _checked(call, answer, codes)


def _check_theirs(call: GitCall) -> None:
    needed = _SAFE_IN_THEIRS.get(call.command)
    given = {argument for argument in call.arguments if isinstance(argument, str)}
    if needed is None or (needed and not given.intersection(needed)) or given & _UNSAFE_IN_THEIRS:
        raise GitMisused(call.command)


def _checked(call: GitCall, answer: Answer, codes: tuple[int, ...]) -> Answer:
    if answer.code not in codes:
        raise GitFailed(call.command, answer.code, answer.err.decode(errors="replace")[-2000:])
    return answer


def _exchange(process: subprocess.Popen[bytes], call: GitCall) -> tuple[bytes, bytes]:
    """Feed the input and read both outputs at once, within the deadline and the limit."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    deadline = time.monotonic() + call.deadline_s
    stop = STOP.get()
    out, err = bytearray(), bytearray()
    left = memoryview(call.stdin)
    with selectors.DefaultSelector() as selector:
        for pipe, events in (
            (process.stdin, selectors.EVENT_WRITE),
            (process.stdout, selectors.EVENT_READ),
            (process.stderr, selectors.EVENT_READ),
        ):
            # A full pipe would block the write otherwise, past the deadline.
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, events)
        while selector.get_map():
            left_s = max(0.0, deadline - time.monotonic())
            ready = selector.select(left_s if stop is None else min(left_s, _STOP_PAUSE_S))
            if (stop is not None and stop.is_set()) or (not ready and time.monotonic() >= deadline):
                raise GitTimedOut(call.command, call.deadline_s)
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    left = _feed(process.stdin, left)
                    is_done = not left
                else:
                    is_done = not _drain(key.fd, out if key.fileobj is process.stdout else err)
                if is_done:
                    selector.unregister(key.fileobj)
                    if key.fileobj is process.stdin:
                        with suppress(BrokenPipeError):
                            process.stdin.close()
            if len(out) > call.max_output:
                raise GitSaidTooMuch(call.command, call.max_output)
            del err[:-_STDERR_KEPT]
    return bytes(out), bytes(err)


def _feed(pipe: IO[bytes], left: memoryview) -> memoryview:
    try:
        return left[os.write(pipe.fileno(), left[:_CHUNK]) :] if left else left
    except BrokenPipeError:  # git ended without reading all: its exit code says why
        return left[:0]


def _drain(descriptor: int, into: bytearray) -> bool:
    data = os.read(descriptor, _CHUNK)
    into += data
    return bool(data)


async def _communicate(process: asyncio.subprocess.Process, call: GitCall) -> Answer:
    assert process.stdin is not None
    assert process.stderr is not None
    # Output is read while input is written: with a full pipe at its output, git stops reading.
    async with asyncio.TaskGroup() as tasks:
        out = tasks.create_task(_read(process, call.max_output), name="git output")
        err = tasks.create_task(_read_end(process.stderr), name="git errors")
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(call.stdin)
            await process.stdin.drain()
        process.stdin.close()
    if len(out.result()) > call.max_output:
        raise GitSaidTooMuch(call.command, call.max_output)
    return Answer(await process.wait(), out.result(), err.result())


async def _read(process: asyncio.subprocess.Process, max_bytes: int) -> bytes:
    assert process.stdout is not None
    data = bytearray()
    while chunk := await process.stdout.read(_CHUNK):
        data += chunk
        if len(data) > max_bytes:
            with suppress(ProcessLookupError):
                process.kill()
            break
    return bytes(data)


async def _read_end(stream: asyncio.StreamReader) -> bytes:
    data = bytearray()
    while chunk := await stream.read(_CHUNK):
        data += chunk
        del data[:-_STDERR_KEPT]
    return bytes(data)
