"""What the session core needs of a way to talk with the CLI: lines out, lines in, and how to start it.

The `stream` driver (`sessions.claude.stream`) is the only one: stream-json and the control protocol. `parse`
returns the lines of exactly that protocol, so a driver for the interactive screen does not fit; it would be a
program of its own between the screen and the two logs. Every method is pure: `host_run.py` moves the bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sessions.claude.launch import Brought, Closed
from sessions.claude.lines import CliLine
from sessions.model import Ask, Decision, PermissionMode, Rule, TurnKind


@dataclass(frozen=True, slots=True)
class Program:
    """What a host is to run: the argument vector and the child's whole environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a new conversation branches off: after `last_uuid` of `conversation_id`."""

    conversation_id: str
    last_uuid: str


@dataclass(frozen=True, slots=True)
class ConversationStart:
    """How a conversation is to be started or taken up again.

    `resume` takes up the transcript, `continues` lets a cut turn go on by itself, `brought` says what of the
    project counts. `user_servers`: the MCP servers of the machine's user run, too.
    """

    conversation_id: str
    work_directory: Path
    resume: bool
    model: str = ""
    mode: PermissionMode = PermissionMode.DEFAULT
    fork: Fork | None = None
    continues: bool = False
    brought: Brought = field(default_factory=Closed)
    user_servers: bool = False


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture that goes to Claude as a picture."""

    media_type: str
    data: bytes


class Driver(Protocol):
    """Builds what is sent and reads what is printed. Lines end in one newline."""

    async def program(self, start: ConversationStart) -> Program:
        """The launch line. Raises a `ClaudeError` when the CLI is missing, broken or too old."""
        ...

    def parse(self, line: bytes) -> CliLine:
        """What a printed line means; never raises."""
        ...

    def prompt(
        self, prompt_uuid: str, text: str, kind: TurnKind, images: Sequence[ImageFile], note: str = ""
    ) -> bytes:
        """A prompt (user text, no expansion) or one of Claude's own commands (`/name arguments`).

        Raises `BadLaunch` for a command that must not be sent.
        """
        ...

    def initialize(self, request_id: str) -> bytes:
        """Greets the CLI; its answer lists commands, models, and the asks that nobody has answered."""
        ...

    def interrupt(self, request_id: str) -> bytes:
        """Cuts the running turn; the process stays."""
        ...

    def set_model(self, request_id: str, model: str) -> bytes:
        """Another model from the next turn on; the answer has its full name."""
        ...

    def set_permission_mode(self, request_id: str, mode: PermissionMode) -> bytes:
        """Another permission mode, at once."""
        ...

    def permission_rules(self, request_id: str, rules: Sequence[Rule]) -> bytes:
        """All permission rules that hold from now on; rules of earlier such lines end."""
        ...

    def measure_context(self, request_id: str) -> bytes:
        """Asks how full the context is."""
        ...

    def rewind_conversation(self, request_id: str, prompt_uuid: str, newest_uuid: str) -> bytes:
        """Forgets the prompt and all after it; `newest_uuid` is the last prompt that the CLI was given."""
        ...

    def rewind_files(self, request_id: str, prompt_uuid: str, *, dry_run: bool) -> bytes:
        """Puts files back to before the prompt; with `dry_run` only says which."""
        ...

    def cancel_prompt(self, request_id: str, prompt_uuid: str) -> bytes:
        """Takes back a prompt that the CLI has queued and not begun."""
        ...

    def end_session(self, request_id: str) -> bytes:
        """Lets the CLI save what it has and end."""
        ...

    def answer(self, ask: Ask, decision: Decision) -> bytes:
        """The answer to an ask. Raises `WrongAnswer` if the decision does not fit its kind."""
        ...

    def decline_elicitation(self, request_id: str) -> bytes:
        """The answer to an MCP server that asks the person for input: they decline."""
        ...

    def refuse_request(self, request_id: str, reason: str) -> bytes:
        """The answer to a control request of the CLI that we do not serve, so that it does not wait."""
        ...
