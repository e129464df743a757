"""The proxy as a process, with real sandboxes: found again, replaced when it was killed, gone with its data."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from backends.base import LaunchSpec
from backends.sandbox.bwrap import command, in_bwrap
from backends.sandbox.model import Access, Limits, Mechanism, Network, Policy
from backends.sandbox.probe import find_bwrap, limit_counts_inside
from backends.sandbox.proxy import process
from backends.sandbox.proxy.hosts import HostList, Target
from backends.sandbox.proxy.process import ProxyUnavailable, ensure_proxy, open_door, wanted
from backends.sandbox.proxy.state import ProxyPlaces, is_key, key_of, keys_in_use, load_list, save_list
from backends.sandbox.system import this_system

DEADLINE_S = 60
pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="needs bubblewrap")


class Model:
    """A server on loopback that answers like a model: the only one that a sandbox may reach."""

    def __init__(self) -> None:
        self.port = 0
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    made = Model()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def pid_of(places: ProxyPlaces) -> int:
    """The process that holds the lock of the proxy."""
    inode = (places.root / "serve.lock").stat().st_ino
    (line,) = [each for each in Path("/proc/locks").read_text().splitlines() if f":{inode} " in each]
    return int(line.split()[4])


@pytest.fixture
async def places(tmp_path: Path) -> AsyncIterator[ProxyPlaces]:
    made = ProxyPlaces(tmp_path / ("long" * 40) / "proxy")
    yield made
    with suppress(ValueError, OSError):
        os.kill(pid_of(made), signal.SIGKILL)


def sandboxed(tmp_path: Path, places: ProxyPlaces, model: Model, *argv: str) -> LaunchSpec:
    policy = Policy(
        mechanism=Mechanism.BWRAP,
        network=Network.LISTED,
        limits=Limits(512 if limit_counts_inside() else None),
        program=find_bwrap(),
        system=this_system(),
        proxy=places.root,
    )
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    environment = {"PATH": os.defpath, "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model.port}"}
    access = Access(read=(Path(sys.base_prefix),), write=(work,))
    return in_bwrap(policy)(LaunchSpec("s", 1, tmp_path / "run", argv, work, environment, access=access))


async def started(spec: LaunchSpec) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        'exec "$@" 5>/dev/null',
        "sh",
        *spec.argv,
        env=dict(spec.environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


ASKING = """
import http.client, json, os, sys, urllib.parse
where = urllib.parse.urlsplit(os.environ["ANTHROPIC_BASE_URL"])
for line in sys.stdin:
    try:
        host = line.strip()
        if host == "model":
            asked = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
        elif host.startswith("direct "):
            asked = http.client.HTTPConnection(host.split()[1], where.port, timeout=2)
        else:
            proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
            asked = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=20)
            asked.set_tunnel(host, 443)
        asked.request("GET", "/")
        print(json.dumps(asked.getresponse().read().decode()), flush=True)
    except OSError as error:
        print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
"""


class Inside:
    """A program in a sandbox that asks what it is told to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, host: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{host}\n".encode())
        async with asyncio.timeout(DEADLINE_S):
            return str(json.loads(await self._process.stdout.readline()))


@pytest.fixture
async def inside(tmp_path: Path, places: ProxyPlaces, model: Model) -> AsyncIterator[Inside]:
    hosts = HostList(("listed.invalid",), Target("127.0.0.1", model.port))
    await open_door(places, tmp_path / "work", hosts)
    python = str(Path(sys.executable).resolve())
    process = await started(sandboxed(tmp_path, places, model, python, "-I", "-c", ASKING))
    yield Inside(process)
    assert process.stdin is not None
    process.stdin.close()
    async with asyncio.timeout(DEADLINE_S):
        assert await process.wait() == 0


async def test_only_the_model_and_listed_names_are_reached_from_inside(
    inside: Inside, model: Model, places: ProxyPlaces, tmp_path: Path
) -> None:
    assert await inside.ask("model") == "hello"
    assert "403" in await inside.ask("other.example")
    assert "502" in await inside.ask("listed.invalid")  # listed, but no such name
    assert "403" in await inside.ask("127.0.0.1")
    for address in ("10.0.0.1", "169.254.169.254"):
        assert "Error" in await inside.ask(f"direct {address}")
    assert model.asked == 1

    key = key_of(tmp_path / "work")
    async with asyncio.timeout(DEADLINE_S), aclosing(wanted(places)) as names:
        assert await anext(names) == (key, "other.example")
        assert "403" in await inside.ask("another.example")
        assert await anext(names) == (key, "another.example")

    # What somebody allows holds at once, in sandboxes that run.
    await open_door(places, tmp_path / "work", HostList(("other.example.invalid",), Target("127.0.0.1", 1)))
    assert "502" in await inside.ask("other.example.invalid")


async def test_a_killed_proxy_is_replaced_and_running_sandboxes_reach_the_new_one(
    inside: Inside, model: Model, places: ProxyPlaces
) -> None:
    first = pid_of(places)
    await ensure_proxy(places)
    assert pid_of(places) == first, "found again"
    assert await inside.ask("model") == "hello"
    os.kill(first, signal.SIGKILL)
    assert await inside.ask("model") != "hello"
    await asyncio.gather(*(ensure_proxy(places) for _ in range(5)))
    assert pid_of(places) != first
    assert await inside.ask("model") == "hello"
    assert "403" in await inside.ask("other.example")


