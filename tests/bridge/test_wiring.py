"""Putting the core together: names, the watch command, what opens and closes with it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import api as c
from api import wire
from bridge import cli_core, control_socket
from bridge.cli_core import Place, reached_core
from bridge.control_client import connected
from bridge.control_socket import local_actor
from bridge.ownership import AlreadyOwned, DataDirectoryRefused, OwnerKind, current_owner, owning
from bridge.settings import SETTINGS, Settings
from bridge.settings_loading import settings_from
from bridge.wiring import CoreOptions, make_private, open_core, tmux_socket_name, watch_command
from sessions.errors import CoreLost


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in SETTINGS:
        monkeypatch.delenv(name.upper(), raising=False)
    data_dir = tmp_path / "data"
    paths = {"data_dir": data_dir, "database_path": data_dir / "s.db", "workspace_root": tmp_path / "ws"}
    return settings_from({**{name: str(path) for name, path in paths.items()}, "sandbox": "off"})


@pytest.mark.parametrize("shows_sessions", [False, True])
async def test_where_sessions_are_shown_the_start_leaves_the_words_on_the_sandbox_to_the_session(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, shows_sessions: bool
) -> None:
    monkeypatch.setattr("bridge.wiring.sentence_at_start", lambda *_: "a sandbox")
    said: list[str] = []
    async with reached_core(Place(settings, demo=False), said.append, shows_sessions=shows_sessions):
        pass
    assert ("a sandbox" in said) is not shows_sessions


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


async def test_a_bridge_of_another_version_is_not_waited_for_and_named(settings: Settings) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(wire.encoded(wire.Hello(wire.PROTOCOL + 1, 1)))
        writer.close()

    with owning(settings.data_dir, OwnerKind.BOT):
        listener = control_socket.listen(settings.data_dir)
        async with await asyncio.start_unix_server(greet, sock=listener), asyncio.timeout(5):
            with pytest.raises(CoreLost, match="another version"):
                async with reached_core(Place(settings, demo=False), print):
                    pass


async def test_an_owner_that_does_not_answer_in_time_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_core, "_JOIN_S", 0.1)
    with owning(settings.data_dir, OwnerKind.BOT), pytest.raises(AlreadyOwned, match=f"pid {os.getpid()}"):
        async with reached_core(Place(settings, demo=False), print):
            pass


async def test_a_key_that_cannot_be_read_is_named_and_not_taken_for_a_bridge_that_hangs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_core, "_JOIN_S", 0.1)
    async with open_core(settings, CoreOptions(OwnerKind.BOT, say=print)):
        (settings.data_dir / "run" / "control.key").unlink()
        with pytest.raises(CoreLost, match="key of the running bridge cannot be read"):
            async with reached_core(Place(settings, demo=False), print):
                pass
