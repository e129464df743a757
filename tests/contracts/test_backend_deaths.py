"""The contract on deaths: who of a host and around it may die, and what then goes on. On real hosts."""

import asyncio
import os
import re
import signal
import uuid
import warnings

import pytest
from ptyprocess import PtyProcess

import machine
from backends.base import HostGone, HostRef, InputLine, LogCut
from backends.local import LocalBackend
from tests.backends.kit import (
    DEADLINE_S,
    REPOSITORY,
    Kit,
    alive,
    directory_of,
    kill_process,
    pids_of,
    read_all,
    read_lines,
    send_text,
    until,
)
from tests.contracts.conftest import MACOS


async def test_the_death_of_the_shell_ends_nothing_and_leaves_no_exit_code(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "exec cat")
    pids = pids_of(kit, host)
    await kill_process(pids.shell)
    await send_text(host, "still here")
    assert [line.data for line in await read_lines(host, 1)] == [b"still here"]
    await kill_process(pids.program)
    assert (await host.wait()).code is None
    assert not alive(pids.follower.pid)


async def test_a_dead_follower_is_told_and_replaced_by_one_from_the_offset(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "cat")
    await send_text(host, "one")
    await read_lines(host, 1)
    told = asyncio.create_task(host.follower_died())
    first = pids_of(kit, host).follower
    await kill_process(first)
    await told
    await send_text(host, "two")
    await host.feed_from(4)
    assert [line.data for line in await read_lines(host, 2)] == [b"one", b"two"]
    second = pids_of(kit, host).follower
    assert second != first
    # Replacing a living one ends it first, and is no death.
    told = asyncio.create_task(host.follower_died())
    await host.feed_from(0)
    third = pids_of(kit, host).follower
    assert not alive(second.pid)
    assert [line.data for line in await read_lines(host, 4)] == [b"one", b"two", b"one", b"two"]
    assert not told.done()
    # Also one that came later is ended with the program, by the shell.
    await host.kill(1)
    assert not alive(third.pid)
    assert not told.done()
    told.cancel()
    with pytest.raises(LogCut):
        await host.feed_from(9)


async def test_programs_that_end_at_once_by_the_dozen_all_tell_how(
    way: str, kit: Kit, backend: LocalBackend
) -> None:
    async def life() -> int | None:
        return (await (await kit.shell(backend, "exit 3")).wait()).code

    for _ in range(1 if way == MACOS else 3):  # the stand-in's commands are slow
        assert await asyncio.gather(*(life() for _ in range(12))) == [3] * 12


@pytest.mark.parametrize("replaced", [False, True], ids=["first follower", "replaced follower"])
async def test_a_program_that_ends_takes_its_shell_and_follower_with_it(
    kit: Kit, backend: LocalBackend, replaced: bool
) -> None:
    host = await kit.shell(backend, "read -r line")
    if replaced:
        await host.feed_from(0)
    pids = pids_of(kit, host)
    await send_text(host, "end")
    await until(lambda: not any(alive(one.pid) for one in (pids.shell, pids.program, pids.follower)))
    assert directory_of(kit, host).exit_code() == 0


async def test_a_host_is_nobodys_child_in_a_session_of_its_own(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "cat")
    row = machine.this().read_process(pids_of(kit, host).shell.pid)
    assert row is not None
    assert row.session not in {os.getsid(0), row.process.pid}
    assert row.parent != os.getpid()
    assert not alive(row.session), "a leader could be given a terminal"


async def test_a_closed_terminal_of_the_launching_process_leaves_the_host_alive(
    kit: Kit, backend: LocalBackend
) -> None:
    command = kit.bot_command("launch", backend.name, str(uuid.uuid4()), str(kit.cwd))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forking beside threads
        # Under `nohup` this process ignores the signal, and so would the other.
        bot = PtyProcess.spawn(command, cwd=str(REPOSITORY), preexec_fn=_hear_hang_ups)
    address = bot.readline().decode().strip()
    bot.fileobj.close()
    _, status = os.waitpid(bot.pid, 0)  # noqa: ASYNC222 - it was hung up on
    assert os.WTERMSIG(status) == signal.SIGHUP
    bot.closed = True
    host = await backend.attach(HostRef(backend.name, address))
    await send_text(host, "after")
    assert [line.data for line in await read_lines(host, 1)] == [b"after"]


def _hear_hang_ups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


async def test_a_host_is_found_and_read_by_a_process_that_never_knew_it(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "cat")
    await (await kit.shell(backend, "exit 0")).wait()
    other = kit.make(backend.name)
    (ref,) = await other.survivors()
    assert ref == host.ref
    found = await other.attach(ref)
    await send_text(found, "hello")
    assert [line.data for line in await read_lines(found, 1)] == [b"hello"]


