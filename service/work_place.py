"""Branch and last commit of a work directory, from git.

This module stays here until work directories have a package of their own.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from api import WorkPlace

_GIT_DEADLINE_S = 2.0


async def read_work_place(directory: Path) -> WorkPlace:
    """Ask git about `directory` for at most two seconds; an empty answer if it is not a repository root."""
    try:
        async with asyncio.timeout(_GIT_DEADLINE_S):
            branch = await _git(directory, "symbolic-ref", "-q", "--short", "HEAD")
            commit = await _git(directory, "log", "-1", "--no-show-signature", "--format=%h %s")
            return WorkPlace(branch, commit)
    except (TimeoutError, OSError):
        return WorkPlace()


async def _git(directory: Path, *arguments: str) -> str:
    # The repository is not ours: its configuration must run nothing, and a parent's repository is not shown.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CEILING_DIRECTORIES": str(directory.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
    }
    options = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "log.mailmap=false")
    process = await asyncio.create_subprocess_exec(
        "git",
        "--no-pager",
        *options,
        *arguments,
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):  # it would hide the cancellation
            process.kill()
        await process.wait()
        raise
    return out[:1000].decode(errors="replace").strip() if process.returncode == 0 else ""
