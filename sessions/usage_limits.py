"""Read a usage limit and its state from a line of the CLI: kinds and figures, no sentences.

The sentences are in `api/words/limits.py`.
"""

import re

from sessions.claude.lines import RateLimit
from sessions.snapshot import Snapshot
from sessions.troubles import Limit, LimitShare, LimitState, LimitWindow

# Weekly limits whose names have a suffix that is not a family of models.
_NO_FAMILY = frozenset({"overage", "oauth", "apps", "cowork"})
_WEEKLY_OF = re.compile(r"seven_day_([a-z]+)")


def limit_of(line: RateLimit) -> Limit | None:
    """Return the limit that `line` reports; None if it reports no limit of the account.

    The CLI also reports `rejected`, without a kind or a time, for a 429 of a busy service: that is not a limit
    of the account. If extra usage pays for a request, it is served whatever the limit's own state.
    """
    states = {
        "allowed": LimitState.OPEN,
        "allowed_warning": LimitState.NEAR,
        "rejected": LimitState.EXTRA_USAGE if line.uses_extra else LimitState.REACHED,
    }
    state = states.get(line.status)
    if state is None or (state is LimitState.REACHED and not line.kind and line.resets_ms is None):
        return None
    family = _WEEKLY_OF.fullmatch(line.kind)
    of_model = family is not None and family[1] not in _NO_FAMILY
    return Limit(
        window=LimitWindow.WEEKLY if line.kind.startswith("seven_day") else _window(line.kind),
        family=family[1] if family is not None and of_model else "",
        state=state,
        until_ms=line.resets_ms,
        share=line.utilization,
    )


def shares_of(line: RateLimit) -> tuple[LimitShare, ...]:
    """Return how much of each limit is used, in hundredths, as far as `line` says."""
    return tuple(
        LimitShare(_window(kind), round(min(1.0, max(0.0, used)), 2), resets_ms)
        for kind, used, resets_ms in line.windows
    )


def blocks(limit: Limit, model: str) -> bool:
    """Whether `limit` blocks requests to `model` until it opens again."""
    return limit.state is LimitState.REACHED and (not limit.family or limit.family in model.lower())


def limit_met(snapshot: Snapshot, at_ms: int) -> Limit | None:
    """Return the limit that has just refused a request; None if no limit that blocks the model is known."""
    if snapshot.limit is not None:
        return snapshot.limit if blocks(snapshot.limit, snapshot.model) else None
    told = snapshot.told_limit
    is_closed = told is not None and (told.until_ms is None or told.until_ms > at_ms)
    return told if told is not None and is_closed and blocks(told, snapshot.model) else None


def _window(kind: str) -> LimitWindow:
    return LimitWindow(kind) if kind in set(LimitWindow) else LimitWindow.OTHER
