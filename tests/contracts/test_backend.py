"""The contract of the backend port (`backends/base.py`), on real hosts with both backends."""

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from ptyprocess import PtyProcess

import machine
from backends import processes
from backends.base import HostGone, HostRef, InputLine, LaunchFailed, LaunchSpec, LogCut
from backends.directory import HostPids
from backends.host import LocalHost
from backends.local import LocalBackend
from machine import ProcessId
from tests.backends.kit import (
    DEADLINE_S,
    REPOSITORY,
    Kit,
    alive,
    directory_of,
    kill_process,
    read_all,
    read_lines,
    send_text,
    until,
)
from tests.contracts.conftest import BWRAP, LANDLOCK, MACOS

MEBIBYTE = 1 << 20
SANDBOX_PROCESSES = 2
"""bubblewrap itself, and process 1 inside."""


def pids_of(kit: Kit, host: LocalHost) -> HostPids:
    pids = directory_of(kit, host).pids()
    assert pids is not None
    return pids


def program_of(kit: Kit, host: LocalHost) -> ProcessId:
    """The program itself, inside of its sandbox if it has one."""
    pids = pids_of(kit, host)
    if pids.sandbox is None:
        return pids.program
    inside = processes.program_inside(pids.sandbox, machine.this().read_table())
    assert inside is not None
    return inside


# --- launching ------------------------------------------------------------------------------------------


async def test_what_is_sent_is_read_back_through_the_program(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "cat")
    await send_text(host, "one")
    await send_text(host, "two")
    lines = await read_lines(host, 2)
    assert [(line.data, line.end) for line in lines] == [(b"one", 4), (b"two", 8)]
    assert host.alive()
    assert host.ref.backend == backend.name


async def test_the_program_gets_exactly_its_environment_and_work_directory(
    way: str, kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(
        backend, 'pwd; printf "%s\n" "$GREETING"; env | cut -d= -f1 | sort', environment={"GREETING": "a  b"}
    )
    directory, greeting, *names = [line.data.decode() for line in await read_all(host)]
    assert (directory, greeting) == (str(kit.cwd), "a  b")
    added = {"_", "PWD", "OLDPWD", "SHLVL"} | ({"TMPDIR"} if way in (BWRAP, LANDLOCK) else set())
    assert set(names) - added == {"CLAUDE_BRIDGE_HOST", "GREETING", "PATH"}


async def test_hostile_arguments_arrive_as_they_are(kit: Kit, backend: LocalBackend) -> None:
    hostile = ["$(touch pwned)", "; touch pwned", "`id`", "a'b\"c", "--", "-n", "*", "x;", "#{pid}", "é\u2028"]
    host = await backend.launch(
        kit.spec("/usr/bin/printf", "%s\n", *hostile, title="$(touch pwned); #{pid} -t;")
    )
    assert [line.data.decode() for line in await read_all(host)] == hostile
    assert not list(kit.cwd.iterdir())


async def test_the_host_is_private_and_holds_no_value_of_the_environment(
    way: str, kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "cat", environment={"API_KEY": "SENTINEL-VALUE"})
    path = directory_of(kit, host).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    await send_text(host, "x")
    await read_lines(host, 1)
    modes = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in path.iterdir()}
    if way == LANDLOCK:
        assert modes.pop("tmp") == "0o700"
    names = ["in", "input.ndjson", "launch.json", "output.ndjson", "pid", "stderr.log"]
    names += ["title"] if backend.name == "tmux" else []
    names += ["sandbox"] if way == BWRAP else []
    assert modes == dict.fromkeys(names, "0o600")
    assert "API_KEY" in (path / "launch.json").read_text()
    regular = [file for file in kit.run.rglob("*") if file.is_file()]
    assert [file for file in regular if b"SENTINEL-VALUE" in file.read_bytes()] == []
    assert not any(b"SENTINEL-VALUE" in line for line in of_all_processes("cmdline").values())


def of_all_processes(name: str) -> dict[int, bytes]:
    """Return `/proc/<pid>/<name>` of every process that lets us read it."""
    found = {}
    for file in Path("/proc").glob(f"[0-9]*/{name}"):
        with suppress(OSError):
            found[int(file.parent.name)] = file.read_bytes()
    return found


