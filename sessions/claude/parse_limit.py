"""Parse `rate_limit_event`, the state of a subscription's usage limits.

Called by `parse`.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sessions.claude.lines import RateLimit
from sessions.claude.wire import Json, flag_of, maybe_float, object_of, text_of

_LAST_MS = 253_402_300_799_999  # the last millisecond of the year 9999: later times cannot be shown
_LEAST_MS = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973


def rate_limit(body: Json) -> RateLimit:
    info = object_of(body, "rate_limit_info")
    return RateLimit(
        status=text_of(info, "status"),
        kind=text_of(info, "rateLimitType"),
        resets_ms=time_ms(info, "resetsAt"),
        utilization=maybe_float(info, "utilization"),
        uses_extra=flag_of(info, "isUsingOverage"),
        windows=tuple(_windows(object_of(info, "unifiedWindows"))),
    )


def _windows(told: Json) -> Iterator[tuple[str, float, int | None]]:
    # New kinds are taken as they come: the CLI knows more of them than its documentation.
    for kind in told:
        window = object_of(told, kind)
        used = maybe_float(window, "utilization")
        if used is not None:
            yield kind, used, time_ms(window, "resetsAt")


def time_ms(body: Mapping[str, Any], key: str) -> int | None:
    """Return the time at `key` in Unix milliseconds, or None.

    Accepts seconds, milliseconds, or ISO text (UTC by default).
    """
    value = body.get(key)
    number = maybe_float(body, key)
    if isinstance(value, str):
        try:
            number = float(value) if value.strip().isdecimal() else _iso_s(value)
        except (ValueError, OverflowError):
            return None
    if number is None:
        return None
    # The CLI sends seconds; other forms are read, since nothing documents this field.
    in_ms = round(number if number >= _LEAST_MS else number * 1000)
    return in_ms if 0 <= in_ms <= _LAST_MS else None


def _iso_s(text: str) -> float:
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
