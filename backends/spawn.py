"""Start `host.sh` detached from this process: forked twice, in a process session of its own.

The environment is passed by `execve` only: no file, argument or tmux server ever holds a value of it. If this
process dies before the start, nothing was started; if it dies after it, the host runs complete.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import machine
from backends.directory import MARKER, HostDirectory

_SCRIPT = Path(__file__).with_name("host.sh")
_SHELL = "/bin/sh"
_READY = b"ready\n"


class NotStarted(Exception):
    """The script did not come up. `str()` is its own reason. Processes of it may still run."""


@dataclass(frozen=True, slots=True)
class HostScript:
    """One call of `host.sh`: its mode, the host's directory, and the arguments after the common ones.

    `prefix` is a command that runs the rest of its command line, for a service manager's scope.
    """

    mode: str
    directory: HostDirectory
    arguments: tuple[str, ...]
    prefix: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        system = machine.this()
        tail, tail_options = system.tail()
        # The marker comes first as an argument, too: macOS shows arguments but hides environments.
        place = [f"{MARKER}={self.directory.key}", str(self.directory.path), system.boot_id()]
        tools = [system.start_source(), _tool("mv"), _tool(tail), tail_options]
        return [*self.prefix, _SHELL, str(_SCRIPT), self.mode, *place, *tools, *self.arguments]


async def start(
    script: HostScript, *, cwd: Path, environment: Mapping[str, str], stdout: int = subprocess.DEVNULL
) -> None:
    """Run `script` detached; return when it has recorded its pids.

    Raises `NotStarted`, `OSError`, and `ValueError` for a NUL in an argument.
    """
    said, says = os.pipe()
    try:
        try:
            # The first shell leads the session and ends at once: no process without a leader gets a terminal.
            leader = subprocess.Popen(  # noqa: ASYNC220 - 0.3 ms; asyncio's takes 1.1 and a watcher
                [_SHELL, "-c", '"$@" &', _SHELL, *script.argv()],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=says,
                start_new_session=True,
            )
        finally:
            # The reading end sees the end of the pipe only if no writer is left, ourselves included.
            os.close(says)
        try:
            answer = await _read_to_end(said)
        finally:
            # Kill it, whether it is done or not: waiting for a hung one would block everybody.
            leader.kill()
            leader.wait()
    finally:
        os.close(said)
    # The end, not the whole: a prefix such as systemd-run may say something of its own first.
    if not answer.endswith(_READY):
        raise NotStarted(answer.decode("utf-8", "replace").strip() or "its shell died")


async def _read_to_end(descriptor: int) -> bytes:
    """Read a pipe until all writers have closed it, or until `ready` has come."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    answer = b""
    while not answer.endswith(_READY):
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, lambda: None if readable.done() else readable.set_result(None))  # noqa: B023
        try:
            await readable
        finally:
            loop.remove_reader(descriptor)
        chunk = os.read(descriptor, 4096)
        if not chunk:
            break
        answer += chunk
    return answer


def _tool(name: str) -> str:
    """Return the absolute path of a standard tool: the child's own PATH may lack it."""
    found = shutil.which(name) or shutil.which(name, path=os.defpath)
    if found is None:
        raise NotStarted(f"{name} is not installed")
    return found
