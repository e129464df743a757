"""Shell commands that the scripted CLI runs for its tools."""

from __future__ import annotations

import os
from _collections_abc import Generator

from tests.fakes.scripted.words import Interrupted, Wait, signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from subprocess import Popen


def run_command(command: str, children: list[Popen[bytes]]) -> Generator[Wait, None, tuple[str, bool]]:
    """Run `command` to its end; return its output, and whether it failed. An interrupt kills it."""
    import tempfile

    with tempfile.TemporaryFile() as output:
        child = spawn(command, output.fileno(), children)
        try:
            yield (lambda: child.poll() is not None), True
        except Interrupted:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        output.seek(0)
        return output.read().decode(errors="replace").strip(), child.returncode != 0


def spawn(command: str, output: int | None, children: list[Popen[bytes]]) -> Popen[bytes]:
    """Start `command` in a session of its own, and list it in `children`."""
    import subprocess

    target = subprocess.DEVNULL if output is None else output
    child = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=target,
        stderr=target,
        start_new_session=True,
    )
    children.append(child)
    return child
