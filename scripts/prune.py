"""Archive and delete what the retention rules say. Without --apply it only shows what that would be."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from api import ApplyRetention, PlanRetention, RetentionReport, RetentionStep
from bridge.cli_core import finish
from bridge.control_socket import local_actor
from bridge.script_core import confirmed, script_core, script_parser, working
from bridge.settings import Settings

OK, FAILED = 0, 1

DETAILS = """\
The rules are settings (RETENTION_DAYS and those after it in .env.example). A running bridge applies them by
itself; use this script to look first, or to apply them at once. If a bridge runs, it does the work.

archive  the session ends and leaves the lists; it can be brought back
delete   the session, its turns and its transcript's copy are removed for good
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("prune", __doc__ or "", DETAILS)
    parser.add_argument("--apply", action="store_true", help="do it, after asking")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    return finish(partial(_run, demo=options.demo, apply=options.apply, yes=options.yes))


async def _run(settings: Settings, *, demo: bool, apply: bool, yes: bool) -> int:
    async with script_core(settings, demo=demo) as core:
        with working("Looking"):
            plan = await core.perform(local_actor(), PlanRetention())
        _show(plan)
        if not plan.archived + plan.deleted:
            return OK
        if not apply:
            print("Nothing was changed. To do it: scripts/prune.py --apply")
            return OK
        if not confirmed("Do it? What is deleted cannot be brought back.", yes=yes):
            return FAILED
        with working("Pruning"):
            done = await core.perform(local_actor(), ApplyRetention())
        print(f"Archived {done.archived}, deleted {done.deleted}.")
    return OK


def _show(report: RetentionReport) -> None:
    for step in report.steps:
        print(_line(step))
    hidden = report.archived + report.deleted - len(report.steps)
    if hidden:
        print(f"… and {hidden:,} more")
    print(f"Due: {report.archived:,} to archive, {report.deleted:,} to delete.")


def _line(step: RetentionStep) -> str:
    last = datetime.fromtimestamp(step.last_ms / 1000, UTC)
    size = f"{step.size_bytes / 2**20:,.1f} MB" if step.size_bytes else ""
    title = step.title or "no title"
    return f"{step.verb:<8} {step.session_id}  {last:%Y-%m-%d}  {size:>9}  {title}  ({step.why})"


if __name__ == "__main__":
    sys.exit(main())
