"""MCP servers: their states are shown, a failure is told, and a form that one asks for is declined in words."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import api as c
from bridge.demo.model import DemoModel
from sessions.model import Allow, McpServer, ToolOutput
from sessions.trust import TrustPolicy, UserServers
from tests.fakes.cli_home import make_cli_home
from tests.sessions.running_core import CoreParts, idle, reached, running_core

ASKING = Path(__file__).with_name("asking_server.py")


@pytest.mark.real_cli
@pytest.mark.timeout(240)
async def test_a_server_that_asks_is_declined_in_words_and_one_that_fails_is_told(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path / "cli", demo.base_url)
        path = home.config / ".claude.json"
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        servers = {
            "asking": {"command": sys.executable, "args": [str(ASKING)]},
            "broken": {"command": "/no/such/server"},
        }
        path.write_text(json.dumps({**known, "mcpServers": servers}))
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with running_core(tmp_path / "core", parts, trust=TrustPolicy(servers=UserServers.ALL)) as core:
            session = await core.session()
            await core.ask(session, "demo:text hello")
            turn = await core.say(session, "demo:tool mcp__asking__ask {}")
            asking = await reached(session, lambda snapshot: bool(snapshot.asks))
            await session.answer(asking.asks[0].id, Allow(), by="ann")
            await idle(session)
            view = await core.do(c.ReadTurn(session_id=session.id, turn_id=turn))
            (output,) = [each.block for each in view.blocks if isinstance(each.block, ToolOutput)]
            assert '"action": "decline"' in output.text
            assert {"server_failed", "server_asks"} <= set(await core.notices(session))
            info = await core.do(c.GetSession(session_id=session.id))
            assert set(info.mcp_servers) == {McpServer("asking", "connected"), McpServer("broken", "failed")}
            told = await core.db.read(
                "SELECT body ->> 'text' FROM events WHERE kind = 'noticed' AND body ->> 'topic' = 'server_asks'"
            )
            assert "The MCP server asking asked for input: “Which code?”" in str(told[0][0])
