"""Build the lines that we send to the CLI, and read its answers to them.

Every builder returns one valid line of JSON with its newline for any text: one broken line would end the CLI.
Lone surrogates become U+FFFD. The caller chooses `request_id` and stores it with the line; it comes back in
`ControlSucceeded` or `ControlFailed`. Answers to asks are in `answers.py`.
Format: Claude Code CLI, stream-json input and control protocol (version 2.1).
"""

import base64
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from sessions.claude.api_message import cleaned
from sessions.claude.errors import BadLaunch
from sessions.claude.lines import AskLine, CliState, ControlSucceeded
from sessions.claude.wire import flag_of, int_of, maybe_text, objects_of, text_of, texts_of, without_surrogates
from sessions.tools import Toolbox

_COMMAND_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:.-]{0,99}")
_WIRE_MODES = {"manual": "default"}


# --- prompts --------------------------------------------------------------------------------------------


_MISSING = re.compile(r"ENOENT.{0,80}spawn '([^'\n]{1,300})'")


class Image(msgspec.Struct, frozen=True):
    """An image in a prompt: `media_type` such as `image/png`, and `data`, the file's bytes."""

    media_type: str
    data: bytes


def user_message(uuid: str, text: str, images: Sequence[Image] = (), note: str = "") -> bytes:
    """Return the line of a person's prompt. The CLI takes it as text: `@path` reads and `/name` runs nothing.

    `note` is text of ours that Claude reads before the prompt. The CLI drops a `uuid` that it has already done.
    The prompt never joins the running turn, but waits for its end.
    """
    return _user(uuid, _content(text, images, note), client_composed=True)


def command_message(uuid: str, name: str, arguments: str = "") -> bytes:
    """Return the line of one of Claude's own slash commands.

    The caller has checked `name` against the commands that `Initialized` lists. Raises `BadLaunch` for a name
    that does not have the form of a command's name, and for an `@` in `arguments`: in such a message the CLI
    expands `@path` without asking.
    """
    if not _COMMAND_NAME.fullmatch(name):
        raise BadLaunch("The name of a command", name)
    if "@" in arguments:
        raise BadLaunch("The argument of a command (an @ would make Claude read a file unasked)", arguments)
    return _user(uuid, f"/{name} {arguments}".rstrip(), client_composed=False)


def _content(text: str, images: Sequence[Image], note: str) -> str | list[dict[str, Any]]:
    if not images and not note:
        return text
    parts: list[dict[str, Any]] = [
        {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": image.media_type,
                "data": base64.b64encode(image.data).decode("ascii"),
            },
        }
        for image in images
    ]
    # The API refuses an empty text block. The CLI shows the last text block of a prompt as its text.
    texts = [{"type": "text", "text": each} for each in (note, text) if each]
    return [*texts[:-1], *parts, *texts[-1:]]


def _user(uuid: str, content: str | list[dict[str, Any]], *, client_composed: bool) -> bytes:
    line: dict[str, Any] = {
        "type": "user",
        "uuid": uuid,
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
        "session_id": "",
        # With the CLI's default, a prompt sent during a turn can be folded into it, without its own result.
        "priority": "later",
    }
    if client_composed:
        line["client_composed"] = True
    return encoded(line)


# --- control requests -----------------------------------------------------------------------------------


def initialize(request_id: str, toolbox: Toolbox | None = None) -> bytes:
    """Ask for the CLI's state, and offer our tools, at its start or later; see `InitializeReply`."""
    if toolbox is None:
        return _request(request_id, "initialize")
    from sessions.claude.tool_server import announcement  # not at a start of the bridge

    return _request(request_id, "initialize", **announcement(toolbox))


def interrupt(request_id: str) -> bytes:
    """Interrupt the running turn. Prompts that the CLI has queued stay."""
    return _request(request_id, "interrupt", cancel_queued=False)


def set_model(request_id: str, model: str) -> bytes:
    """Switch the model. The CLI may check it with a short API call, and answers `ControlFailed` on failure."""
    return _request(request_id, "set_model", model=model)


def set_permission_mode(request_id: str, mode: str) -> bytes:
    return _request(request_id, "set_permission_mode", mode=_WIRE_MODES.get(mode, mode))


