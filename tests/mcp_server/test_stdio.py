"""`claude-bridge mcp` over stdio, with the SDK's own client and with the real CLI in a turn."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import api as c
from bridge.demo.model import DemoModel
from mcp_server.tool import Caller
from tests.fakes.cli_home import StreamCli, make_cli_home
from tests.mcp_server.served import client, command, environment, served_core
from tests.sessions.running_core import ADMIN, RunningCore, reached, running_core

if TYPE_CHECKING:
    from mcp import Client

    from mcp_server.serving import AgentServer


async def call(agent: "Client", tool: str, **arguments: Any) -> Any:
    """Call a tool; return its answer, or its refusal as text."""
    result = await agent.call_tool(tool, arguments)
    text = result.content[0].text  # type: ignore[union-attr]
    if result.is_error:
        return text
    assert result.structured_content == json.loads(text)
    return result.structured_content


async def test_an_agent_keeps_a_record_prompts_a_session_and_reads_its_transcript(tmp_path: Path) -> None:
    async with served_core(tmp_path / "core") as core, client(core.directory) as agent:
        listed = {tool.name: tool for tool in (await agent.list_tools()).tools}
        assert {"session_start", "session_end", "find_sessions", "send_prompt", "stop_session"} <= set(listed)
        assert not [name for name in listed if "approve" in name or "answer" in name]
        hints = {name: tool.annotations.read_only_hint for name, tool in listed.items() if tool.annotations}
        assert {name for name, reads in hints.items() if reads} == {
            "session_list",
            "find_sessions",
            "read_session",
        }
        assert "session_id is missing" in await call(agent, "session_note", text="too early")
        assert "needs words" in await call(agent, "session_start", focus=" ")
        assert not (await call(agent, "find_sessions"))["sessions"], "a refused focus left a session"
        started = await call(agent, "session_start", focus="login")
        assert started["name"].endswith("-session-001-login")
        assert (await call(agent, "session_note", text="one"))["number"] == 1, "of the session just started"
        assert (await call(agent, "session_checkpoint", label="now"))["label"] == "now"
        told = await call(agent, "send_prompt", session_id=started["session_id"], prompt="demo:text hello")
        assert (told["status"], told["answer"], told["waits_for_a_person"]) == ("done", "DEMO: hello", False)
        asking = await call(
            agent, "send_prompt", session_id=started["session_id"], prompt="demo:bash touch made"
        )
        assert (asking["status"], asking["waits_for_a_person"]) == ("running", True)
        assert (await call(agent, "stop_session", session_id=started["session_id"]))["was_running"]
        session = await core.manager.get_session(started["session_id"])
        await reached(session, lambda snapshot: snapshot.is_idle)
        shown = await call(agent, "read_session", session_id=started["session_id"], turns=2)
        assert [turn["prompt"] for turn in shown["turns"]] == ["demo:text hello", "demo:bash touch made"]
        found = await call(agent, "find_sessions", text="login")
        assert [each["session_id"] for each in found["sessions"]] == [started["session_id"]]
        assert agent.server_capabilities.resources is not None
        (resource,) = (await agent.list_resources()).resources
        (template,) = (await agent.list_resource_templates()).resource_templates
        assert template.uri_template == "session://{session_id}/transcript.md"
        assert str(resource.uri) == template.uri_template.replace("{session_id}", started["session_id"])
        transcript = await agent.read_resource(f"session://{started['session_id']}/transcript.md")
        assert "hello" in transcript.contents[0].text  # type: ignore[union-attr]
        audit = (await core.do(c.ReadAudit(session_id=started["session_id"]))).entries
        assert {each.face for each in audit} == {"mcp"}


def server_of(core: RunningCore) -> "AgentServer":
    """A server in this process, for what needs no other."""
    from mcp_server.serving import AgentServer, new_origin

    @asynccontextmanager
    async def reach(changes: bool) -> AsyncIterator[Caller]:
        yield Caller(core.service, ADMIN, origin=new_origin())

    return AgentServer(reach)


async def test_strange_calls_are_refused_in_words_and_the_server_goes_on(tmp_path: Path) -> None:
    from mcp import Client, MCPError

    nowhere = "0193a000-0000-7000-8000-000000000000"
    async with running_core(tmp_path / "core") as core, Client(server_of(core).server) as agent:
        for tool, arguments, told in (
            ("read_session", {"session_id": nowhere}, "no such session"),
            ("read_session", {"session_id": 7}, "Expected `str`"),
            ("send_prompt", {"session_id": nowhere, "prompt": "x"}, "no such session"),
            ("send_prompt", {"session_id": nowhere, "prompt": "x" * 200_001}, "length <= 200000"),
            ("send_prompt", {"session_id": nowhere, "prompt": "x", "wait_s": 601}, "<= 600"),
            ("start_session", {"project": "../../etc"}, "cannot be used"),
            ("find_sessions", {"limit": 1_000_000}, "<= 50"),
            ("answer_ask", {}, "no tool of this name"),
        ):
            assert told in await call(agent, tool, **arguments)
        for address in (nowhere, "../../etc/passwd", "x" * 70):
            with pytest.raises(MCPError):
                await agent.read_resource(f"session://{address}/transcript.md")
        assert await call(agent, "find_sessions") == {"sessions": []}


async def test_the_bridge_may_be_away_and_come_back_and_a_server_may_only_read(tmp_path: Path) -> None:
    async with served_core(tmp_path / "core") as core:
        pass
    async with client(core.directory, "--read-only") as agent:
        assert "No bridge runs here" in await call(agent, "find_sessions")
        async with served_core(tmp_path / "core"):
            assert await call(agent, "find_sessions") == {"sessions": []}
            assert "only reads" in await call(agent, "session_start", focus="x")
        assert "No bridge runs here" in await call(agent, "find_sessions")


@pytest.mark.real_cli
async def test_the_real_cli_calls_the_tools_in_a_turn(tmp_path: Path) -> None:
    async with DemoModel() as demo, served_core(tmp_path / "core") as core:
        argv = command()
        server = {"command": argv[0], "args": argv[1:], "env": environment(core.directory)}
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"sessions": server}}))
        home = make_cli_home(tmp_path / "cli", demo.base_url)
        flags = ("--mcp-config", str(tmp_path / "mcp.json"), "--allowedTools", "mcp__sessions")
        async with StreamCli(home, *flags) as cli:
            lines = await cli.turn('demo:tool mcp__sessions__session_start {"focus": "by the real one"}')
        results = [line for line in lines if line["type"] == "user" and not line.get("isReplay")]
        assert "by the real one" in json.dumps(results)
        (session_id,) = [each.id for each in (await core.do(c.QuerySessions())).sessions]
        assert (await core.do(c.ReadFolder(session_id=session_id))).focus == "by the real one"
