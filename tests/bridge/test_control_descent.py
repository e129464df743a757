"""The control socket refuses processes that Claude's tools start, so that no script answers Claude's asks."""

import asyncio
import sys
from pathlib import Path

import pytest

import api as c
from bridge.control import ControlServer
from sessions.model import Allow, ToolOutput
from tests.sessions.running_core import RunningCore, idle, reached, running_core

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
