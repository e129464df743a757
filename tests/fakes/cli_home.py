"""How tests run the real CLI: a clean environment, a home of its own, and no traffic but the demo model's.

`StreamCli` drives it over pipes for tests that need the CLI without our backends. Skips nothing and installs
nothing: the binary comes with the development requirements.
"""

import asyncio
import json
import os
import shlex
import signal
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from bridge.demo.process import DEMO_API_KEY, DemoEndpoint, demo_environment, seed_config

Line = dict[str, Any]
STREAM_FLAGS = (
    "-p",
    *("--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
    *("--include-partial-messages", "--replay-user-messages", "--permission-prompt-tool", "stdio"),
)
_LONGEST_LINE = 64 * 1024 * 1024
# Without a bound a test that waits in vain would end the whole test process, and leave the CLI behind.
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class CliHome:
    """A place for the CLI of one test: `home` is HOME, `work` the work directory."""

    binary: Path
    home: Path
    work: Path
    environment: Mapping[str, str]

    @property
    def config(self) -> Path:
        """The CLI's configuration directory; transcripts are under `projects/`."""
        return Path(self.environment["CLAUDE_CONFIG_DIR"])


def cli_binary() -> Path:
    """The `claude` that the development requirements bring."""
    spec = find_spec("claude_agent_sdk")
    assert spec is not None, "claude-agent-sdk is missing: run `make setup-dev`"
    assert spec.origin is not None
    return Path(spec.origin).parent / "_bundled" / "claude"


def scripted_command() -> tuple[str, ...]:
    """The argv that starts the scripted CLI, to which flags are added."""
    return (sys.executable, "-S", "-E", str(Path(__file__).with_name("scripted_cli.py")))


def install_scripted_cli(directory: Path) -> Path:
    """Make an executable `claude` in `directory` that is the scripted CLI; return its path."""
    path = directory / "claude"
    words = shlex.join(scripted_command())
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)
    return path


def make_cli_home(directory: Path, base_url: str, **extra: str) -> CliHome:
    """Prepare `directory` for a CLI that asks the demo model at `base_url`. `extra` are more variables.

    Nothing of our own environment is passed on.
    """
    home, work = directory / "home", directory / "work"
    for path in (home, work):
        path.mkdir(parents=True, exist_ok=True)
    endpoint = DemoEndpoint(base_url, DEMO_API_KEY, seed_config(directory / "claude"))
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TMPDIR": str(directory),
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
        **demo_environment(endpoint),
        **extra,
    }
    return CliHome(cli_binary(), home, work, environment)


