"""Processes: identity, trees, deaths, on real ones."""

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

import machine
from backends import processes
from backends.deaths import DeathWatch
from backends.stopping import HostTree, kill_now
from machine import ProcessId, ProcessRow
from tests.backends.kit import Kit, directory_of, until


@pytest.fixture
def sleeper() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def identity(pid: int) -> ProcessId:
    row = machine.this().read_process(pid)
    assert row is not None
    return row.process


async def test_a_process_is_alive_until_it_is_a_zombie(sleeper: "subprocess.Popen[bytes]") -> None:
    process = identity(sleeper.pid)
    assert processes.is_alive(process)
    assert not processes.is_alive(ProcessId(process.pid, "1"))
    sleeper.kill()
    await until(lambda: not processes.is_alive(process))
    assert machine.this().read_process(process.pid) is not None, "it is a zombie, not gone"


@pytest.mark.parametrize("use_descriptors", [True, False], ids=["pidfd", "polling"])
async def test_a_death_is_told_to_all_who_wait_and_only_to_them(
    sleeper: "subprocess.Popen[bytes]", use_descriptors: bool
) -> None:
    deaths = DeathWatch(use_descriptors=use_descriptors)
    process = identity(sleeper.pid)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    waiting = [asyncio.create_task(deaths.died(process)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    assert not waiting[1].done()
    sleeper.kill()
    await asyncio.gather(*waiting[1:])
    await deaths.died(process)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    deaths.close()


async def test_a_pid_of_another_process_is_dead_at_once(sleeper: "subprocess.Popen[bytes]") -> None:
    deaths = DeathWatch()
    await deaths.died(ProcessId(sleeper.pid, "1"))
    machine.this().send_signal(ProcessId(sleeper.pid, "1"), signal.SIGKILL)
    assert processes.is_alive(identity(sleeper.pid))
    deaths.close()


async def test_no_descriptor_left_means_polling(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_machine: machine.Machine, _process: ProcessId) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(type(machine.this()), "open_death_descriptor", none_left)
    deaths = DeathWatch()
    waiting = asyncio.create_task(deaths.died(identity(sleeper.pid)))
    await asyncio.sleep(0)
    sleeper.kill()
    await waiting
    deaths.close()


async def test_a_death_is_told_though_no_look_at_it_finds_a_descriptor_for_a_while(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    process = identity(sleeper.pid)
    deaths = DeathWatch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        waiting = asyncio.create_task(deaths.died(process))
        sleeper.kill()
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    async with asyncio.timeout(60):
        await waiting
    deaths.close()


def test_a_command_name_with_brackets_does_not_confuse_the_table() -> None:
    name = "a) R 1 (b"
    with subprocess.Popen(
        ["/bin/sh", "-c", f"printf '{name}' >/proc/$$/comm; echo; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        row = machine.this().read_process(process.pid)
        assert row is not None
        assert row.parent == os.getpid()
        process.communicate()


def test_this_process_is_never_part_of_a_tree() -> None:
    table = machine.this().read_table()
    members = processes.tree(table, [identity(os.getppid())])
    assert os.getpid() not in {member.pid for member in members}


def test_a_session_is_found_when_all_that_were_seen_are_dead_but_not_when_its_number_is_anothers() -> None:
    def row(pid: int, start: str) -> ProcessRow:
        return ProcessRow(ProcessId(pid, start), parent=1, session=901, zombie=False, cpu_s=0)

    orphan, leader, stranger = row(902, "7"), row(901, "5"), row(901, "9")
    for sessions in (
        processes.sessions_of({901: leader}, [leader.process]),
        processes.sessions_of({900: row(900, "6")}, [ProcessId(900, "6")]),
    ):
        assert processes.tree({902: orphan}, [], sessions) == {orphan.process}
        assert processes.tree({902: orphan, 901: stranger}, [], sessions) == set()


async def test_the_command_by_which_a_shell_names_the_exit_code_is_not_ended_with_the_program(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    os.mkfifo(gate)
    slow = tmp_path / "bin" / "mv"
    slow.parent.mkdir()
    slow.write_text(
        f'#!/bin/sh\ncase $2 in */exit) : >"{begun}"; read -r go <"{gate}" ;; esac\nexec "{which("mv")}" "$@"\n'
    )
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    host = await kit.shell(kit.pty(), "exec sleep 1000")
    pids = directory_of(kit, host).pids()
    assert pids is not None
    os.kill(pids.program.pid, signal.SIGTERM)
    await until(begun.exists)
    tree = HostTree(directory_of(kit, host))
    assert len(tree.living() - {pids.shell, pids.follower}) == 1
    assert tree.of_program() == set()
    gate.write_text("go\n")
    assert (await host.wait()).code == -signal.SIGTERM


async def test_an_orphan_that_no_look_has_seen_is_found_by_the_session_of_its_dead_host(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where no environment is shown: a shell that is killed has begun a child since the last look."""
    monkeypatch.setattr(type(machine.this()), "carrying", lambda *_: set())
    host = await kit.shell(kit.pty(), "sleep 1000 & sleep 1000")
    pids = directory_of(kit, host).pids()
    assert pids is not None
    await until(lambda: host.usage().processes == 5)
    tree = HostTree(directory_of(kit, host))
    before = tree.living()
    orphans = before - {pids.shell, pids.program, pids.follower}
    assert len(orphans) == 2
    tree._seen -= orphans
    deaths = DeathWatch()
    await kill_now([pids.program], deaths)
    await deaths.all_died({pids.shell, pids.follower})
    assert tree.living() == orphans
    await kill_now(orphans, deaths)
    deaths.close()
