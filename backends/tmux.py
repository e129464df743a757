"""The tmux backend: the terminal of a host is a window of the bridge's own tmux server.

The server carries no data and no host. If it is killed, its windows are made again. If it hangs, callers wait
only briefly.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from backends.base import HostRef, TerminalUnavailable
from backends.directory import HostDirectory
from backends.host import LocalHost, Terminal, Watches
from backends.local import LocalBackend
from backends.tmux_server import NewWindow, TmuxServer

_TITLE_LENGTH = 40
_RETRY_S = 5.0
# A pause, so that a server that keeps dying at once does not keep the machine busy.
_SERVER_GONE_S = 0.5


FindLiving = Callable[[], Awaitable[Sequence[HostDirectory]]]


class _Windows:
    """The terminals of the tmux backend: the window of each host."""

    def __init__(self, server: TmuxServer) -> None:
        self.server = server
        self.known = False
        self.made = asyncio.Event()
        self._ids: dict[str, str] = {}
        self._held: set[str] = set()
        self._making = asyncio.Lock()

    async def open(self, directory: HostDirectory, title: str) -> Terminal:
        async with self._making:
            (window,) = await self.server.make_windows([_window(directory, title)])
            self._ids[_key(directory)] = window
            self.made.set()
            return self._terminal(_key(directory))

    async def find(self, directory: HostDirectory) -> Terminal:
        return self._terminal(_key(directory))

    async def restore(self, find_living: FindLiving) -> Sequence[HostDirectory]:
        """Make missing windows of living hosts, remove windows without a host, and return the living hosts.

        Raises `TerminalUnavailable`.
        """
        async with self._making:
            # Look while holding the lock: a host that ends from now on closes its window after this.
            living = await find_living()
            self._ids = await self.server.list_windows()
            self.known = True
            wanted = {_key(directory): directory for directory in living}
            # A host in the middle of its launch has a window but is not alive yet: keep held windows.
            stale = [key for key in self._ids if key not in wanted and key not in self._held]
            if stale:
                await self.server.kill_windows([self._ids.pop(key) for key in stale])
            missing = [key for key in wanted if key not in self._ids]
            windows = [_window(wanted[key], _title_of(wanted[key])) for key in missing]
            self._ids.update(zip(missing, await self.server.make_windows(windows), strict=True))
            return living

    async def close(self) -> None:
        """Do nothing: the windows belong to the tmux server, and stay."""

    def _terminal(self, key: str) -> Terminal:
        self._held.add(key)

        async def close() -> None:
            self._held.discard(key)
            async with self._making:
                # Under the lock: `restore` may have made the window anew just now.
                window = self._ids.pop(key, None)
                if window is not None:
                    with suppress(TerminalUnavailable):
                        await self.server.kill_windows([window])

        return Terminal(lambda: self.server.attach_command(self._ids.get(key)), close)


class TmuxBackend(LocalBackend):
    """Hosts below `run`, with windows on the tmux socket `socket_name`.

    While somebody looks at a window, it runs `watch` with the host's directory as last argument. The server
    gets only a short list of harmless variables from `environment`.
    """

    def __init__(
        self,
        run: Path,
        *,
        socket_name: str,
        watch: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        watches: Watches | None = None,
    ) -> None:
        self._watches = watches or Watches()
        server = TmuxServer(socket_name, watch, os.environ if environment is None else environment)
        self._windows = _Windows(server)
        super().__init__("tmux", run, self._windows, self._watches)

    async def attach(self, ref: HostRef) -> LocalHost:
        host = await super().attach(ref)
        if not self._windows.known:
            # One call for all hosts that are attached after a start: one for each would take too long.
            self._windows.known = True
            with suppress(TerminalUnavailable):
                await self.ensure_terminals()
        return host

    async def ensure_terminals(self) -> None:
        """Give every living host its window again and remove windows of ended ones. Two tmux processes.

        Raises `TerminalUnavailable`.
        """
        await self._windows.restore(self.living)

    async def keep_terminals(self) -> None:
        """Run `ensure_terminals` now, and again whenever the server has died or hung; never returns.

        The caller owns the task.
        """
        in_doubt = self._windows.server.in_doubt
        while True:
            # Cleared before the look: what happens during the look sets them again.
            self._windows.made.clear()
            in_doubt.clear()
            try:
                living = await self._windows.restore(self.living)
            except TerminalUnavailable:
                await asyncio.sleep(_RETRY_S)  # tmux may be installed later; looking for it starts no process
                continue
            server = self._windows.server.process()
            if server is None and not living:
                await self._windows.made.wait()
                continue
            if server is not None:
                forget = self._watches.deaths.when_dead(server, in_doubt.set)
                try:
                    await in_doubt.wait()
                finally:
                    forget()
            await asyncio.sleep(_SERVER_GONE_S)


def _key(directory: HostDirectory) -> str:
    return f"{directory.session_id}-{directory.number}"


def _window(directory: HostDirectory, title: str) -> NewWindow:
    """The window to make. Its pane reads the title from the host's directory."""
    path = directory.path / "title"
    with suppress(OSError):  # then the window has only its key
        path.touch(mode=0o600)
        path.write_text(f"{_short(title)}\n", encoding="utf-8")
    return NewWindow(_key(directory), directory.path)


def _short(title: str) -> str:
    """The name of a window: one short line without control characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in title).split())
    return line[:_TITLE_LENGTH] or "session"


def _title_of(directory: HostDirectory) -> str:
    record = directory.launch_record()
    return (record.title if record else "") or directory.session_id
