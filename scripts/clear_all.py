"""Emergency: end every Claude process within 10 seconds, and clear every session that has one or waits."""

import sys
from collections.abc import Sequence
from functools import partial

from api import ClearAll
from bridge.cli_core import finish
from bridge.control_socket import local_actor
from bridge.script_core import confirmed, script_core, script_parser, working
from bridge.settings import Settings

OK, FAILED = 0, 1

DETAILS = """\
If a bridge runs, it does the work; otherwise the script does. Running turns are cut. Cleared sessions can be
brought back until the retention rules delete them. The bridge itself keeps running.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("clear_all", __doc__ or "", DETAILS)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    return finish(partial(_run, demo=options.demo, yes=options.yes))


async def _run(settings: Settings, *, demo: bool, yes: bool) -> int:
    if not confirmed("End all of Claude's processes and clear their sessions?", yes=yes):
        return FAILED
    async with script_core(settings, demo=demo) as core:
        with working("Ending"):
            report = await core.perform(local_actor(), ClearAll())
    for each in report.sessions:
        ended = "its process has ended" if each.had_process else "it had no process"
        print(f"{each.session_id}  {each.trouble or ended}")
    trouble = sum(bool(each.trouble) for each in report.sessions)
    print(f"Cleared {len(report.sessions) - trouble} of {len(report.sessions)} sessions.")
    return FAILED if trouble else OK


if __name__ == "__main__":
    sys.exit(main())
