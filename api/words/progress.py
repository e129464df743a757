"""The words on a session's progress: steps, and the time that may be left with its basis."""

from sessions.model import Progress, TimeLeft

_MINUTE_S = 60
_HOUR_S = 3600


def steps_words(progress: Progress) -> str:
    """Return `Review · 3 of 7 done`, without the step that Claude works on; empty without steps."""
    if not progress.total:
        return progress.stage
    counted = f"{progress.done} of {progress.total} done"
    return f"{progress.stage} · {counted}" if progress.stage else counted


def left_words(left: TimeLeft | None) -> str:
    """Return `2 to 5 min left, going by 3 steps`; empty without an estimate."""
    if left is None:
        return ""
    return f"{_span(left)} left, going by {left.from_steps} steps"


def short_left_words(left: TimeLeft | None) -> str:
    """Return `2 to 5 min left`; empty without an estimate."""
    return "" if left is None else f"{_span(left)} left"


def _span(left: TimeLeft) -> str:
    unit, name = next(
        (unit, name)
        for unit, name in ((_HOUR_S, "h"), (_MINUTE_S, "min"), (1, "s"))
        if left.most_s >= 2 * unit or unit == 1
    )
    # Rounded outwards: the range must not look narrower than it is.
    least, most = left.least_s // unit, -(-left.most_s // unit)
    if least == most:
        return f"{most} {name}"
    return f"{least} to {most} {name}" if least else f"under {most} {name}"
