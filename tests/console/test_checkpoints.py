"""`/checkpoint` in the terminal, on a real core: numbers, changes, and a restore that is typed twice."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from console import commands as slash
from console.checkpoints import TypedCheckpoints
from tests.sessions.checkpointed import policy_in
from tests.sessions.running_core import ADMIN, running_core


async def test_a_restore_is_seen_first_and_done_when_typed_again(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path)) as core:
        session = await core.session()
        work = Path(session.snapshot.work_directory)
        said: list[str] = []
        typed = TypedCheckpoints(ADMIN, cast("Any", SimpleNamespace(remark=said.append)))

        async def run(line: str) -> str:
            said.clear()
            command = slash.parse_slash(f"/checkpoint {line}")
            if isinstance(command, slash.OfSession):
                return command.said(await core.do(command.make(session.id, "origin")))
            assert isinstance(command, slash.ListCheckpoints | slash.WithCheckpoint)
            await typed.do(core.service, session.id, command)
            return "\n".join(said)

        (work / "a").write_text("one\n")
        assert await run("restore 1") == "There is no such number. /checkpoint list prints the list."
        assert await run("take good") == "Kept: taken by hand · 1 file · “good”."
        (work / "a").write_text("two\n")
        await run("take")
        assert "  1  " in await run("list")
        assert "~ a +1 −1" in await run("show 1")
        assert await run("compare 1") == "No file differs."
        assert "~ a +1 −1" in await run("compare 2")
        assert "change 1" in await run("restore 2")
        assert (work / "a").read_text() == "two\n"
        assert await run("restore 2") == ""  # the notice says it, to everybody
        assert await core.notices(session) == ["restored"]
        assert (work / "a").read_text() == "one\n"
        assert await run("undo") == ""
        assert await core.notices(session) == ["restored", "restored"]
        assert (work / "a").read_text() == "two\n"