class StreamCli:
    """A CLI in stream-json mode on pipes, ended when the `async with` block is left.

    `lines` keeps all that it printed, oldest first; the waiting methods look only at what no earlier wait
    has passed. `argv` may be another program that speaks the same, such as the scripted CLI.
    """

    def __init__(self, home: CliHome, *flags: str, argv: Sequence[str | Path] = ()) -> None:
        self._home = home
        self._argv = [*(argv or [home.binary]), *STREAM_FLAGS, *flags]
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._passed = 0
        self._ended = False
        self.lines: list[Line] = []
        self.stderr = b""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            cwd=self._home.work,
            env=dict(self._home.environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
        )
        self._reader = asyncio.create_task(self._read(), name="StreamCli reader")
        return self

    async def __aexit__(self, *_: object) -> None:
        # Its Bash children have sessions of their own: once it is dead, nothing leads to them any more.
        for pid in (self.process.pid, *_descendants(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()
        if self._reader is not None:
            await self._reader

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    async def send(self, line: Mapping[str, Any] | bytes) -> None:
        """Write one line; bytes are written as they are, without a newline."""
        assert self.process.stdin is not None
        self.process.stdin.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        await self.process.stdin.drain()

    async def send_prompt(self, text: str, *, prompt_uuid: str | None = None, **fields: Any) -> str:
        """Send a user message; return its uuid. `fields` are added, `priority="later"` for instance."""
        ident = prompt_uuid or str(uuid.uuid4())
        message = {"role": "user", "content": text}
        await self.send({"type": "user", "uuid": ident, "client_composed": True, "message": message, **fields})
        return ident

    async def control(self, subtype: str, **fields: Any) -> Line:
        """Send a control request; return its whole `response`, success or error."""
        ident = f"test-{len(self.lines)}-{uuid.uuid4()}"
        await self.send(
            {"type": "control_request", "request_id": ident, "request": {"subtype": subtype, **fields}}
        )
        line = await self.seen(
            lambda line: line["type"] == "control_response" and line["response"]["request_id"] == ident
        )
        return dict(line["response"])

    async def answer(self, ask: Line, response: Mapping[str, Any] | None = None) -> None:
        """Answer a `control_request` line of the CLI; the default allows with the input as it is."""
        body = response or {"behavior": "allow", "updatedInput": ask["request"]["input"]}
        answer = {"subtype": "success", "request_id": ask["request_id"], "response": dict(body)}
        await self.send({"type": "control_response", "response": answer})

    async def line(self, matches: Callable[[Line], bool]) -> Line:
        """Wait for the next line that matches, and pass all up to it. Raises `EOFError` if none comes."""
        async with self._news:
            while True:
                while self._passed < len(self.lines):
                    self._passed += 1
                    if matches(self.lines[self._passed - 1]):
                        return self.lines[self._passed - 1]
                await self._wait_for_news()

    async def seen(self, matches: Callable[[Line], bool]) -> Line:
        """The first of all lines that matches, waiting for it if need be; passes nothing."""
        async with self._news:
            checked = 0
            while True:
                for line in self.lines[checked:]:
                    if matches(line):
                        return line
                checked = len(self.lines)
                await self._wait_for_news()

    async def ask(self) -> Line:
        """The next `can_use_tool` request."""
        return await self.line(lambda line: line["type"] == "control_request")

    async def idle(self) -> None:
        """Wait until the CLI says that it is idle."""
        await self.line(is_state("idle"))

    async def turn(self, text: str, **fields: Any) -> list[Line]:
        """Send a prompt and return the lines from then until the CLI is idle."""
        start = len(self.lines)
        await self.send_prompt(text, **fields)
        await self.idle()
        return self.lines[start : self._passed]

    async def close(self) -> int:
        """Close stdin, wait for the end and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await self.exit_code()

    async def exit_code(self) -> int:
        """Wait until it has ended by itself and all is read."""
        assert self._reader is not None
        await asyncio.shield(self._reader)
        return await self.process.wait()

    async def _wait_for_news(self) -> None:
        if self._ended:
            raise EOFError(f"the CLI ended: {self.stderr.decode(errors='replace')[-2000:]}")
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._news.wait()
        except TimeoutError:
            recent = "\n".join(str(line)[:200] for line in self.lines[-8:])
            raise TimeoutError(f"nothing new from the CLI; its last lines:\n{recent}") from None

    async def _read(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        errors = asyncio.create_task(self.process.stderr.read(), name="StreamCli stderr")
        async for raw in self.process.stdout:
            async with self._news:
                self.lines.append(_parsed(raw))
                self._news.notify_all()
        self.stderr = await errors
        async with self._news:
            self._ended = True
            self._news.notify_all()


def is_state(state: str) -> Callable[[Line], bool]:
    """Matches `session_state_changed` to `state`."""
    return lambda line: line.get("subtype") == "session_state_changed" and line["state"] == state


def is_type(kind: str) -> Callable[[Line], bool]:
    """Matches lines of this `type`."""
    return lambda line: bool(line["type"] == kind)


def _descendants(pid: int) -> list[int]:
    """The processes below `pid` now, nearest first; none where there is no /proc."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return children + [below for child in children for below in _descendants(child)]


def _parsed(raw: bytes) -> Line:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return {"type": "not-json", "raw": raw}
    return line if isinstance(line, dict) and "type" in line else {"type": "not-a-line", "raw": raw}
