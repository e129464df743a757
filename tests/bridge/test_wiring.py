"""Putting the core together: names, the watch command, what opens and closes with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.control_client import connected
from bridge.control_socket import local_actor
from bridge.ownership import AlreadyOwned, DataDirectoryRefused, OwnerKind, current_owner
from bridge.settings import Settings
from bridge.wiring import CoreOptions, make_private, open_core, tmux_socket_name, watch_command
from sessions import commands as c
from sessions.errors import CoreLost


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    data_dir = tmp_path / "data"
    values = {"data_dir": data_dir, "database_path": data_dir / "s.db", "workspace_root": tmp_path / "ws"}
    return Settings(**values)  # type: ignore[arg-type]  # checked at run time


def test_the_tmux_socket_is_short_and_belongs_to_its_data_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    name = tmux_socket_name(tmp_path / "real")
    assert name == tmux_socket_name(tmp_path / "link")
    assert name != tmux_socket_name(tmp_path / "other")
    assert len(name) < 30


def test_the_watch_command_runs_from_anywhere_with_no_variables(tmp_path: Path) -> None:
    (tmp_path / "output.ndjson").touch()
    (tmp_path / "exit").write_text("0")
    done = subprocess.run(
        [*watch_command(), str(tmp_path)], cwd=os.sep, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Claude's process has ended." in done.stdout


def test_help_and_watch_import_nothing_that_takes_time() -> None:
    code = "import sys, bridge.cli, console.watch; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"pydantic", "prompt_toolkit", "rich", "asyncio", "aiohttp", "libtmux", "discord"}
    assert heavy & set(loaded) == set()


async def test_an_open_core_is_owned_and_served_and_closed_it_is_neither(settings: Settings) -> None:
    async with open_core(settings, CoreOptions(OwnerKind.CHAT, logs_on_stderr=False)) as core:
        owner = current_owner(settings.data_dir)
        assert owner is not None
        assert (owner.pid, owner.kind) == (os.getpid(), "chat")
        with pytest.raises(AlreadyOwned):
            async with open_core(settings, CoreOptions(OwnerKind.BOT)):
                pass
        async with connected(settings.data_dir) as client:
            made = await client.perform(local_actor(), c.CreateSession(channel_id="terminal:x"))
            assert await core.service.perform(local_actor(), c.GetSession(session_id=made.id)) == made
    assert current_owner(settings.data_dir) is None
    with pytest.raises(CoreLost):
        async with connected(settings.data_dir):
            pass


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryRefused, match="DATA_DIR cannot be used"):
        make_private(tmp_path / "file" / "data")
