"""List sessions with a focus, newest first. The same as claude-bridge session list."""

import sys
from collections.abc import Sequence

from bridge.cli_session import session
from bridge.script_core import script_parser
from bridge.session_arguments import act_of, list_arguments

DETAILS = """\
A running bridge carries it out, else a core that is opened for this act. A SESSION is an id or a readable id as
session_list prints them, or the end of one; without it, the newest session with a focus is meant.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("session_list", __doc__ or "", DETAILS)
    list_arguments(parser)
    return session(act_of("session list", parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
