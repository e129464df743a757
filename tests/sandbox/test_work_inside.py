"""Everyday work inside the sandbox, by the real CLI's Bash tool: git with a push, npm, pip; caches last."""

import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import api as c
from bridge.demo.model import DemoModel
from sessions.model import Allow, ToolOutput
from sessions.session import Session
from sessions.uploads import uploads_of
from tests.sandbox.world import sandboxed_core
from tests.sessions.running_core import ADMIN, RunningCore, reached

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]

NPM = "npm install --offline --no-audit --no-fund ./package && node -e \"console.log(require('package-here'))\""


async def bash(core: RunningCore, session: Session, command: str) -> str:
    """Run a command by Claude's Bash tool, and return what it printed."""
    await core.say(session, f"demo:bash {command}")
    await reached(session, lambda now: not now.is_idle)
    while True:
        now = await reached(session, lambda now: bool(now.asks) or (now.is_idle and not now.queue))
        if not now.asks:
            turn = (await core.do(c.ReadTurns(session_id=session.id))).turns[0]
            return "".join(each.block.shown for each in turn.blocks if isinstance(each.block, ToolOutput))
        await session.answer(now.asks[0].id, Allow(), by="ann")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def a_wheel(directory: Path) -> Path:
    path = directory / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", "WORD = 'from the wheel'\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return path


async def test_git_pip_and_npm_work_inside_and_caches_last_over_a_park(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    git("init", "-q", "--bare", str(remote))
    identity = tmp_path / "home" / ".gitconfig"
    identity.parent.mkdir()
    identity.write_text("[user]\n\tname = Ann\n\temail = ann@example.org\n")
    python = Path(sys.base_prefix)
    words: dict[str, Any] = {
        "sandbox_read": shlex.join((str(identity), str(python))),
        "sandbox_write": shlex.quote(str(remote)),
    }
    async with DemoModel() as demo, sandboxed_core(tmp_path, demo, **words) as core:
        session = await core.session()
        await core.ask(session, "demo:text there")
        work = Path(session.snapshot.work_directory)
        done = await bash(
            core,
            session,
            "git init -q . && echo one > file && git add file && git commit -qm first"
            f" && git push -q {remote} HEAD:refs/heads/main && git log --format=%an:%s",
        )
        assert "Ann:first" in done
        assert git("-C", str(remote), "log", "--format=%an", "main") == "Ann\n"

        wheel = a_wheel(work)
        interpreter = f"{python}/bin/python3.{sys.version_info.minor}"
        install = f"{interpreter} -m pip install -q --no-index --user --break-system-packages {wheel.name}"
        done = await bash(core, session, f"{install} && {interpreter} -c 'import tiny; print(tiny.WORD)'")
        assert "from the wheel" in done
        if shutil.which("npm") == "/usr/bin/npm":
            (work / "package").mkdir()
            (work / "package/package.json").write_text('{"name": "package-here", "version": "1.0.0"}')
            (work / "package/index.js").write_text("module.exports = 'from npm'\n")
            assert "from npm" in await bash(core, session, NPM)

        await session.park("test")
        done = await bash(core, session, f"{interpreter} -c 'import tiny; print(tiny.WORD)'; ls -a ~ /tmp")
        assert "from the wheel" in done
        # From the next start on, what git would run outside stays as it is.
        assert "ead-only" in await bash(core, session, "echo evil > .git/hooks/pre-commit || true")
        assert not (tmp_path / "home" / ".local").exists(), "the real home is another one"


async def _words() -> AsyncIterator[bytes]:
    yield b"the uploaded words"


@pytest.mark.parametrize("mechanism", ["bwrap", "landlock"])
async def test_uploads_are_read_inside_and_stay_as_they_are(tmp_path: Path, mechanism: str) -> None:
    async with DemoModel() as demo, sandboxed_core(tmp_path, demo, sandbox=mechanism) as core:
        session, other = await core.session(), await core.session()
        await core.ask(session, "demo:text there")
        paths = []
        for each in (session, other):
            wish = c.PutFile(session_id=each.id, folder="7", name="a.txt", media_type="text/plain")
            await core.service.put_file(ADMIN, wish, _words())
            paths.append(uploads_of(core.run, each.id) / "7" / "a.txt")
        own, foreign = (shlex.quote(str(path)) for path in paths)
        said = await bash(core, session, f"cat {own}; echo evil >> {own}; cat {foreign}; true")
        assert said.count("the uploaded words") == 1
        assert [path.read_bytes() for path in paths] == [b"the uploaded words"] * 2
        await core.ask(session, f"demo:read {paths[0]}")
        turn = (await core.do(c.ReadTurns(session_id=session.id))).turns[0]
        assert "the uploaded words" in str([each.block for each in turn.blocks])
