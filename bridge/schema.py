"""Which migrations the database has: the SQL files of `bridge/migrations`."""

from importlib.resources import files

from storage import Migration, load_migrations


def schema() -> tuple[Migration, ...]:
    """All migrations, in order."""
    return load_migrations(files("bridge") / "migrations")
