"""The PTY backend: a terminal only while somebody looks, and a host that does not notice."""

import asyncio

import pytest

from backends.base import TerminalUnavailable
from backends.pty import PtyBackend, PtyTerminal
from tests.backends.kit import Kit, alive, directory_of, read_lines, send_text

ECHOING = ("/bin/sh", "-c", 'echo "LOOKING AT $0"; stty size; exec cat "$0/output.ndjson"')


async def everything(screen: PtyTerminal) -> str:
    shown = b""
    while chunk := await screen.read():
        shown += chunk
    return shown.decode()


async def test_looking_runs_the_watch_command_on_a_pty(kit: Kit) -> None:
    backend = kit.pty(ECHOING)
    host = await kit.shell(backend, "cat")
    await send_text(host, "hello")
    await read_lines(host, 1)
    screen = await backend.open_terminal(host, rows=30, columns=90)
    shown = await everything(screen)
    assert shown == f"LOOKING AT {directory_of(kit, host).path}\r\n30 90\r\nhello\r\n"
    await screen.close()
    await screen.close()
    assert host.alive()
    assert host.terminal_hint().endswith(str(directory_of(kit, host).path))


@pytest.mark.parametrize("who", ["viewer", "host", "backend"])
async def test_a_screen_ends_with_its_viewer_its_host_or_its_backend(kit: Kit, who: str) -> None:
    backend = kit.pty()
    host = await kit.shell(backend, "cat")
    screen = await backend.open_terminal(host)
    assert b"LOOKING" in await screen.read()
    reading = asyncio.create_task(everything(screen))
    await asyncio.sleep(0)
    match who:
        case "viewer":
            await screen.close()
        case "host":
            await host.kill(1)
        case _:
            await backend.close()
    assert await reading == ""
    assert not alive(screen.pid)
    assert host.alive() == (who != "host")


async def test_without_a_watch_command_there_is_nothing_to_look_at(kit: Kit) -> None:
    backend = PtyBackend(kit.run)
    host = await kit.shell(backend, "cat")
    assert host.terminal_hint() == ""
    with pytest.raises(TerminalUnavailable):
        await backend.open_terminal(host)
