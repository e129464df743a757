"""Decides which checkpoints go: all stay for days, then ends of turns, then one a day. Pure."""

from collections.abc import Sequence

from workdirs.checkpoint_model import Checkpoint, Reason
from workdirs.checkpoint_rules import RetentionAges

_DAY_MS = 86_400_000
# A branch is compared with this one for as long as it exists.
_KEPT_FOR_GOOD = frozenset({Reason.BRANCH_POINT})
_ENDS = frozenset(
    {
        Reason.TURN_END,
        Reason.MANUAL,
        Reason.MILESTONE,
        Reason.SESSION_END,
        Reason.BACKUP,
        Reason.AFTER_RESTORE,
        Reason.BEFORE_RESTORE,
    }
)


def due_for_removal(checkpoints: Sequence[Checkpoint], ages: RetentionAges, now_ms: int) -> list[Checkpoint]:
    """Return those of one directory's checkpoints that nothing keeps. The newest one always stays.

    The last one of a day stands for the day. A time in the future, after the clock was set back, counts as now.
    """
    gone: list[Checkpoint] = []
    seen_days: set[int] = set()
    # By ids and not by times: a clock that was set back would mix them up.
    for place, each in enumerate(sorted(checkpoints, key=lambda one: one.id, reverse=True)):
        day = each.made_ms // _DAY_MS
        is_last_of_day = day not in seen_days
        seen_days.add(day)
        age_days = max(0, now_ms - each.made_ms) / _DAY_MS
        is_kept = (
            place == 0
            or each.is_pinned
            or each.reason in _KEPT_FOR_GOOD
            or age_days < ages.all_days
            or (age_days < ages.ends_days and each.reason in _ENDS)
            or (age_days < ages.daily_days and is_last_of_day)
        )
        if not is_kept:
            gone.append(each)
    return gone
