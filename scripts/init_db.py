"""Make the database, or bring an old one up to date. Reads the same settings as the bridge."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from bridge.ownership import DataDirectoryRefused, OwnerKind, OwnershipError, owning
from bridge.schema import schema
from bridge.script_core import working
from bridge.settings import Settings
from bridge.settings_errors import SettingsWrong
from bridge.settings_loading import load_settings
from storage import Database, Inspection, StorageError, inspect

OK, NOT_READY, BAD_USAGE = 0, 1, 2

EPILOG = """\
The database is the file DATABASE_PATH (data/sessions.db unless .env says otherwise).
Before each migration of an existing file, a copy goes to the directory backups beside it.
The bridge does all of this by itself when it starts; this script is for doing it beforehand.

exit codes: 0 the database is ready, 1 it is not or something went wrong, 2 bad usage or settings
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="init_db", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    only_look = parser.add_mutually_exclusive_group()
    only_look.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    only_look.add_argument(
        "--check", action="store_true", help="say whether the file is sound and up to date, and change nothing"
    )
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        if options.check or options.dry_run:
            with working("Looking"):
                found = inspect(settings.database_path, schema())
            print(_description(found))
            return OK if options.dry_run or _is_ready(found) else NOT_READY
        with owning(settings.data_dir, OwnerKind.SCRIPT):
            with working("Making it ready"):
                done = asyncio.run(_make(settings))
            print("\n".join(done))
    except (SettingsWrong, DataDirectoryRefused) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    except (StorageError, OwnershipError) as error:
        print(error, file=sys.stderr)
        return NOT_READY
    return OK


async def _make(settings: Settings) -> list[str]:
    async with Database.open(settings.database_path, schema()) as database:
        recovered = [database.recovery.sentence] if database.recovery is not None else []
        applied = [f"Applied {step.number:04d} {step.name}." for step in database.applied]
        return [*recovered, *applied, f"{settings.database_path.name} is ready."]


def _is_ready(found: Inspection) -> bool:
    return found.exists and found.damage is None and not found.pending


def _description(found: Inspection) -> str:
    if found.damage is not None:
        return (
            f"The database is damaged ({found.damage}). Opening it sets it aside and restores the newest copy."
        )
    steps = "".join(f"\n  {step.number:04d} {step.name}" for step in found.pending)
    if not found.exists:
        return f"There is no database yet. Migrations to apply:{steps}"
    if found.pending:
        return f"The database has schema version {found.version}. Migrations to apply:{steps}"
    return f"The database is sound and up to date (schema version {found.version})."


if __name__ == "__main__":
    sys.exit(main())
