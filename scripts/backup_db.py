"""Copy the database now: whole, hashed, restored for a test. Works beside a running bridge."""

import sys
from collections.abc import Sequence
from functools import partial

from bridge.backups import BackupRefused, Copy, back_up_file, check, copies
from bridge.cli_core import demo_or_not, finish
from bridge.script_core import growing, script_parser
from bridge.settings import Settings
from storage import StorageError
from storage.backups import backup_directory

OK, FAILED = 0, 1

DETAILS = """\
The copy goes to the directory backups beside the database; the ten newest are kept. Its hash goes to SHA256SUMS
there (sha256sum -c reads it). A copy that does not pass its test is removed, and that is an error.

A running bridge makes one a day by itself. For a copy on another disk, copy the newest file of that directory;
for what Claude itself keeps (logins, transcripts), back up ~/.claude as well.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("backup_db", __doc__ or "", DETAILS)
    parser.add_argument("--list", action="store_true", help="show the copies that there are, and make none")
    parser.add_argument("--check", action="store_true", help="read all copies through, and make none")
    options = parser.parse_args(arguments)
    return finish(partial(_run, demo=options.demo, only_list=options.list, only_check=options.check))


async def _run(settings: Settings, *, demo: bool, only_list: bool, only_check: bool) -> int:
    database = demo_or_not(settings, demo=demo).database_path
    try:
        if only_list or only_check:
            return _show(copies(database), thorough=only_check)
        size = database.stat().st_size if database.exists() else 0
        with growing("Copying", backup_directory(database), 2 * size):
            copy = back_up_file(database)
    except (BackupRefused, StorageError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    print(f"{copy.path.name} is made, {copy.size_bytes / 2**20:,.1f} MB, and passed its test.")
    return OK


def _show(found: Sequence[Copy], *, thorough: bool) -> int:
    if not found:
        print("There are no copies yet.")
    trouble = False
    for copy in found:
        words = "hashed" if copy.sha256 else "made at an upgrade, without a hash"
        if thorough:
            try:
                check(copy)
                words = "sound"
            except (BackupRefused, StorageError, OSError) as error:
                words, trouble = str(error), True
        print(f"{copy.path.name}  {copy.made:%Y-%m-%d %H:%M} UTC  {copy.size_bytes / 2**20:,.1f} MB  {words}")
    return FAILED if trouble else OK


if __name__ == "__main__":
    sys.exit(main())