def apply_permissions(request_id: str, *, allow: Sequence[str], directories: Sequence[str]) -> bytes:
    """Replace the permission rules and further directories of earlier such requests.

    The rules of the launch line's `--settings` stay. Measured with 2.1.329; in the binary the request is
    `apply_flag_settings`.
    """
    permissions = {"allow": list(allow), "additionalDirectories": list(directories)}
    return _request(request_id, "apply_flag_settings", settings={"permissions": permissions})


def mcp_status(request_id: str) -> bytes:
    """Ask for the state of the MCP servers, and why one failed."""
    return _request(request_id, "mcp_status")


def server_troubles(line: ControlSucceeded) -> dict[str, str]:
    """Read the answer to `mcp_status`: for each server that failed, the cause for people who see the session.

    A program that is not there is named, so that an admin can open it to the sandbox.
    """
    causes = {}
    for server in objects_of(line.response, "mcpServers"):
        error = text_of(server, "error")
        missing = _MISSING.search(error)
        causes[text_of(server, "name")] = (
            f"its program {missing[1]} is not there" if missing else cleaned(error)
        )
    return causes


def get_context_usage(request_id: str) -> bytes:
    """Ask how full the context is; see `ContextUsage`. Summary only: the full form makes some 26 API calls."""
    return _request(request_id, "get_context_usage", detail="summary")


def generate_title(request_id: str, description: str) -> bytes:
    """Ask for a title made of `description`; see `title_of`. Costs one call to a small model.

    Measured with 2.1.332. It is not written to the transcript: the session keeps its titles.
    """
    return _request(request_id, "generate_session_title", description=description, persist=False)


def title_of(line: ControlSucceeded) -> str:
    """Read the answer to `generate_session_title`; empty if the model gave none."""
    return text_of(line.response, "title")


def side_question(request_id: str, question: str) -> bytes:
    """Ask beside the conversation, which stays as it is; see `side_answer`. Costs one call with its context."""
    return _request(request_id, "side_question", question=question)


def side_answer(line: ControlSucceeded) -> str:
    """Read the answer to `side_question`; empty if Claude gave none."""
    return text_of(line.response, "response")


def rewind_conversation(request_id: str, *, target_uuid: str, last_user_uuid: str) -> bytes:
    """Rewind the conversation to before the prompt `target_uuid`; see `rewind_outcome`."""
    return _request(
        request_id,
        "rewind_conversation",
        target_message_uuid=target_uuid,
        last_seen_user_message_uuid=last_user_uuid,
    )


def rewind_files(request_id: str, *, prompt_uuid: str, dry_run: bool) -> bytes:
    """Put files back to before the prompt `prompt_uuid`. `dry_run`: only list them. See `files_outcome`."""
    return _request(request_id, "rewind_files", user_message_id=prompt_uuid, dry_run=dry_run)


def cancel_async_message(request_id: str, prompt_uuid: str) -> bytes:
    """Withdraw a prompt that the CLI has queued and not begun; `response["cancelled"]` says whether it did."""
    return _request(request_id, "cancel_async_message", message_uuid=prompt_uuid)


def end_session(request_id: str) -> bytes:
    """Ask the CLI to answer, save and exit: with code 0, or 1 if its last turn failed or was interrupted."""
    return _request(request_id, "end_session")


def _request(request_id: str, subtype: str, **fields: Any) -> bytes:
    body = {"subtype": subtype, **fields}
    return encoded({"type": "control_request", "request_id": request_id, "request": body})


def encoded(line: Mapping[str, Any]) -> bytes:
    """Return `line` as one line of JSON with its newline. Lone surrogates become U+FFFD."""
    try:
        return msgspec.json.encode(line) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode(without_surrogates(line)) + b"\n"


# --- what the answers say -------------------------------------------------------------------------------


class ModelOffer(msgspec.Struct, frozen=True):
    """A model for `set_model`: `value` is the text to send, `resolved` the full name behind it."""

    value: str
    resolved: str
    name: str
    description: str


class CommandOffer(msgspec.Struct, frozen=True):
    """A slash command of Claude, a project or a plugin; `name` has no slash."""

    name: str
    description: str
    argument_hint: str


