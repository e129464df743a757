"""Run a module of this program in a process of its own, for work on files that anybody may have made.

The module sets its own limits of memory and CPU time. It gets no variables of ours besides PATH.
"""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exited:
    """The exit code of a process, negative for a signal, and the bytes that it printed on stdout."""

    code: int
    stdout: bytes


async def run_module(module: str, *arguments: str, data: bytes = b"", deadline_s: float) -> Exited:
    """Run `module` as a program with `data` on its stdin; wait for its end.

    Raises `TimeoutError` after `deadline_s` seconds. The process never outlives the call, cancelled or not.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(deadline_s):
            stdout, _ = await process.communicate(data)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return Exited(process.returncode or 0, stdout)
