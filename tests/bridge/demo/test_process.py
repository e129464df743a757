"""The demo model as a process of its own: found, shared, restarted on its port, gone when nobody needs it."""

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bridge.demo import process
from bridge.demo.model import DemoModel
from bridge.demo.process import DemoError, demo_environment, ensure_demo, load_record
from sessions.claude.registry import open_conversations
from tests.fakes.cli_home import CliHome, StreamCli, is_state, make_cli_home

pytestmark = pytest.mark.timeout(180)


def server_pid(directory: Path) -> int | None:
    """The process that serves `directory`, by its command line."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"bridge.demo" in words and str(directory.resolve()).encode() in words:
            return int(entry.parent.name)
    return None


async def ended(directory: Path) -> None:
    """Wait until nobody holds the serving lock: there is no event for the end of a process that is not ours."""
    async with asyncio.timeout(60):
        while server_pid(directory) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def end(directory: Path, number: signal.Signals = signal.SIGTERM) -> None:
    """Let the server of `directory` end."""
    pid = server_pid(directory)
    assert pid is not None
    os.kill(pid, number)
    await ended(directory)


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "demo"
    yield path
    if (pid := server_pid(path)) is not None:
        os.kill(pid, signal.SIGKILL)
        await ended(path)


async def test_demo_is_started_once_and_found_again(directory: Path) -> None:
    first, second = await asyncio.gather(ensure_demo(directory), ensure_demo(directory))
    pid = server_pid(directory)
    assert first == second == await ensure_demo(directory)
    assert server_pid(directory) == pid
    async with ClientSession() as client, client.get(f"{first.base_url}/demo/health") as response:
        assert (await response.json())["service"] == "demo-model"


async def test_demo_is_no_child_of_the_program_that_started_it(directory: Path) -> None:
    await ensure_demo(directory)
    status = Path(f"/proc/{server_pid(directory)}/stat").read_text().rpartition(")")[2].split()
    parent, session = int(status[1]), int(status[3])
    assert parent != os.getpid()
    assert session != os.getsid(0)


async def test_killed_demo_comes_back_on_the_same_port(directory: Path) -> None:
    before = await ensure_demo(directory)
    pid = server_pid(directory)
    await end(directory, signal.SIGKILL)
    assert await ensure_demo(directory) == before
    assert server_pid(directory) not in (pid, None)


async def test_the_port_is_none_that_connections_are_given(directory: Path) -> None:
    await ensure_demo(directory)
    record = load_record(directory)
    assert record is not None
    assert record.port in process.LASTING_PORTS


async def test_stranger_on_the_port_is_not_taken_for_the_demo(directory: Path) -> None:
    before = await ensure_demo(directory)
    await end(directory)
    async with DemoModel(int(before.base_url.rpartition(":")[2]), identity="a stranger"):
        assert (await ensure_demo(directory)).base_url != before.base_url


async def test_files_are_private_and_hold_nothing_of_our_environment(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "sentinel")
    await ensure_demo(directory)
    assert b"sentinel" not in Path(f"/proc/{server_pid(directory)}/environ").read_bytes()
    for path in (directory, *directory.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_unused_demo_ends_by_itself(directory: Path) -> None:
    await ensure_demo(directory, idle_exit_s=0.3)
    await ended(directory)


async def test_demo_ends_when_its_directory_is_removed(directory: Path) -> None:
    await ensure_demo(directory)
    shutil.rmtree(directory)
    await ended(directory)


async def test_demo_that_does_not_come_up_in_time_is_a_sentence_too(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_START_TIMEOUT_S", 0.1)
    directory.mkdir()
    with (directory / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # somebody else starts it, and never comes to an end
        with pytest.raises(DemoError, match="in time"):
            await ensure_demo(directory)


async def test_demo_that_cannot_start_is_a_sentence(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DemoError, match=r"the demo model ended at its start: .*/nowhere/python"):
        await ensure_demo(directory)
    assert load_record(directory) is None


@pytest.mark.real_cli
async def test_demo_stays_while_a_cli_of_its_directory_lives(directory: Path, tmp_path: Path) -> None:
    endpoint = await ensure_demo(directory)
    home = make_cli_home(tmp_path / "cli", endpoint.base_url)
    home = CliHome(home.binary, home.home, home.work, {**home.environment, **demo_environment(endpoint)})
    async with StreamCli(home) as cli:
        await cli.turn("demo:text one")
        assert open_conversations(endpoint.config_directory)
        await end(directory)
        await ensure_demo(directory, idle_exit_s=1.0)  # now that the CLI is up, however long that took
        unneeded = tmp_path / "unneeded"
        await ensure_demo(unneeded, idle_exit_s=2.0)
        await ended(unneeded)  # thus twice the idle limit has passed
        assert server_pid(directory) is not None
        lines = await cli.turn("demo:text two")
        assert any("DEMO: two" in str(line.get("result")) for line in lines)
        await cli.close()
    assert not open_conversations(endpoint.config_directory)
    await ended(directory)


@pytest.mark.real_cli
async def test_turn_survives_the_death_of_the_demo_in_mid_answer(directory: Path, tmp_path: Path) -> None:
    endpoint = await ensure_demo(directory)
    async with StreamCli(make_cli_home(tmp_path / "cli", endpoint.base_url)) as cli:
        await cli.send_prompt("demo:text partial demo:gate g demo:text rest")
        await cli.line(lambda line: "partial" in str(line.get("event", {}).get("delta")))
        await end(directory, signal.SIGKILL)
        await ensure_demo(directory)
        async with ClientSession() as client:
            await client.post(f"{endpoint.base_url}/demo/release/g")
        await cli.line(is_state("idle"))
        assert any("DEMO: partial\n\nrest" in str(line.get("result")) for line in cli.lines)