async def test_a_host_is_found_by_its_number_alive_or_ended_also_after_a_reboot(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "echo said; read -r go")
    other = kit.make(backend.name)
    assert await other.find(host.session_id, host.number) == host.ref
    assert await other.find(host.session_id, host.number + 1) is None
    assert await other.find("../..", 1) is None
    await send_text(host, "go")
    await host.wait()
    pids = directory_of(kit, host).path / "pid"
    for boot in (pids.read_text().split("\n")[0], "boot 00000000-0000-0000-0000-000000000000"):
        pids.write_text(f"{boot}\n" + pids.read_text().split("\n", 1)[1])
        ref = await other.find(host.session_id, host.number)
        assert ref == host.ref
        assert [line.data for line in await read_all(await other.attach(ref))] == [b"said"]


NO_REFERENCES = [
    "",
    "{}",
    "[]",
    '{"session":"../x","number":1}',
    '{"session":"00000000-0000-0000-0000-000000000001","number":1}',
]


@pytest.mark.parametrize("address", NO_REFERENCES)
async def test_a_reference_to_nothing_is_a_gone_host(backend: LocalBackend, address: str) -> None:
    with pytest.raises(HostGone):
        await backend.attach(HostRef(backend.name, address))


async def test_a_pid_of_another_run_of_the_machine_is_not_believed(
    kit: Kit, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.host._EXIT_WRITTEN_S", 0.1)  # a shell that lives writes no exit code here
    host = await kit.shell(backend, "cat")
    file = directory_of(kit, host).path / "pid"
    text = file.read_text()
    for wrong in (
        "boot 00000000-0000-0000-0000-000000000000\n" + text.split("\n", 1)[1],
        re.sub(r"(?m)^(program|sandbox) (\d+) .*", r"\1 \2 1", text),
        "",
        "boot\nshell x y\n",
    ):
        file.write_text(wrong)
        reborn = await kit.make(backend.name).attach(host.ref)
        assert not reborn.alive()
        assert (await reborn.wait()).code is None
    file.write_text(text)


async def test_sigkill_of_the_launching_process_leaves_the_host_alive_and_readable(
    kit: Kit, backend: LocalBackend
) -> None:
    bot = await kit.bot("launch", backend.name, str(uuid.uuid4()), str(kit.cwd))
    await until(lambda: bool(kit.bot_said()))
    os.kill(bot.pid, signal.SIGKILL)
    await bot.ended
    host = await backend.attach(HostRef(backend.name, kit.bot_said().strip()))
    assert host.alive()
    await send_text(host, "after")
    assert [line.data for line in await read_lines(host, 1)] == [b"after"]


@pytest.mark.parametrize(
    ("point", "survivors"),
    [("launch.after_directory", 0), ("launch.after_terminal", 0), ("launch.after_start", 1)],
)
async def test_a_launch_cut_anywhere_leaves_a_whole_host_or_none(
    kit: Kit, backend: LocalBackend, point: str, survivors: int
) -> None:
    session = str(uuid.uuid4())
    bot = await kit.bot("launch", backend.name, session, str(kit.cwd), crash_at=point)
    async with asyncio.timeout(DEADLINE_S):
        assert await bot.ended == 137
    found = await backend.survivors()
    assert len(found) == survivors
    assert await backend.find(session, 1) == (found[0] if found else None)
    ref = found[0] if found else HostRef(backend.name, f'{{"session":"{session}","number":1}}')
    host = await backend.attach(ref)
    assert host.alive() == bool(survivors)
    if not survivors:
        assert (await host.wait()).code is None
        assert await read_all(host) == []
    await host.kill(1)
    await (await backend.launch(kit.spec("cat", session=session, number=2))).kill(1)


@pytest.mark.parametrize("point", ["input_log.before_append", "input_log.in_append", "input_log.after_append"])
async def test_a_line_cut_by_a_crash_is_completed_by_the_next_process(
    kit: Kit, backend: LocalBackend, point: str
) -> None:
    host = await kit.shell(backend, "cat")
    await send_text(host, "first")
    bot = await kit.bot("send", backend.name, host.ref.address, "6", "the second line", crash_at=point)
    async with asyncio.timeout(DEADLINE_S):
        assert await bot.ended == 137
    await host.send(InputLine(6, b"the second line\n"))
    assert [line.data for line in await read_lines(host, 2)] == [b"first", b"the second line"]
