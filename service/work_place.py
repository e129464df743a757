"""Branch and last commit of a work directory, from git."""

import asyncio
from pathlib import Path

from api import WorkPlace
from workdirs.errors import WorkdirError
from workdirs.git import GitCall, Kind, ask

_DEADLINE_S = 2.0


async def read_work_place(directory: Path) -> WorkPlace:
    """Ask git about `directory` for at most two seconds; an empty answer if it is not a repository root."""
    try:
        async with asyncio.timeout(_DEADLINE_S):
            # Neither command looks at the work tree, where a hostile repository's filters and hooks would run.
            branch = await _git(directory, "symbolic-ref", "-q", "--short", "HEAD")
            # A repository may set `log.showSignature` with a program of its own, which would run without this
            # option.
            commit = await _git(directory, "log", "-1", "--no-show-signature", "--format=%h %s")
            return WorkPlace(branch, commit)
    except (TimeoutError, OSError):
        return WorkPlace()


async def _git(directory: Path, *arguments: str) -> str:
    try:
        answer = await ask(GitCall(Kind.THEIRS, directory / ".git", arguments))
    except WorkdirError:
        return ""
    return answer.out[:1000].decode(errors="replace").strip()
