"""Compute the next time of a cron line (minute, hour, day, month, weekday) in the machine's own time.

The CLI reports the first time of a schedule, but no new time after it has fired. Format: crontab(5), without
names.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MOST_DAYS = 4 * 366 + 1  # until the next 29 February


def next_run(cron: str, after: datetime) -> datetime | None:
    """Return the first minute after `after` that `cron` matches; None if none matches or `cron` is invalid."""
    try:
        minutes, hours, days, months, weekdays = _fields(cron)
    except ValueError:
        return None
    # crontab(5): a field that begins with `*` counts as unrestricted, `*/2` too.
    _, _, any_day, _, any_weekday = (field.startswith("*") for field in cron.split())
    begin = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for number in range(_MOST_DAYS):
        date = begin + timedelta(days=number)
        # Python's Sunday is 7; in a cron line it is 0 or 7.
        is_day, is_weekday = date.day in days, date.isoweekday() % 7 in {each % 7 for each in weekdays}
        # crontab(5): if both day and weekday are restricted, a match of either is enough.
        is_meant = (is_day and is_weekday) if any_day or any_weekday else (is_day or is_weekday)
        if date.month not in months or not is_meant:
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                found = date.replace(hour=hour, minute=minute)
                if found >= begin:
                    return found
    return None


def _fields(cron: str) -> Sequence[set[int]]:
    parts = cron.split()
    if len(parts) != len(_RANGES):
        raise ValueError(cron)
    return [_numbers(part, *bounds) for part, bounds in zip(parts, _RANGES, strict=True)]


def _numbers(part: str, least: int, most: int) -> set[int]:
    """Return the numbers of a field: `*`, `5`, `1-5`, `*/10`, `0-30/5`, or several of these with commas."""
    found: set[int] = set()
    for each in part.split(","):
        span, _, step = each.partition("/")
        first, _, last = (f"{least}-{most}" if span == "*" else span).partition("-")
        end = int(last or (most if step else first))
        if not least <= int(first) <= end <= most:
            raise ValueError(each)
        found.update(range(int(first), end + 1, int(step or 1)))
    return found
