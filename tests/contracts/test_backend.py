"""The contract of the backend port (`backends/base.py`), on real hosts with both backends.

Freezing and deaths have files of their own.
"""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.base import InputLine, LaunchFailed, LaunchSpec, LogCut
from backends.local import LocalBackend
from tests.backends.kit import (
    Kit,
    alive,
    directory_of,
    program_of,
    read_all,
    read_lines,
    send_text,
    until,
)
from tests.contracts.conftest import BWRAP, LANDLOCK, MACOS

MEBIBYTE = 1 << 20
SANDBOX_PROCESSES = 2
"""bubblewrap itself, and process 1 inside."""


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
