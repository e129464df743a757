"""`python -m backends.sandbox.proxy`: serves the doors of all projects of one directory while it is needed.

`process.ensure_proxy` starts it. It holds the directory's lock, so a second one ends at once. It ends by itself
if the directory was removed, or if nothing came through a door or from the bridge for a day.
"""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from backends.sandbox.proxy.server import Door, listening
from backends.sandbox.proxy.state import ProxyPlaces, is_key, keys_in_use, load_list

log = logging.getLogger(__name__)

IDLE_EXIT_S = 24 * 3600.0
_LOOK_S = 2.0
_MOST_FOLLOWERS = 32
_QUEUED = 1024


class ProxyProcess:
    """The doors of all projects, and the socket over which the bridge speaks with this process."""

    def __init__(self, places: ProxyPlaces) -> None:
        self._places = places
        self._doors: dict[str, Door] = {}
        self._wanted: list[tuple[str, str]] = []
        self._followers: set[asyncio.Queue[tuple[str, str] | None]] = set()
        self._opening = asyncio.Lock()
        self.last_used = asyncio.get_running_loop().time()

    async def open(self, key: str) -> None:
        """Read the list of a project again; open its door if it is new or gone. Raises `OSError`."""
        hosts = load_list(self._places, key)
        async with self._opening:
            door = self._doors.get(key)
            if door is not None and not door.is_there:
                await self._doors.pop(key).close()
                door = None
            if door is None:
                place, entered = self._places.door(key), self._places.entered(key)
                door = Door(place, hosts, partial(self._want, key), entered=entered)
                await door.open()
                self._doors[key] = door
            door.hosts = hosts

    @property
    def is_used(self) -> bool:
        """Whether a connection is open."""
        return bool(self._followers) or any(door.is_used for door in self._doors.values())

    def _want(self, key: str, name: str) -> None:
        # Without a limit of its own: a door tells at most 200 names.
        self._wanted.append((key, name))
        for queue in list(self._followers):
            if queue.qsize() < _QUEUED:
                queue.put_nowait((key, name))
            else:  # the bridge does not read: it connects again later, and gets all
                self._followers.discard(queue)
                queue.put_nowait(None)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the bridge, line by line."""
        self.last_used = asyncio.get_running_loop().time()
        try:
            while words := (await reader.readline()).split():
                match words:
                    case [b"open", key] if is_key(key.decode("ascii", "replace")):
                        await self.open(key.decode())
                        writer.write(b"done\n")
                        await writer.drain()
                    case [b"follow"] if len(self._followers) < _MOST_FOLLOWERS:
                        await self._tell(reader, writer)
                    case _:
                        return
        except (ConnectionError, ValueError):
            pass
        except OSError:
            log.exception("a door cannot be opened")
        finally:
            writer.close()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send what was wanted, then what will be, until the bridge goes away."""
        queue: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()
        for each in self._wanted:
            queue.put_nowait(each)
        self._followers.add(queue)
        gone = asyncio.create_task(reader.read(1), name="the bridge goes away")
        gone.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (told := await queue.get()) is not None:
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        finally:
            self._followers.discard(queue)
            gone.cancel()


def main() -> int:
    """Serve. Returns 0 after an orderly end, 3 when another process serves this directory."""
    parser = argparse.ArgumentParser(prog="python -m backends.sandbox.proxy")
    parser.add_argument("--directory", type=Path, required=True, help="where its lists, doors and lock are")
    parser.add_argument("--idle-exit", type=float, default=IDLE_EXIT_S, metavar="SECONDS")
    parser.add_argument("--ready-on-stdout", action="store_true", help="say `ready` there, once it serves")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    lock = os.open(options.directory / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another process serves this directory already", file=sys.stderr)  # noqa: T201
        return 3
    # A project's door takes two descriptors for each of its connections, and none may starve the others.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_serve(options, lock))
    return 0


async def _serve(options: argparse.Namespace, lock: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    places = ProxyPlaces(options.directory)
    proxy = ProxyProcess(places)
    # The doors come before `control.sock`: whoever is answered there finds them open.
    for key in keys_in_use(places):
        await proxy.open(key)
    await asyncio.start_unix_server(proxy.serve, sock=listening(places.control))
    if options.ready_on_stdout:
        os.write(sys.stdout.fileno(), b"ready")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the reader waits for the end
    while not stopped.is_set() and _holds(options.directory / "serve.lock", lock):
        if proxy.is_used:
            proxy.last_used = loop.time()
        elif loop.time() - proxy.last_used >= options.idle_exit:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_LOOK_S, options.idle_exit)):
                await stopped.wait()


def _holds(path: Path, lock: int) -> bool:
    """Whether the lock file that we hold is still the one at `path`; if not, the directory was removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
