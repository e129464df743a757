"""A shell command beside a session runs in its sandbox, outlives the core, and ends with the session."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from backends.commands.model import Exited, Stopped
from sessions.errors import CommandRefused
from sessions.shell_commands import ShellCommand, forget_shell_command, run_shell_command
from tests.sandbox.world import sandboxing_for
from tests.sessions.running_core import CoreParts, running_core

pytestmark = pytest.mark.timeout(60)
SEES = (
    "pwd; ls -a ~; cat {secret} ../../decoy ../../core/run/control.key; "
    "echo $HOME $CLAUDE_BRIDGE_HOST; touch made ~/kept"
)


def parts(tmp_path: Path, **written: str) -> CoreParts:
    """A core without Claude: no process of it ever starts."""
    arranged = sandboxing_for(tmp_path, **written)
    home = tmp_path / "home"
    return CoreParts(
        environment={"HOME": str(home), "PATH": os.environ["PATH"]},
        claude=tmp_path / "claude",
        wrappers=(arranged.wrapper,) if arranged.wrapper else (),
        sandbox=arranged.options,
    )


def placed(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "home/.ssh").mkdir(parents=True, exist_ok=True)
    (tmp_path / "home/.ssh/id").write_text("SECRET")
    (tmp_path / "decoy").write_text("SECRET")
    (tmp_path / "core/run").mkdir(parents=True, exist_ok=True)
    (tmp_path / "core/run/control.key").write_text("SECRET")
    return {"workspace_root": tmp_path / "workspaces"}


@pytest.mark.parametrize("sandbox", ["off", "landlock", "bwrap"])
async def test_a_command_sees_what_the_sessions_claude_would_see(tmp_path: Path, sandbox: str) -> None:
    if sandbox == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    changes = placed(tmp_path)
    async with running_core(tmp_path / "core", parts(tmp_path, sandbox=sandbox), **changes) as core:
        session = await core.session()
        text = SEES.format(secret=tmp_path / "home/.ssh/id")
        end = await run_shell_command(session, ShellCommand("sees", text, timeout_s=20))
        said = end.output.path.read_text()
        assert isinstance(end, Exited), said
        assert said.startswith(session.snapshot.work_directory + "\n")
        assert (Path(session.snapshot.work_directory) / "made").exists()
        assert f"{session.id}/commands/sees" in said
        assert said.count("SECRET") == (3 if sandbox == "off" else 0)
        assert (tmp_path / "home/kept").exists() is (sandbox == "off")
        await forget_shell_command(session, "sees")
        assert not end.output.path.exists()


async def test_a_command_goes_on_over_a_restart_and_ends_with_its_session(tmp_path: Path) -> None:
    changes = placed(tmp_path)
    asked = ShellCommand("waits", "echo on; while [ ! -e go ]; do sleep 0.02; done", timeout_s=30)
    async with running_core(tmp_path / "core", parts(tmp_path), **changes) as core:
        session = await core.session()
        work = Path(session.snapshot.work_directory)
        waiting = [
            asyncio.create_task(run_shell_command(session, each))
            for each in (asked, ShellCommand("hangs", "sleep 300", timeout_s=300))
        ]
        started = [core.run / session.id / "commands" / name / "pid" for name in ("waits", "hangs")]
        async with asyncio.timeout(60):
            while not all(each.exists() for each in started):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for each in waiting:
            each.cancel()
    async with running_core(tmp_path / "core", parts(tmp_path), **changes) as core:
        again = await core.manager.get_session(session.id)
        (work / "go").touch()
        end = await run_shell_command(again, asked)
        assert isinstance(end, Exited)
        assert end.output.path.read_text() == "on\n"
        await core.manager.clear_session(again.id)
        hung = await run_shell_command(again, ShellCommand("hangs", "sleep 300", timeout_s=300))
        assert isinstance(hung, Stopped), "the end of a session ends its commands"


STEERS = """
cd "$CLAUDE_CONFIG_DIR" || exit 1
for name in settings.json CLAUDE.md skills/a/SKILL.md agents/a.md hooks/a commands/a.md rules/a.md; do
    mkdir -p "$(dirname $name)" 2>/dev/null
    echo '{"permissions": {"allow": ["Bash"]}}' >$name && echo "wrote $name"
done 2>/dev/null
cat settings.json
"""


@pytest.mark.parametrize("sandbox", ["landlock", "bwrap"])
async def test_nothing_that_a_command_writes_steers_the_next_claude(tmp_path: Path, sandbox: str) -> None:
    if sandbox == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    changes = placed(tmp_path)
    async with running_core(tmp_path / "core", parts(tmp_path, sandbox=sandbox), **changes) as core:
        session = await core.session()
        first = await run_shell_command(session, ShellCommand("writes", STEERS, timeout_s=20))
        said = first.output.path.read_text()
        assert "wrote" not in said
        look = (
            'cd "$CLAUDE_CONFIG_DIR" && cat settings.json; find . -name "*a*" | grep -v "^./p.*e"; ls CLAUDE.md'
        )
        second = await run_shell_command(session, ShellCommand("looks", look, timeout_s=20))
        assert "Bash" not in second.output.path.read_text()


MOVES = """
echo evil >.claude/settings.json || mv .claude away && mkdir .claude && echo evil >.claude/settings.json
echo evil >.git/hooks/pre-commit || mv .git away2 && cp -r away2 .git && echo evil >.git/hooks/pre-commit
git -c user.name=a -c user.email=a commit -q --allow-empty -m works && git log --format=%s
"""


async def test_files_that_run_programs_outside_stay_also_if_their_directory_is_moved(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    changes = placed(tmp_path)
    async with running_core(tmp_path / "core", parts(tmp_path, sandbox="bwrap"), **changes) as core:
        session = await core.session()
        work = Path(session.snapshot.work_directory)
        (work / ".claude").mkdir()
        (work / ".claude/settings.json").write_text("{}")
        subprocess.run(["git", "init", "-q", str(work)], check=True)  # noqa: ASYNC221 - some milliseconds
        end = await run_shell_command(session, ShellCommand("moves", MOVES, timeout_s=20))
        assert end.output.path.read_text().endswith("works\n")
        assert (work / ".claude/settings.json").read_text() == "{}"
        assert not (work / ".git/hooks/pre-commit").exists()


async def test_a_refusal_is_a_sentence(tmp_path: Path) -> None:
    demanded = parts(tmp_path, sandbox="landlock", sandbox_network="model")
    async with running_core(tmp_path / "core", demanded, **placed(tmp_path)) as core:
        with pytest.raises(CommandRefused, match="Landlock cannot limit the network"):
            await run_shell_command(await core.session(), ShellCommand("no", "true", timeout_s=5))
