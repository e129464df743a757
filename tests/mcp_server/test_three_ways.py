"""A session's cycle by the skill, by the scripts and by MCP: one record, an empty bridge, the next prompt."""

import asyncio
import json
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import api as c
from bridge.demo.model import DemoModel
from bridge.skill import NAME, contents, install
from sessions.model import PermissionMode
from tests.fakes.cli_home import CliHome, StreamCli, make_cli_home
from tests.mcp_server.served import PROJECT, client, environment, served_core
from tests.mcp_server.test_stdio import call
from tests.sessions.running_core import CoreParts, RunningCore


@dataclass(frozen=True)
class Stage:
    """A bridge that runs, and Claude's home."""

    core: RunningCore
    home: CliHome

    async def run(self, *argv: str) -> Any:
        """Run a program of ours to its end; return the JSON that it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *argv,
            "--json",
            cwd=self.core.directory,
            env=environment(self.core.directory),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        return json.loads(told)

    async def command(self, *words: str) -> Any:
        return await self.run("-m", "bridge", *words)

    async def script(self, name: str, *words: str) -> Any:
        return await self.run(str(PROJECT / "scripts" / f"{name}.py"), *words)

    async def work(self, session_id: str) -> None:
        session = await self.core.manager.get_session(session_id)
        await session.set_permission_mode(PermissionMode.ACCEPT_EDITS)
        await self.core.ask(session, "demo:write a/x.py one")


async def by_scripts(stage: Stage) -> str:
    """Keep the record with the scripts; return the session."""
    begun = (await stage.script("session_start", "three", "ways"))["session_id"]
    await stage.work(begun)
    await stage.script("session_checkpoint", "done", "--session", begun)
    await stage.script("session_end", "--session", begun, "--summary", "All is done.")
    assert (await stage.script("session_list", "--archived"))["folders"][0]["session_id"] == begun
    return str(begun)


async def by_mcp(stage: Stage) -> str:
    """Keep the record as an agent outside; a person confirms the end."""
    async with client(stage.core.directory) as agent:
        begun = (await call(agent, "session_start", focus="three ways"))["session_id"]
        await stage.work(begun)
        assert (await call(agent, "session_checkpoint", label="done"))["label"] == "done"
        await call(agent, "session_end", summary="All is done.")
    await stage.core.do(c.EndSession(session_id=begun))
    return str(begun)


async def by_skill(stage: Stage) -> str:
    """Let the user's own Claude keep the record with the skill's scripts; a person confirms the end."""
    skill = stage.home.config / "skills" / NAME
    install(skill, contents(stage.core.directory))
    (stage.core.directory / "workspaces" / "mine").mkdir(parents=True)
    given = environment(stage.core.directory)
    home = CliHome(stage.home.binary, stage.home.home, stage.home.work, {**stage.home.environment, **given})
    async with StreamCli(home, "--allowedTools", "Bash") as cli:

        async def run(script: str, *words: str) -> Any:
            line = shlex.join([str(skill / "scripts" / f"{script}.sh"), *words, "--json"])
            lines = await cli.turn(f"demo:bash {line}")
            results = [each["tool_use_result"] for each in lines if "tool_use_result" in each]
            assert isinstance(results[0], dict), results
            return json.loads(results[0]["stdout"])

        begun = (await run("start", "three ways", "--project", "mine"))["session_id"]
        (initialized, *_) = [line for line in cli.lines if line.get("subtype") == "init"]
        assert NAME in initialized["slash_commands"], "Claude finds the skill"
        await stage.work(begun)
        assert (await run("checkpoint", "done", "--session", begun))["label"] == "done"
        proposed = await run("end", "--propose", "--summary", "All is done.", "--session", begun)
        assert not proposed["is_ended"]
    await stage.core.do(c.EndSession(session_id=begun))
    return str(begun)


@pytest.mark.real_cli
@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", [by_skill, by_scripts, by_mcp])
async def test_a_session_kept_by_each_way_goes_on_on_an_empty_bridge(
    tmp_path: Path, way: Callable[[Stage], Awaitable[str]]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path / "cli", demo.base_url)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with served_core(here, parts) as core:
            ended = await way(Stage(core, home))
            folder = await core.do(c.ReadFolder(session_id=ended))
            assert (folder.is_ended, folder.summary, folder.trouble) == (True, "All is done.", "")
            shutil.copy(here / "backups" / f"{folder.backup}-backup.zip", tmp_path / "kept.zip")
        shutil.rmtree(here)
        shutil.rmtree(home.config / "projects")
        async with served_core(there, parts) as core:
            place = there / "backups" / f"{folder.backup}-backup.zip"
            place.parent.mkdir(parents=True)
            shutil.copy(tmp_path / "kept.zip", place)
            stage = Stage(core, home)
            if way is by_scripts:
                restored = await stage.script("restore_session", "--restore-backup", folder.name)
            else:
                restored = await stage.command("backup", "restore", folder.name)
            session = await core.manager.get_session(restored["id"])
            work = Path(session.snapshot.work_directory)
            assert (work / "a/x.py").read_text() == "one"
            await core.ask(session, "demo:text On it goes.")
            assert (await core.do(c.ReadFolder(session_id=session.id))).name == f"{folder.name}-restored"
