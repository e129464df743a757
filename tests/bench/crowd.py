"""A thousand live sessions without a thousand CLIs: real rows, host directories and processes, which sleep.

To the bridge they are hosts like others: it attaches, reads their logs and waits for their deaths. What they
print is written into their logs by `producer.py`; how they are greeted is answered by `answer_greetings`.
"""

import asyncio
import json
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import machine
from backends.auto import BackendOptions, choose_backend
from backends.base import HostRef, LaunchSpec
from backends.directory import HostDirectory
from bridge.garbage_collection import rare_collections
from bridge.schema import schema
from sessions import events as e
from sessions import rows
from sessions.claude.stream import StreamDriver, StreamOptions
from sessions.conversations import Conversations
from sessions.draft import Draft
from sessions.manager import SessionManager
from sessions.model import Lifecycle, PermissionMode, SessionId, TurnId, TurnKind
from sessions.slots import Limits
from sessions.state import Snapshot
from storage import AnyStatement, Database
from tests.sessions.running_core import policy

_SESSIONS_AT_ONCE = 100
_DEADLINE_S = 120
_OPENING = (
    {"type": "system", "subtype": "session_state_changed", "state": "running"},
    {
        "type": "stream_event",
        "event": {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": []}},
        "parent_tool_use_id": None,
    },
    {
        "type": "stream_event",
        "event": {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        "parent_tool_use_id": None,
    },
)


@asynccontextmanager
async def crowd(directory: Path, count: int, *, working: bool) -> AsyncIterator[Path]:
    """`count` live sessions in the data directory `directory`, each idle or in a turn; gives it again.

    Their processes end with the block. Blocks for a second or two.
    """
    sleepers: list[int] = []
    sleep = shutil.which("sleep") or "/bin/sleep"
    try:
        sleepers += (os.posix_spawn(sleep, ["sleep", "3600"], {}) for _ in range(count))  # noqa: ASYNC221 - 0.1 ms each
        await _fill(directory, sleepers, working=working)
        yield directory
    finally:
        for pid in sleepers:
            os.kill(pid, signal.SIGKILL)
        for pid in sleepers:
            os.waitpid(pid, 0)  # noqa: ASYNC222 - killed a moment ago


async def _fill(directory: Path, pids: Sequence[int], *, working: bool) -> None:
    work = directory / "workspaces"
    work.mkdir(parents=True)
    directory.chmod(0o700)
    sessions = [(SessionId(str(uuid.uuid4())), pid) for pid in pids]
    async with Database.open(directory / "sessions.db", schema()) as db:
        for start in range(0, len(sessions), _SESSIONS_AT_ONCE):
            statements: list[AnyStatement] = []
            for session_id, pid in sessions[start : start + _SESSIONS_AT_ONCE]:
                ref = _make_host(directory, session_id, pid, working=working)
                statements += _rows_of(session_id, ref, work, working=working)
            await db.write(statements)


def _make_host(directory: Path, session_id: SessionId, pid: int, *, working: bool) -> HostRef:
    """The directory of a host whose every process is `pid`."""
    host = HostDirectory(directory / "run", session_id, 1)
    host.make(LaunchSpec(session_id, 1, host.path, ("sleep",), directory, {}), "pty")
    row = machine.this().read_process(pid)
    assert row is not None
    who = "".join(f"{role} {pid} {row.process.start}\n" for role in ("shell", "program", "follower"))
    (host.path / "pid").write_text(f"boot {machine.this().boot_id()}\n{who}")
    if working:
        host.output_log.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in _OPENING))
    return HostRef("pty", json.dumps({"session": session_id, "number": 1}, separators=(",", ":")))


def _rows_of(session_id: SessionId, ref: HostRef, work: Path, *, working: bool) -> list[AnyStatement]:
    """Return the rows that the core would have written until here."""
    draft = Draft(Snapshot(session_id), 1_700_000_000_000)
    draft.add_all(
        [
            e.SessionCreated("ann", "c", "", "Crowd", "", str(work), "", PermissionMode.DEFAULT),
            e.ConversationChanged(str(uuid.uuid4()), "new"),
            e.LifecycleChanged(Lifecycle.PARKED, Lifecycle.STARTING, "a prompt waits"),
            e.HostStarted(1),
            e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.LIVE, "Claude is ready"),
        ]
    )
    if working:
        turn = TurnId(str(uuid.uuid4()))
        prompt_uuid = str(uuid.uuid4())
        draft.add_all(
            [
                e.TurnQueued(turn, 1, TurnKind.PROMPT, "ann", "begin", prompt_uuid, f"origin {turn}"),
                e.TurnSent(turn, 1),
                e.TurnStarted(turn),
            ]
        )
    host = [rows.insert_host(session_id, 1, draft.at_ms), rows.host_launched(session_id, 1, ref)]
    return [*draft.statements(new_session=True), *host]


@asynccontextmanager
async def attached(directory: Path, count: int) -> AsyncIterator[SessionManager]:
    """A core that has re-attached to the crowd in `directory`, greeted and answered."""
    options = BackendOptions(run=directory / "run", socket_name="not-used", watch=("cat",), environment={})
    backend = choose_backend("pty", options, on_fallback=print)
    driver = StreamDriver(StreamOptions("sleep", {"PATH": os.defpath}, overrides={}))
    conversations = Conversations({"CLAUDE_CONFIG_DIR": str(directory)}, directory / "transcripts")
    limits = Limits(count + 5, count + 5)
    async with Database.open(directory / "sessions.db", schema()) as db:
        manager = SessionManager(db, backend, driver, conversations, policy(directory, limits=limits))
        async with manager:
            await manager.initialize()
            answered = await answer_greetings(directory)
            assert answered == count, f"{answered} of {count} sessions were attached to"
            async with asyncio.timeout(_DEADLINE_S):
                while not all_read(manager, logs_of(directory)):  # noqa: ASYNC110 (there is no event)
                    await asyncio.sleep(0.05)
            with rare_collections():
                yield manager


def logs_of(directory: Path) -> list[Path]:
    """The output logs of the crowd in `directory`."""
    return sorted(directory.glob("run/*/1/output.ndjson"))


def all_read(manager: SessionManager, logs: Sequence[Path]) -> bool:
    """Whether the core has read all of `logs`."""
    sizes = {SessionId(log.parents[1].name): log.stat().st_size for log in logs}
    read = {session.id: session.run.log_bytes for session in manager.loaded() if session.run is not None}
    return all(read[session_id] >= size for session_id, size in sizes.items())


async def answer_greetings(directory: Path) -> int:
    """Answer the newest request in every input log; return how many there were, once all have asked."""
    logs = sorted(directory.glob("run/*/1/input.ndjson"))
    async with asyncio.timeout(_DEADLINE_S):
        while not all(log.stat().st_size for log in logs):  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.02)
    for log in logs:
        request = json.loads(log.read_bytes().splitlines()[-1])
        reply = {"session_state": "running", "totalTokens": 1, "maxTokens": 9}
        response = {"subtype": "success", "request_id": request["request_id"], "response": reply}
        line = json.dumps({"type": "control_response", "response": response}).encode() + b"\n"
        with (log.parent / "output.ndjson").open("ab") as output:
            output.write(line)
    return len(logs)
