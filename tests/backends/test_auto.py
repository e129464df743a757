"""Choosing a backend: tmux if it can, PTY if it cannot, and hosts of either are attached by their own."""

import os
from pathlib import Path

import pytest

from backends.auto import BackendOptions, Backends, Setting, choose_backend
from backends.base import HostGone, HostRef, TerminalUnavailable
from tests.backends.kit import Kit, read_lines, send_text


def chosen(kit: Kit, setting: Setting, said: list[str]) -> Backends:
    options = BackendOptions(run=kit.run, socket_name=kit.socket_name)
    return choose_backend(setting, options, on_fallback=said.append)


@pytest.mark.parametrize(("setting", "used"), [("auto", "tmux"), ("tmux", "tmux"), ("pty", "pty")])
async def test_the_setting_says_who_launches(kit: Kit, setting: Setting, used: str) -> None:
    said: list[str] = []
    backends = chosen(kit, setting, said)
    host = await backends.launch(kit.spec("cat"))
    assert (host.ref.backend, backends.name, said) == (used, used, [])
    await backends.close()


async def test_without_tmux_auto_uses_pty_and_says_so_once(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [kit.spec("/bin/cat") for _ in range(2)]
    tools = kit.cwd / "bin"
    tools.mkdir()
    for tool in ("tail", "mv"):
        (tools / tool).symlink_to(Path("/usr/bin") / tool)
    monkeypatch.setenv("PATH", str(tools))
    said: list[str] = []
    backends = chosen(kit, "auto", said)
    hosts = [await backends.launch(spec) for spec in specs]
    assert [host.ref.backend for host in hosts] == ["pty", "pty"]
    assert said == ["The tmux backend cannot be used (tmux is not installed); using pty."]
    await send_text(hosts[0], "works")
    assert [line.data for line in await read_lines(hosts[0], 1)] == [b"works"]
    await backends.close()


async def test_a_tmux_that_cannot_start_a_session_is_reported_in_its_own_words(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # tmux wants its socket's directory private; a plain file in its place cannot be one.
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))
    (tmp_path / f"tmux-{os.getuid()}").touch()
    said: list[str] = []
    backends = chosen(kit, "auto", said)
    host = await backends.launch(kit.spec("cat"))
    assert host.ref.backend == "pty"
    assert len(said) == 1
    with pytest.raises(TerminalUnavailable):
        await chosen(kit, "tmux", said).launch(kit.spec("cat"))
    await backends.close()


async def test_hosts_of_either_backend_are_found_and_attached_whatever_the_setting(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await kit.make(name).launch(kit.spec("/bin/cat")) for name in ("tmux", "pty")]
    monkeypatch.setenv("PATH", str(kit.cwd))  # tmux was removed between two starts
    for setting in ("auto", "tmux", "pty"):
        backends = chosen(kit, setting, [])
        refs = await backends.survivors()
        assert sorted(ref.backend for ref in refs) == ["pty", "tmux"]
        for ref in refs:
            assert (await backends.attach(ref)).alive()
        await backends.close()
    monkeypatch.undo()
    with pytest.raises(HostGone):
        await chosen(kit, "auto", []).attach(HostRef("ssh", made[0].ref.address))
