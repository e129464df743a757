"""Parses lines that begin with a slash. Pure; `typed_input.py` carries the commands out."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

import api as c
from api.words.checkpoints import about, left_lines
from api.words.trust import TRUST_WORDS
from console import branch_commands, cleanup_commands, folder_commands, page_commands
from console.branch_commands import BranchCommand, NewBranch, PickBranch
from console.core_commands import NotUnderstood, OfBridge, OfSession, Said
from console.folder_commands import FolderCommand, RestoreSessionBackup
from console.retrying import Retry, parse_retry
from sessions.model import PermissionMode, Trust
from sessions.restore_scope import RestoreScope

# Kinds of commands from modules beside this one: `typed_input.py` matches all kinds by this module's name.
__all__ = ["NewBranch", "NotUnderstood", "OfBridge", "OfSession", "PickBranch", "RestoreSessionBackup", "Retry"]


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
class ListTemplates:
    """Print the prompt templates with their places."""


@dataclass(frozen=True, slots=True)
class UseTemplate:
    """Send the template of this name with `values` in its places, in order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeepTemplate:
    """Keep `text` as the template of this name; without a text delete the template."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class SearchFor:
    """Print the places in conversations that have these words, with numbers for `/switch`."""

    text: str


@dataclass(frozen=True, slots=True)
class SwitchTo:
    """Open another session. `target` is a number from the last printed list, or the beginning of an id."""

    target: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """Open another session, in `project` unless that is empty."""

    project: str


@dataclass(frozen=True, slots=True)
class ListPermissions:
    """Print the permission rules with numbers."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Take back the permission with this number in the list that `/permissions` prints."""

    number: int


class CheckpointAct(StrEnum):
    """The acts of `/checkpoint` on one checkpoint."""

    SHOW = "show"
    COMPARE = "compare"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class ListCheckpoints:
    """Print the checkpoints with numbers."""


@dataclass(frozen=True, slots=True)
class WithCheckpoint:
    """Do something with the checkpoint of this number in the list; `scope` is for a restore.

    The first `restore` shows what would change, the second one does it.
    """

    act: CheckpointAct
    number: int
    scope: RestoreScope = RestoreScope.AUTO


SlashCommand = (
    Help
    | Quit
    | StopTurn
    | ListSessions
    | SearchFor
    | ListTemplates
    | UseTemplate
    | KeepTemplate
    | SwitchTo
    | NewSession
    | ListPermissions
    | TakeBack
    | ListCheckpoints
    | WithCheckpoint
    | Retry
    | BranchCommand
    | FolderCommand
)

GUIDE = {
    "/stop": "stop what Claude does; the session stays (Ctrl-C does the same)",
    "/model NAME": "use another model",
    "/mode MODE": f"choose what Claude does without asking: {', '.join(PermissionMode)}",
    "/permissions [back N]": "list what Claude may do without asking; back N takes number N back",
    "/trust [STATE]": f"show which settings of the project count, or decide: {', '.join(Trust)}",
    "/network [allow|refuse HOST]": "list the hosts that Claude's sandbox asked for; allow or refuse one",
    "/checkpoint take [LABEL]": "keep the files as they are now, as each prompt and each turn does by itself",
    "/checkpoint milestone LABEL": "the same, as a milestone of the session",
    "/checkpoint list": "list the checkpoints with their numbers",
    "/checkpoint show|compare N": "show what changed up to checkpoint N, or since then",
    "/checkpoint restore N [all]": "put the files back to checkpoint N; all: also files that others changed",
    "/checkpoint undo": "undo the last restore",
    **folder_commands.GUIDE,
    **cleanup_commands.GUIDE,
    **page_commands.GUIDE,
    "/sessions": "list the sessions",
    "/templates": "list your prompt templates, which have places such as {file}",
    "/template NAME [| VALUE ...]": "send a template; the values fill its places, in order",
    "/template-keep NAME | TEXT": "keep a prompt as a template; without a text, delete it",
    "/search WORDS": "find prompts, answers and tools in all conversations",
    "/switch N": "go to another session, by its number in the list or its id",
    "/new [PROJECT]": "begin a new session, in a directory of WORKSPACE_ROOT",
    "/rename TITLE": "give the session a name",
    "/pin": "show the session first in lists and never archive it; /unpin takes that back",
    "/try": "send the next prompt although a usage limit is reached",
    "/move PROJECT": "work in another directory of WORKSPACE_ROOT; the conversation is kept",
    "/changes [on|off]": "show what Claude was told about changed files; stop or start telling it",
    "/look": "let Claude survey the project first, without changing anything",
    **branch_commands.GUIDE,
    "/continue": "let a turn that was cut off go on",
    "/retry [keep|back]": "drop the last answer and ask again; its changes of files stay or go",
    "/help": "show this",
    "/quit": "leave; Claude goes on working (Ctrl-D, or Ctrl-C twice at an empty prompt)",
}
_IN_DISCORD = {
    "claude": "Type the prompt alone; /new begins another session.",
    "session": "Here it is /focus TEXT, /note, /decision, /end, /page and /sessions.",
    "workflow": "Work-flows are started in a shell, with claude-bridge workflow start, or in the browser.",
}
"""Commands of Discord with another name here, and the way to them."""
# No second slash, else a path would be a command. A colon, because commands of Claude's plugins have one.
_SLASH = re.compile(r"/([a-z][\w:-]*)(?:\s+(.*))?", re.DOTALL)


