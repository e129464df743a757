"""The contract of freezing hosts, on real ones with both backends."""

import asyncio
import os
import signal
import subprocess

import pytest

from backends.host import LocalHost
from backends.local import LocalBackend
from tests.backends.kit import (
    DEADLINE_S,
    Kit,
    kill_process,
    pids_of,
    program_of,
    read_lines,
    send_text,
    until,
)
from tests.contracts.conftest import MACOS


def is_stopped(pid: int) -> bool:
    shown = subprocess.run(
        ["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return shown.stdout.startswith("T")


async def frozen(kit: Kit, backend: LocalBackend) -> LocalHost:
    """A frozen `cat` that has printed one line."""
    host = await kit.shell(backend, "exec cat")
    await send_text(host, "one")
    await read_lines(host, 1)
    async with asyncio.timeout(DEADLINE_S):
        # The shell's child that said `ready` may not have ended yet.
        while not await host.freeze(lambda: True):  # noqa: ASYNC110
            await asyncio.sleep(0)
    await until(lambda: is_stopped(program_of(kit, host).pid))
    assert host.alive()
    return host


async def test_a_frozen_program_runs_on_at_the_next_line(kit: Kit, backend: LocalBackend) -> None:
    host = await frozen(kit, backend)
    await send_text(host, "two")
    assert [line.data for line in await read_lines(host, 2)] == [b"one", b"two"]
    assert not is_stopped(program_of(kit, host).pid)
    assert await host.freeze(lambda: True)
    host.thaw()
    await until(lambda: not is_stopped(program_of(kit, host).pid))


async def test_a_frozen_host_is_found_and_fed_by_a_process_that_did_not_freeze_it(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await frozen(kit, backend)
    another = kit.make(backend.name)
    assert await another.survivors() == [host.ref]
    again = await another.attach(host.ref)
    await send_text(again, "two")
    assert [line.data for line in await read_lines(again, 2)] == [b"one", b"two"]


async def test_a_frozen_program_gets_a_new_follower(kit: Kit, backend: LocalBackend) -> None:
    host = await frozen(kit, backend)
    await kill_process(pids_of(kit, host).follower)
    async with asyncio.timeout(DEADLINE_S):
        await host.follower_died()
    await host.feed_from(0)
    assert [line.data for line in await read_lines(host, 2)] == [b"one", b"one"]


@pytest.mark.parametrize(("number", "code"), [(None, -15), (signal.SIGKILL, -9)], ids=["ended", "killed"])
async def test_a_frozen_program_ends_as_another_does(
    kit: Kit, backend: LocalBackend, number: signal.Signals | None, code: int
) -> None:
    host = await frozen(kit, backend)
    if number is None:
        await host.kill(30)
    else:
        os.kill(program_of(kit, host).pid, number)
    async with asyncio.timeout(DEADLINE_S):
        assert (await host.wait()).code == code
    assert not await host.freeze(lambda: True)


async def test_a_program_that_got_something_to_do_meanwhile_is_not_frozen(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "exec cat")
    await send_text(host, "one")
    await read_lines(host, 1)
    assert not await host.freeze(lambda: False)
    assert not is_stopped(program_of(kit, host).pid)


@pytest.mark.parametrize(
    "script", ["sleep 1000 & echo ready; exec cat", "(setsid sleep 1000 &); echo ready; exec cat"]
)
async def test_a_program_with_processes_of_its_own_is_not_frozen(
    way: str, kit: Kit, backend: LocalBackend, script: str
) -> None:
    if way == MACOS and "setsid" in script:
        pytest.skip("macOS has no such command")
    host = await kit.shell(backend, script)
    await read_lines(host, 1)
    assert not await host.freeze(lambda: True)
    assert not is_stopped(program_of(kit, host).pid)
