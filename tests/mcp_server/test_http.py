"""MCP at the web face: a token's person, the token's scope, the guards of every route."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

import api as c
from sessions.model import ShareLevel
from tests.mcp_server.test_stdio import call
from tests.sessions.running_core import DEADLINE_S
from tests.web.web_world import OTHER, OWNER, WebWorld, web_world
from web.principals import Scope

if TYPE_CHECKING:
    from mcp import Client

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def agent_of(world: WebWorld, user_id: str, scope: Scope) -> AsyncIterator["Client"]:
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    secret = (await world.parts.doors.make_token(user_id, "an agent", scope, 30)).secret
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {secret}"}) as http:
        address = f"{world.parts.options.address}/mcp"
        async with Client(streamable_http_client(address, http_client=http)) as agent:
            yield agent


async def test_an_agent_acts_as_the_tokens_person_within_its_scope(tmp_path: Path) -> None:
    async with web_world(tmp_path / "core") as world:
        async with agent_of(world, OWNER, Scope.OPERATE) as agent:
            started = await call(agent, "session_start", focus="over http")
            told = await call(agent, "send_prompt", session_id=started["session_id"], prompt="demo:text hello")
            assert told["answer"] == "DEMO: hello"
            assert (await call(agent, "session_note", session_id=started["session_id"], text="n"))[
                "number"
            ] == 1
            transcript = await agent.read_resource(f"session://{started['session_id']}/transcript.md")
            assert "hello" in transcript.contents[0].text  # type: ignore[union-attr]
            await call(agent, "send_prompt", session_id=started["session_id"], prompt="demo:text a\u202eb")
            read = await call(agent, "read_session", session_id=started["session_id"])
            assert "\u202e" not in str(read), "what nobody sees reaches no agent"
            missing = await call(agent, "read_session", session_id="0193a000-0000-7000-8000-000000000000")
        async with agent_of(world, OWNER, Scope.READ) as reader:
            assert "only reads" in await call(reader, "session_start", focus="x")
            found = await call(reader, "find_sessions")
            assert [each["session_id"] for each in found["sessions"]] == [started["session_id"]]
        async with agent_of(world, OTHER, Scope.OPERATE) as other:
            assert await call(other, "read_session", session_id=started["session_id"]) == missing
            assert await call(other, "send_prompt", session_id=started["session_id"], prompt="x") == missing
            assert await call(other, "session_note", session_id=started["session_id"], text="x") == missing
            assert await call(other, "find_sessions") == {"sessions": []}
        entries = (await world.core.do(c.ReadAudit(session_id=started["session_id"]))).entries
        assert {(each.actor, each.face) for each in entries if each.allowed} == {(OWNER, "mcp")}
        assert {each.actor for each in entries if not each.allowed} == {OTHER}


async def test_the_guards_of_every_route_hold_here_too(tmp_path: Path) -> None:
    async with web_world(tmp_path / "core") as world:
        program = await world.program(OWNER, Scope.READ)
        logged_in, nobody = await world.browser(OWNER), await world.stranger()

        async def status(who: Any, body: Any = HELLO, **headers: str) -> int:
            sent = {**ACCEPT, **headers}
            return int((await who.send("POST", "/mcp", body, sent))[0])

        assert await status(program) == 200
        assert await status(program, Host="evil.example") == 421
        assert await status(program, Origin="https://evil.example") == 403
        assert await status(logged_in) == 403, "a cookie is no token"
        assert await status(nobody) == 401
        assert (await program.send("GET", "/mcp"))[0] == 405
        strange: list[Any] = [[], {}, {"jsonrpc": "2.0"}, 7]
        for body in strange:
            assert 400 <= await status(program, body) < 500, json.dumps(body)
        world.roles.clear()
        assert await status(program) == 403


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_call_that_waits_ends_with_its_token(how: str, tmp_path: Path) -> None:
    async with web_world(tmp_path / "core") as world:
        ann, program = await world.browser(OWNER), await world.program(OWNER, Scope.OPERATE)
        session_id = await world.session_of(ann)
        given = {"session_id": session_id, "prompt": "demo:gate held", "wait_s": 60}
        said = {"method": "tools/call", "params": {"name": "send_prompt", "arguments": given}}
        asked = asyncio.create_task(program.send("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, **said}, ACCEPT))
        await world.running(session_id)
        if how == "revoked":
            (token,) = await world.parts.doors.tokens(OWNER)
            assert await world.parts.doors.revoke_token(token.id, OWNER)
        else:
            world.now_ms[0] = 31 * 24 * 3_600_000
            await world.share(session_id, OTHER, ShareLevel.VIEW)  # whoever follows is asked again
        async with asyncio.timeout(DEADLINE_S):
            assert (await asked)[0] == 401
        await world.core.do(c.Interrupt(session_id=session_id))


async def test_calls_that_wait_and_sockets_of_one_token_are_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.live.socket.MOST_SOCKETS", 1)
    monkeypatch.setattr("web.handlers.agents.MOST_CALLS", 1)
    async with web_world(tmp_path / "core") as world:
        ann, program = await world.browser(OWNER), await world.program(OWNER, Scope.OPERATE)
        session_id = await world.session_of(ann)
        given = {"session_id": session_id, "prompt": "demo:gate held", "wait_s": 60}
        said = {"method": "tools/call", "params": {"name": "send_prompt", "arguments": given}}
        asked = asyncio.create_task(program.send("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, **said}, ACCEPT))
        await world.running(session_id)
        async with program.socket() as socket:
            assert (await socket.receive_json())["type"] == "hello"
            assert (await program.send("GET", "/api/live", None, {"Origin": ann.origin}))[0] == 429
        status, answer = await program.send("POST", "/mcp", HELLO, ACCEPT)
        assert (status, answer["code"]) == (429, "too_many_calls")
        await world.core.do(c.Interrupt(session_id=session_id))
        async with asyncio.timeout(DEADLINE_S):
            assert (await asked)[0] == 200
        assert (await program.send("POST", "/mcp", HELLO, ACCEPT))[0] == 200


async def test_a_person_who_loses_every_role_during_a_call_gets_no_answer(tmp_path: Path) -> None:
    async with web_world(tmp_path / "core") as world:
        ann, program = await world.browser(OWNER), await world.program(OWNER, Scope.OPERATE)
        session_id = await world.session_of(ann)
        given = {"session_id": session_id, "prompt": "demo:gate held", "wait_s": 60}
        said = {"method": "tools/call", "params": {"name": "send_prompt", "arguments": given}}
        asked = asyncio.create_task(program.send("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, **said}, ACCEPT))
        await world.running(session_id)
        world.roles.clear()
        await world.core.do(c.Interrupt(session_id=session_id))
        async with asyncio.timeout(DEADLINE_S):
            assert (await asked)[1]["result"]["isError"]
