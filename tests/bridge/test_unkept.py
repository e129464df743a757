"""ENABLE_PERSISTENCE=false: nothing stays, also when the bridge was killed, and it is said."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace  # noqa: TID251
from pathlib import Path

import pytest

import api as c
import machine
from api.access import Actor, Role
from bridge.ownership import OwnerKind
from bridge.settings import SETTINGS, Settings
from bridge.settings_loading import load_settings
from bridge.wiring import CoreOptions, OpenCore, open_core
from sessions.session import Session
from tests.fakes.cli_home import install_scripted_cli
from tests.sessions.running_core import idle

ANN = Actor("terminal:ann", "test", Role.ADMIN)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty directory, without persistence, on the scripted CLI and the PTY."""
    for field in SETTINGS:
        monkeypatch.delenv(field.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLAUDE_COMMAND", str(install_scripted_cli(tmp_path)))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CHILD_ENV", "default CLAUDE_CONFIG_DIR")
    monkeypatch.setenv("BACKEND", "pty")
    monkeypatch.setenv("SANDBOX", "off")
    monkeypatch.setenv("MIN_FREE_MEMORY", "0M")
    monkeypatch.setenv("MIN_FREE_DISK", "0M")
    monkeypatch.setenv("ENABLE_PERSISTENCE", "false")
    return load_settings()


async def talk(core: OpenCore) -> tuple[Session, int]:
    """A session that has answered, and the pid of its host's shell."""
    info = await core.service.perform(ANN, c.CreateSession(channel_id="c"))
    await core.service.perform(ANN, c.SendMessage(session_id=info.id, content="demo:text hi", origin="1"))
    session = await core.manager.get_session(info.id)
    await idle(session)
    assert session.run is not None
    record = core.settings.data_dir / "temporary" / "run" / session.id / "1" / "pid"
    words = dict(line.split()[:2] for line in record.read_text().splitlines())
    return session, int(words["program"])


def lives(pid: int) -> bool:
    row = machine.this().read_process(pid)
    return row is not None and not row.zombie


async def test_sessions_and_processes_end_with_the_bridge_and_it_is_said(settings: Settings) -> None:
    said: list[str] = []
    async with open_core(settings, CoreOptions(OwnerKind.CHAT, logs_on_stderr=False, say=said.append)) as core:
        _, pid = await talk(core)
        assert lives(pid)
    assert not lives(pid)
    assert not (settings.data_dir / "temporary").exists()
    assert not settings.database_path.exists()
    assert ["ENABLE_PERSISTENCE" in sentence for sentence in said] == [True]


async def die_in_the_middle() -> None:
    """Open the core of the environment's settings, talk, print the pid of Claude's process, and be killed."""
    async with open_core(load_settings(), CoreOptions(OwnerKind.CHAT, logs_on_stderr=False)) as core:
        _, pid = await talk(core)
        print(pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("kept_then", [False, True])
async def test_what_a_killed_bridge_left_ends_at_the_next_start(settings: Settings, kept_then: bool) -> None:
    script = "import asyncio; from tests.bridge.test_unkept import *; asyncio.run(die_in_the_middle())"
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    pid = int(killed.stdout)
    assert lives(pid)
    next_start = replace(settings, enable_persistence=kept_then)
    async with open_core(next_start, CoreOptions(OwnerKind.CHAT, logs_on_stderr=False)) as core:
        assert not lives(pid)
        assert (await core.service.perform(ANN, c.QuerySessions(include_ended=True))).sessions == ()
