"""The proxy as a process of its own: found again or started when needed.

Sandboxes outlive the bridge, so the proxy that they reach the network through must outlive it too. Follows the
demo model's way (`bridge/demo/process.py`): a lock that the running process holds, and a detached start.
"""

import asyncio
import fcntl
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from backends.sandbox.proxy.hosts import HostList
from backends.sandbox.proxy.state import ProxyPlaces, key_of, save_list

_START_S = 30.0
_ANSWER_S = 10.0
_PACKAGES = Path(__file__).parents[3]


class ProxyUnavailable(Exception):
    """The proxy cannot be started; the message says why."""


async def open_door(
    places: ProxyPlaces, work_directory: Path, hosts: HostList, prefix: Sequence[str] = ()
) -> Path:
    """Let the sandboxes of a project reach `hosts` and nothing else; start the proxy if it does not run.

    `prefix`: see `ensure_proxy`. Returns the directory of the door, to be shown inside. Takes milliseconds if
    the proxy runs. Raises `ProxyUnavailable`.
    """
    key = key_of(work_directory)
    # The list comes first: a proxy that is started now reads it before it serves.
    await asyncio.to_thread(save_list, places, key, hosts)
    await ensure_proxy(places, prefix)
    try:
        await _open(places, key)
    except ProxyUnavailable:
        # It ended just now. A new one opens the doors of all lists.
        await ensure_proxy(places, prefix)
        await _open(places, key)
    return places.door(key)


async def ensure_proxy(places: ProxyPlaces, prefix: Sequence[str] = ()) -> None:
    """Find the proxy of this directory, or start it detached; return when it serves. Raises `ProxyUnavailable`.

    `prefix` is a command that runs the rest of its command line: a service manager's scope, as for hosts, so
    that the end of the bridge's own unit does not take the proxy along. Safe to call at any time and from
    several processes at once.
    """
    places.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        async with asyncio.timeout(_START_S), _start_lock(places):
            if not await asyncio.to_thread(_answers, places):
                await _start(places, prefix)
    except TimeoutError as error:
        raise ProxyUnavailable("the proxy of sandboxes did not start in time") from error


async def wanted(places: ProxyPlaces) -> AsyncGenerator[tuple[str, str], None]:
    """Yield keys of projects with names that were refused: those of the proxy's life so far, then new ones.

    Ends when the proxy ends. Raises `OSError` if none runs.
    """
    reader, writer = await _connection(places)
    try:
        writer.write(b"follow\n")
        while line := await reader.readline():
            key, name = json.loads(line)
            yield str(key), str(name)
    finally:
        writer.close()


async def _open(places: ProxyPlaces, key: str) -> None:
    """Have the proxy read the list of a project again and open its door. Raises `ProxyUnavailable`."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await _connection(places)
            writer.write(f"open {key}\n".encode())
            answer = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        raise ProxyUnavailable("the proxy of sandboxes does not answer") from error
    if answer != b"done\n":
        raise ProxyUnavailable("the proxy of sandboxes cannot open a door: its log says why")


async def _connection(places: ProxyPlaces) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(sock=_connected(places))


def _connected(places: ProxyPlaces) -> socket.socket:
    directory = os.open(places.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(f"/proc/self/fd/{directory}/{places.control.name}")  # short, however long the path is
    except OSError:
        made.close()
        raise
    finally:
        os.close(directory)
    return made


def _answers(places: ProxyPlaces) -> bool:
    """Whether a proxy holds the directory and listens: the kernel accepts for it even while it is busy."""
    try:
        _connected(places).close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def _start_lock(places: ProxyPlaces) -> AsyncIterator[None]:
    """Let one process start the proxy at a time. Waiting polls: a blocking `flock` cannot be cancelled."""
    descriptor = os.open(places.root / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            await asyncio.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


async def _start(places: ProxyPlaces, prefix: Sequence[str]) -> None:
    """Start the process detached from this one; it writes `ready` to its stdout once it serves."""
    reading, writing = os.pipe()
    log = os.open(places.root / "proxy.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    argv = [sys.executable, "-m", "backends.sandbox.proxy", "--directory", str(places.root.absolute())]
    try:
        # The shell hands it to init at once, so it cannot become our zombie, and asyncio does not kill it.
        shell = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", '"$@" &', "sh", *prefix, *argv, "--ready-on-stdout"),
            env={"PATH": os.defpath, "PYTHONPATH": str(_PACKAGES)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        raise ProxyUnavailable(f"the proxy of sandboxes cannot be started: {error.strerror}") from error
    finally:
        os.close(writing)
        os.close(log)
    await shell.wait()
    if await asyncio.to_thread(_read_all, reading) != b"ready":
        said = (places.root / "proxy.log").read_text(errors="replace").strip().rpartition("\n")[2]
        raise ProxyUnavailable(f"the proxy of sandboxes ended at its start: {said or 'it said nothing'}")


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()
