"""MCP for agents: the guards of every route, then the bridge's own server answers."""

import asyncio
from collections.abc import Sequence

from aiohttp import hdrs, web

from api.access import Actor
from web.doors import Watcher
from web.guard import actor_now
from web.principals import DoorKind, Scope
from web.problems import Refused
from web.routing import Call, Route

MOST_CALLS = 32
"""Calls of one token that are not answered yet: `send_prompt` may wait for minutes."""
_PASSED = (hdrs.ACCEPT, hdrs.CONTENT_TYPE, "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name")


async def answer_agent(call: Call) -> web.Response:
    """Answer one message of an agent. Its token's scope says whether tools may change something."""
    if call.principal.kind is not DoorKind.TOKEN:
        raise Refused(403, "token_needed", "Agents come with a token. Make one on the page of tokens.")
    if call.parts.agents is None:
        raise Refused(501, "not_installed", "The bridge has no MCP server: install its extra mcp.")
    # No host, no cookie, no token: the server needs to know none of them.
    headers = [
        (name.encode(), value.encode("latin-1", "replace"))
        for name, value in call.request.headers.items()
        if name.lower() in {each.lower() for each in _PASSED} or name.lower().startswith("mcp-param-")
    ]
    # The route needs READ only: a POST carries every call, and the tool says whether it changes something.
    may_change = call.principal.scope.includes(Scope.OPERATE)

    async def who() -> Actor:
        try:
            return await actor_now(call.parts, call.principal)
        except Refused:
            ended.set()
            raise

    # A tool may wait for minutes. A token that is revoked or expires meanwhile gets no answer.
    until_revoked = asyncio.timeout(None)

    def end() -> None:
        if not until_revoked.expired():  # else it is ending already
            until_revoked.reschedule(asyncio.get_running_loop().time())

    # No await from the count to `watching`: otherwise calls sent at once would all pass.
    if call.parts.doors.watched(call.principal, Watcher.AGENT_CALL) >= MOST_CALLS:
        words = f"At most {MOST_CALLS} calls may wait with one token."
        raise Refused(429, "too_many_calls", words, {"Retry-After": "5"})
    with call.parts.doors.watching(call.principal, Watcher.AGENT_CALL, end) as ended:
        gone = Refused(401, "login_needed", "The token is revoked or has expired.")
        try:
            async with until_revoked:
                body = await call.request.read()
                status, answered, told = await call.parts.agents(who, headers, body, may_change)
        except TimeoutError:
            if not ended.is_set():
                raise
            raise gone from None
        # The server has made an answer of the refusal in `who`.
        if ended.is_set():
            raise gone
    shown = {name.decode("latin-1"): value.decode("latin-1") for name, value in answered}
    # aiohttp counts the body itself; two lengths would be a broken answer.
    kept = {name: value for name, value in shown.items() if name.lower() != "content-length"}
    return web.Response(status=status, body=told, headers=kept)


ROUTES: Sequence[Route] = (
    Route("POST", "/mcp", answer_agent, scope=Scope.READ, reply=None, in_document=False),
)
