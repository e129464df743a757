"""Branch and last commit of a work directory, from git."""

import asyncio
from pathlib import Path

from api import WorkPlace
from workdirs.errors import WorkdirError
from workdirs.git import ask
from workdirs.repository import Repository, open_repository

_DEADLINE_S = 2.0


async def read_work_place(directory: Path) -> WorkPlace:
    """Ask git about `directory` for at most two seconds.

    The answer is empty if it is not the root of a repository, or of one that may lead git elsewhere.
    """
    try:
        async with asyncio.timeout(_DEADLINE_S):
            repository = await asyncio.to_thread(open_repository, directory)
            if repository is None:
                return WorkPlace()
            # Neither command looks at the work tree, where a hostile repository's filters and hooks would run.
            branch = await _git(repository, "symbolic-ref", "-q", "--short", "HEAD")
            # A repository may set `log.showSignature` with a program of its own, which would run without this
            # option.
            commit = await _git(repository, "log", "-1", "--no-show-signature", "--format=%h %s")
            return WorkPlace(branch, commit)
    except (TimeoutError, OSError):
        return WorkPlace()


async def _git(repository: Repository, *arguments: str) -> str:
    try:
        answer = await ask(repository.call(*arguments))
    except WorkdirError:
        return ""
    return answer.out[:1000].decode(errors="replace").strip()
