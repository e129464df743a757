"""47 tries to reach something outside, through the real CLI's Bash tool and its file tools, in each sandbox.

`REACHED` is the table: the tries that succeed. What the tools write is judged outside: nothing may differ but
what the session must write.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import shlex
import socket
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import api as c
from backends.directory import HostDirectory
from backends.sandbox.landlock import landlock_abi
from bridge.demo.model import DemoModel
from sessions.claude.sandbox_access import state_directory
from sessions.model import Allow, ToolOutput
from sessions.session import Session
from tests.sandbox.world import sandboxed_core
from tests.sessions.running_core import RunningCore, reached

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]

PROCESSES, TMP_MIB = 128, 32
ALL = frozenset(range(1, 48))
WRITES = {7: "input_log", 20: ".bashrc", 21: "settings.json", 22: "code.py", 23: "linked.txt"}
OF_ROOT = frozenset({25, 27, 39, 40})
"""Only root reaches these without a sandbox: mounts, control groups, the kernel's settings, /dev."""
OF_MACHINE = frozenset({38, 41, 45, 46})
"""A machine may refuse these everywhere (Yama, `kernel.io_uring_disabled`, `vm.unprivileged_userfaultfd`)."""
UNLIMITED = frozenset({29})
"""No limit of processes holds root; outside of a sandbox it is the machine's."""

ABSTRACT: frozenset[int] = frozenset() if landlock_abi() >= 6 else frozenset({15})
"""Landlock hides abstract sockets from its version 6 on; in a sandbox of its own, a filter hides all."""

REACHED = {
    "off": ALL - OF_ROOT,
    # The network of the machine; address space.
    "bwrap": {13, 14, 30} | ABSTRACT,
    "bwrap with the model alone": {30},
    # Besides the network: numbers of processes, no limits, a process that hides from the end, the files of the
    # project that bwrap keeps read-only.
    "landlock": {13, 14, 30, 32, 33, 35, 47},
}


