"""What the command line can ask for, as values, and the exit codes that answer it."""

from dataclasses import dataclass
from pathlib import Path

OK, FAILED, BAD_USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Run:
    """Start the bridge."""

    demo: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """Talk to Claude in this terminal. An empty `session` is the one of last time, or a new one."""

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
    """Show what a host says, from its directory."""

    directory: Path


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Say what runs on this data directory."""

    demo: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Init:
    """Ask for what a bot needs, and write `.env`."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Check everything; with `only_live` only whether a bridge runs and answers."""

    as_json: bool
    only_live: bool


Invocation = Run | Chat | ChatOnce | Watch | ShowStatus | Init | Doctor
