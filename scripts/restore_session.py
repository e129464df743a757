"""Restore a session from its backup, or its files from a checkpoint."""

import sys
from collections.abc import Sequence
from dataclasses import replace  # noqa: TID251 (a dataclass)

from bridge.cli_session import session
from bridge.script_core import script_parser
from bridge.session_arguments import SessionAct, json_argument

DETAILS = """\
A restored backup is a new session with new ids that goes on in conversation and files; nothing is overwritten.
A checkpoint goes back into the session's own directory, after a question; the files before it are kept, too.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("restore_session", __doc__ or "", DETAILS)
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("--list-backups", action="store_true", help="show the backups")
    act.add_argument("--restore-backup", metavar="ID", help="make a session of a backup")
    act.add_argument("--list-checkpoints", metavar="SESSION", help="show a session's checkpoints")
    act.add_argument(
        "--restore-checkpoint", nargs=2, metavar=("SESSION", "N"), help="put its files back to checkpoint N"
    )
    parser.add_argument("--project", default="", metavar="NAME", help="with --restore-backup: write into it")
    parser.add_argument("--yes", action="store_true", help="with --restore-checkpoint: do not ask")
    json_argument(parser)
    options = parser.parse_args(arguments)
    wish = SessionAct("", project=options.project, yes=options.yes, as_json=options.as_json, demo=options.demo)
    if options.restore_checkpoint:
        named, number = options.restore_checkpoint
        return session(replace(wish, act="session put-back", session=named, number=number))
    if options.list_checkpoints:
        return session(replace(wish, act="session checkpoints", session=options.list_checkpoints))
    if options.restore_backup:
        return session(replace(wish, act="backup restore", backup=options.restore_backup))
    return session(replace(wish, act="backup list"))


if __name__ == "__main__":
    sys.exit(main())
