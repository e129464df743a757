"""The MCP server for agents outside, on the official SDK. It is large: only programs that serve import this.

Format: Model Context Protocol (tools, resource templates).
"""

import re
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import msgspec
from mcp import MCPError, types
from mcp.server.lowlevel import Server

import api as c
from api.access import Action
from mcp_server.agent_tools import AGENT_TOOLS
from mcp_server.session_tools import SESSION_TOOLS
from mcp_server.tool import AnyTool, Caller, by_name, call_tool, one_line
from sessions.errors import UNSEEN, SessionError, SessionNotFound

INSTRUCTIONS = """\
Sessions of Claude on this machine, driven by the bridge. find_sessions and read_session show them, send_prompt
talks to one. To keep a record of your own work, call session_start once; session_checkpoint, session_note,
session_decision, session_track and session_end then belong to that session. No tool approves anything: a person
answers what a session asks."""
FACE = "mcp"
"""The face of agents outside: the audit names it."""
TRANSCRIPT = "session://{session_id}/transcript.md"

_TRANSCRIPT = re.compile(r"session://([0-9A-Za-z-]{1,64})/transcript\.md")
_MARKDOWN = "text/markdown"
_LISTED = 20
_TOOLS: dict[str, AnyTool] = by_name([*SESSION_TOOLS, *AGENT_TOOLS])

Reach = Callable[[bool], AbstractAsyncContextManager[Caller]]
"""Return the caller, valid inside the block. True: the call changes something. Raises `SessionError`."""


def new_origin() -> str:
    """Return the name of a call from outside: a call sent again is another act."""
    return f"mcp:{uuid.uuid4()}"


class AgentServer:
    """The server of one connection.

    It remembers the session that `session_start` began: the other session tools are about that one then.
    """

    def __init__(self, reach: Reach, *, version: str = "") -> None:
        self._reach = reach
        self._current = ""
        self.server: Server[Any] = Server(
            "claude-bridge",
            version=version,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
            # The SDK announces resources only to servers with a list of them.
            on_list_resources=self._resources,
            on_list_resource_templates=self._templates,
            on_read_resource=self._read,
        )

    async def _list(self, _context: Any, _params: Any) -> types.ListToolsResult:
        tools = [
            types.Tool(
                name=shown.name,
                description=shown.description,
                input_schema=dict(shown.input_schema),
                # Nothing is deleted by a tool: `session_end` only proposes the end.
                annotations=types.ToolAnnotations(read_only_hint=tool.reads, destructive_hint=False),
            )
            for tool in _TOOLS.values()
            for shown in [tool.shown()]
        ]
        return types.ListToolsResult(tools=tools)

    async def _call(self, _context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        given = dict(params.arguments or {})
        tool = _TOOLS.get(params.name)
        # Without an id, `session_list` lists all sessions, which agents need to find one.
        of_current = tool in SESSION_TOOLS and params.name != "session_list"
        if of_current and self._current and not given.get("session_id"):
            given["session_id"] = self._current
        try:
            async with self._reach(tool is None or not tool.reads) as caller:
                reply = await call_tool(_TOOLS, caller, params.name, given)
        except SessionError as error:
            return _answer(str(error), is_error=True)
        if reply.is_error:
            return _answer(reply.text, is_error=True)
        # The protocol wants the same value twice: as text for older clients, and structured.
        value = msgspec.json.decode(reply.text)
        if params.name == "session_start":
            self._current = value["session_id"]
        return _answer(reply.text, value)

    async def _resources(self, _context: Any, _params: Any) -> types.ListResourcesResult:
        try:
            async with self._reach(False) as caller:
                page = await caller.core.perform(caller.actor, c.QuerySessions(limit=_LISTED))
        except SessionError as error:
            raise MCPError(code=types.INTERNAL_ERROR, message=str(error)) from None
        found = [
            types.Resource(
                uri=TRANSCRIPT.replace("{session_id}", each.id),
                name=one_line(each.title) or each.id,
                mime_type=_MARKDOWN,
            )
            for each in page.sessions
        ]
        return types.ListResourcesResult(resources=found)

    async def _templates(self, _context: Any, _params: Any) -> types.ListResourceTemplatesResult:
        transcript = types.ResourceTemplate(
            name="transcript",
            uri_template=TRANSCRIPT,
            description="A session's conversation as Markdown, secrets redacted.",
            mime_type=_MARKDOWN,
        )
        return types.ListResourceTemplatesResult(resource_templates=[transcript])

    async def _read(self, _context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        found = _TRANSCRIPT.fullmatch(str(params.uri))
        if found is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"The resource is {TRANSCRIPT}.")
        try:
            async with self._reach(False) as caller:
                exported = await caller.core.perform(caller.actor, c.ExportSession(session_id=found[1]))
                # It took a while: the role may have been taken away meanwhile.
                if not await caller.core.may(await caller.source(), Action.VIEW, found[1]):
                    raise SessionNotFound(found[1])
        except UNSEEN:
            # A missing session and somebody else's get the same answer.
            raise MCPError(code=types.INVALID_PARAMS, message="There is no such session.") from None
        except SessionError as error:
            raise MCPError(code=types.INTERNAL_ERROR, message=str(error)) from None
        text = exported.data.decode("utf-8", "replace")
        content = types.TextResourceContents(uri=str(params.uri), mime_type=_MARKDOWN, text=text)
        return types.ReadResourceResult(contents=[content])


def _answer(text: str, value: Any = None, *, is_error: bool = False) -> types.CallToolResult:
    content = types.TextContent(type="text", text=text)
    structured = cast("dict[str, Any] | None", value)
    return types.CallToolResult(content=[content], structured_content=structured, is_error=is_error)
