"""Put a copy of the database back. Needs the bridge stopped; the present file is kept."""

import sys
from collections.abc import Sequence
from functools import partial

from bridge.backups import BackupRefused, Copy, copies, restore
from bridge.cli_core import demo_or_not, finish
from bridge.ownership import OwnerKind, owning
from bridge.script_core import confirmed, growing, script_parser
from bridge.settings import Settings
from storage import StorageError

OK, FAILED = 0, 1

DETAILS = """\
COPY is the name of a file in the directory backups beside the database, or newest. scripts/backup_db.py --list
shows them. The copy is checked against its hash and read completely first. The present file is renamed to
sessions.db.before-restore-…, so that nothing is lost; only that file holds the changes made after the copy.

Claude's processes go on meanwhile. At the next start the bridge reads from their logs everything that the copy
lacks. A copy of an older version is brought up to date at the next start.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("restore_db", __doc__ or "", DETAILS)
    parser.add_argument("copy", metavar="COPY", help="the copy's name, or newest")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    return finish(partial(_run, name=options.copy, demo=options.demo, yes=options.yes))


async def _run(settings: Settings, *, name: str, demo: bool, yes: bool) -> int:
    place = demo_or_not(settings, demo=demo)
    with owning(place.data_dir, OwnerKind.SCRIPT):
        copy = _found(copies(place.database_path), name)
        if copy is None:
            print(f"There is no copy named {name}. See: scripts/backup_db.py --list", file=sys.stderr)
            return FAILED
        if not confirmed(f"Put back the copy of {copy.made:%Y-%m-%d %H:%M} UTC?", yes=yes):
            return FAILED
        try:
            with growing("Restoring", place.database_path.parent, copy.size_bytes):
                kept = restore(copy, place.database_path)
        except (BackupRefused, StorageError, OSError) as error:
            print(error, file=sys.stderr)
            return FAILED
    print(f"{copy.path.name} is put back." + (f" The file before it is kept as {kept.name}." if kept else ""))
    return OK


def _found(found: Sequence[Copy], name: str) -> Copy | None:
    if name == "newest":
        return next(iter(found), None)
    return next((each for each in found if each.path.name == name), None)


if __name__ == "__main__":
    sys.exit(main())
