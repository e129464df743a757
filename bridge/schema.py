"""The migrations of the database: the SQL files of `bridge/migrations`."""

from pathlib import Path

from storage import Migration, load_migrations


def schema() -> tuple[Migration, ...]:
    """Return all migrations, in order."""
    return load_migrations(Path(__file__).with_name("migrations"))
