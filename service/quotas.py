"""Budgets per user: turns an hour, dollars a day. Warns at 80 %, refuses prompts at 100 %."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from sessions.errors import LimitReached
from storage import Database

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WARN_AT = 0.8


class Budget(msgspec.Struct, frozen=True):
    """The budget of one user; None means no limit."""

    turns_per_hour: int | None = None
    dollars_per_day: float | None = None


class Used(msgspec.Struct, frozen=True):
    """A user's usage within a window: pairs of time (in milliseconds) and amount, oldest first."""

    entries: Sequence[tuple[int, float]]
    window_ms: int

    @property
    def amount(self) -> float:
        """The sum, rounded to four places."""
        # Sums of dollars end in errors of the last bits, and a limit must be reached exactly.
        return round(sum(amount for _, amount in self.entries), 4)

    def frees_ms(self, limit: float) -> int:
        """Return the time at which so much has left the window that the sum is below `limit`."""
        left = self.amount
        for at_ms, amount in self.entries:
            # Rounded as the sum is, else an error of the last bits would name the entry after the right one.
            left = round(left - amount, 4)
            if left < limit:
                return at_ms + self.window_ms
        return self.entries[-1][0] + self.window_ms


async def check_budget(db: Database, budget: Budget, user_id: str, now_ms: int) -> str:
    """Return a warning sentence, or an empty string. Raises `LimitReached` if a budget is used up.

    Windows slide: an hour or a day back from now. Costs count once a turn has ended.
    """
    warnings: list[str] = []
    if budget.turns_per_hour is not None:
        turns = await _turns(db, user_id, now_ms)
        warnings.append(_judge(turns, budget.turns_per_hour, "turns this hour", now_ms))
    if budget.dollars_per_day is not None:
        dollars = await _dollars(db, user_id, now_ms)
        warnings.append(_judge(dollars, budget.dollars_per_day, "dollars today", now_ms))
    return " ".join(each for each in warnings if each)


def _judge(used: Used, limit: float, what: str, now_ms: int) -> str:
    amount = used.amount
    if amount >= limit:
        opens_ms = used.frees_ms(limit)
        # At least a minute: "in about 0 min" would invite a try that is refused.
        minutes = max(1, round((opens_ms - now_ms) / 60_000))
        opens = datetime.fromtimestamp(opens_ms / 1000, UTC).strftime("%H:%M UTC")
        raise LimitReached(
            f"Your budget of {limit:g} {what} is used up. It opens again at {opens}, in about {minutes} min.",
            opens_ms=opens_ms,
        )
    if amount >= WARN_AT * limit:
        return f"You have used {amount:g} of your {limit:g} {what}."
    return ""


async def _turns(db: Database, user_id: str, now_ms: int) -> Used:
    return await _used(db, "1", "status <> 'withdrawn'", user_id, now_ms, HOUR_MS)


async def _dollars(db: Database, user_id: str, now_ms: int) -> Used:
    return await _used(db, "cost_usd", "cost_usd > 0", user_id, now_ms, DAY_MS)


async def _used(db: Database, what: str, which: str, user_id: str, now_ms: int, window_ms: int) -> Used:
    """Return the usage of the user's prompts, and of background turns in the user's sessions."""
    of_author = f"SELECT queued_ms, {what} FROM turns WHERE author_id = ? AND queued_ms > ? AND {which}"  # noqa: S608
    # Turns that nobody typed, such as scheduled ones, count for the owner of their session.
    by_itself = (
        f"SELECT queued_ms, {what} FROM turns JOIN sessions ON sessions.id = session_id WHERE author_id = ''"  # noqa: S608
        f" AND queued_ms > ? AND turns.{which} AND kind = 'background' AND user_id = ?"
    )
    since_ms = now_ms - window_ms
    rows = await db.read(
        f"{of_author} AND imported = 0 UNION ALL {by_itself} AND imported = 0 ORDER BY 1",
        (user_id, since_ms, since_ms, user_id),
    )
    return Used([(int(str(at_ms)), float(str(amount))) for at_ms, amount in rows], window_ms)
