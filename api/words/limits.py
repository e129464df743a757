"""Sentences about an account's usage limits. Faces add the times, in the reader's own time zone."""

from collections.abc import Sequence

from sessions.troubles import Limit, LimitShare, LimitState, LimitWindow

_WINDOWS = {
    LimitWindow.FIVE_HOUR: "five-hour limit",
    LimitWindow.WEEKLY: "weekly limit",
    LimitWindow.EXTRA: "limit of extra usage",
    LimitWindow.OTHER: "usage limit",
}


def limit_name(limit: Limit) -> str:
    """Return the limit's name, such as `five-hour limit` or `weekly limit of Opus models`."""
    name = _WINDOWS[limit.window]
    return f"{name} of {limit.family.capitalize()} models" if limit.family else name


def share_words(shares: Sequence[LimitShare]) -> str:
    """Return the used part of the fullest limit, such as `42 % of the weekly limit`; empty if none is known."""
    # The fullest one stops the work first.
    fullest = max(shares, key=lambda each: each.share, default=None)
    return f"{_percent(fullest.share)} of the {_WINDOWS[fullest.window]}" if fullest else ""


def limit_sentence(limit: Limit) -> str:
    """Return the state of the limit and its consequence, as a sentence."""
    name = limit_name(limit)
    match limit.state:
        case LimitState.REACHED if limit.family:
            return f"The account's {name} is used up. Other models work: choose one, or queued prompts wait."
        case LimitState.REACHED:
            return f"The account's {name} is used up. Queued prompts wait, and go on when it opens again."
        case LimitState.EXTRA_USAGE:
            return f"The account's {name} is used up. Claude goes on with extra usage, which costs money."
        case LimitState.NEAR if limit.share is not None:
            return f"{_percent(limit.share)} of the account's {name} is used."
        case LimitState.NEAR:
            return f"The account's {name} is nearly used up."
        case LimitState.OPEN:
            return f"The account's {name} is open."


def _percent(share: float) -> str:
    """Return the share as every other place writes it: `85 %`."""
    return f"{share:.0%}".replace("%", " %")
