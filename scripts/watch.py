"""Show what Claude says and does in a session, readable and live. Needs no bridge, and changes nothing."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bridge.cli_core import demo_or_not
from bridge.script_core import script_parser
from bridge.settings_errors import SettingsWrong
from bridge.settings_loading import load_settings
from console.watch import watch

OK, FAILED, BAD_USAGE = 0, 1, 2

DETAILS = """\
SESSION is a session's id, or its beginning or end; claude-bridge status shows ids. Without one, it lists the
sessions that have a log. It shows the session's newest process, from near the end of its log, and ends with
that process or with Ctrl-C. For earlier turns: claude-bridge chat --session ID
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("watch", __doc__ or "", DETAILS)
    parser.add_argument("session", metavar="SESSION", nargs="?", help="id, or its beginning or end")
    options = parser.parse_args(arguments)
    try:
        settings = demo_or_not(load_settings(), demo=options.demo)
    except SettingsWrong as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    sessions = _sessions(settings.data_dir / "run")
    if options.session is None:
        print("\n".join(sessions) or "No session has a log now.")
        return OK
    wanted = [name for name in sessions if name.startswith(options.session) or name.endswith(options.session)]
    if len(wanted) != 1:
        why = "More than one session matches" if wanted else "No session with a log matches"
        print(f"{why} “{options.session}”. Without an argument, they are listed.", file=sys.stderr)
        return FAILED
    return watch(sessions[wanted[0]], sys.stdout)


def _sessions(run: Path) -> dict[str, Path]:
    """Return the newest host directory of each session that has one, last started first."""
    newest: dict[str, Path] = {}
    for log in run.glob("*/*/output.ndjson"):
        host = log.parent
        if host.name.isdigit() and int(host.name) > int(newest.get(host.parent.name, Path("0")).name):
            newest[host.parent.name] = host
    return dict(sorted(newest.items(), key=lambda each: each[1].stat().st_mtime, reverse=True))


if __name__ == "__main__":
    sys.exit(main())
