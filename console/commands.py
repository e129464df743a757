"""What a line that begins with a slash means. Pure; `typed_input.py` carries it out."""

import re
from dataclasses import dataclass

from sessions.model import PermissionMode


@dataclass(frozen=True, slots=True)
class Help:
    """Print the guide."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave; Claude goes on."""


@dataclass(frozen=True, slots=True)
class StopTurn:
    """Interrupt the running turn."""


@dataclass(frozen=True, slots=True)
class ListSessions:
    """Print the sessions with their numbers."""


@dataclass(frozen=True, slots=True)
class SwitchTo:
    """`target`: a number of the list that `/sessions` printed last, or a session's id or its beginning."""

    target: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """Open another session, in `project` unless that is empty."""

    project: str


@dataclass(frozen=True, slots=True)
class RenameSession:
    """Give the session a title."""

    title: str


@dataclass(frozen=True, slots=True)
class ChooseModel:
    """Use another model."""

    model: str


@dataclass(frozen=True, slots=True)
class ChooseMode:
    """Use another permission mode."""

    mode: PermissionMode


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let a cut turn go on."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Drop the last answer and ask again."""


@dataclass(frozen=True, slots=True)
class ClaudeCommand:
    """A command that is not ours: perhaps one of Claude's."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """What was typed is no command; `sentence` says what to type."""

    sentence: str


SlashCommand = (
    Help
    | Quit
    | StopTurn
    | ListSessions
    | SwitchTo
    | NewSession
    | RenameSession
    | ChooseModel
    | ChooseMode
    | GoOn
    | AskAgain
    | ClaudeCommand
    | NotUnderstood
)

GUIDE = {
    "/stop": "stop what Claude does; the session stays (Ctrl-C does the same)",
    "/model NAME": "use another model",
    "/mode MODE": f"what needs no permission: {', '.join(PermissionMode)}",
    "/sessions": "list the sessions",
    "/switch N": "go to another session, by its number in the list or its id",
    "/new [PROJECT]": "begin a new session, in a directory of WORKSPACE_ROOT",
    "/rename TITLE": "give the session a name",
    "/continue": "let a turn go on that was cut",
    "/retry": "drop the last answer and ask again",
    "/help": "show this",
    "/quit": "leave; Claude goes on working (Ctrl-D, or Ctrl-C twice at an empty prompt)",
}
_SLASH = re.compile(r"/([a-z][\w:-]*)(?:\s+(.*))?", re.DOTALL)


def parse_slash(line: str) -> SlashCommand | None:
    """The command in `line`, or None if it is a prompt (a path such as `/etc/hosts` is one)."""
    match = _SLASH.fullmatch(line.strip())
    if match is None:
        return None
    name, rest = match[1], (match[2] or "").strip()
    match name:
        case "help":
            return Help()
        case "quit" | "exit":
            return Quit()
        case "stop":
            return StopTurn()
        case "sessions":
            return ListSessions()
        case "switch":
            return SwitchTo(rest) if rest else NotUnderstood("Say which: /switch 2, or /switch ID.")
        case "new":
            return NewSession(rest)
        case "rename":
            return RenameSession(rest) if rest else NotUnderstood("Say the name: /rename TITLE.")
        case "model":
            return ChooseModel(rest) if rest else NotUnderstood("Say which: /model opus, for example.")
        case "mode":
            return _mode(rest)
        case "continue":
            return GoOn()
        case "retry":
            return AskAgain()
        case _:
            return ClaudeCommand(name, rest)


def _mode(word: str) -> SlashCommand:
    known = {mode.value.lower(): mode for mode in PermissionMode}
    mode = known.get(word.lower())
    return ChooseMode(mode) if mode else NotUnderstood(f"The modes are: {', '.join(PermissionMode)}.")


def hints(typed: str) -> list[str]:
    """The commands that what was typed so far may become; empty if it is no command."""
    if not typed.startswith("/") or any(sign.isspace() for sign in typed):
        return []
    return [usage for usage in GUIDE if usage.startswith(typed)]
