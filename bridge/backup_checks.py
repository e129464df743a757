"""The check of backups in `doctor`: the newest daily one, and whether BACKUP_COMMAND copied it."""

import sqlite3
from contextlib import closing
from datetime import timedelta

from api.words.backups import local
from bridge.findings import Finding, ok, skipped, warning
from bridge.settings import Settings
from storage.connection import connect_read_only

_OLD = timedelta(days=2)
_REMEDY = "See /backup list, or the log of the bridge."


def check_backups(settings: Settings, now_ms: int) -> Finding:
    """Whether the newest daily backup is recent, undamaged, and copied elsewhere if that is set."""
    if settings.backup_at is None:
        return skipped("backups", "The daily backup is off (BACKUP_AT=off).")
    try:
        found = _newest(settings)
    except sqlite3.Error:
        found = None
    if found is None:
        return ok("backups", "There is no daily backup yet; a running bridge makes the first one by itself.")
    name, made_ms, damage, code, copied_ms = found
    if damage:
        return warning("backups", f"{name} is damaged: {damage}", _REMEDY)
    if now_ms - made_ms > _OLD / timedelta(milliseconds=1):
        return warning("backups", f"The newest daily backup, {name}, is more than two days old.", _REMEDY)
    if code:
        when = local(copied_ms)
        return warning("backups", f"BACKUP_COMMAND ended with code {code} at {when}, for {name}.", _REMEDY)
    copied = f", and copied elsewhere at {local(copied_ms)}" if copied_ms else ""
    return ok("backups", f"{name} is whole{copied}.")


def _newest(settings: Settings) -> tuple[str, int, str, int, int] | None:
    path = settings.database_path
    if not path.exists():
        return None
    # Without a WAL file no process has the database open; reading it must not create one.
    immutable = not path.with_name(f"{path.name}-wal").exists()
    with closing(connect_read_only(path, immutable=immutable)) as connection:
        row = connection.execute(
            "SELECT id, made_ms, damage, coalesce(copied_code, 0), coalesce(copied_ms, 0) FROM backups"
            " WHERE kind = 'daily' AND status = 'made' ORDER BY made_ms DESC LIMIT 1"
        ).fetchone()
    return None if row is None else (str(row[0]), int(row[1]), str(row[2]), int(row[3]), int(row[4]))
