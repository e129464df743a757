"""The migrations of the database: the SQL files of `bridge/migrations`."""

from importlib.resources import files

from storage import Migration, load_migrations


def schema() -> tuple[Migration, ...]:
    """Return all migrations, in order."""
    return load_migrations(files("bridge") / "migrations")
