"""Making and finding hosts: what a crash between two steps leaves, and what stands before the shell."""

import asyncio
import os
import subprocess
import uuid
from pathlib import Path

import pytest

import machine
from backends import host as local_host
from backends import spawn
from backends.base import HostRef, LaunchFailed
from backends.directory import MARKER, HostDirectory, host_directories
from backends.wrappers import in_shell_prefix
from tests.backends.kit import DEADLINE_S, Kit, directory_of, read_lines, send_text, until


async def test_a_host_whose_starter_died_before_the_pids_were_written_is_waited_for(kit: Kit) -> None:
    directory = HostDirectory(kit.run, str(uuid.uuid4()), 1)
    spec = kit.spec("sleep", "1000", session=directory.session_id)
    directory.make(spec, "pty")
    script = spawn.HostScript("run", directory, spec.argv)
    gate = kit.cwd / "gate"
    os.mkfifo(gate)
    # The shell of a host, held up before its first step.
    held = subprocess.Popen(  # noqa: ASYNC220 - ended below
        ["/bin/sh", "-c", f'read -r go <"{gate}"; exec "$@"', "sh", *script.argv()],
        cwd=kit.cwd,
        env={"PATH": os.environ["PATH"], MARKER: directory.key},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    backend = kit.pty()
    finding = asyncio.create_task(backend.survivors())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(finding), 0.2)
    gate.write_text("go\n")
    (ref,) = await finding
    host = await backend.attach(ref)
    assert host.alive()
    await host.kill(1)
    held.wait()


async def test_a_launch_that_is_cancelled_leaves_nothing(kit: Kit) -> None:
    backend = kit.pty()
    spec = kit.spec("sleep", "1000")
    for steps in range(12):
        launching = asyncio.create_task(backend.launch(spec))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        launching.cancel()
        await asyncio.wait([launching])
        if not launching.cancelled():
            await (await launching).kill(1)
            break
        assert not list(host_directories(kit.run))
    marked = [file for file in Path("/proc").glob("[0-9]*/environ") if spec.session_id in _text(file)]
    assert marked == []


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


async def test_a_prefix_runs_the_host_and_a_failing_one_says_why(kit: Kit) -> None:
    backend = kit.pty()
    through = in_shell_prefix(("/usr/bin/env", "FROM_PREFIX=yes"))
    host = await backend.launch(through(kit.spec("/bin/sh", "-c", 'echo "$FROM_PREFIX"; cat')))
    assert [line.data for line in await read_lines(host, 1)] == [b"yes"]
    failing = in_shell_prefix(("/bin/sh", "-c", "echo no scope today >&2; exit 1"))
    with pytest.raises(LaunchFailed, match="no scope today"):
        await backend.launch(failing(kit.spec("cat")))


async def test_strange_names_in_the_run_directory_are_no_hosts(kit: Kit) -> None:
    session = str(uuid.uuid4())
    for name in ("x", f"{session}/0", f"{session}/01", f"{session}/a", f"{session}/3", session.upper()):
        (kit.run / name).mkdir(parents=True, exist_ok=True)
    (kit.run / session / "3" / "launch.json").write_text("{torn")
    (kit.run / str(uuid.uuid4())).touch()
    assert [directory.key for directory in host_directories(kit.run)] == [f"{session}/3"]
    backend = kit.pty()
    assert await backend.survivors() == []
    host = await backend.attach(HostRef("pty", f'{{"session":"{session}","number":3}}'))
    assert (await host.wait()).code is None
    assert host.input_size() == 0


async def test_a_session_whose_hosts_go_while_others_are_looked_at_is_left_out(kit: Kit) -> None:
    first, second, third = sorted(str(uuid.uuid4()) for _ in range(3))
    for session in (first, second, third):
        (kit.run / session / "1").mkdir(parents=True)
    found = []
    for directory in host_directories(kit.run):
        found.append(directory.session_id)
        HostDirectory(kit.run, second, 1).remove()
    assert found == [first, third]


async def test_an_unrecorded_follower_is_ended_too_when_one_is_replaced(kit: Kit) -> None:
    backend = kit.pty()
    host = await kit.shell(backend, "cat")
    directory = directory_of(kit, host)
    with directory.fifo.open("wb", buffering=0) as fifo:
        stray = subprocess.Popen(["sleep", "1000"], stdout=fifo)  # noqa: ASYNC220 - ended below
    await host.feed_from(0)
    await until(lambda: stray.poll() is not None)
    assert host.alive()


@pytest.mark.parametrize("hangs", ["the follower", "its starter"])
async def test_a_follower_that_does_not_come_up_is_given_up_and_the_next_one_feeds(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    backend = kit.pty()
    host = await kit.shell(backend, "cat")
    directory = directory_of(kit, host)
    monkeypatch.setattr(local_host, "_FOLLOWER_START_S", 0.3)
    script = kit.cwd / "hanging"
    with monkeypatch.context() as patch:
        if hangs == "the follower":
            script.write_text("exec sleep 1000\n")
            patch.setattr(spawn, "_SCRIPT", script)
        else:
            script.write_text("#!/bin/sh\nexec sleep 1000\n")
            script.chmod(0o755)
            patch.setattr(spawn, "_SHELL", str(script))
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(LaunchFailed, match="did not come up"):
                await host.feed_from(0)
    assert host.alive()
    await host.feed_from(0)
    pids = directory.pids()
    assert pids is not None
    assert {each.pid for each in machine.this().writing_to(directory.fifo)} == {pids.follower.pid}
    await send_text(host, "fed")
    assert [line.data for line in await read_lines(host, 1)] == [b"fed"]


async def test_a_follower_for_a_program_that_reads_no_more_cannot_be_started(kit: Kit) -> None:
    backend = kit.pty()
    host = await kit.shell(backend, "exec <&-; echo closed; exec sleep 1000")
    await read_lines(host, 1)
    with pytest.raises(LaunchFailed):
        await host.feed_from(0)
