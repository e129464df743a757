"""The demo model as a process of its own: found again or started when needed, always on the same port.

Sessions outlive the bridge, so the model that their CLIs talk to must outlive it too. Its directory holds
`demo.json` (port and identity, mode 0600), a lock that the running process holds, its log, and `claude/`,
the configuration directory of demo sessions: nothing of a user's own Claude settings is read or changed.
"""

import asyncio
import fcntl
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

# The CLI requires a key; the demo does not check it.
DEMO_API_KEY = "demo-model-needs-no-key"
IDLE_EXIT_S = 1800.0
LASTING_PORTS = range(20_000, 32_000)
"""Linux and macOS give none of these ports to connections, so a restarted demo finds its old port free."""
_START_TIMEOUT_S = 30.0
_HEALTH_TIMEOUT_S = 10.0


class DemoError(Exception):
    """The demo model cannot be started; the message says why."""


@dataclass(frozen=True, slots=True)
class DemoEndpoint:
    """The address of a running demo model, and the values that a CLI needs to use it."""

    base_url: str
    api_key: str
    config_directory: Path


@dataclass(frozen=True, slots=True)
class DemoRecord:
    """The content of `demo.json`. The port stays the same, so that live CLIs find a restarted demo."""

    port: int
    identity: str


async def ensure_demo(directory: Path, *, idle_exit_s: float = IDLE_EXIT_S) -> DemoEndpoint:
    """Find the demo model that serves `directory`, or start it detached; return when it answers.

    Safe to call at any time and from several processes at once. Takes milliseconds when it runs, about half
    a second when it has to start. Raises `DemoError`.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = seed_config(directory / "claude")
    try:
        async with asyncio.timeout(_START_TIMEOUT_S), _start_lock(directory):
            record = await _running_demo(directory, idle_exit_s)
    except TimeoutError as error:
        raise DemoError("the demo model did not start in time") from error
    return DemoEndpoint(f"http://127.0.0.1:{record.port}", DEMO_API_KEY, config)


async def _running_demo(directory: Path, idle_exit_s: float) -> DemoRecord:
    record = load_record(directory)
    # By its identity: another program may have taken the port.
    if record is None or not await _answers(record):
        await _start(directory, idle_exit_s)
        record = load_record(directory)
    if record is None:
        raise DemoError("the demo model started but left no record of its port")
    return record


def demo_environment(endpoint: DemoEndpoint) -> dict[str, str]:
    """Return the variables that make a CLI use the demo model and connect to nothing else."""
    return {
        "ANTHROPIC_BASE_URL": endpoint.base_url,
        "ANTHROPIC_API_KEY": endpoint.api_key,
        "CLAUDE_CONFIG_DIR": str(endpoint.config_directory),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
        # A proxy would look for this address on its own machine.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def seed_config(directory: Path) -> Path:
    """Make a CLI configuration directory with no onboarding and no question about the key; return it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = directory / ".claude.json"
    if not state.exists():
        # The CLI remembers a key by its last 20 characters.
        answers = {"approved": [DEMO_API_KEY[-20:]], "rejected": []}
        content = {"hasCompletedOnboarding": True, "customApiKeyResponses": answers, "projects": {}}
        _write_private(state, json.dumps(content))
    return directory


def load_record(directory: Path) -> DemoRecord | None:
    """Return the record of the last demo process of `directory`, or None if it is missing or unreadable."""
    try:
        content = json.loads((directory / "demo.json").read_text())
        return DemoRecord(int(content["port"]), str(content["identity"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_record(directory: Path, record: DemoRecord) -> None:
    """Replace `demo.json` in one step."""
    _write_private(directory / "demo.json", json.dumps(asdict(record)))


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


@asynccontextmanager
async def _start_lock(directory: Path) -> AsyncIterator[None]:
    """Let one process start the demo at a time. Waiting polls: a blocking `flock` cannot be cancelled."""
    descriptor = os.open(directory / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


async def _answers(record: DemoRecord) -> bool:
    """Whether the process of `record` answers on its port, and not another program."""
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=_HEALTH_TIMEOUT_S)) as client,
            client.get(f"http://127.0.0.1:{record.port}/demo/health") as response,
        ):
            said = await response.json(content_type=None)
    except (ClientError, OSError, TimeoutError, ValueError):
        return False
    return isinstance(said, dict) and said.get("identity") == record.identity


async def _start(directory: Path, idle_exit_s: float) -> None:
    """Start the process detached from this one; it writes `ready` to a pipe once it serves."""
    reading, writing = os.pipe()
    log = os.open(directory / "demo.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    argv = [sys.executable, "-m", "bridge.demo", "--directory", str(directory.resolve())]
    try:
        # The shell hands it to init at once, so it cannot become our zombie, and asyncio does not kill it.
        shell = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", '"$@" &', "sh", *argv),
            *("--idle-exit", str(idle_exit_s), "--ready-fd", str(writing)),
            # It outlives this process, and its environment stays readable: no token and no key may be in it.
            env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        raise DemoError(f"the demo model cannot be started: {error.strerror}") from error
    finally:
        # Also when all went well: `_read_all` ends only after the last writer has closed the pipe.
        os.close(writing)
        os.close(log)
    await shell.wait()
    if await _read_all(reading) != b"ready":
        said = (directory / "demo.log").read_text(errors="replace").strip().rpartition("\n")[2]
        raise DemoError(f"the demo model ended at its start: {said or 'it said nothing'}")


async def _read_all(descriptor: int) -> bytes:
    """Read a pipe until its last writer has closed it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return await reader.read()
    finally:
        transport.close()
