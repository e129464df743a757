"""The lines that we send to the CLI, and what its answers to them say.

Every builder returns one line of JSON with its newline, whatever text it is given: one broken line would end
the CLI. Lone surrogates become U+FFFD. `request_id` comes back in `ControlSucceeded` or `ControlFailed`; the
caller chooses it and stores it with the line. Answers to asks are in `answers.py`.
Format: Claude Code CLI, stream-json input and control protocol (version 2.1).
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from sessions.claude.errors import BadLaunch
from sessions.claude.lines import AskLine, CliState, ControlSucceeded
from sessions.claude.wire import flag_of, int_of, maybe_text, objects_of, text_of, texts_of, without_surrogates

_COMMAND_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:.-]{0,99}")
_WIRE_MODES = {"manual": "default"}


# --- prompts --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    """`media_type` such as `image/png`; `data` the file's bytes."""

    media_type: str
    data: bytes


def user_message(uuid: str, text: str, images: Sequence[Image] = (), note: str = "") -> bytes:
    """A prompt of a person. It is text to the CLI: `@path` reads nothing and `/name` runs nothing in it.

    `note` is text of ours that Claude reads before it. The CLI drops a `uuid` that it has done. It never joins
    the turn that runs, but waits for its end.
    """
    return _user(uuid, _content(text, images, note), client_composed=True)


def command_message(uuid: str, name: str, arguments: str = "") -> bytes:
    """One of Claude's own slash commands. The caller has checked `name` against those that `Initialized` lists.

    The CLI expands `@path` in such a message without asking, so an `@` in `arguments` is refused.
    Raises `BadLaunch` for that, and for a name that could be anything but a command's.
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
    # The API refuses an empty text block. What the CLI shows of a prompt is its last one.
    texts = [{"type": "text", "text": each} for each in (note, text) if each]
    return [*texts[:-1], *parts, *texts[-1:]]


def _user(uuid: str, content: str | list[dict[str, Any]], *, client_composed: bool) -> bytes:
    line: dict[str, Any] = {
        "type": "user",
        "uuid": uuid,
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
        "session_id": "",
        "priority": "later",
    }
    if client_composed:
        line["client_composed"] = True
    return encoded(line)


# --- control requests -----------------------------------------------------------------------------------


def initialize(request_id: str) -> bytes:
    """Ask for the CLI's state, also of one that has long been running; see `InitializeReply`."""
    return _request(request_id, "initialize")


def interrupt(request_id: str) -> bytes:
    """Cut what runs; prompts that the CLI has queued stay."""
    return _request(request_id, "interrupt", cancel_queued=False)


def set_model(request_id: str, model: str) -> bytes:
    """The CLI may check the model with a short call to the API, and answers `ControlFailed` if that fails."""
    return _request(request_id, "set_model", model=model)


def set_permission_mode(request_id: str, mode: str) -> bytes:
    return _request(request_id, "set_permission_mode", mode=_WIRE_MODES.get(mode, mode))


def apply_permissions(request_id: str, *, allow: Sequence[str], directories: Sequence[str]) -> bytes:
    """Permission rules and further directories that hold from now on, instead of those applied before.

    What the launch line's `--settings` deny or allow stays. Measured with 2.1.329; in the binary the request is
    `apply_flag_settings`.
    """
    permissions = {"allow": list(allow), "additionalDirectories": list(directories)}
    return _request(request_id, "apply_flag_settings", settings={"permissions": permissions})


def get_context_usage(request_id: str) -> bytes:
    """See `ContextUsage`. The summary only: the full form makes some 26 calls to the API."""
    return _request(request_id, "get_context_usage", detail="summary")


def rewind_conversation(request_id: str, *, target_uuid: str, last_user_uuid: str) -> bytes:
    """Forget the prompt `target_uuid` and all after it; see `rewind_outcome`."""
    return _request(
        request_id,
        "rewind_conversation",
        target_message_uuid=target_uuid,
        last_seen_user_message_uuid=last_user_uuid,
    )


def rewind_files(request_id: str, *, prompt_uuid: str, dry_run: bool) -> bytes:
    """Put files back to before the prompt `prompt_uuid`, or only say which; see `files_outcome`."""
    return _request(request_id, "rewind_files", user_message_id=prompt_uuid, dry_run=dry_run)