def parse_slash(line: str) -> SlashCommand | None:
    """Return the command in `line`, or None if it is a prompt (a path such as `/etc/hosts` is a prompt)."""
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
        case "templates":
            return ListTemplates()
        case "template" | "template-keep":
            return _template(name, rest)
        case "search":
            return SearchFor(rest) if rest else NotUnderstood("Say what to look for: /search WORDS.")
        case "switch":
            return SwitchTo(rest) if rest else NotUnderstood("Say which: /switch 2, or /switch ID.")
        case "new":
            return NewSession(rest)
        case "permissions":
            return _permissions(rest)
        case "checkpoint":
            return _checkpoint(rest)
        case "retry":
            return parse_retry(rest)
        case _ if name in branch_commands.NAMES:
            return branch_commands.parse_branch(name, rest)
        case _ if name in page_commands.NAMES:
            return page_commands.parse_page(rest)
        case _ if name in cleanup_commands.NAMES:
            return cleanup_commands.parse_cleanup(rest)
        case _ if name in folder_commands.NAMES:
            return folder_commands.parse_folder(name, rest)
        case "trust":
            return _trust(rest)
        case "network":
            return _network(rest)
        case _:
            return _of_session(name, rest)


def _template(name: str, rest: str) -> SlashCommand:
    template, *values = (part.strip() for part in rest.split("|"))
    if not template:
        return NotUnderstood(f"Say which: /{name} NAME. /templates lists them.")
    if name == "template":
        return UseTemplate(template, tuple(values))
    return KeepTemplate(template, rest.partition("|")[2].strip())


def _of_session(name: str, rest: str) -> OfSession | NotUnderstood:
    """Parse a command of the API. An unknown word goes on as Claude's own command; the core may refuse it."""
    match name:
        case "rename":
            return _needs(
                rest, "Say the name: /rename TITLE.", lambda id_, _: c.Rename(session_id=id_, title=rest)
            )
        case "model":
            return _needs(
                rest,
                "Say which: /model opus, for example.",
                lambda id_, _: c.SetModel(session_id=id_, model=rest),
                lambda info: f"The model is {info.model} now.",
            )
        case "mode":
            return _mode(rest)
        case "pin" | "unpin":
            pinned = name == "pin"
            done = "The session is pinned now." if pinned else "The pin is gone."
            return OfSession(lambda id_, _: c.Pin(session_id=id_, pinned=pinned), lambda _: done)
        case "try":
            return OfSession(lambda id_, _: c.TryNow(session_id=id_), lambda _: "The next prompt is sent now.")
        case "move":
            return _needs(
                rest,
                "Say where: /move PROJECT.",
                lambda id_, _: c.MoveSession(session_id=id_, project=rest),
                lambda info: f"The session works in {info.project} now.",
            )
        case "changes":
            return _changes(rest)
        case "look":
            return OfSession(lambda id_, origin: c.LookCloser(session_id=id_, origin=origin))
        case "continue":
            return OfSession(lambda id_, origin: c.Continue(session_id=id_, origin=origin))
        case _:
            return OfSession(
                lambda id_, origin: c.RunCommand(session_id=id_, name=name, arguments=rest, origin=origin),
                hint=_meant_by(name),
            )


def _meant_by(name: str) -> str:
    """Return the sentence that leads from an unknown command to one of the guide; empty if none is like it."""
    from difflib import get_close_matches

    if name in _IN_DISCORD:
        return _IN_DISCORD[name]
    known = {usage[1:].split()[0] for usage in GUIDE}
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    return f"Do you mean /{near[0]}?" if near else ""