class Outside:
    """Everything that a session should not reach, below one directory; `facts` says where."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = self._directory("bridge")
        self.facts: dict[str, Any] = {
            "code": str(self.code),
            "other_project": self._file("workspaces/other/notes.txt"),
            "ssh_key": self._file("home/.ssh/id_ed25519"),
            "config_of_others": self._file("home/.config/other/token"),
            "other_transcript": self._file(
                "claude/projects/-another/11111111-1111-4111-8111-111111111111.jsonl"
            ),
            "bashrc": self._file("home/.bashrc"),
            "claude_settings": self._file("claude/settings.json", "{}"),
            "linked": self._file("elsewhere/linked.txt"),
            "srv": self._file("srv/data.txt"),
            "database": str(root / "core/sessions.db"),
            "bot": os.getpid(),
            "abstract": f"tried-{uuid.uuid4()}",
            "tmp": "/tmp",
            "processes": PROCESSES + 100,
            "fill_mib": TMP_MIB + 10,
            "word": f"outlives-{uuid.uuid4()}",
        }
        self._file("bridge/.env")
        self._file("bridge/code.py")
        self._file("core/decoy")
        self._file("workspaces/decoy")
        self._file("home/decoy")

    def _directory(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _file(self, name: str, text: str = "SECRET\n") -> str:
        path = self._directory(str(Path(name).parent)) / Path(name).name
        path.write_text(text)
        return str(path)

    def about(self, core: RunningCore, session: Session) -> None:
        """Add what is known only when the session's host runs."""
        directory = HostDirectory(core.run, session.id, session.snapshot.host)
        pids = directory.pids()
        assert pids is not None
        self.facts |= {
            "input_log": str(directory.input_log),
            "shell": pids.shell.pid,
            "follower": pids.follower.pid,
        }

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Answer `HERE` on every socket that the tries know, and hold a terminal open."""
        servers = []
        for name in ("control", "tmux", "bus", "docker"):
            path = self.root / ("core/run" if name == "control" else "sockets") / f"{name}.sock"
            path.parent.mkdir(parents=True, exist_ok=True)
            self.facts[name] = str(path)
            servers.append(_server(socket.AF_UNIX, str(path)))
        servers.append(_server(socket.AF_UNIX, "\0" + self.facts["abstract"]))
        first = _server(socket.AF_INET, ("127.0.0.1", 0))
        self.facts["port"] = first.getsockname()[1]
        servers += [first, _server(socket.AF_INET, ("127.0.0.2", self.facts["port"]))]
        terminal, slave = os.openpty()
        self.facts["pty"] = os.ttyname(slave)
        threads = [threading.Thread(target=_answer, args=(each,), daemon=True) for each in servers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for server in servers:
                server.shutdown(socket.SHUT_RDWR)
                server.close()
            for thread in threads:
                thread.join()
            os.close(terminal)
            os.close(slave)

    def print_of(self, *left_out: Path) -> dict[str, str]:
        """Every file outside with its digest, but for those below `left_out`."""
        found = {}
        # Claude makes and removes files below `left_out` meanwhile: they are not even listed.
        for place, names, files in os.walk(self.root):
            names[:] = [name for name in names if Path(place, name) not in left_out]
            for path in (Path(place, name) for name in files):
                if path.is_file() and not path.is_symlink() and path not in left_out:
                    found[str(path.relative_to(self.root))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found


def _server(family: int, address: Any) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen()
    return server


def _answer(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HERE")


async def do(core: RunningCore, session: Session, prompt: str) -> list[ToolOutput]:
    """Send a prompt, allow all that it asks, and return what its tools gave back."""
    await core.say(session, prompt)
    await reached(session, lambda now: not now.is_idle)
    while True:
        now = await reached(session, lambda now: bool(now.asks) or (now.is_idle and not now.queue))
        if not now.asks:
            turn = (await core.do(c.ReadTurns(session_id=session.id))).turns[0]
            return [each.block for each in turn.blocks if isinstance(each.block, ToolOutput)]
        await session.answer(now.asks[0].id, Allow(), by="ann")


def _of_gate(sandbox: str) -> bool:
    """Whether the gate runs this column. For root, `test_ordinary_user.py` runs them as somebody else."""
    return os.geteuid() != 0


@pytest.mark.parametrize(
    "sandbox", [pytest.param(each, marks=() if _of_gate(each) else pytest.mark.soak) for each in REACHED]
)
async def test_each_try_ends_as_the_table_says_and_nothing_outside_differs(
    tmp_path: Path, sandbox: str
) -> None:
    outside = Outside(tmp_path)
    with outside.listening():
        async with DemoModel() as demo:
            found = await tried(outside, demo, sandbox)
    left_out = UNLIMITED if os.geteuid() == 0 or sandbox in ("off", "landlock") else frozenset()
    if sandbox == "off":
        left_out |= OF_MACHINE | (OF_ROOT if os.geteuid() == 0 else frozenset())
    assert found - left_out == REACHED[sandbox] - left_out


async def tried(outside: Outside, demo: DemoModel, sandbox: str) -> set[int]:
    root = outside.root
    python = Path(sys.base_prefix)
    network = "model" if "model" in sandbox else "open"
    mechanism = sandbox.partition(" ")[0]
    reading = shlex.quote(str(python))
    # Small limits: the tries that reach them take most of the time.
    limits: dict[str, Any] = {"sandbox_processes": f"{PROCESSES}", "sandbox_tmp": f"{TMP_MIB}M"}
    async with sandboxed_core(
        root, demo, sandbox=mechanism, sandbox_network=network, sandbox_read=reading, **limits
    ) as core:
        session = await core.session()
        work = Path(session.snapshot.work_directory)
        (work / "tries.py").write_text(Path(__file__).with_name("tries.py").read_text())
        (work / ".claude").mkdir()
        (work / ".claude/settings.json").write_text("{}")
        await core.ask(session, "demo:text there")
        outside.about(core, session)
        (work / "facts.json").write_text(json.dumps(outside.facts))
        state = state_directory(core.directory / "sandbox", work)
        own: tuple[Path, ...] = (work, core.run / session.id, state / "home", state / "claude", core.copies)
        own += tuple(core.claude.glob(f"projects/*{work.name}"))
        own += tuple(core.directory / f"sessions.db{end}" for end in ("", "-wal", "-shm"))
        before = outside.print_of(*own)
        program = python / "bin" / f"python3.{sys.version_info.minor}"
        await do(core, session, f"demo:bash {program} tries.py facts.json found.json")
        found = {
            int(number) for number, is_so in json.loads((work / "found.json").read_text()).items() if is_so
        }
        if sandbox != "off":
            await _by_file_tools(outside, core, session)
        after = outside.print_of(*own)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        input_log = Path(outside.facts["input_log"])
        found -= WRITES.keys()
        found |= {number for number, name in WRITES.items() if any(each.endswith(name) for each in changed)}
        if b"TRIED" in input_log.read_bytes():
            found.add(7)
        if sandbox != "off":
            assert changed == set()
        await session.park("test")
        if not await asyncio.to_thread(_lives, outside.facts["word"]):
            found.discard(32)
        _end(outside.facts["word"])
    return found


async def _by_file_tools(outside: Outside, core: RunningCore, session: Session) -> None:
    """Read, Write and Edit reach no more than Bash does."""
    secret, target = outside.facts["other_project"], outside.facts["linked"]
    for prompt in (
        f"demo:read {secret}",
        f"demo:write {target} WRITTEN",
        f"demo:edit {target} {{SEC}} {{WRITTEN}}",
    ):
        outputs = await do(core, session, prompt)
        assert outputs
        assert all("SECRET" not in each.shown for each in outputs), prompt


def _marked(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def _lives(word: str) -> bool:
    return bool(_marked(word))


def _end(word: str) -> None:
    for pid in _marked(word):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