def cancel_async_message(request_id: str, prompt_uuid: str) -> bytes:
    """Withdraw a prompt that the CLI has queued and not begun; `response["cancelled"]` says whether it did."""
    return _request(request_id, "cancel_async_message", message_uuid=prompt_uuid)


def end_session(request_id: str) -> bytes:
    """The CLI answers, saves and exits: with 0, or with 1 if its last turn failed or was interrupted."""
    return _request(request_id, "end_session")


def _request(request_id: str, subtype: str, **fields: Any) -> bytes:
    body = {"subtype": subtype, **fields}
    return encoded({"type": "control_request", "request_id": request_id, "request": body})


def encoded(line: Mapping[str, Any]) -> bytes:
    """`line` as one line of JSON with its newline; lone surrogates replaced."""
    try:
        return msgspec.json.encode(line) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode(without_surrogates(line)) + b"\n"


# --- what the answers say -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """A model that `set_model` takes: `value` is what to send, `resolved` the full name behind it."""

    value: str
    resolved: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class CommandOffer:
    """A slash command of Claude's, a project's or a plugin's; `name` without the slash."""

    name: str
    description: str
    argument_hint: str


@dataclass(frozen=True, slots=True)
class InitializeReply:
    """The CLI as it is now. `pending_asks` are all asks that nobody has answered, under their first ids."""

    pid: int
    state: CliState
    permission_mode: str
    cli_version: str
    models: tuple[ModelOffer, ...]
    commands: tuple[CommandOffer, ...]
    capabilities: tuple[str, ...]
    pending_asks: tuple[AskLine, ...]


def initialize_reply(line: ControlSucceeded) -> InitializeReply:
    """The answer to `initialize`. A state that is not known counts as running: it holds prompts back."""
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
    )


@dataclass(frozen=True, slots=True)
class ContextUsage:
    """How full the context is."""

    used_tokens: int
    max_tokens: int


def context_usage(line: ControlSucceeded) -> ContextUsage:
    """What the answer to `measure_context` says."""
    return ContextUsage(int_of(line.response, "totalTokens"), int_of(line.response, "maxTokens"))


class RewindRefusal(StrEnum):
    """Why a conversation was not rewound."""

    TARGET_NOT_FOUND = "target_not_found"
    """The prompt is not in the conversation, or no longer: what a repeat of a done rewind finds."""
    STALE_TARGET = "stale_target"
    UNSEEN_LATER_TURN = "unseen_later_turn"
    """The conversation went on after `last_user_uuid`."""
    TURN_RUNNING = "turn_running"
    PROMPT_PENDING = "prompt_pending"
    COMMANDS_QUEUED = "commands_queued"
    PERSIST_FAILED = "persist_failed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Rewound:
    """`prompt_text` is the prompt that was forgotten, `preceding_uuid` the last assistant message now."""

    prompt_text: str
    preceding_uuid: str | None


@dataclass(frozen=True, slots=True)
class NotRewound:
    """Nothing was forgotten; `error` is in the words of the CLI."""

    reason: RewindRefusal
    error: str


def rewind_outcome(line: ControlSucceeded) -> Rewound | NotRewound:
    """What the answer to `rewind_conversation` says."""
    body = line.response
    if flag_of(body, "rewound"):
        return Rewound(text_of(body, "prefillText"), maybe_text(body, "precedingAssistantUuid"))
    try:
        reason = RewindRefusal(text_of(body, "reason"))
    except ValueError:
        reason = RewindRefusal.OTHER
    return NotRewound(reason, text_of(body, "error"))


@dataclass(frozen=True, slots=True)
class FilesRewound:
    """What was put back, or would be after a dry run; counts are lines."""

    paths: tuple[str, ...]
    insertions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class FilesKept:
    """Nothing was put back; `error` is in the words of the CLI."""

    error: str


def files_outcome(line: ControlSucceeded) -> FilesRewound | FilesKept:
    """What the answer to `rewind_files` says."""
    body = line.response
    if not flag_of(body, "canRewind"):
        return FilesKept(text_of(body, "error"))
    return FilesRewound(texts_of(body, "filesChanged"), int_of(body, "insertions"), int_of(body, "deletions"))
