"""The commands of the command line as values, and the exit codes."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bridge.session_arguments import SessionAct
from bridge.workflow_arguments import Workflow

OK, FAILED, BAD_USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Run:
    """Start the bridge."""

    demo: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """Talk to Claude in this terminal. An empty `session` means the last one, or a new one."""

    session: str = ""
    demo: bool = False
    project: str = ""
    model: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class ChatOnce:
    """One turn without a screen."""

    prompt: str
    chat: Chat
    as_json: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """Show a host's conversation from its directory."""

    directory: Path


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Show whether a bridge runs on this data directory, and its sessions."""

    demo: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Init:
    """Ask for the settings that a bot needs, and write `.env`."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Check everything; with `only_live` only whether a bridge runs and answers."""

    as_json: bool
    only_live: bool


@dataclass(frozen=True, slots=True)
class Web:
    """Print a link that logs a browser in; without a running bridge, serve the dashboard first."""

    demo: bool


@dataclass(frozen=True, slots=True)
class Mcp:
    """Serve tools for agents on stdin and stdout; with `read_only` only those that change nothing."""

    demo: bool
    read_only: bool


@dataclass(frozen=True, slots=True)
class InstallSkill:
    """Put the skill where the user's own Claude finds it, or into a project. `force` replaces edited files."""

    project: Path | None
    force: bool


class Shell(StrEnum):
    """A shell with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass(frozen=True, slots=True)
class Completion:
    """Print a script that completes our words in a shell."""

    shell: Shell


Invocation = (
    Completion
    | InstallSkill
    | Mcp
    | SessionAct
    | Web
    | Workflow
    | Run
    | Chat
    | ChatOnce
    | Watch
    | ShowStatus
    | Init
    | Doctor
)
