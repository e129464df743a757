"""The arguments of `claude-bridge session …` and `backup …`, and of the scripts for the same acts."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from texts.os_text import cleaned

_SESSION = """\
SESSION is an id or a readable id as `session list` prints them, or the end of one. Without it, the newest
active session with a focus is meant.

exit codes: 0 done, 1 the bridge refused or failed, 2 bad usage or settings
"""
_BACKUP = """\
BACKUP is an id as `backup list` prints it, or the end of one. The database itself goes back with
scripts/restore_db.py, with the bridge stopped.

exit codes: 0 done, 1 the bridge refused, failed or found damage, 2 bad usage or settings
"""


@dataclass(frozen=True, slots=True)
class SessionAct:
    """An act on sessions' records or backups, such as `session start`.

    `text` is the focus or label, `number` a checkpoint's number or id. An empty `session` means the newest.
    """

    act: str
    text: str = ""
    session: str = ""
    project: str = ""
    directory: str = ""
    title: str = ""
    paths: tuple[str, ...] = ()
    summary: str = ""
    score: tuple[str, ...] = ()
    number: str = ""
    backup: str = ""
    label: str = ""
    kind: str = ""
    milestone: bool = False
    propose: bool = False
    archived: bool = False
    yes: bool = False
    as_json: bool = False
    demo: bool = False


Arguments = Callable[[argparse.ArgumentParser], None]


def add_session(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `session` with its acts."""
    _add_acts(commands, "session", "a session's record: focus, checkpoints, end", _SESSION, SESSION_ACTS)


def add_backup(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `backup` with its acts."""
    _add_acts(commands, "backup", "backups of sessions and of everything", _BACKUP, BACKUP_ACTS)


def act_of(act: str, options: argparse.Namespace) -> SessionAct:
    """Return the parsed arguments as a value."""
    known = {each.name for each in fields(SessionAct)}
    # argparse has None for what was not typed; the fields have defaults of their own. Arguments may hold
    # bytes that are not UTF-8, which neither SQLite nor JSON takes.
    given: dict[str, Any] = {
        name: cleaned(value) for name, value in vars(options).items() if name in known and value is not None
    }
    text = given.get("text") or ()
    given["text"] = text if isinstance(text, str) else " ".join(text)
    given["paths"] = tuple(given.get("paths") or ())
    given["score"] = tuple(given.get("score") or ())
    return SessionAct(**{**given, "act": act})


def _add_acts(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    does: str,
    details: str,
    acts: dict[str, tuple[str, Arguments]],
) -> None:
    parser = commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    for act, (words, arguments) in acts.items():
        each = added.add_parser(act, help=words, description=f"{words[0].upper()}{words[1:]}.")
        # No default: it would overwrite a `--demo` typed before the command.
        each.add_argument("--demo", action="store_true", default=argparse.SUPPRESS, help="of the demo instead")
        arguments(each)


def json_argument(act: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    act.add_argument("--json", dest="as_json", action="store_true", help="print JSON")


def session_argument(act: argparse.ArgumentParser, does: str = "which session (the newest)") -> None:
    """Add `--session`. An empty one is bad usage: an unset variable must not mean the newest session."""
    act.add_argument("--session", type=_not_empty, metavar="SESSION", help=does)


def _not_empty(typed: str) -> str:
    if not typed.strip():
        raise argparse.ArgumentTypeError("it is empty. Name a session, or leave the option out")
    return typed


def start_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session start`."""
    act.add_argument("text", metavar="FOCUS", nargs="+", help="the subject of the work in a few words")
    act.add_argument("--project", default="", metavar="NAME", help="directory in WORKSPACE_ROOT")
    session_argument(act, "give this session the focus instead")
    act.add_argument("--directory", default="", metavar="DIR", help="the project that DIR is in")
    json_argument(act)


def checkpoint_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session checkpoint`."""
    act.add_argument("text", metavar="LABEL", nargs="*", help="what is done, or what comes next")
    act.add_argument("--milestone", action="store_true", help="count it as a milestone")
    session_argument(act)
    json_argument(act)


def note_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session note` and `session decision`."""
    act.add_argument("text", metavar="TEXT", nargs="+", help="the words, in Markdown; - reads them from stdin")
    act.add_argument("--title", default="", metavar="WORDS", help="a title (the first line of the text)")
    session_argument(act)
    json_argument(act)


def track_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session track`."""
    act.add_argument("paths", metavar="PATH", nargs="*", help="below the work directory; none: show all")
    session_argument(act)
    json_argument(act)


def end_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session end`."""
    act.add_argument("--summary", default="", metavar="TEXT", help="the summary; - reads it from stdin")
    act.add_argument("--score", action="append", metavar="AXIS=N", help="0 to 5 on an axis; repeatable")
    act.add_argument("--propose", action="store_true", help="only propose it: a person confirms it later")
    session_argument(act)
    json_argument(act)


def list_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session list`."""
    act.add_argument("--project", default="", metavar="NAME", help="only those of this project")
    act.add_argument("--archived", action="store_true", help="those that have ended")
    json_argument(act)


def checkpoints_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session checkpoints`."""
    session_argument(act)
    json_argument(act)


def put_back_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `session put-back`."""
    act.add_argument("number", metavar="N", help="the checkpoint's number in `session checkpoints`")
    act.add_argument("--yes", action="store_true", help="do not ask")
    session_argument(act)
    json_argument(act)


def _backups_arguments(act: argparse.ArgumentParser) -> None:
    act.add_argument("--kind", default="", choices=["", "session", "daily", "milestone"], help="only these")
    json_argument(act)


def create_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `backup create`."""
    act.add_argument("--label", default="", metavar="WORDS", help="a milestone with this label, of everything")
    session_argument(act, "the bundle of this session only")
    json_argument(act)


def _verify_arguments(act: argparse.ArgumentParser) -> None:
    act.add_argument("backup", metavar="BACKUP", help="its id, or the end of it")
    json_argument(act)


def restore_arguments(act: argparse.ArgumentParser) -> None:
    """Add the arguments of `backup restore`."""
    act.add_argument("backup", metavar="BACKUP", help="its id, or the end of it")
    act.add_argument(
        "--project", default="", metavar="NAME", help="write into this project; of a daily one: restore it"
    )
    json_argument(act)


SESSION_ACTS: dict[str, tuple[str, Arguments]] = {
    "start": ("begin a session with a focus; shows what the last one left open", start_arguments),
    "checkpoint": ("keep the session's files as they are now", checkpoint_arguments),
    "note": ("write a note into the session's folder", note_arguments),
    "decision": ("write a decision and its reason into the session's folder", note_arguments),
    "track": ("count files among the session's artifacts, and show all", track_arguments),
    "end": ("end a session: summary, score, bundle, archive", end_arguments),
    "list": ("sessions with a focus, newest first", list_arguments),
    "checkpoints": ("the checkpoints of a session", checkpoints_arguments),
    "put-back": ("put a session's files back to a checkpoint", put_back_arguments),
}
BACKUP_ACTS: dict[str, tuple[str, Arguments]] = {
    "list": ("backups, newest first", _backups_arguments),
    "create": ("back everything up now, as a daily one", create_arguments),
    "verify": ("read every byte of a backup", _verify_arguments),
    "restore": ("make a new session of a session's backup, or a project of another", restore_arguments),
}
