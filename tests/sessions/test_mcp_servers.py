"""MCP servers: their states are shown, a failure is told, and a request of theirs is an ask like others."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import api as c
from bridge.demo.model import DemoModel
from sessions.model import (
    AllowAlways,
    Decision,
    Deny,
    FillForm,
    FollowLink,
    FormBody,
    LinkBody,
    McpServer,
    Postpone,
    ToolOutput,
    TurnId,
)
from sessions.session import Session
from sessions.stored import StoredAsk
from sessions.trust import TrustPolicy, UserServers
from tests.fakes.cli_home import CliHome, make_cli_home
from tests.sessions.running_core import CoreParts, RunningCore, idle, reached, running_core

ASKING = Path(__file__).with_name("asking_server.py")
FORM = {
    "message": "Which code?",
    "requestedSchema": {
        "type": "object",
        "properties": {"code": {"type": "string", "minLength": 3}, "times": {"type": "integer"}},
        "required": ["code"],
    },
}
PAGE = {"mode": "url", "message": "Log in", "url": "https://a.example/x?y=1", "elicitationId": "e"}
NESTED = {
    "mcp_server_name": "asking",
    "message": "Which?",
    "requested_schema": {"properties": {"deep": {"type": "array", "items": {"type": "string"}}}},
}


@dataclass(frozen=True, slots=True)
class Asking:
    """A session with a server that asks for what the prompt says."""

    core: RunningCore
    session: Session

    async def asked(self, wish: dict[str, Any]) -> tuple[TurnId, StoredAsk]:
        turn = await self.core.say(self.session, f"demo:tool mcp__asking__ask {json.dumps(wish)}")
        opened = await reached(self.session, lambda snapshot: bool(snapshot.asks))
        if not opened.asks[0].of_server:
            await self.session.answer(opened.asks[0].id, AllowAlways(), by="ann")
            opened = await reached(self.session, lambda snapshot: any(ask.of_server for ask in snapshot.asks))
        wish_ = c.ReadAsk(session_id=self.session.id, ask_id=opened.asks[0].id)
        return turn, await self.core.do(wish_)

    async def said(self, turn: TurnId) -> str:
        """Return the answer that the server got."""
        await idle(self.session)
        view = await self.core.do(c.ReadTurn(session_id=self.session.id, turn_id=turn))
        (output,) = [each.block for each in view.blocks if isinstance(each.block, ToolOutput)]
        return output.text.partition("the person said ")[2]


def home_with_servers(directory: Path, demo: DemoModel) -> CliHome:
    home = make_cli_home(directory, demo.base_url)
    path = home.config / ".claude.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    servers = {
        "asking": {"command": sys.executable, "args": [str(ASKING)]},
        "broken": {"command": "/no/such/server"},
        "silent": {"command": "sh", "args": ["-c", "exit 3"]},
    }
    path.write_text(json.dumps({**known, "mcpServers": servers}))
    return home


@asynccontextmanager
async def asking(directory: Path) -> AsyncIterator[Asking]:
    async with DemoModel() as demo:
        home = home_with_servers(directory / "cli", demo)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        trust = TrustPolicy(servers=UserServers.ALL)
        async with running_core(directory / "core", parts, trust=trust) as core:
            session = await core.session()
            await core.ask(session, "demo:text hello")
            yield Asking(core, session)
            await core.manager.shutdown()
            async with running_core(directory / "core", parts, trust=trust) as again:
                await after_a_restart(again, session)


async def after_a_restart(core: RunningCore, before: Session) -> None:
    """A form that was open when the bridge ended is answered after its next start."""
    session = await core.manager.get_session(before.id)
    assert session.run is not None
    await session.run.greet()  # the CLI does not list it among its open asks
    (ask,) = session.snapshot.asks
    await session.answer(ask.id, FillForm({"code": ("after",)}), by="ann")
    await idle(session)
    (turn,) = (await core.do(c.ReadTurns(session_id=session.id, limit=1))).turns
    (output,) = [each.text for each in turn.contents if isinstance(each, ToolOutput)]
    assert '"code": "after"' in output


@pytest.mark.real_cli
@pytest.mark.timeout(240)
async def test_a_servers_request_is_an_ask_over_a_restart_too_and_a_failed_server_is_told(
    tmp_path: Path,
) -> None:
    decided: list[tuple[dict[str, Any], type, Decision, dict[str, Any]]] = [
        (
            FORM,
            FormBody,
            FillForm({"code": ("abc",), "times": ("3",)}),
            {"action": "accept", "content": {"code": "abc", "times": 3}},
        ),
        (FORM, FormBody, Deny(), {"action": "decline"}),
        (FORM, FormBody, Postpone(), {"action": "cancel"}),
        (PAGE, LinkBody, FollowLink(), {"action": "accept"}),
        (PAGE, LinkBody, Deny(), {"action": "decline"}),
    ]
    async with asking(tmp_path) as servers:
        core, session = servers.core, servers.session
        for wish, kind, decision, told in decided:
            turn, stored = await servers.asked(wish)
            assert isinstance(stored.ask.body, kind)
            assert isinstance(stored.ask.body, FormBody | LinkBody)
            assert stored.ask.body.message == wish["message"]
            await session.answer(stored.ask.id, decision, by="ann")
            assert json.loads(await servers.said(turn)) == told
        turn, _ = await servers.asked(FORM)
        await session.stop()
        await idle(session)
        info = await core.do(c.GetSession(session_id=session.id))
        assert not info.open_asks
        assert set(info.mcp_servers) == {
            McpServer("asking", "connected"),
            McpServer("broken", "failed", "its program /no/such/server is not there"),
            McpServer("silent", "failed", "Connection closed"),
        }
        assert (await core.notices(session)).count("server_failed") == 2
        await servers.asked(FORM)


async def test_input_that_no_person_can_type_is_declined_in_words(tmp_path: Path) -> None:
    """The CLI of today refuses such a schema itself; a later one may pass it on."""
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        turn = await core.ask(session, f"demo:elicit {json.dumps(NESTED)}")
        assert json.loads(await Asking(core, session).said(turn)) == {"action": "decline"}
        told = await core.db.read(
            "SELECT body ->> 'text' FROM events WHERE kind = 'noticed' AND body ->> 'topic' = 'server_asks'"
        )
        assert ["The MCP server asking asked for input: “Which?”" in str(row[0]) for row in told] == [True]
