"""The tools of Claude in a session of the bridge: it acts for the session's owner, on this session only."""

from collections.abc import Sequence
from functools import cached_property

from api.access import Actor, Role
from api.core import Core
from mcp_server.run_tools import INSTRUCTIONS as RUN_INSTRUCTIONS
from mcp_server.run_tools import RUN_TOOLS
from mcp_server.session_tools import INSTRUCTIONS, SESSION_TOOLS
from mcp_server.tool import Caller, by_name, call_tool
from sessions.tools import Tool, ToolReply, ToolUse

FACE = "claude"
_OUTSIDE = ("session_id", "project")
"""Arguments for callers outside a session."""


class SessionToolbox:
    """Implements `sessions.tools.Toolbox`: carries out calls through `core`."""

    def __init__(self, core: Core, *, in_run: bool = False) -> None:
        specs = (*SESSION_TOOLS, *RUN_TOOLS) if in_run else SESSION_TOOLS
        self._core = core
        self._tools = by_name(specs)
        # Claude is in its session: arguments for another one would be refused, and their words cost tokens.
        self.tools: Sequence[Tool] = tuple(tool.shown(without=_OUTSIDE) for tool in specs)
        self.instructions = INSTRUCTIONS + RUN_INSTRUCTIONS if in_run else INSTRUCTIONS

    def for_run(self) -> "SessionToolbox":
        """See `Toolbox.for_run`."""
        return self._of_run

    @cached_property
    def _of_run(self) -> "SessionToolbox":
        # One for all sessions of runs: a toolbox holds nothing of a session.
        return SessionToolbox(self._core, in_run=True)

    async def use(self, use: ToolUse) -> ToolReply:
        """See `Toolbox.use`."""
        caller = Caller(self._core, claude_of(use), use.session_id, f"{FACE}:{use.session_id}:{use.origin}")
        return await call_tool(self._tools, caller, use.name, use.arguments)


def claude_of(use: ToolUse) -> Actor:
    """Return Claude as an actor: the owner of its session, never an admin. The audit names the session."""
    # Never the owner's own role: Claude would otherwise act with an admin's rights on what a text tells it.
    return Actor(use.owner_id, FACE, Role.USER, through=f"{FACE}:{use.session_id}")
