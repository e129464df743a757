"""Back up all projects now, or one session. The same as claude-bridge backup create."""

import sys
from collections.abc import Sequence

from bridge.cli_session import session
from bridge.script_core import script_parser
from bridge.session_arguments import act_of, create_arguments

DETAILS = """\
Without an option it makes a daily backup: projects, database, transcripts and folders. --label makes a
milestone of the same. A checkpoint of each project comes first. claude-bridge backup list shows all backups.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("backup_project", __doc__ or "", DETAILS)
    create_arguments(parser)
    return session(act_of("backup create", parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