def _needs(
    rest: str, sentence: str, make: Callable[[str, str], c.SessionCommand[Any]], said: Said = lambda _: ""
) -> OfSession | NotUnderstood:
    return OfSession(make, said) if rest else NotUnderstood(sentence)


def _mode(word: str) -> OfSession | NotUnderstood:
    # In any case of letters: names such as acceptEdits are the CLI's.
    mode = {mode.value.lower(): mode for mode in PermissionMode}.get(word.lower())
    if mode is None:
        return NotUnderstood(f"The modes are: {', '.join(PermissionMode)}.")
    return OfSession(
        lambda id_, _: c.SetMode(session_id=id_, mode=mode), lambda info: f"The mode is {info.mode} now."
    )


def _changes(word: str) -> OfSession | NotUnderstood:
    if word in ("on", "off"):
        on = word == "on"
        done = "Prompts tell Claude what changed." if on else "Claude is told nothing about changes."
        return OfSession(lambda id_, _: c.SwitchChanges(session_id=id_, on=on), lambda _: done)
    if word:
        return NotUnderstood("Say /changes, /changes on or /changes off.")
    return OfSession(
        lambda id_, _: c.ShowChanges(session_id=id_), lambda found: found.text or "There was nothing to tell."
    )


def _trust(word: str) -> OfSession | NotUnderstood:
    if not word:
        return OfSession(lambda id_, _: c.ReadTrust(session_id=id_), _trust_lines)
    if word not in set(Trust):
        return NotUnderstood(f"The states are: {', '.join(Trust)}.")
    return OfSession(lambda id_, _: c.DecideTrust(session_id=id_, trust=Trust(word)), _trust_lines)


def _trust_lines(found: c.ProjectTrust) -> str:
    lines = [f"The project {found.project} is {TRUST_WORDS[found.trust]}."]
    if found.runs:
        lines += ["It brings:", *(f"- {each}" for each in found.runs)]
    return "\n".join(lines)


def _network(rest: str) -> OfSession | NotUnderstood:
    if not rest:
        return OfSession(lambda id_, _: c.ReadSites(session_id=id_), _site_lines)
    word, _, name = rest.partition(" ")
    allow = {"allow": True, "refuse": False}.get(word)
    if allow is None or not name.strip():
        return NotUnderstood("Say which: /network allow example.org, or /network refuse example.org.")
    return OfSession(lambda id_, _: c.DecideSite(session_id=id_, name=name.strip(), allow=allow), _site_lines)


def _site_lines(found: c.Sites) -> str:
    if not found.sites:
        return "No host was refused in this project so far."
    return "\n".join(f"{each.name}: {each.state.value}" for each in found.sites)


def _permissions(rest: str) -> SlashCommand:
    if not rest:
        return ListPermissions()
    found = re.fullmatch(r"back\s+([0-9]{1,6})", rest)
    return TakeBack(int(found[1])) if found else NotUnderstood("Say which: /permissions back 2, for example.")


_CHECKPOINTS = "Say what: /checkpoint list, take, milestone, show 2, compare 2, restore 2, or undo."
_WITH_CHECKPOINT = re.compile(r"(show|compare|restore)\s+([0-9]{1,6})(\s+all)?")


def _checkpoint(rest: str) -> SlashCommand:
    word, _, label = rest.partition(" ")
    match word:
        case "list":
            return ListCheckpoints()
        case "take" | "milestone":
            wish = c.TakeCheckpoint(session_id="", label=label.strip(), milestone=word == "milestone")
            return OfSession(
                lambda id_, _: replace(wish, session_id=id_),
                lambda taken: f"Kept: {about(taken)}.",
            )
        case "undo":
            # The notice of the restore says how many files; here stand only those that were left alone.
            return OfSession(
                lambda id_, _: c.UndoRestore(session_id=id_), lambda done: "\n".join(left_lines(done.left))
            )
    found = _WITH_CHECKPOINT.fullmatch(rest)
    if found is None or (found[3] and found[1] != CheckpointAct.RESTORE):
        return NotUnderstood(_CHECKPOINTS)
    scope = RestoreScope.EVERYTHING if found[3] else RestoreScope.AUTO
    return WithCheckpoint(CheckpointAct(found[1]), int(found[2]), scope)


def hints(typed: str) -> list[str]:
    """Return the commands that begin with the typed text; empty if it is not a command."""
    if not typed.startswith("/") or any(sign.isspace() for sign in typed):
        return []
    return [usage for usage in GUIDE if usage.startswith(typed)]
