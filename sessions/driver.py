"""The port through which the session core talks with the CLI: lines out, lines in, and how to start it.

The only driver is `stream` (`sessions.claude.stream`): stream-json and the control protocol. `parse` returns
the lines of exactly that protocol. A driver for the interactive screen therefore does not fit: it would be a
program of its own between the screen and the two logs. No method moves bytes: `host_run.py` does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from backends.sandbox.model import Access
from sessions.claude.control_lines import RpcId, ToolServerLine
from sessions.claude.launch import Brought, Closed
from sessions.claude.lines import CliLine
from sessions.model import Ask, Decision, PermissionMode, Rule, TurnKind
from sessions.tools import Toolbox, ToolReply


class Program(msgspec.Struct, frozen=True):
    """The program that a host runs: the argument vector and the child's whole environment.

    `access` is what it needs in a sandbox.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    access: Access = msgspec.field(default_factory=Access)


class Fork(msgspec.Struct, frozen=True):
    """The place where a new conversation branches off: after `last_uuid` of `conversation_id`."""

    conversation_id: str
    last_uuid: str


class ConversationStart(msgspec.Struct, frozen=True):
    """How to start or resume a conversation.

    `resume` continues the transcript, `continues` lets a cut turn go on by itself, `brought` is the part of the
    project that counts. `user_servers`: the MCP servers of the machine's user run, too. In a sandbox, the
    process reaches the paths of `readable` and `writable` besides its own. `uploads` has its prompts' files.
    Claude's tools may not touch the directories of `keeps_out_of`. `tools` names our own tools.
    """

    conversation_id: str
    work_directory: Path
    resume: bool
    model: str = ""
    mode: PermissionMode = PermissionMode.DEFAULT
    fork: Fork | None = None
    continues: bool = False
    brought: Brought = msgspec.field(default_factory=Closed)
    user_servers: bool = False
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    uploads: Path | None = None
    keeps_out_of: tuple[Path, ...] = ()
    tools: tuple[str, ...] = ()


class CommandPlace(msgspec.Struct, frozen=True):
    """The place of a command that runs beside Claude. `readable` and `writable`: as in `ConversationStart`."""

    work_directory: Path
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


class ImageFile(msgspec.Struct, frozen=True):
    """A picture for Claude, sent as an image and not as text."""

    media_type: str
    data: bytes


class Driver(Protocol):
    """Builds the lines for the CLI and parses its output. Each built line ends in one newline."""

    async def program(self, start: ConversationStart) -> Program:
        """Return the program to launch. Raises a `ClaudeError` if the CLI is missing, broken or too old."""
        ...

    async def command(self, place: CommandPlace, argv: Sequence[str]) -> Program:
        """Return `argv` as a program with the environment and the access of Claude's own tools there.

        Prepares the sandbox's directories, and its network. Raises a `ClaudeError`, `OSError`.
        """
        ...

    # No strange line may stop the reading of a log: whatever the CLI prints becomes some value.
    def parse(self, lines: Sequence[bytes]) -> Sequence[tuple[CliLine, int]]:
        """Return the meanings of printed lines, each with the number of lines that it is made of. Never raises.

        Consecutive pieces of one block are one line.
        """
        ...

    # Without care in the driver, `@path` in a prompt makes the CLI read that file without asking, and `/name`
    # runs a command (measured).
    def prompt(
        self, prompt_uuid: str, text: str, kind: TurnKind, images: Sequence[ImageFile], note: str = ""
    ) -> bytes:
        """Return the line of a prompt (user text, no expansion) or of Claude's own command (`/name arguments`).

        Raises `BadLaunch` for a command that must not be sent.
        """
        ...

    def initialize(self, request_id: str, toolbox: Toolbox | None) -> bytes:
        """Return the line that greets the CLI and offers it our tools.

        Its answer lists commands, models, and the unanswered asks.
        """
        ...

    def answer_server(self, line: ToolServerLine, toolbox: Toolbox | None) -> bytes:
        """Return the answer to a message to our tools that is no call."""
        ...

    def answer_tool(self, request_id: str, rpc_id: RpcId, reply: ToolReply) -> bytes:
        """Return the answer to a call of a tool of ours."""
        ...

    def interrupt(self, request_id: str) -> bytes:
        """Return the line that interrupts the running turn; the process stays."""
        ...

    # The CLI takes any name, and fails with the next turn (measured).
    def set_model(self, request_id: str, model: str) -> bytes:
        """Return the line that switches the model from the next turn on. The answer has its full name."""
        ...

    def set_permission_mode(self, request_id: str, mode: PermissionMode) -> bytes:
        """Return the line that switches the permission mode at once."""
        ...

    def permission_rules(self, request_id: str, rules: Sequence[Rule]) -> bytes:
        """Return the line with all permission rules from now on. It replaces those of earlier such lines."""
        ...

    def ask_for_servers(self, request_id: str) -> bytes:
        """Return the line that asks for the state of the MCP servers."""
        ...

    def measure_context(self, request_id: str) -> bytes:
        """Return the line that asks how full the context is."""
        ...

    def generate_title(self, request_id: str, description: str) -> bytes:
        """Return the request for a title made of `description`."""
        ...

    def ask_beside(self, request_id: str, question: str) -> bytes:
        """Return the line that asks beside the conversation, which stays as it is."""
        ...

    # The CLI refuses a `newest_uuid` that is not its newest prompt (measured): nothing unseen is cut off.
    def rewind_conversation(self, request_id: str, prompt_uuid: str, newest_uuid: str) -> bytes:
        """Return the line that rewinds to before the prompt. `newest_uuid`: the last prompt sent to the CLI."""
        ...

    def rewind_files(self, request_id: str, prompt_uuid: str, *, dry_run: bool) -> bytes:
        """Return the line that puts files back to before the prompt; with `dry_run`, it only asks which."""
        ...

    def cancel_prompt(self, request_id: str, prompt_uuid: str) -> bytes:
        """Return the line that withdraws a prompt that the CLI has queued and not begun."""
        ...

    def end_session(self, request_id: str) -> bytes:
        """Return the line that lets the CLI save its state and end."""
        ...

    def answer(self, ask: Ask, decision: Decision) -> bytes:
        """Return the answer to an ask. Raises `WrongAnswer` if the decision does not fit its kind,
        `FormRefused` if a form is not filled in as the server wants it.
        """
        ...

    def decline_elicitation(self, request_id: str) -> bytes:
        """Return the answer that declines an MCP server's request for input from a person."""
        ...

    def refuse_request(self, request_id: str, reason: str) -> bytes:
        """Return the refusal of an unsupported control request of the CLI, so that the CLI does not wait."""
        ...
