"""Which limit of an account a line of the CLI tells of, and how it stands: kinds and figures, no sentences.

The sentences are in `api/words/limits.py`.
"""

import re

from sessions.claude.lines import RateLimit
from sessions.troubles import Limit, LimitState, LimitWindow

# Weekly limits whose name goes on, but not with a family of models.
_NO_FAMILY = frozenset({"overage", "oauth", "apps", "cowork"})
_WEEKLY_OF = re.compile(r"seven_day_([a-z]+)")


def limit_of(line: RateLimit) -> Limit | None:
    """The limit that `line` tells of; None if it tells of none.

    A 429 of a busy service is reported as `rejected` too, without a kind and a time: it is no limit of the
    account. A request that extra usage pays for is served, whatever the limit's own state.
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


def blocks(limit: Limit, model: str) -> bool:
    """Whether `limit` keeps `model` from answering, as long as it is not open again."""
    return limit.state is LimitState.REACHED and (not limit.family or limit.family in model.lower())


def _window(kind: str) -> LimitWindow:
    return LimitWindow(kind) if kind in set(LimitWindow) else LimitWindow.OTHER
