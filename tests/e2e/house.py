"""A place for the whole program: settings, a data directory, Claude on the demo model, all below one path.

`House.start` runs `python -m bridge` as a person would; `run` and `script` fork what runs to its end. All that
it started, hosts and their children too, is found at the end by that path and ended.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.demo.process import DEMO_API_KEY, LASTING_PORTS, DemoEndpoint, demo_environment, seed_config
from bridge.wiring import tmux_socket_name
from tests.nursery import BlockingProgram, Start, run_to_end

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 60.0


def until(claim: Callable[[], Any], what: str = "the claim did not come true", *, every_s: float = 0.02) -> Any:
    """Wait for what no event tells, and return it once it is true. Polls, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := claim()):
        if time.monotonic() > deadline:
            raise AssertionError(what)
        time.sleep(every_s)
    return found


def free_port() -> int:
    """A port that nobody listens on, and that no connection is given before it is used."""
    for port in secrets.SystemRandom().sample(LASTING_PORTS, 20):
        with contextlib.suppress(OSError), contextlib.closing(socket.create_server(("127.0.0.1", port))):
            return port
    raise AssertionError("no port is free")


def remove_socket(name: str) -> None:
    """Remove what a tmux server that was killed leaves in the directory of sockets."""
    Path("/tmp", f"tmux-{os.getuid()}", name).unlink(missing_ok=True)


class House:
    """One installation. `environment` is the program's whole environment; tests may change it."""

    def __init__(self, root: Path, base_url: str) -> None:
        self.root = root
        self.base_url = base_url
        self.data = root / "data"
        self.workspace = root / "ws"
        self.project = self.workspace / "default"
        self.config = seed_config(root / "claude")
        (root / "home").mkdir()
        self.environment: dict[str, str] = {
            "PATH": os.defpath,
            "HOME": str(root / "home"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY),
            "DATA_DIR": str(self.data),
            "WORKSPACE_ROOT": str(self.workspace),
            "SANDBOX": "off",
            "MIN_FREE_MEMORY": "0M",
            "MIN_FREE_DISK": "0M",
            "CHILD_ENV": "default",
            **demo_environment(DemoEndpoint(base_url, DEMO_API_KEY, self.config)),
        }

    # --- running it -------------------------------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "bridge", *arguments]

    def run(self, *arguments: str, given: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run the program to its end."""
        return self._run_to_end("", arguments, variables, given)

    def script(self, name: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run the script of this name to its end."""
        return self._run_to_end(name, arguments, variables)

    def _run_to_end(
        self, script: str, arguments: Sequence[str], variables: Mapping[str, str], given: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        start = Start(
            "tests.e2e.bridge_process", (script, *arguments), {**self.environment, **variables}, self.root
        )
        # `given` may be any bytes.
        return run_to_end(start, given=given.encode("utf-8", "surrogateescape"), timeout_s=2 * DEADLINE_S)

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start the program and leave it running."""
        return self._popen(self.command(*arguments), variables)

    def run_core(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Try to own the data directory, and run to the end."""
        command = [sys.executable, "-m", "tests.e2e.core_process"]
        environment = {**self.environment, **variables}
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )

    @contextlib.contextmanager
    def core(self, **variables: str) -> Iterator[BlockingProgram]:
        """The program as the owner of the data directory, with no face but the control socket."""
        output = self.root / "core.out"
        output.unlink(missing_ok=True)
        environment = {**self.environment, **variables}
        process = BlockingProgram(
            Start("tests.e2e.core_process", (), environment, cwd=self.root, output=output)
        )
        with contextlib.closing(process):
            try:
                until(lambda: "open\n" in output.read_text() or process.poll() is not None)
                assert process.poll() is None, output.read_text()
                yield process
            finally:
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGTERM)
                assert process.wait(DEADLINE_S) is not None

    def once(self, prompt: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return self.run("chat", "--once", prompt, *arguments, **variables)

    def _popen(self, command: list[str], variables: Mapping[str, str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    # --- the demo model ---------------------------------------------------------------------------------

    def reached(self, gate: str) -> None:
        """Wait until Claude's answer waits at this gate."""
        urllib.request.urlopen(f"{self.base_url}/demo/reached/{gate}", timeout=DEADLINE_S).close()

    def release(self, gate: str) -> None:
        urllib.request.urlopen(f"{self.base_url}/demo/release/{gate}", timeout=DEADLINE_S).close()

    # --- looking ----------------------------------------------------------------------------------------

    def rows(self, sql: str, *params: str) -> list[tuple[Any, ...]]:
        """Rows of the database; none before it exists."""
        path = self.data / "sessions.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            try:
                return connection.execute(sql, params).fetchall()
            except sqlite3.OperationalError:
                return []

    def stored_text(self, session_id: str) -> str:
        """Return Claude's text of the session, as it is stored."""
        rows = self.rows(
            "SELECT b.body FROM blocks b JOIN turns t ON t.id = b.turn_id"
            " WHERE t.session_id = ? ORDER BY t.number, b.ordinal",
            session_id,
        )
        blocks = [json.loads(body) for (body,) in rows]
        return "\n\n".join(block["text"] for block in blocks if block["type"] == "text")

    def transcript(self) -> list[dict[str, Any]]:
        """The rows of the newest transcript that Claude wrote."""
        newest = max(self.config.glob("projects/*/*.jsonl"), key=lambda path: path.stat().st_mtime)
        return [json.loads(line) for line in newest.read_text().splitlines()]

    def transcript_text(self) -> str:
        """Return Claude's text, as its own transcript has it."""
        messages = [row["message"]["content"] for row in self.transcript() if row["type"] == "assistant"]
        return "\n\n".join(part["text"] for parts in messages for part in parts if part["type"] == "text")

    def prompts(self) -> list[str]:
        """The prompts in Claude's transcript."""
        rows = [row for row in self.transcript() if row["type"] == "user" and not row.get("isMeta")]
        return [row["message"]["content"] for row in rows if isinstance(row["message"]["content"], str)]

    def owner_pid(self) -> int:
        """The process that owns the data directory, once there is one."""

        def pid() -> int:
            try:
                return int(json.loads((self.data / "run" / "owner.lock").read_text())["pid"])
            except (OSError, ValueError):
                return 0

        return int(until(pid, "nobody owns the data directory"))

    def host_directory(self) -> Path:
        """The newest host's directory, once its process is there."""
        until(lambda: list(self.data.glob("run/*/*/pid")), "no host was launched")
        return max(self.data.glob("run/*/*/pid"), key=lambda path: path.stat().st_mtime).parent

    def host_pid(self, role: str) -> int:
        """The newest host's shell, program or follower."""
        lines = (self.host_directory() / "pid").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(role))

    def tmux_socket(self) -> str:
        return tmux_socket_name(self.data)

    def tmux(self, *arguments: str) -> str:
        """Return the output of a command of the bridge's tmux server; empty if it fails."""
        command = ["tmux", "-L", self.tmux_socket(), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def processes(self) -> dict[int, str]:
        """Command lines of all processes that have to do with this house, by pid."""
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                # A program of the nursery has the nursery's command line and environment.
                where = os.fsencode((entry / "cwd").readlink())
                if os.fsencode(self.root) in b"\0".join((command, where, (entry / "environ").read_bytes())):
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def take_down(self) -> None:
        """End everything and remove all."""
        self.tmux("kill-server")
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        for data in (self.data, self.data / "demo"):
            remove_socket(tmux_socket_name(data))
        shutil.rmtree(self.root, ignore_errors=True)
