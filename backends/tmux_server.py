"""The bridge's own tmux server and its commands. Knows no hosts.

One server on a socket of our own, one tmux session, one window a host. Every command line is a list of
arguments; nothing is formatted into a string that tmux or a shell would read again. libtmux runs the commands;
its objects are not used, because each of them asks the server about everything (77 ms at 500 panes).
"""

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import machine
from backends.base import TerminalUnavailable
from machine import ProcessId

if TYPE_CHECKING:
    from libtmux import Server

SESSION = "bridge"

_PANE_SCRIPT = Path(__file__).with_name("pane.sh")
# A person's own tmux.conf could run commands, rename windows or change the options below.
_NO_CONFIG = "/dev/null"
_RETRY_S = 0.2
# A stopped or hung server takes commands and never answers. Sessions wait no longer than this.
_ANSWER_S = 5.0
# tmux takes a command line of 16 KiB in one message.
_MAX_COMMAND_BYTES = 12_000
_WINDOW_FORMAT = "#{pid},#{window_id}"

# The only variables that a server may get: it passes its environment on to every pane as long as it lives.
_SERVER_VARIABLES = (
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMUX_TMPDIR", "TZ", "USER",
)  # fmt: skip

_LOOK = "respawn-pane -k -e CLAUDE_BRIDGE_LOOK=1"
_LOOK_AWAY = "respawn-pane -k"
_SETTINGS: Sequence[Sequence[str]] = (
    # An attaching client must not bring its environment in either.
    ("set-option", "-g", "update-environment", ""),
    ("set-option", "-g", "history-limit", "10000"),
    ("set-option", "-wg", "allow-rename", "on"),
    ("set-hook", "-g", "client-attached", _LOOK),
    ("set-hook", "-g", "client-detached", f"if-shell -F '#{{session_attached}}' '' '{_LOOK_AWAY}'"),
    (
        "set-hook", "-g", "session-window-changed",
        f"if-shell -F '#{{session_attached}}' '{_LOOK} ; {_LOOK_AWAY} -t !'",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewWindow:
    """A window to make. `key` identifies it, and `watch` shows `directory`.

    The pane sets the window's name itself: in an argument, every user of the machine could read it.
    """

    key: str
    directory: Path


_Answer = tuple[int, list[str], str]
"""The result of a tmux command: exit code, output lines, error lines."""


class TmuxServer:
    """Commands to one tmux server. Each method starts one tmux process, or two if there is no server yet.

    Each ends within seconds. While a command is unanswered, further ones raise at once.
    """

    def __init__(self, socket_name: str, watch: Sequence[str], environment: Mapping[str, str]) -> None:
        self.socket_name = socket_name
        self._watch = tuple(watch)
        self._environment = {name: environment[name] for name in _SERVER_VARIABLES if name in environment}
        self._server: Server | None = None
        self._pid: int | None = None
        self._asking = asyncio.Lock()
        self._unanswered = False
        self.in_doubt = asyncio.Event()
        """Set when a command times out, and again at its late answer: windows may differ from those known."""

    async def make_windows(self, windows: Sequence[NewWindow]) -> list[str]:
        """Make `windows`, and the server if there is none; return their ids. Raises `TerminalUnavailable`."""
        ids: list[str] = []
        for batch in _batches([self._window_commands("new-window", window) for window in windows]):
            ids += await self._make_batch(batch)
        return ids

    async def kill_windows(self, ids: Sequence[str]) -> None:
        """Remove windows. No error if a window, or the server, no longer exists.

        Raises `TerminalUnavailable`.
        """
        await self._run([["kill-window", "-t", window] for window in ids])

    async def list_windows(self) -> dict[str, str]:
        """Return window ids by key; empty without a server. Raises `TerminalUnavailable`."""
        if not self._socket().exists():
            # At most starts no server runs. Checking the socket shows that without libtmux or a process.
            self._pid = None
            return {}
        format_ = f"{_WINDOW_FORMAT} #{{@host}}"
        _, lines, _ = await self._run([["list-windows", "-t", f"={SESSION}", "-F", format_]])
        self._pid = None
        windows = [line.split(" ", 1) for line in lines]
        return {key: self._noted(window) for window, key in windows if key}

    def process(self) -> ProcessId | None:
        """Return the server that the last `make_windows` or `list_windows` met, or None if it has died."""
        row = machine.this().read_process(self._pid) if self._pid else None
        return row.process if row and not row.zombie else None

    def attach_command(self, window: str | None) -> str:
        """Return the command that a person types to see a window."""
        target = f" -t '={SESSION}:{window}'" if window else ""
        return f"tmux -L {self.socket_name} attach{target}"

    def _socket(self) -> Path:
        """The path of the server's socket (tmux manual, `-L`). The client runs with our environment."""
        return Path(os.environ.get("TMUX_TMPDIR") or "/tmp", f"tmux-{os.getuid()}", self.socket_name)  # noqa: S108

    async def _make_batch(self, commands: list[list[list[str]]]) -> list[str]:
        code, lines, why = await self._run([part for window in commands for part in window])
        if code == 0:
            return [self._noted(line) for line in lines]
        # No server yet. Only `new-session` starts one, and it must not see our environment.
        first = [["new-session", "-d", "-s", SESSION, "-x", "200", "-y", "50", *commands[0][0][4:]]]
        first += commands[0][1:]
        rest = [part for window in commands[1:] for part in window]
        for retry in (True, False):
            code, lines, why = await self._ask(self._start_server, [*first, *_SETTINGS, *rest])
            if code == 0:
                return [self._noted(line) for line in lines]
            if retry:
                await asyncio.sleep(_RETRY_S)  # a killed server still holds its socket for a moment
        raise TerminalUnavailable("tmux", reason=why or f"exit code {code}")

    def _window_commands(self, command: str, window: NewWindow) -> list[list[str]]:
        """The commands that make a window under its key and store the key in it."""
        # `=` keeps tmux from taking a name for a prefix or a pattern of another one.
        target = f"={SESSION}:={window.key}"
        pane = ["/bin/sh", str(_PANE_SCRIPT), str(window.directory), *self._watch]
        return [
            [command, "-d", "-t", f"={SESSION}:", "-n", window.key, "-P", "-F", _WINDOW_FORMAT, "--", *pane],
            ["set-option", "-w", "-t", target, "@host", window.key],
        ]

    def _noted(self, line: str) -> str:
        """Return the window's id from a line of `_WINDOW_FORMAT`. Remembers the server's pid in it."""
        pid, _, window = line.partition(",")
        self._pid = int(pid)
        return window

    async def _run(self, commands: Sequence[Sequence[str]]) -> _Answer:
        """Run commands on a running server. Starts no server."""
        return await self._ask(self._run_client, commands)

    async def _ask(self, run: Callable[[list[str]], _Answer], commands: Sequence[Sequence[str]]) -> _Answer:
        """Return the answer of `run` to `commands`. Raises `TerminalUnavailable`, also if it takes too long."""
        async with self._asking:
            if not self._unanswered:
                answer = _in_own_thread(run, _joined(commands))
                try:
                    # Not `wait_for`: it would cancel the future, and the late answer must still arrive.
                    await asyncio.wait([answer], timeout=_ANSWER_S)
                finally:
                    if not answer.done():
                        self._unanswered = True
                        answer.add_done_callback(self._answered_late)
                        self.in_doubt.set()
                if answer.done():
                    return answer.result()
        raise TerminalUnavailable("tmux", reason="its server does not answer")

    def _answered_late(self, answer: "asyncio.Future[_Answer]") -> None:
        self._unanswered = False
        self.in_doubt.set()
        answer.exception()  # marks it as retrieved: nobody waits for it now

    def _run_client(self, arguments: list[str]) -> _Answer:
        import libtmux
        from libtmux.exc import LibTmuxException

        if self._server is None:
            self._server = libtmux.Server(socket_name=self.socket_name, config_file=_NO_CONFIG)
        try:
            done = self._server.cmd(arguments[0], *arguments[1:])
        except (LibTmuxException, OSError) as error:
            raise TerminalUnavailable("tmux", reason=str(error) or "tmux is not installed") from error
        return done.returncode, done.stdout, " ".join(done.stderr)

    def _start_server(self, arguments: list[str]) -> _Answer:
        tmux = ["tmux", "-f", _NO_CONFIG, "-L", self.socket_name]
        try:
            done = subprocess.run(
                [*tmux, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                # The server keeps this directory as long as it lives; a project's could not be unmounted.
                cwd=os.sep,
            )
        except OSError as error:
            raise TerminalUnavailable("tmux", reason="tmux is not installed") from error
        return done.returncode, done.stdout.decode().split(), done.stderr.decode("utf-8", "replace").strip()


def _in_own_thread(run: Callable[[list[str]], _Answer], arguments: list[str]) -> "asyncio.Future[_Answer]":
    """Run a command in a daemon thread of its own, which may hang without blocking others or our exit.

    The client of a hung server cannot be ended: the server holds its pipes, even after the client is killed.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Answer] = loop.create_future()

    def work() -> None:
        try:
            said = run(arguments)
        except Exception as error:
            settle = partial(answer.set_exception, error)
        else:
            settle = partial(answer.set_result, said)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle)

    try:
        threading.Thread(target=work, name="tmux", daemon=True).start()
    except RuntimeError as error:  # the machine has no thread left
        raise TerminalUnavailable("tmux", reason=str(error)) from error
    return answer


def _joined(commands: Sequence[Sequence[str]]) -> list[str]:
    """Join many commands to one tmux command line."""
    line: list[str] = []
    for command in commands:
        line += [*([";"] if line else []), *(_literal(argument) for argument in command)]
    return line


def _literal(argument: str) -> str:
    """Escape a semicolon at the end of `argument`: tmux would take it for the end of the command."""
    return argument[:-1] + "\\;" if argument.endswith(";") else argument


def _batches(windows: Sequence[list[list[str]]]) -> list[list[list[list[str]]]]:
    """Yield the windows' commands in groups, each small enough for one message to the server."""
    groups: list[list[list[list[str]]]] = []
    room = 0
    for window in windows:
        size = sum(len(argument.encode()) + 1 for command in window for argument in command)
        if size > room or not groups:
            groups.append([])
            room = _MAX_COMMAND_BYTES
        groups[-1].append(window)
        room -= size
    return groups
