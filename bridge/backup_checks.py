"""The check of backups in `doctor`: the newest daily one, and whether BACKUP_COMMAND copied it."""

from datetime import timedelta

from api.words.backups import local
from bridge.findings import Finding, ok, skipped, warning
from bridge.settings import Settings
from storage import StorageError
from storage.reading_beside import read_beside

# A machine that is off at the time of one backup is no reason to warn.
_OLD = timedelta(days=2)
_REMEDY = "See /backup list, or the log of the bridge."


def check_backups(settings: Settings, now_ms: int) -> Finding:
    """Whether the newest daily backup is recent, undamaged, and copied elsewhere if that is set."""
    if settings.backup_at is None:
        return skipped("backups", "The daily backup is off (BACKUP_AT=off).")
    try:
        found = _newest(settings)
    # `check_database` tells what is wrong with the file.
    except StorageError:
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
    found = read_beside(
        settings.database_path,
        "SELECT id, made_ms, damage, coalesce(copied_code, 0), coalesce(copied_ms, 0) FROM backups"
        " WHERE kind = 'daily' AND status = 'made' ORDER BY made_ms DESC LIMIT 1",
    )
    if not found:
        return None
    name, made_ms, damage, code, copied_ms = found[0]
    return str(name), int(str(made_ms)), str(damage), int(str(code)), int(str(copied_ms))
