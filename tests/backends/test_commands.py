"""Commands beside a session end whatever they do, with bounded output, and leave nothing."""

import asyncio
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

import machine
from backends.base import LaunchRefused, LaunchSpec
from backends.commands.keeper import READY, Request
from backends.commands.model import CommandEnd, CommandNotStarted, CommandSpec, Exited, Lost, Stopped, TimedOut
from backends.commands.runner import Commands, _Place
from backends.directory import MARKER
from backends.sandbox.bwrap import in_bwrap
from backends.sandbox.landlock import in_landlock, landlock_abi
from backends.sandbox.model import Access, Mechanism, Policy
from backends.sandbox.probe import find_bwrap
from backends.sandbox.system import this_system
from backends.wrappers import LaunchWrapper

pytestmark = pytest.mark.timeout(60)

SESSION = str(uuid.uuid4())  # the marker of processes; other tests run at the same time
# A process without our environment, session and parent; only its command line names it.
HIDING = "env -i setsid sh -c 'sleep {seconds} & sleep {seconds}' >/dev/null 2>&1 &"


def wrappers_of(mechanism: str) -> Sequence[LaunchWrapper]:
    policy = Policy(mechanism=Mechanism(mechanism), system=this_system())
    match Mechanism(mechanism):
        case Mechanism.NONE:
            return ()
        case Mechanism.BWRAP:
            found = find_bwrap()
            if found is None:
                pytest.skip("bubblewrap is not installed")
            return (in_bwrap(Policy(mechanism=Mechanism.BWRAP, system=this_system(), program=found)),)
        case Mechanism.LANDLOCK:
            return (in_landlock(policy, landlock_abi()),)


@pytest.fixture(params=["none", "landlock", "bwrap"])
def commands(request: pytest.FixtureRequest, tmp_path: Path) -> Commands:
    return Commands(tmp_path / "run", wrappers_of(request.param))


@pytest.fixture
def plain(tmp_path: Path) -> Commands:
    return Commands(tmp_path / "run")


def spec(
    tmp_path: Path, text: str, *, timeout_s: float = 20, max_bytes: int = 1000, name: str = "check"
) -> CommandSpec:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return CommandSpec(
        session_id=SESSION,
        name=name,
        argv=("/bin/sh", "-c", text),
        cwd=work,
        environment={"PATH": os.environ["PATH"], "GIVEN": "to the child"},
        timeout_s=timeout_s,
        max_bytes=max_bytes,
        access=Access(write=(work,)),
    )


def asleep(seconds: str) -> set[int]:
    """The processes that sleep so many seconds."""
    table = machine.this().read_table()
    return {pid for pid in table if machine.this().command_of(pid) == f"sleep {seconds}"}


def a_time() -> str:
    """A number of seconds that no other test sleeps."""
    return f"300.{uuid.uuid4().int % 10**12}"


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - a file or a process of others
            await asyncio.sleep(0.01)


def text_of(end: CommandEnd) -> str:
    return end.output.path.read_text()


async def test_a_command_gets_its_directory_its_environment_and_no_input(
    commands: Commands, tmp_path: Path
) -> None:
    text = 'pwd; echo "$GIVEN"; cat; read word || echo no input; echo wrong >&2; exit 7'
    end = await commands.run(spec(tmp_path, text))
    assert isinstance(end, Exited)
    assert end.code == 7
    assert text_of(end) == f"{tmp_path}/work\nto the child\nno input\nwrong\n"
    assert end.output.path.stat().st_mode & 0o77 == 0


async def test_a_command_that_hangs_is_ended_with_everything_that_it_started(
    commands: Commands, tmp_path: Path
) -> None:
    seconds = a_time()
    text = f"trap '' TERM; echo began; {HIDING.format(seconds=seconds)} while :; do sleep {seconds}; done"
    end = await commands.run(spec(tmp_path, text, timeout_s=0.3))
    assert isinstance(end, TimedOut)
    assert text_of(end).startswith("began\n")
    assert asleep(seconds) == set()


async def test_processes_that_a_command_leaves_end_with_it(commands: Commands, tmp_path: Path) -> None:
    seconds = a_time()
    end = await commands.run(spec(tmp_path, f"sleep {seconds} & {HIDING.format(seconds=seconds)} echo done"))
    assert isinstance(end, Exited)
    assert (end.code, text_of(end)) == (0, "done\n")
    assert asleep(seconds) == set()


async def test_of_a_hundred_megabytes_both_ends_are_kept(commands: Commands, tmp_path: Path) -> None:
    text = "echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last"
    end = await commands.run(spec(tmp_path, text))
    assert isinstance(end, Exited)
    kept = text_of(end)
    assert end.output.is_cut
    assert end.output.printed_bytes == 100_000_000 + len("first\n\nlast\n")
    assert kept.startswith("first\nxxx")
    assert kept.endswith("xxx\nlast\n")
    assert f"\n… {end.output.printed_bytes - 1000} bytes left out …\n" in kept
    assert len(kept) < 1100


async def test_a_command_outlives_its_bridge_and_runs_once(commands: Commands, tmp_path: Path) -> None:
    asked = spec(tmp_path, "echo ran >>count; while [ ! -e go ]; do sleep 0.02; done; echo done")
    waiting = asyncio.create_task(commands.run(asked))
    await until((tmp_path / "work/count").exists)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    later = Commands(commands.run_directory, commands.wrappers)
    assert await later.sweep() == 0
    (tmp_path / "work/go").touch()
    end = await later.run(asked)
    assert (isinstance(end, Exited), text_of(end)) == (True, "done\n")
    assert await later.run(asked) == end
    assert (tmp_path / "work/count").read_text() == "ran\n"
    await later.forget(SESSION, "check")
    assert not end.output.path.exists()
    assert isinstance(await later.run(asked), Exited)
    assert (tmp_path / "work/count").read_text() == "ran\nran\n"


