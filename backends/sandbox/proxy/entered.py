"""The sandboxes of one project that the proxy listens in, each until its program ends.

A file for each, in a directory that no sandbox shows, so that a proxy that is started again enters them anew:
the name is the program's pid, the content its start and the ports.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import machine
from backends.sandbox.proxy.namespaces import listeners_in
from backends.sandbox.proxy.request import MOST_BYTES

log = logging.getLogger(__name__)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_MOST = 128
_MOST_PORTS = 4
_MOST_TRIES, _TRIES_S = 20, 10.0
"""To enter one takes a process and some milliseconds, and a program inside may ask without end."""


@dataclass(frozen=True, slots=True)
class _Inside:
    end: int
    servers: tuple[asyncio.Server, ...]


class Entered:
    """`serving` has, by the name of a door's socket, what serves a connection to it."""

    def __init__(self, records: Path, serving: Mapping[str, Serve]) -> None:
        self._records = records
        self._serving = serving
        self._inside: dict[int, _Inside] = {}
        self._tries: deque[float] = deque(maxlen=_MOST_TRIES)

    def __len__(self) -> int:
        return len(self._inside)

    async def again(self) -> None:
        """Enter the sandboxes that an earlier process had entered and whose programs live."""
        self._records.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._records.iterdir()):
            start, _, words = path.read_text().partition(" ")
            row = machine.this().read_process(int(path.name))
            # The pid may belong to another process by now, of another project.
            if row is None or row.zombie or row.process.start != start:
                path.unlink(missing_ok=True)
                continue
            try:
                await self._enter(int(path.name), words)
            except (OSError, ValueError) as error:
                log.warning("a sandbox has no network any more: %s", error)

    async def enter(self, pid: int, words: str) -> None:
        """Listen in the network of process `pid`; `words` are `PORT=NAME …`. Raises `OSError`, `ValueError`."""
        now = asyncio.get_running_loop().time()
        if len(self._tries) == _MOST_TRIES and now - self._tries[0] < _TRIES_S:
            raise ValueError("too many were tried just now")
        self._tries.append(now)
        await self._enter(pid, words)

    async def _enter(self, pid: int, words: str) -> None:
        pairs = [each.partition("=") for each in words.split()]
        ports = {int(port): self._serving.get(name) for port, _, name in pairs}
        row = machine.this().read_process(pid)
        if row is None or not 0 < len(ports) <= _MOST_PORTS or None in ports.values():
            raise ValueError("no such sandbox, or no such ports")
        if pid in self._inside or len(self._inside) >= _MOST:
            raise ValueError("it was entered before, or too many were")
        # Before entering: it tells of the program's end even if that comes in between.
        end = os.pidfd_open(pid)
        try:
            listeners = listeners_in(pid, list(ports))
        except OSError:
            os.close(end)
            raise
        servers = [
            await asyncio.start_server(serve, sock=listener, limit=MOST_BYTES)
            for listener, serve in zip(listeners, ports.values(), strict=True)
            if serve is not None
        ]
        self._inside[pid] = _Inside(end, tuple(servers))
        asyncio.get_running_loop().add_reader(end, self._leave, pid)
        # After it listens: a proxy killed before this has not answered either, and the launcher asks the next
        # one.
        record = self._records / str(pid)
        record.touch(mode=0o600)
        record.write_text(f"{row.process.start} {words}")

    def _leave(self, pid: int) -> None:
        """Let go of a sandbox whose program has ended: a socket of ours would keep its network."""
        self._let_go(self._inside.pop(pid))
        with suppress(OSError):
            (self._records / str(pid)).unlink()

    def _let_go(self, inside: _Inside) -> None:
        asyncio.get_running_loop().remove_reader(inside.end)
        os.close(inside.end)
        for server in inside.servers:
            server.close()

    def close(self) -> None:
        """Stop listening in all of them."""
        while self._inside:
            self._let_go(self._inside.popitem()[1])