async def test_the_program_keeps_the_users_umask(kit: Kit, backend: LocalBackend) -> None:
    before = os.umask(0o022)
    try:
        host = await kit.shell(backend, "umask")
    finally:
        os.umask(before)
    assert [line.data for line in await read_all(host)] == [b"0022"]


BROKEN: dict[str, tuple[Callable[[LaunchSpec], LaunchSpec], str]] = {
    "no such program": (lambda spec: replace(spec, argv=("no-such-program",)), "not found"),
    "no program": (lambda spec: replace(spec, argv=()), "empty"),
    "no work directory": (lambda spec: replace(spec, cwd=spec.cwd / "gone"), "work directory"),
    "session id with a path": (lambda spec: replace(spec, session_id="../../etc"), "UUID"),
    "session id in capitals": (lambda spec: replace(spec, session_id=spec.session_id.upper()), "UUID"),
    "host number 0": (lambda spec: replace(spec, number=0), "numbered"),
    "directory elsewhere": (lambda spec: replace(spec, directory=spec.cwd), "directory"),
    "NUL in an argument": (lambda spec: replace(spec, argv=("/bin/echo", "a\0b")), "null"),
    "arguments too long": (lambda spec: replace(spec, argv=("/bin/echo", "x" * 3 * MEBIBYTE)), "too long"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_launch_that_cannot_work_says_why_and_leaves_nothing(
    way: str, kit: Kit, backend: LocalBackend, case: str
) -> None:
    breaking, reason = BROKEN[case]
    if way in (BWRAP, LANDLOCK) and "program" in case:
        pytest.skip("bwrap is a program that there is; what it finds inside is its exit code")
    with pytest.raises(LaunchFailed) as failed:
        await backend.launch(breaking(kit.spec("cat", session="abcdef00-0000-4000-8000-000000000000")))
    assert reason in str(failed.value)
    assert not list(kit.run.glob("*/*"))
    assert kit.tmux_command("list-windows", "-a") == []


async def test_a_host_number_is_used_once(kit: Kit, backend: LocalBackend) -> None:
    spec = kit.spec("cat")
    host = await backend.launch(spec)
    with pytest.raises(LaunchFailed, match="exists"):
        await backend.launch(spec)
    assert host.alive()
    await host.kill(1)
    with pytest.raises(LaunchFailed, match="exists"):
        await backend.launch(spec)


# --- reading --------------------------------------------------------------------------------------------


async def test_a_line_of_8_mib_and_a_line_separator_inside_a_line_come_whole(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(
        backend, "head -c 8388608 /dev/zero | tr '\\0' x; echo; printf 'a\\342\\200\\250b\\r\\n'; cat"
    )
    big, odd = await read_lines(host, 2)
    assert (len(big.data), big.end) == (8 * MEBIBYTE, 8 * MEBIBYTE + 1)
    assert odd.data.decode() == "a\u2028b\r"


async def test_a_torn_last_line_waits_and_is_never_yielded(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "echo whole; printf torn; read -r go; printf ' no more\\nrest'")
    assert [line.data for line in await read_lines(host, 1)] == [b"whole"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await anext(aiter(host.lines(6)))
    await send_text(host, "go")
    assert [line.data for line in await read_all(host, 6)] == [b"torn no more"]


async def test_reading_starts_at_any_line_and_ends_with_the_host(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "seq 100000")
    lines = await read_all(host)
    assert [int(line.data) for line in lines] == list(range(1, 100_001))
    assert await read_all(host, lines[-1].end) == []
    assert await read_all(host, lines[49_999].end) == lines[50_000:]


async def test_an_offset_past_the_end_and_a_log_that_shrinks_are_a_cut_log(
    kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "echo one; cat")
    await read_lines(host, 1)
    with pytest.raises(LogCut) as cut:
        await read_all(host, 5)
    assert (cut.value.expected, cut.value.actual) == (5, 4)
    with pytest.raises(LogCut):
        await read_all(host, 2)  # no line ends there
    reading = asyncio.create_task(read_all(host, 4))
    await asyncio.sleep(0)
    os.truncate(directory_of(kit, host).output_log, 1)
    with pytest.raises(LogCut):
        await reading


@pytest.mark.parametrize("text", ["", "one"])
async def test_a_removed_output_log_is_a_cut_log(kit: Kit, backend: LocalBackend, text: str) -> None:
    host = await kit.shell(backend, "cat")
    if text:
        await send_text(host, text)
        await read_lines(host, 1)
    known = len(text) + 1 if text else 0
    reading = asyncio.create_task(read_all(host, known))
    await asyncio.sleep(0)
    directory_of(kit, host).output_log.unlink()
    with pytest.raises(LogCut):
        await reading
    if known:
        with pytest.raises(LogCut):
            await read_all(host, known)


# --- sending --------------------------------------------------------------------------------------------


async def test_sending_a_line_again_appends_exactly_what_is_missing(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "cat")
    data, start = b'{"text":"h\xc3\xa9llo"}\n', 0
    log = directory_of(kit, host).input_log
    for cut in range(len(data) + 1):
        with log.open("ab") as file:
            file.write(data[:cut])
        for _ in range(2):
            await host.send(InputLine(start, data))
        start += len(data)
        assert host.input_size() == start
    assert [line.data for line in await read_lines(host, len(data) + 1)] == [data[:-1]] * (len(data) + 1)


async def test_a_line_whose_place_is_past_the_end_is_refused(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "cat")
    with pytest.raises(LogCut):
        await host.send(InputLine(1, b"x\n"))
    assert host.input_size() == 0


async def test_an_input_line_of_2_mib_passes_the_fifo(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "cat")
    await host.send(InputLine(0, b"y" * 2 * MEBIBYTE + b"\n"))
    (line,) = await read_lines(host, 1)
    assert line.end == 2 * MEBIBYTE + 1


# --- ending ---------------------------------------------------------------------------------------------

EXITS = {
    "exit 0": ("exit 0", 0),
    "exit 3": ("exit 3", 3),
    "killed by a signal": ("kill -9 $$", -9),
    "a shell's code for a signal": ("exit 143", -15),
    "exit 255": ("exit 255", 255),
}


@pytest.mark.parametrize("case", EXITS)
async def test_waiting_tells_how_the_program_ended(kit: Kit, backend: LocalBackend, case: str) -> None:
    script, code = EXITS[case]
    host = await kit.shell(backend, f"echo why >&2; {script}")
    ended = await host.wait()
    assert (ended.code, ended.stderr_tail) == (code, "why\n")
    assert not host.alive()
    assert host.usage().processes == 0
    assert await host.wait() == ended
    assert kit.tmux_command("list-windows", "-a") == []


TREES = {
    "obeys": "echo ready; exec sleep 1000",
    "ignores TERM": "trap '' TERM; echo ready; while :; do sleep 1; done",
    "grandchildren in sessions of their own": (
        "setsid sleep 1000 & (setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' &); echo ready; cat"
    ),
    "a daemon that left every parent": "(setsid sh -c '(setsid sleep 1000 &) ' &); echo ready; cat",
    "forks when told to end": "trap 'setsid sleep 1000 & exit 0' TERM; echo ready; while :; do sleep 0.1; done",
    "stopped": "echo ready; kill -STOP $$; cat",
    "a child in a session of its own": (
        f"{sys.executable} -c 'import os, time; os.setsid(); print(1, flush=True); time.sleep(1000)' & cat"
    ),
}


@pytest.mark.parametrize("case", TREES)
async def test_killing_leaves_nothing_of_the_tree(way: str, kit: Kit, backend: LocalBackend, case: str) -> None:
    if way == MACOS and "setsid" in TREES[case]:
        pytest.skip("macOS has no such command, and shows no environment to find an orphan by")
    host = await kit.shell(backend, TREES[case])
    await read_lines(host, 1)
    directory = directory_of(kit, host)
    await host.kill(0.5)
    assert not host.alive()
    marker = f"CLAUDE_BRIDGE_HOST={directory.key}".encode()
    assert [pid for pid, environment in of_all_processes("environ").items() if marker in environment] == []
    ended = await host.wait()
    assert ended.code is not None
    await host.kill(0.5)
    assert await backend.survivors() == []


async def test_killing_waits_for_a_program_that_ends_by_itself(kit: Kit, backend: LocalBackend) -> None:
    host = await kit.shell(backend, "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    await read_lines(host, 1)
    await host.kill(30)
    assert (await host.wait()).code == 7
    assert [line.data for line in await read_all(host)] == [b"ready", b"bye"]


# --- freezing -------------------------------------------------------------------------------------------


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


# --- who may die ----------------------------------------------------------------------------------------


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


# --- cost -----------------------------------------------------------------------------------------------


async def test_a_host_costs_less_than_5_mb_and_usage_sees_its_children(
    way: str, kit: Kit, backend: LocalBackend
) -> None:
    host = await kit.shell(backend, "sleep 1000 & sleep 1000 & echo ready; cat")
    await read_lines(host, 1)
    # Shell, follower, program and its three; the shell's own helpers end soon after the launch.
    await until(lambda: host.usage().processes == (6 if way != BWRAP else 6 + SANDBOX_PROCESSES))
    used = host.usage()
    # macOS counts a shared page in every process, and CPU time in hundredths of a second.
    assert 0 < used.memory_bytes < (30_000_000 if way == MACOS else 5_000_000)
    assert used.cpu_s > 0 or way == MACOS


async def test_many_launches_leak_nothing_in_this_process(way: str, kit: Kit, backend: LocalBackend) -> None:
    async def life() -> None:
        host = await kit.shell(backend, "cat")
        reading = asyncio.create_task(read_lines(host, 1))
        await asyncio.sleep(0)  # the log is silent when its reader comes: it needs inotify
        await send_text(host, "x")
        await reading
        await host.kill(1)
        await host.wait()

    def held() -> tuple[int, int, int]:
        descriptors = [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return len(descriptors), sum("inotify" in name for name in descriptors), len(children)

    for _ in range(2):
        await life()
    before = held()
    for _ in range(3 if way == MACOS else 10):  # the stand-in's commands are slow
        await life()
    assert held() == before
    assert before[1] == 1


async def test_launches_at_once_are_as_many_hosts(way: str, kit: Kit, backend: LocalBackend) -> None:
    count = 3 if way == MACOS else 10
    hosts = await asyncio.gather(*(kit.shell(backend, "cat", title=f"session {n}") for n in range(count)))
    assert {ref.address for ref in await backend.survivors()} == {host.ref.address for host in hosts}
    known = {host.ref for host in hosts[1:]}
    assert await backend.survivors(besides=known) == [hosts[0].ref]
    await asyncio.gather(*(host.kill(2) for host in hosts))
    await until(lambda: kit.tmux_command("list-windows", "-a") == [])


# --- what tools left running ----------------------------------------------------------------------------


async def test_what_tools_left_running_is_found_and_ended_while_the_program_goes_on(
    way: str, kit: Kit, backend: LocalBackend
) -> None:
    if way == MACOS:
        pytest.skip("macOS has no setsid to try it with")
    # The first is a tool's, in a session of its own; the second serves the program, whatever it starts itself.
    left, serves = "setsid sleep 1000", "sh -c 'setsid sleep 999 & wait'"
    host = await kit.shell(backend, f"{left} & {serves} & echo begun; cat")
    await read_lines(host, 1)
    await until(lambda: [each.command for each in host.left_running()] == ["sleep 1000"])
    (found,) = host.left_running()
    assert alive(found.pid)
    await host.end_left_running(1)
    assert list(host.left_running()) == []
    assert not alive(found.pid)
    assert host.alive()
    await send_text(host, "still here")
    assert [line.data for line in await read_lines(host, 2)] == [b"begun", b"still here"]


async def test_what_a_killed_program_leaves_running_is_told_and_ends_with_the_tree(
    way: str, kit: Kit, backend: LocalBackend
) -> None:
    if way == MACOS:
        pytest.skip("macOS has no setsid, and shows no environment to find an orphan by")
    host = await kit.shell(backend, "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo up; sleep 1000; :' & cat")
    await read_lines(host, 1)
    (found,) = host.left_running()
    os.kill(program_of(kit, host).pid, signal.SIGKILL)
    assert (await host.wait()).code == -9
    assert list(host.left_running()) == [found]
    await host.kill(0.2)
    assert list(host.left_running()) == []