async def test_what_a_killed_keeper_leaves_is_ended_by_the_next_start(
    commands: Commands, tmp_path: Path
) -> None:
    seconds = a_time()
    waiting = asyncio.create_task(commands.run(spec(tmp_path, f"sleep {seconds} & echo on; sleep {seconds}")))
    recorded = commands.run_directory / f"{SESSION}/commands/check/pid"
    await until(lambda: len(asleep(seconds)) == 2 and recorded.exists())
    waiting.cancel()
    lines = recorded.read_text().splitlines()
    pid = next(int(line.split()[1]) for line in lines if line.startswith("keeper "))
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{pid}").exists())
    assert len(asleep(seconds)) == 2
    assert await Commands(commands.run_directory).sweep() == 1
    assert asleep(seconds) == set()
    end = await commands.run(spec(tmp_path, "echo again"))
    assert isinstance(end, Lost), "it does not run a second time"


async def test_a_stopped_command_says_so(commands: Commands, tmp_path: Path) -> None:
    seconds = a_time()
    waiting = asyncio.create_task(commands.run(spec(tmp_path, f"echo on; sleep {seconds}")))
    await until(lambda: asleep(seconds))
    await commands.stop_all(SESSION)
    end = await waiting
    assert isinstance(end, Stopped)
    assert text_of(end).startswith("on\n")  # some shells say that a child was terminated
    await commands.stop(SESSION, "check")


async def test_values_of_the_environment_are_in_no_file_and_on_no_command_line(
    plain: Commands, tmp_path: Path
) -> None:
    waiting = asyncio.create_task(plain.run(spec(tmp_path, "touch on; while [ ! -e go ]; do sleep 0.02; done")))
    await until((tmp_path / "work/on").exists)
    marked = machine.this().carrying(MARKER, f"{SESSION}/commands/check")
    lines = [machine.this().command_of(each.pid) for each in marked]
    files = [path.read_text() for path in plain.run_directory.rglob("*") if path.is_file()]
    (tmp_path / "work/go").touch()
    await waiting
    assert lines
    assert [each for each in (*lines, *files) if "to the child" in each] == []


@pytest.mark.parametrize("name", ["", "../up", "Up", "a/b", "x" * 65])
async def test_a_name_that_could_be_a_path_is_refused(plain: Commands, tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandNotStarted):
        await plain.run(spec(tmp_path, "true", name=name))


async def test_a_refusal_of_the_sandbox_leaves_nothing(tmp_path: Path) -> None:
    def refuse(host: LaunchSpec) -> LaunchSpec:
        raise LaunchRefused(host.argv[0], reason="no sandbox works")

    runner = Commands(tmp_path / "run", (refuse,))
    with pytest.raises(LaunchRefused):
        await runner.run(spec(tmp_path, "true"))
    assert not (tmp_path / "run" / SESSION / "commands/check").exists()


async def test_a_keeper_that_fails_is_said_and_its_reason_is_in_the_log(
    plain: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken))
    with pytest.raises(CommandNotStarted, match="ended at once"):
        await plain.run(spec(tmp_path, "true"))
    (record,) = caplog.records
    assert (vars(record)["code"], vars(record)["why"]) == (3, "no such module\n")
    assert not (tmp_path / "run" / SESSION / "commands/check").exists()


async def test_a_command_that_ends_before_its_start_is_told_does_not_end_the_one_who_tells(
    tmp_path: Path,
) -> None:
    """On a busy machine the keeper's foreground process may get its turn only after a short command's end."""
    key = f"{SESSION}/commands/short"
    request = Request(key, ("true",), str(tmp_path), {MARKER: key}, 20, 1000, is_in_bwrap=False)
    told, tells = os.pipe()
    os.set_blocking(tells, False)
    filling = b"x" * 4096
    with suppress(BlockingIOError):
        while os.write(tells, filling):  # until it cannot tell
            pass
    os.set_blocking(tells, True)
    keeper = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backends.commands.keeper", str(tmp_path)),
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2]), MARKER: key},
        stdin=asyncio.subprocess.PIPE,
        stdout=tells,
        start_new_session=True,
    )
    os.close(tells)
    telling = asyncio.create_task(keeper.communicate(msgspec.json.encode(request)))
    await until((tmp_path / "result.json").exists)
    with os.fdopen(told, "rb") as pipe:
        said = await asyncio.to_thread(pipe.read)
    await telling
    assert (said.lstrip(b"x"), keeper.returncode) == (READY, 0)


@pytest.mark.parametrize("stored", [b'{"how": "\xff"}', b'{"more": ' + b"[" * 100_000, b""])
def test_a_damaged_result_is_none(stored: bytes, tmp_path: Path) -> None:
    place = _Place(tmp_path, SESSION, "1")
    place.path.mkdir(parents=True)
    (place.path / "result.json").write_bytes(stored)
    assert place.end() is None


async def test_a_directory_that_is_gone_is_said(plain: Commands, tmp_path: Path) -> None:
    asked = spec(tmp_path, "true")
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(CommandNotStarted, match="No such file"):
        await plain.run(asked)
