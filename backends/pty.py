"""The PTY backend: hosts without tmux, with a terminal only while somebody looks.

A PTY lives in the process that opened it, so it can hold nothing that must outlive the bridge: the host is
detached as under tmux, and `open_terminal` runs the watch command on a PTY for a caller that shows one.
"""

import asyncio
import os
import shlex
import signal
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import machine
from backends.base import TerminalUnavailable
from backends.deaths import DeathWatch
from backends.directory import HostDirectory
from backends.host import LocalHost, Terminal, Watches
from backends.local import LocalBackend

if TYPE_CHECKING:
    from ptyprocess import PtyProcess

_CHUNK_BYTES = 65_536

# The watch command needs a terminal type and a locale. It must not get the bridge's secrets.
_VARIABLES = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TZ", "USER")


class PtyTerminal:
    """The watch command of one host on a PTY. For looking only: keys are not passed on."""

    def __init__(self, process: "PtyProcess", deaths: DeathWatch) -> None:
        self._process = process
        self._deaths = deaths
        self.pid = process.pid
        row = machine.this().read_process(process.pid)
        self._watcher = row.process if row else None
        self._readable: asyncio.Future[None] | None = None
        os.set_blocking(process.fd, False)

    async def read(self) -> bytes:
        """Wait for new output and return it; empty once the watch command has ended."""
        while not self._process.closed:
            try:
                return os.read(self._process.fd, _CHUNK_BYTES)
            except BlockingIOError:
                pass
            except OSError:  # Linux says EIO when the last process on the terminal is gone
                return b""
            await self._wait_readable()
        return b""

    async def _wait_readable(self) -> None:
        """Return when there is something to read, or the terminal is closed."""
        loop = asyncio.get_running_loop()
        self._readable = loop.create_future()
        loop.add_reader(self._process.fd, self._wake)
        try:
            await self._readable
        finally:
            # After `close`, the number may already belong to another file of this process.
            if not self._process.closed:
                loop.remove_reader(self._process.fd)

    def _wake(self) -> None:
        if self._readable is not None and not self._readable.done():
            self._readable.set_result(None)

    async def close(self) -> None:
        """End the watch command and give the PTY back. The host does not notice. May be called again."""
        if self._process.closed:
            return
        if self._watcher is not None:
            # It only reads: nothing is lost, and it cannot refuse.
            machine.this().send_signal(self._watcher, signal.SIGKILL)
            await self._deaths.died(self._watcher)
        # Before the descriptor is closed: the loop would go on watching the next file with this number.
        asyncio.get_running_loop().remove_reader(self._process.fd)
        with suppress(ChildProcessError):
            os.waitpid(self._process.pid, 0)  # noqa: ASYNC222 - it is dead: this only takes its exit code
        self._process.fileobj.close()
        self._process.closed = True
        self._wake()


class _Screens:
    """The terminals of the PTY backend: only those that were opened in this process."""

    def __init__(self, watch: Sequence[str]) -> None:
        self.watch = tuple(watch)
        self._open: dict[str, list[PtyTerminal]] = {}

    async def open(self, directory: HostDirectory, title: str) -> Terminal:  # noqa: ARG002 - a PTY has no title
        return await self.find(directory)

    async def find(self, directory: HostDirectory) -> Terminal:
        async def close() -> None:
            for screen in self._open.pop(directory.key, ()):
                await screen.close()

        hint = shlex.join([*self.watch, str(directory.path)]) if self.watch else ""
        return Terminal(lambda: hint, close)

    def add(self, directory: HostDirectory, screen: PtyTerminal) -> None:
        self._open.setdefault(directory.key, []).append(screen)

    async def close(self) -> None:
        while self._open:
            _, screens = self._open.popitem()
            for screen in screens:
                await screen.close()


class PtyBackend(LocalBackend):
    """Hosts below `run`, shown on PTYs by `watch` with the host's directory as last argument."""

    def __init__(
        self,
        run: Path,
        *,
        watch: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        watches: Watches | None = None,
    ) -> None:
        self._watches = watches or Watches()
        self._screens = _Screens(watch)
        self._environment = os.environ if environment is None else environment
        super().__init__("pty", run, self._screens, self._watches)

    async def open_terminal(self, host: LocalHost, *, rows: int = 40, columns: int = 120) -> PtyTerminal:
        """Show `host` on a new PTY until the PTY, the host or the backend is closed.

        Raises `TerminalUnavailable` if there is no watch command, no PTY, or it cannot be run.
        """
        if not self._screens.watch:
            raise TerminalUnavailable("the terminal", reason="there is no watch command")
        directory = self.directory_of(host.ref)
        from ptyprocess import PtyProcess

        known = {name: self._environment[name] for name in _VARIABLES if name in self._environment}
        try:
            with warnings.catch_warnings():
                # Python warns about forking with threads. It is safe here: the child only calls exec.
                warnings.simplefilter("ignore", DeprecationWarning)
                process = PtyProcess.spawn(
                    [*self._screens.watch, str(directory.path)],
                    env={**known, "TERM": "xterm-256color"},
                    dimensions=(rows, columns),
                )
        except OSError as error:
            raise TerminalUnavailable(self._screens.watch[0], reason=str(error)) from error
        screen = PtyTerminal(process, self._watches.deaths)
        self._screens.add(directory, screen)
        return screen
