"""Starting `host.sh` so that it is nobody's child: twice forked, in a process session of its own.

The environment goes with `execve` and nowhere else: no file, no argument, no tmux server ever holds a value of
it. If this process dies before the start, nothing was started; if it dies after it, the host runs complete.
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
    """The script did not come up. `str()` is why, in its own words; something of it may still run."""


@dataclass(frozen=True, slots=True)
class HostScript:
    """One call of `host.sh`: its mode, the host's directory, and what follows the common arguments.

    `prefix` is a command that runs the rest of its command line, for a service manager's scope.
    """

    mode: str
    directory: HostDirectory
    arguments: tuple[str, ...]
    prefix: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        system = machine.this()
        tail, tail_options = system.tail()
        # The first says whose it is where a process shows its arguments and hides its environment.
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
            # The first shell is the session's leader and ends at once: what it leaves can never get a terminal.
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
            os.close(says)
        try:
            answer = await _read_to_end(said)
        finally:
            # Its work is done, or given up: waiting for one that hangs would hold up everybody.
            leader.kill()
            leader.wait()
    finally:
        os.close(said)
    if not answer.endswith(_READY):
        raise NotStarted(answer.decode("utf-8", "replace").strip() or "its shell died")


async def _read_to_end(descriptor: int) -> bytes:
    """All that comes through a pipe until everybody closed it or `ready` came."""
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
    """The absolute path of a standard tool, by its name or path: the child's own PATH may lack it."""
    found = shutil.which(name) or shutil.which(name, path=os.defpath)
    if found is None:
        raise NotStarted(f"{name} is not installed")
    return found