class InitializeReply(msgspec.Struct, frozen=True):
    """The CLI's present state. `pending_asks` are all unanswered asks, under their first ids.

    Without `lists_forms`, forms and links that still wait are not among them.
    """

    pid: int
    state: CliState
    permission_mode: str
    cli_version: str
    models: tuple[ModelOffer, ...]
    commands: tuple[CommandOffer, ...]
    capabilities: tuple[str, ...]
    pending_asks: tuple[AskLine, ...]
    lists_forms: bool


def initialize_reply(line: ControlSucceeded) -> InitializeReply:
    """Read the answer to `initialize`. An unknown state counts as running, which holds prompts back."""
    body = line.response
    try:
        state = CliState(text_of(body, "session_state"))
    except ValueError:
        state = CliState.RUNNING
    return InitializeReply(
        pid=int_of(body, "pid"),
        state=state,
        permission_mode=text_of(body, "current_permission_mode"),
        cli_version=text_of(body, "claude_code_version"),
        models=tuple(
            ModelOffer(
                value=text_of(model, "value"),
                resolved=text_of(model, "resolvedModel"),
                name=text_of(model, "displayName"),
                description=text_of(model, "description"),
            )
            for model in objects_of(body, "models")
        ),
        commands=tuple(
            CommandOffer(text_of(item, "name"), text_of(item, "description"), text_of(item, "argumentHint"))
            for item in objects_of(body, "commands")
        ),
        capabilities=texts_of(body, "capabilities"),
        pending_asks=line.pending_asks,
        lists_forms=line.lists_forms,
    )


class ContextUsage(msgspec.Struct, frozen=True):
    """The fill of the context, in tokens."""

    used_tokens: int
    max_tokens: int


def context_usage(line: ControlSucceeded) -> ContextUsage:
    """Read the answer to `get_context_usage`."""
    return ContextUsage(int_of(line.response, "totalTokens"), int_of(line.response, "maxTokens"))


class RewindRefusal(StrEnum):
    """The reason why a conversation was not rewound."""

    TARGET_NOT_FOUND = "target_not_found"
    """The prompt is not in the conversation, or no longer: so answers the repeat of a rewind that was done."""
    STALE_TARGET = "stale_target"
    UNSEEN_LATER_TURN = "unseen_later_turn"
    """The conversation went on after `last_user_uuid`."""
    TURN_RUNNING = "turn_running"
    PROMPT_PENDING = "prompt_pending"
    COMMANDS_QUEUED = "commands_queued"
    PERSIST_FAILED = "persist_failed"
    OTHER = "other"


class Rewound(msgspec.Struct, frozen=True):
    """The conversation was rewound. `prompt_text` is the removed prompt, `preceding_uuid` the row of the last
    assistant message now.
    """

    prompt_text: str
    preceding_uuid: str | None


class NotRewound(msgspec.Struct, frozen=True):
    """The conversation is unchanged. `error` is in the words of the CLI."""

    reason: RewindRefusal
    error: str


def rewind_outcome(line: ControlSucceeded) -> Rewound | NotRewound:
    """Read the answer to `rewind_conversation`."""
    body = line.response
    if flag_of(body, "rewound"):
        return Rewound(text_of(body, "prefillText"), maybe_text(body, "precedingAssistantUuid"))
    try:
        reason = RewindRefusal(text_of(body, "reason"))
    except ValueError:
        reason = RewindRefusal.OTHER
    return NotRewound(reason, text_of(body, "error"))


class FilesRewound(msgspec.Struct, frozen=True):
    """The files that were put back, or after a dry run: that would be. The counts are lines."""

    paths: tuple[str, ...]
    insertions: int
    deletions: int


class FilesKept(msgspec.Struct, frozen=True):
    """No file was put back. `error` is in the words of the CLI."""

    error: str


def files_outcome(line: ControlSucceeded) -> FilesRewound | FilesKept:
    """Read the answer to `rewind_files`."""
    body = line.response
    if not flag_of(body, "canRewind"):
        return FilesKept(text_of(body, "error"))
    return FilesRewound(texts_of(body, "filesChanged"), int_of(body, "insertions"), int_of(body, "deletions"))
