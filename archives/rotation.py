"""Which backups go: a rule by kind and age. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BackupRules:
    """The number of backups that stay. None keeps all.

    Of daily ones the newest of the last `keep_daily` days stay, and the newest of `keep_weekly` weeks. Of those
    of sessions the ones younger than `keep_sessions_days` stay. Milestones always stay.
    """

    keep_daily: int | None = 14
    keep_weekly: int = 8
    keep_sessions_days: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup as the rules see it. `made` is the local time."""

    id: str
    kind: str
    made: datetime


def due(backups: Sequence[Kept], rules: BackupRules, now: datetime) -> list[str]:
    """Return the ids of the backups that the rules would remove, oldest first. The newest daily one stays."""
    gone: list[Kept] = []
    daily = sorted((each for each in backups if each.kind == "daily"), key=_order, reverse=True)
    if rules.keep_daily is not None:
        days = _firsts(daily, [each.made.strftime("%Y-%m-%d") for each in daily], rules.keep_daily)
        # The week of ISO 8601 with its own year: the last days of December may be in week 1.
        weeks = _firsts(daily, [each.made.strftime("%G-%V") for each in daily], rules.keep_weekly)
        stays = {*days, *weeks, *(each.id for each in daily[:1])}
        gone += [each for each in daily if each.id not in stays]
    if rules.keep_sessions_days is not None:
        sessions = [each for each in backups if each.kind == "session"]
        gone += [each for each in sessions if (now - each.made).days >= rules.keep_sessions_days]
    return [each.id for each in sorted(gone, key=_order)]


def _firsts(backups: Sequence[Kept], groups: Sequence[str], most: int) -> set[str]:
    """Return the first of each group, for the first `most` groups."""
    first: dict[str, str] = {}
    for backup, group in zip(backups, groups, strict=True):
        first.setdefault(group, backup.id)
    return set(list(first.values())[:most])


def _order(backup: Kept) -> tuple[datetime, str]:
    return backup.made, backup.id
