"""The tmux backend: what people see, what a dead server costs, and what the server never learns."""

import asyncio
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import machine
from backends import processes, tmux, tmux_server
from backends.base import TerminalUnavailable
from backends.tmux import TmuxBackend
from backends.tmux_server import NewWindow, TmuxServer
from tests.backends.kit import Kit, directory_of, read_lines, send_text, until

PANES = ("list-panes", "-a", "-F", "#{window_name} #{pane_current_command}")


@contextmanager
def a_person_attached(command: str) -> Iterator[None]:
    """A tmux client on a terminal of its own, running what `terminal_hint` says."""
    controller, terminal = pty.openpty()
    client = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    os.close(terminal)
    loop = asyncio.get_running_loop()

    def drain() -> None:
        with suppress(OSError):
            os.read(controller, 65_536)

    loop.add_reader(controller, drain)
    try:
        yield
    finally:
        loop.remove_reader(controller)
        client.terminate()
        client.wait()
        os.close(controller)


async def test_each_session_is_a_window_named_by_its_title(kit: Kit) -> None:
    backend = kit.tmux()
    for title in ("fix the parser", "#{pid} $(id); x;", "-t evil", "two\nlines\x1b[31m", "é" * 60, ""):
        await kit.shell(backend, "cat", title=title)
    wished = ["fix the parser", "#{pid} $(id); x;", "-t evil", "two lines [31m", "é" * 40]

    def names() -> list[str]:
        return kit.tmux_command("list-windows", "-a", "-F", "#{window_name}")

    await until(lambda: names()[:5] == wished)
    await until(lambda: re.fullmatch(r"[0-9a-f-]{36}", names()[5]) is not None)
    assert not any(kit.tmux_command("capture-pane", "-p", "-t", "bridge:=fix the parser"))


async def test_panes_hold_cat_and_watch_only_what_somebody_looks_at(kit: Kit) -> None:
    backend = kit.tmux()
    hosts = [await kit.shell(backend, "cat", title=title) for title in ("one", "two")]
    await until(lambda: kit.tmux_command(*PANES) == ["one cat", "two cat"])
    with a_person_attached(hosts[1].terminal_hint()):
        await until(lambda: kit.tmux_command(*PANES) == ["one cat", "two sh"])
        looking = f"LOOKING AT {directory_of(kit, hosts[1]).path}"
        capture = ("capture-pane", "-p", "-J", "-t", "bridge:two")
        await until(lambda: looking in "\n".join(kit.tmux_command(*capture)))
        kit.tmux_command("select-window", "-t", "bridge:one")
        await until(lambda: kit.tmux_command(*PANES) == ["one sh", "two cat"])
    await until(lambda: kit.tmux_command(*PANES) == ["one cat", "two cat"])
    await send_text(hosts[1], "not disturbed")
    assert [line.data for line in await read_lines(hosts[1], 1)] == [b"not disturbed"]


async def test_ending_the_watch_command_leaves_the_pane(kit: Kit) -> None:
    backend = kit.tmux()
    host = await kit.shell(backend, "cat", title="one")
    with a_person_attached(host.terminal_hint()):
        await until(lambda: kit.tmux_command(*PANES) == ["one sh"])
        kit.tmux_command("send-keys", "-t", "bridge:one", "C-c")
        await until(lambda: kit.tmux_command(*PANES) == ["one cat"])
        kit.tmux_command("send-keys", "-t", "bridge:one", "C-c", "C-c", "C-\\", "C-z")
        await send_text(host, "x")
        await read_lines(host, 1)
        assert kit.tmux_command(*PANES) == ["one cat"]


@pytest.mark.parametrize("how", ["kill-server", "SIGKILL", "SIGTERM"])
async def test_a_killed_server_costs_no_session_and_the_windows_come_back(kit: Kit, how: str) -> None:
    backend = kit.tmux()
    hosts = [await kit.shell(backend, "cat", title=f"session {number}") for number in range(5)]
    keeping = asyncio.create_task(backend.keep_terminals())
    names = ("list-windows", "-a", "-F", "#{window_name}")
    await until(lambda: len(kit.tmux_command(*names)) == 5)
    for _ in range(2):
        (pid,) = kit.tmux_command("display-message", "-p", "#{pid}")
        row = machine.this().read_process(int(pid))
        assert row is not None
        if how == "kill-server":
            kit.tmux_command("kill-server")
        else:
            machine.this().send_signal(row.process, signal.Signals[how])
        await until(lambda server=row.process: not processes.is_alive(server))  # type: ignore[misc]  # a default
        await until(lambda: sorted(kit.tmux_command(*names)) == [f"session {number}" for number in range(5)])
    for host in hosts:
        await send_text(host, "alive")
        assert [line.data for line in await read_lines(host, 1)] == [b"alive"]
        assert host.alive()
        await host.kill(1)
    assert kit.tmux_command(*names) == []
    keeping.cancel()


async def test_attaching_after_a_start_makes_missing_windows_and_removes_stale_ones(kit: Kit) -> None:
    first = kit.tmux()
    living = await kit.shell(first, "cat", title="living")
    ending = await kit.shell(first, "read -r line", title="ending")
    unseen = await kit.shell(first, "cat", title="unseen")
    await until(lambda: "unseen" in kit.tmux_command("list-windows", "-a", "-F", "#{window_name}"))
    kit.tmux_command("kill-window", "-t", "bridge:unseen")
    await send_text(ending, "end")
    await until(lambda: not ending.alive())
    second = kit.tmux()
    for ref in await second.survivors():
        await second.attach(ref)
    windows = ("list-windows", "-a", "-F", "#{window_name}")
    await until(lambda: sorted(kit.tmux_command(*windows)) == ["living", "unseen"])
    found = await second.attach(unseen.ref)
    assert re.search(r"bridge:@\d+", found.terminal_hint())
    assert living.alive()


