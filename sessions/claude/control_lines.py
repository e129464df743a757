"""Lines of the control protocol: the CLI's requests, and its answers to our requests.

Format: Claude Code CLI, control protocol over stream-json (version 2.1). `lines.py` re-exports all of them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from sessions.forms import FormField

ELICITATION = "elicitation"
"""The subtype of the request in which an MCP server asks the person for input."""


class PermissionSuggestion(msgspec.Struct, frozen=True):
    """One possible meaning of "always". `body` goes back unchanged in `updatedPermissions`."""

    kind: str
    body: Mapping[str, Any]


class PersonAsked(msgspec.Struct, frozen=True):
    """Claude or an MCP server asks the person. Each kind of ask is a line that derives from this one."""

    request_id: str


class PermissionAsked(PersonAsked, frozen=True):
    """`can_use_tool` for an ordinary tool. Claude waits for the answer without a time limit.

    `agent_id` is set if a subagent asks.
    """

    tool_use_id: str
    tool_name: str
    input: Mapping[str, Any]
    description: str = ""
    reason: str = ""
    blocked_path: str = ""
    suggestions: tuple[PermissionSuggestion, ...] = ()
    parent: str | None = None
    agent_id: str | None = None


class QuestionOption(msgspec.Struct, frozen=True):
    label: str
    description: str = ""


class Question(msgspec.Struct, frozen=True):
    text: str
    header: str
    options: tuple[QuestionOption, ...]
    multi_select: bool = False


class QuestionAsked(PersonAsked, frozen=True):
    """AskUserQuestion. `input` goes back with the answers added."""

    tool_use_id: str
    questions: tuple[Question, ...]
    input: Mapping[str, Any]


class PlanAsked(PersonAsked, frozen=True):
    """ExitPlanMode. `plan` may be empty when no plan file was written."""

    tool_use_id: str
    plan: str
    input: Mapping[str, Any]


class FormAsked(PersonAsked, frozen=True):
    """An MCP server asks the person to fill in a form."""

    server: str
    message: str
    fields: tuple[FormField, ...]


class LinkAsked(PersonAsked, frozen=True):
    """An MCP server asks the person to open a page."""

    server: str
    message: str
    url: str


AskLine = PermissionAsked | QuestionAsked | PlanAsked | FormAsked | LinkAsked


class AskCancelled(msgspec.Struct, frozen=True):
    """The CLI no longer waits for the answer to `request_id`."""

    request_id: str


class AnswerEchoed(msgspec.Struct, frozen=True):
    """The echo of a control response on stdin: the ask `request_id` was answered.

    `behavior` is allow or deny, `message` the reason of a denial. For a form or a link, `behavior` is accept,
    decline or cancel.
    """

    request_id: str
    behavior: str = ""
    message: str = ""


class ControlRequested(msgspec.Struct, frozen=True):
    """A control request of the CLI other than an ask (hook_callback, mcp_message …). `body` is unchanged."""

    request_id: str
    subtype: str
    body: Mapping[str, Any]


class ControlSucceeded(msgspec.Struct, frozen=True):
    """The answer to a control request of ours. Only the one to `initialize` has `pending_asks`.

    `lists_forms`: forms and links are among them. If not, an open one may still wait.
    """

    request_id: str
    response: Mapping[str, Any]
    pending_asks: tuple[AskLine, ...] = ()
    lists_forms: bool = False


class ControlFailed(msgspec.Struct, frozen=True):
    request_id: str
    error: str
    error_code: str = ""


# --- messages to the server of our own tools, `tool_server.py` --------------------------------------------

TO_SERVER = "mcp_message"
RpcId = int | str | None


class ToolCalled(msgspec.Struct, frozen=True):
    """Claude calls a tool of ours. `rpc_id` comes back in the answer, `tool_use_id` names Claude's block."""

    request_id: str
    rpc_id: RpcId
    name: str
    arguments: Mapping[str, Any]
    tool_use_id: str = ""


class ToolCallCancelled(msgspec.Struct, frozen=True):
    """The CLI no longer waits for the call `rpc_id`."""

    request_id: str
    rpc_id: RpcId


class ToolServerAsked(msgspec.Struct, frozen=True):
    """Another message to our server: `initialize`, `tools/list`, `ping`, a notification …"""

    request_id: str
    rpc_id: RpcId
    method: str
    protocol: str = ""


ToolServerLine = ToolCalled | ToolCallCancelled | ToolServerAsked
