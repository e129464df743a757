"""Keep the files of a session as they are now. The same as claude-bridge session checkpoint."""

import sys
from collections.abc import Sequence

from bridge.cli_session import session
from bridge.script_core import script_parser
from bridge.session_arguments import act_of, checkpoint_arguments

DETAILS = """\
A running bridge carries it out, else a core that is opened for this act. A SESSION is an id or a readable id as
session_list prints them, or the end of one; without it, the newest session with a focus is meant.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("session_checkpoint", __doc__ or "", DETAILS)
    checkpoint_arguments(parser)
    return session(act_of("session checkpoint", parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
