"""The control socket as a file: private, replaced when stale, at any path, for its own user only."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

import api as c
from bridge import control_socket
from bridge.control import ControlServer
from bridge.control_client import connected
from sessions import errors
from tests.bridge.control_kit import ME, SESSION, FakeCore, client, core, data_dir

__all__ = ["client", "core", "data_dir"]


async def test_the_socket_is_private_replaces_a_stale_one_and_goes_with_the_server(data_dir: Path) -> None:
    path = data_dir / "run" / "control.sock"
    control_socket.listen(data_dir).close()
    assert path.exists()
    async with ControlServer(FakeCore(), data_dir), connected(data_dir) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await client.perform(ME, c.Interrupt(session_id=SESSION))
    assert not path.exists()


async def test_a_path_longer_than_an_address_works(tmp_path: Path) -> None:
    data_dir = tmp_path / ("d" * 120)
    (data_dir / "run").mkdir(parents=True)
    async with ControlServer(FakeCore(), data_dir), connected(data_dir) as client:
        assert await client.perform(ME, c.Interrupt(session_id=SESSION)) == c.Stopped(True)
    assert (data_dir / "run").is_dir()


async def test_a_temporary_directory_longer_than_an_address_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = tmp_path / ("d" * 120)
    (data_dir / "run").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(data_dir))
    async with ControlServer(FakeCore(), data_dir), connected(data_dir) as client:
        assert await client.perform(ME, c.Interrupt(session_id=SESSION)) == c.Stopped(True)
    assert [each.name for each in data_dir.iterdir()] == ["run"]


def test_a_socket_that_cannot_be_made_is_refused_with_the_reason(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "_LONGEST_ADDRESS", 1_000)
    too_long = data_dir / ("d" * 120)
    with pytest.raises(control_socket.SocketRefused, match="too long"):
        control_socket.listen(too_long)


async def test_another_user_is_not_served(
    core: FakeCore, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Foreign:
        def getsockopt(self, level: int, name: int, size: int, /) -> bytes:
            return (1).to_bytes(4, "little") + (os.getuid() + 1).to_bytes(4, "little") + bytes(4)

    assert not control_socket.peer_is_owner(Foreign())
    monkeypatch.setattr(control_socket, "peer_is_owner", lambda _: False)
    with pytest.raises(errors.CoreLost):
        async with connected(data_dir):
            pass
