"""Statistics of the core: running and waiting sessions now, and sums over stored turns."""

from api import BackupInfo, BackupKind, ReadStatistics, Statistics, Totals
from service.backup_rows import load_backups
from service.usage_rows import count_by_lifecycle, read_usage
from sessions.manager import SessionManager


async def read_statistics(manager: SessionManager, wish: ReadStatistics) -> Statistics:
    """Return counts and sums for `wish`. Reads the memory of every host tree, some milliseconds for each."""
    totals = await read_usage(manager.db, wish.since_ms, None)
    groups = await read_usage(manager.db, wish.since_ms, wish.group_by) if wish.group_by else []
    loaded = [each.snapshot for each in manager.loaded()]
    return Statistics(
        by_lifecycle=await count_by_lifecycle(manager.db),
        live_processes=sum(snapshot.holds_slot for snapshot in loaded),
        max_processes=manager.policy.limits.max_sessions,
        waiting=len(manager.keeper.slots),
        open_asks=sum(len(snapshot.asks) for snapshot in loaded),
        memory_bytes=await manager.memory_bytes(),
        totals=totals[0].totals if totals else Totals(),
        groups=tuple(groups),
        last_backup=await _last_backup(manager),
    )


async def _last_backup(manager: SessionManager) -> BackupInfo | None:
    daily = await load_backups(manager.db, kind=BackupKind.DAILY)
    return daily[0].info if daily else None
