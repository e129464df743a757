"""The proxy's server: a door for each project passes on the connections that the project's list allows.

A door is a directory of unix sockets, which a sandbox shows inside. At one of them the launcher of a sandbox
asks the proxy to listen on the sandbox's own loopback. Names are resolved here, and the checked address itself
is connected to: a second answer of a resolver has no effect.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import machine
from backends.sandbox.proxy.entered import Entered
from backends.sandbox.proxy.hosts import (
    PORTS,
    HostList,
    Target,
    host_name,
    is_in_private_network,
    is_public,
)
from backends.sandbox.proxy.request import END, ESTABLISHED, MOST_BYTES, Refusal, parse_request, target_of
from backends.sandbox.proxy.state import ENTER_SOCKET, MODEL_SOCKET, PROXY_SOCKET
from backends.sandbox.proxy.tunnel import Streams, tunnel

log = logging.getLogger(__name__)

_HEAD_S, _CONNECT_S, _IDLE_S = 10.0, 15.0, 3600.0
_MOST_AT_ONCE = 256
_MOST_WANTED = 200
_BACKLOG = 128
ENTERED = b"ready\n"


class Internet:
    """The way to other machines. Its methods raise `OSError`."""

    async def addresses(self, name: str, port: int) -> Sequence[str]:
        """Return the addresses of a name as the system resolves it."""
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def is_here(self, address: str) -> bool:
        """Whether this machine itself has the address, a public one or not."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as tried:
                tried.bind((address, 0))
                # Sends nothing. A machine may allow binding to any address, but routes none of them to itself.
                tried.connect((address, PORTS[0]))
        except OSError:
            return False
        return True

    async def connect(self, host: str, port: int) -> Streams:
        """Connect to an address, or to the model's host."""
        return await asyncio.open_connection(host, port)


class Door:
    """The way out of one project's sandboxes, open while entered; `hosts` may be replaced at any time.

    `wanted` is called once for each name that was refused because it is not listed.
    """

    def __init__(
        self,
        directory: Path,
        hosts: HostList,
        wanted: Callable[[str], None],
        internet: Internet | None = None,
        *,
        entered: Path | None = None,
    ) -> None:
        self.hosts = hosts
        self._directory = directory
        self._wanted = wanted
        self._internet = internet or Internet()
        self._told: set[str] = set()
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        serving = {PROXY_SOCKET: self._serving(self._proxied), MODEL_SOCKET: self._serving(self._to_model)}
        self._unix = serving
        self._entered = Entered(entered or directory.with_name(f"{directory.name}.entered"), serving)

    async def open(self) -> None:
        """Listen. Replaces the sockets of an earlier process."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, serve in {**self._unix, ENTER_SOCKET: self._serving(self._enter)}.items():
            listener = listening(self._directory / name)
            self._servers.append(await asyncio.start_unix_server(serve, sock=listener, limit=MOST_BYTES))
        await self._entered.again()

    @property
    def is_there(self) -> bool:
        """Whether its sockets are still in the directory."""
        return all((self._directory / name).exists() for name in (*self._unix, ENTER_SOCKET))

    @property
    def is_used(self) -> bool:
        """Whether a connection is open, or a sandbox lives."""
        return bool(self._connections) or len(self._entered) > 0

    async def close(self) -> None:
        """Stop listening and cut what runs."""
        self._entered.close()
        for server in self._servers:
            server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _serving(
        self, serve: Callable[[Streams], Awaitable[None]]
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._connections) >= _MOST_AT_ONCE:
                writer.close()
                return
            task = asyncio.ensure_future(serve((reader, writer)))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            try:
                await asyncio.wait([task])
            finally:
                writer.close()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("connection broke", exc_info=error)

        return start

    async def _enter(self, client: Streams) -> None:
        """Listen inside the sandbox of the process at the other end, on the ports that it names."""
        reader, writer = client
        # Asked of the kernel: a number that the client names could be another project's sandbox.
        pid = machine.this().peer_pid(writer.get_extra_info("socket"))
        with suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_HEAD_S):
                words = (await reader.readline()).decode("ascii")
            if pid is not None:
                await self._entered.enter(pid, words.strip())
                writer.write(ENTERED)
                await writer.drain()

    async def _proxied(self, client: Streams) -> None:
        reader, writer = client
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(END)
            server = await self._connected(*parse_request(head))
        except Refusal as refusal:
            with suppress(OSError):
                writer.write(refusal.response())
                await writer.drain()
            return
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        writer.write(ESTABLISHED)
        await tunnel(client, server, idle_s=_IDLE_S)

    async def _to_model(self, client: Streams) -> None:
        """Connect to the model as it is, without a request: for a model that speaks plain HTTP."""
        model = self.hosts.model
        if model is None:
            return
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_S):
                server = await self._internet.connect(model.host, model.port)
            await tunnel(client, server, idle_s=_IDLE_S)

    async def _connected(self, host: str, port: int) -> Streams:
        """Connect to the host that a request names. Raises `Refusal`."""
        model = self.hosts.model
        if model is not None and (_spelled(host), port) == (_spelled(model.host), model.port):
            return await self._reached(model, [model.host])
        mirror = Target(_spelled(host), port)
        is_mirror = mirror in self.hosts.mirrors
        target = mirror if is_mirror else target_of(host, port)
        if not is_mirror and not self.hosts.has(target.host):
            self._tell(target.host)
            raise Refusal(403, f"{target.host} is not among the hosts that this project may reach.")
        try:
            async with asyncio.timeout(_CONNECT_S):
                addresses = await self._internet.addresses(target.host, target.port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise Refusal(502, f"{target.host} cannot be found.") from error
        allowed = [each for each in addresses if self._may_reach(each, is_mirror=is_mirror)]
        if not allowed:
            raise Refusal(403, f"{target.host} is an address of this machine or its network.")
        return await self._reached(target, allowed)

    def _may_reach(self, address: str, *, is_mirror: bool) -> bool:
        is_elsewhere = is_public(address) or (is_mirror and is_in_private_network(address))
        return is_elsewhere and not self._internet.is_here(address)

    async def _reached(self, target: Target, addresses: Sequence[str]) -> Streams:
        for address in addresses:
            with suppress(OSError, TimeoutError):
                # All addresses together take no longer than one: clients do not wait for a second round.
                async with asyncio.timeout(_CONNECT_S / len(addresses)):
                    return await self._internet.connect(address, target.port)
        raise Refusal(502, f"{target.host} does not answer.")

    def _tell(self, name: str) -> None:
        # Bounded: a program inside can make up names without end.
        if name not in self._told and len(self._told) < _MOST_WANTED:
            self._told.add(name)
            self._wanted(name)


def _spelled(host: str) -> str:
    return host_name(host) or host.lower().strip("[]")


def listening(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, mode 0600, in place of an older one; the path may be long."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        # The address of a unix socket holds 107 bytes; this one is short however long the path is.
        made.bind(f"/proc/self/fd/{directory}/{path.name}")
        path.chmod(0o600)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    finally:
        os.close(directory)
    return made