async def test_nothing_stays_when_a_sandbox_ends(tmp_path: Path, places: ProxyPlaces, model: Model) -> None:
    await open_door(places, tmp_path / "work", HostList((), Target("127.0.0.1", model.port)))
    python = str(Path(sys.executable).resolve())
    process = await started(sandboxed(tmp_path, places, model, python, "-I", "-c", ASKING))
    assert await Inside(process).ask("model") == "hello"
    entered = places.entered(key_of(tmp_path / "work"))
    assert len(list(entered.iterdir())) == 1
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0
    async with asyncio.timeout(DEADLINE_S):
        while list(entered.iterdir()):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "words", ["3128=proxy.sock", "1=2", "x", "3128=../control.sock", "9=proxy.sock " * 9, ""]
)
async def test_a_process_that_is_in_no_sandbox_is_not_listened_in(
    tmp_path: Path, places: ProxyPlaces, words: str
) -> None:
    door = await open_door(places, tmp_path / "work", HostList())
    directory = os.open(door, os.O_PATH)
    reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/enter.sock")
    os.close(directory)
    writer.write(f"{words}\n".encode())
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()
    assert not list(places.entered(key_of(tmp_path / "work")).iterdir())


async def test_it_is_started_as_hosts_are_in_a_scope_of_its_own(tmp_path: Path, places: ProxyPlaces) -> None:
    """A stand-in for a service manager: closes what it was not given, as one may."""
    scope = tmp_path / "scope"
    scope.write_text('#!/bin/sh\necho "$1" >"$0.ran"; shift; exec "$@" 3>&- 9>&-\n')
    scope.chmod(0o755)
    await ensure_proxy(places, (str(scope), "--scope"))
    assert (tmp_path / "scope.ran").read_text() == "--scope\n"
    assert pid_of(places)


async def test_a_project_has_its_own_list(tmp_path: Path, places: ProxyPlaces) -> None:
    one = await open_door(places, tmp_path / "one", HostList(("one.invalid",)))
    two = await open_door(places, tmp_path / "two", HostList(("two.invalid",)))

    async def status(door: Path, host: str) -> bytes:
        directory = os.open(door, os.O_PATH)
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/proxy.sock")
        os.close(directory)
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        said = await reader.read()
        writer.close()
        return said.split()[1]

    seen = [await status(door, host) for door in (one, two) for host in ("one.invalid", "two.invalid")]
    assert seen == [b"502", b"403", b"403", b"502"]


async def test_a_door_that_somebody_removed_is_made_again_and_bridges_come_and_go(
    tmp_path: Path, places: ProxyPlaces
) -> None:
    door = await open_door(places, tmp_path / "one", HostList(("one.invalid",)))
    shutil.rmtree(door)
    await open_door(places, tmp_path / "one", HostList(("one.invalid",)))
    assert (door / "proxy.sock").is_socket()
    for _ in range(40):  # each as a bridge that was killed
        reader, writer = await asyncio.open_unix_connection(sock=process._connected(places))
        writer.write(b"follow\n")
        writer.close()
        await reader.read()
    directory = os.open(door, os.O_PATH)
    reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/proxy.sock")
    os.close(directory)
    writer.write(b"CONNECT other.example:443 HTTP/1.1\r\n\r\n")
    assert b"403" in await reader.read()
    writer.close()
    async with asyncio.timeout(DEADLINE_S), aclosing(wanted(places)) as names:
        assert await anext(names) == (key_of(tmp_path / "one"), "other.example")


async def test_it_goes_when_its_directory_goes_and_says_why_it_cannot_start(
    places: ProxyPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ensure_proxy(places)
    pid = os.pidfd_open(pid_of(places))
    shutil.rmtree(places.root)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(pid, ended.set)
    async with asyncio.timeout(DEADLINE_S):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(pid)
    os.close(pid)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ProxyUnavailable, match="ended at its start"):
        await ensure_proxy(places)


def test_projects_that_nobody_opens_any_more_are_forgotten(tmp_path: Path) -> None:
    places = ProxyPlaces(tmp_path)
    keys = [key_of(Path(each)) for each in ("/old", "/new", "/broken")]
    for key in keys:
        save_list(places, key, HostList(("a.org",), Target("m", 1)))
        places.door(key).mkdir(parents=True)
    (places.lists / f"{keys[2]}.json").write_text("{")
    (places.lists / "x.json").touch()
    os.utime(places.lists / f"{keys[0]}.json", (0, 0))
    assert set(keys_in_use(places)) == set(keys[1:])
    assert not places.door(keys[0]).exists()
    assert load_list(places, keys[1]) == HostList(("a.org",), Target("m", 1))
    assert load_list(places, keys[2]) == HostList() == load_list(places, keys[0])
    assert not any(map(is_key, ("", "../" * 8, keys[0].upper(), keys[0] + "0", keys[0] + "\n")))


async def test_a_program_that_asks_without_end_is_answered_no_more(tmp_path: Path, places: ProxyPlaces) -> None:
    door = await open_door(places, tmp_path / "work", HostList())
    policy = Policy(
        mechanism=Mechanism.BWRAP, network=Network.MODEL, program=find_bwrap(), system=this_system()
    )
    shown = ((door, Path("/run/network")), (Path(sys.base_prefix), Path(sys.base_prefix)))
    flood = (
        "import os, socket\nanswers = 0\nfor number in range(60):\n    if os.fork() == 0:\n"
        "        peer = socket.socket(socket.AF_UNIX)\n        peer.connect('/run/network/enter.sock')\n"
        "        peer.sendall(b'%d=proxy.sock\\n' % (4000 + number))\n"
        "        os._exit(0 if peer.recv(9) else 1)\n    answers += os.wait()[1] == 0\nprint(answers)\n"
    )
    words = command(policy, Access(), Path("/"), shown=shown, info=False)
    process = await asyncio.create_subprocess_exec(
        *words, str(Path(sys.executable).resolve()), "-I", "-c", flood, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert 0 < int(said) <= 20
