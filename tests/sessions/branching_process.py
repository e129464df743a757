"""A bridge that branches and merges below the directory it is given, until an armed crash point ends it."""

import asyncio
import sys
from pathlib import Path

import api as c
from tests.sessions.own_copies import Work, checkpoints
from tests.sessions.running_core import running_core
from workdirs.merge_choices import Strategy


async def main(home: Path) -> None:
    async with running_core(home / "core", checkpoints=checkpoints(home)) as core:
        work = Work(core)
        work.repository()
        parent = await core.session()
        await core.ask(parent, "demo:text one")
        branch = await work.branch(parent)
        (Path(branch.snapshot.work_directory) / "a").write_text("theirs\n2\n3\n")
        seen = await work.preview(branch)
        await core.do(c.MergeBranch(session_id=branch.id, strategy=Strategy.SQUASH, digest=seen.digest))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