async def test_the_server_and_its_panes_learn_nothing_of_our_or_the_childs_environment(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "SENTINEL-OURS")
    backend = kit.tmux()
    hosts = [
        await kit.shell(backend, "cat", environment={"API_KEY": "SENTINEL-CHILD"}, title=title)
        for title in ("one", "two")
    ]
    with a_person_attached(hosts[0].terminal_hint()):
        await until(lambda: "one sh" in kit.tmux_command(*PANES))
        said = [
            *kit.tmux_command("show-environment", "-g"),
            *kit.tmux_command("show-environment", "-t", "bridge"),
        ]
        said += kit.tmux_command("show-options", "-g") + kit.tmux_command("show-hooks", "-g")
        pids = [*kit.tmux_command("display-message", "-p", "#{pid}")]
        pids += kit.tmux_command("list-panes", "-a", "-F", "#{pane_pid}")
        said += [Path(f"/proc/{pid}/{name}").read_text() for pid in pids for name in ("environ", "cmdline")]
    assert len(pids) == 3
    assert not [text for text in said if "SENTINEL" in text]
    program = directory_of(kit, hosts[0]).pids()
    assert program is not None
    environment = Path(f"/proc/{program.program.pid}/environ").read_text()
    assert "SENTINEL-CHILD" in environment
    assert "SENTINEL-OURS" not in environment


async def test_a_session_life_takes_at_most_three_tmux_processes(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tally = tmp_path / "tally"
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "tmux"
    wrapper.write_text(f'#!/bin/sh\necho "$*" >>{tally}\nPATH=${{PATH#*:}} exec tmux "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    backend = kit.tmux()
    host = await kit.shell(backend, "cat")
    for number in range(20):
        await send_text(host, str(number))
    await read_lines(host, 20)
    await host.kill(1)
    await host.wait()
    assert len(tally.read_text().splitlines()) <= 3


async def test_without_tmux_a_launch_says_so_and_leaves_nothing(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = kit.spec("/bin/cat")
    monkeypatch.setenv("PATH", str(kit.cwd))
    with pytest.raises(TerminalUnavailable, match="not installed"):
        await TmuxBackend(kit.run, socket_name=kit.socket_name).launch(spec)
    assert not list(kit.run.glob("*/*"))
    monkeypatch.undo()


async def test_windows_of_many_hosts_are_made_in_messages_that_the_server_takes(kit: Kit) -> None:
    from backends.tmux_server import NewWindow, TmuxServer

    server = TmuxServer(kit.socket_name, (), os.environ)
    windows = [NewWindow(f"key-{number}", kit.run / ("x" * 140)) for number in range(60)]
    ids = await server.make_windows(windows)
    assert len(set(ids)) == 60
    assert set(await server.list_windows()) == {window.key for window in windows}
    await server.kill_windows(ids)
    assert await server.list_windows() == {}


@contextmanager
def a_server_that_hangs(kit: Kit) -> Iterator[None]:
    (pid,) = kit.tmux_command("display-message", "-p", "#{pid}")
    os.kill(int(pid), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(int(pid), signal.SIGCONT)


async def test_a_server_that_hangs_holds_up_no_session(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tmux_server, "_ANSWER_S", 0.5)
    monkeypatch.setattr(tmux, "_RETRY_S", 0.5)
    backend = kit.tmux()
    hosts = [await kit.shell(backend, "cat", title=f"session {number}") for number in range(12)]
    ending = await kit.shell(backend, "read -r line; exit 3", title="ending")
    keeping = asyncio.create_task(backend.keep_terminals())
    names = ("list-windows", "-a", "-F", "#{window_name}")
    await until(lambda: len(kit.tmux_command(*names)) == 13)
    with a_server_that_hangs(kit):
        async with asyncio.timeout(60):
            # More than there are threads for all that waits.
            await asyncio.gather(*(host.kill(2) for host in hosts[1:]), asyncio.to_thread(lambda: None))
            assert not any(host.alive() for host in hosts[1:])
            await send_text(ending, "end")
            assert (await ending.wait()).code == 3
            with pytest.raises(TerminalUnavailable, match="does not answer"):
                await kit.shell(backend, "cat", title="another")
            await send_text(hosts[0], "alive")
            assert [line.data for line in await read_lines(hosts[0], 1)] == [b"alive"]
    # What it was told meanwhile is made good once it answers.
    await until(lambda: kit.tmux_command(*names) == ["session 0"])
    host = await kit.shell(backend, "cat", title="another")
    await until(lambda: kit.tmux_command(*names) == ["session 0", "another"])
    assert host.alive()
    keeping.cancel()


async def test_a_host_that_ends_while_windows_are_made_again_leaves_none(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = kit.tmux()
    host = await kit.shell(backend, "cat", title="ending")
    kit.tmux_command("kill-server")
    make, making, go_on = TmuxServer.make_windows, asyncio.Event(), asyncio.Event()

    async def slow(self: TmuxServer, windows: Sequence[NewWindow]) -> list[str]:
        making.set()
        await go_on.wait()
        return await make(self, windows)

    monkeypatch.setattr(TmuxServer, "make_windows", slow)
    restoring = asyncio.create_task(backend.ensure_terminals())
    await making.wait()
    ending = asyncio.create_task(host.kill(1))
    await until(lambda: not host.alive())
    go_on.set()
    await asyncio.gather(restoring, ending)
    assert kit.tmux_command("list-windows", "-a") == []
