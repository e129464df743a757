"""The control socket refuses processes that Claude's tools start, so that no script answers Claude's asks."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import api as c
from bridge import control_entrance
from bridge.control import ControlServer
from sessions.model import Allow, ToolOutput
from tests.sessions.running_core import RunningCore, idle, reached, running_core, until

SCRIPT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect(sys.argv[1])
    print("greeted" if peer.recv(100) else "closed")
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "answers_itself.py"
    path.write_text(SCRIPT)
    return path


async def said_by_tool(core: RunningCore, command: str) -> str:
    """Let Claude run `command`, allow it, and return its output."""
    session = await core.session()
    turn = await core.say(session, f"demo:bash {command}")
    asking = await reached(session, lambda snapshot: bool(snapshot.asks))
    await session.answer(asking.asks[0].id, Allow(), by="ann")
    await idle(session)
    view = await core.do(c.ReadTurn(session_id=session.id, turn_id=turn))
    (output,) = [each.block for each in view.blocks if isinstance(each.block, ToolOutput)]
    return output.text


@pytest.mark.parametrize("way", ["{}", "setsid {} | tail -n 1", "sh -c '{}'"])
async def test_a_tool_of_claudes_is_refused_and_the_try_is_written_down(
    tmp_path: Path, script: Path, way: str
) -> None:
    (tmp_path / "core" / "run").mkdir(parents=True)
    async with running_core(tmp_path / "core") as core, ControlServer(core.service, core.directory):
        socket = core.run / "control.sock"
        command = f"{sys.executable} {script} {socket}"
        assert "closed" in await said_by_tool(core, way.format(command))
        (entry,) = (await core.do(c.ReadAudit(limit=1))).entries
        assert (entry.action, entry.allowed, entry.face) == ("use_the_control_socket", False, "control")
        assert entry.actor.startswith("host:")

        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), str(socket), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert said == b"greeted\n", "a person's own process is served"


SELF_ANSWER = """
import json, pathlib, socket, sys, time
here = pathlib.Path(sys.argv[1])
while not (here / "go").exists():
    time.sleep(0.01)
session, ask = (here / "go").read_text().split()
allow = {"type": "answer_ask", "session_id": session, "ask_id": ask, "decision": {"type": "allow"}}
said = b""
try:
    key = (here / "run" / "control.key").read_text().strip()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(here / "run" / "control.sock"))
        for line in ({"type": "enter", "key": key}, {"type": "perform", "id": 1, "command": allow}):
            peer.sendall(json.dumps(line).encode() + b"\\n")
        peer.shutdown(socket.SHUT_WR)
        while more := peer.recv(4096):
            said += more
except OSError as error:
    said += repr(error).encode()
(here / "made").write_bytes(said)
(here / "made").rename(here / "said")
"""


async def test_a_script_that_knows_the_key_cannot_answer_claudes_own_ask(tmp_path: Path) -> None:
    """A command that runs in the background waits for Claude's next ask, and answers it with the key's help."""
    place = tmp_path / "core"
    (place / "run").mkdir(parents=True)
    script = tmp_path / "answers_itself.py"
    script.write_text(SELF_ANSWER)
    async with running_core(place) as core, ControlServer(core.service, place):
        session = await core.session()
        await core.say(session, f"demo:bash nohup {sys.executable} {script} {place} >/dev/null 2>&1 &")
        asking = await reached(session, lambda snapshot: bool(snapshot.asks))
        await session.answer(asking.asks[0].id, Allow(), by="ann")
        await idle(session)

        await core.say(session, f"demo:bash touch {tmp_path}/never-allowed")
        (ask,) = (await reached(session, lambda snapshot: bool(snapshot.asks))).asks
        tell(place, f"{session.id} {ask.id}")
        await until((place / "said").exists)
        assert b"entered" not in (place / "said").read_bytes()
        assert session.snapshot.asks == (ask,)
        (entry,) = (await core.do(c.ReadAudit(limit=1))).entries
        assert (entry.actor, entry.action) == (f"host:{session.id}/1", "use_the_control_socket")

        # The same script as a process of the person: it works, so the refusal above was not its own mistake.
        (place / "said").unlink()
        process = await asyncio.create_subprocess_exec(sys.executable, str(script), str(place))
        await process.wait()
        assert b'"reply"' in (place / "said").read_bytes()
        await idle(session)
        assert (tmp_path / "never-allowed").exists()


def tell(place: Path, words: str) -> None:
    draft = place / "going"
    draft.write_text(words)
    draft.rename(place / "go")


FORKING = """
import os, socket, sys, time
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
if os.fork():
    os._exit(0)  # the process that connected is gone before anybody looks at it
peer.sendall(b"x")
try:
    print("greeted" if peer.recv(100) else "closed", flush=True)
except ConnectionError:
    print("closed", flush=True)
"""


async def test_a_process_that_connects_and_is_gone_is_not_taken_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "core" / "run").mkdir(parents=True)
    script = tmp_path / "forks.py"
    script.write_text(FORKING)
    async with running_core(tmp_path / "core") as core:
        looks = asyncio.Event()
        entrance = control_entrance.Entrance.admit

        async def later(self: Any, *streams: Any) -> Any:
            await looks.wait()
            return await entrance(self, *streams)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(control_entrance.Entrance, "admit", later)
            async with ControlServer(core.service, core.directory):
                words = [sys.executable, str(script), str(core.run / "control.sock")]
                with subprocess.Popen(words, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220
                    await asyncio.to_thread(process.wait)
                    looks.set()
                    said, _ = await asyncio.to_thread(process.communicate)
        (entry,) = (await core.do(c.ReadAudit(limit=1))).entries
    assert said == b"closed\n"
    assert (entry.action, entry.allowed) == ("use_the_control_socket", False)
