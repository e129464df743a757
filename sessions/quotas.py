"""Budgets per user: turns an hour, dollars a day. Warned at 80 %, refused at 100 % until it opens again."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sessions.errors import LimitReached
from storage import Database

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WARN_AT = 0.8


@dataclass(frozen=True, slots=True)
class Budget:
    """What one user may use; None is no limit."""

    turns_per_hour: int | None = None
    dollars_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What a user has used within the window, and when the oldest of it drops out."""

    amount: float
    frees_ms: int


async def check_budget(db: Database, budget: Budget, user_id: str, now_ms: int) -> str:
    """A warning sentence, or an empty string. Raises `LimitReached` when a budget is used up.

    Windows slide: an hour or a day back from now. Costs count when a turn has ended.
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
    if used.amount >= limit:
        minutes = max(1, round((used.frees_ms - now_ms) / 60_000))
        opens = datetime.fromtimestamp(used.frees_ms / 1000, UTC).strftime("%H:%M UTC")
        raise LimitReached(
            f"Your budget of {limit:g} {what} is used up. It opens again at {opens}, in about {minutes} min.",
            opens_ms=used.frees_ms,
        )
    if used.amount >= WARN_AT * limit:
        return f"You have used {used.amount:g} of your {limit:g} {what}."
    return ""


async def _turns(db: Database, user_id: str, now_ms: int) -> Used:
    row = await db.read_one(
        "SELECT count(*), coalesce(min(queued_ms), ?) FROM turns"
        " WHERE author_id = ? AND queued_ms > ? AND status <> 'withdrawn'",
        (now_ms, user_id, now_ms - HOUR_MS),
    )
    return _used(row, HOUR_MS)


async def _dollars(db: Database, user_id: str, now_ms: int) -> Used:
    row = await db.read_one(
        "SELECT coalesce(sum(cost_usd), 0), coalesce(min(queued_ms), ?) FROM turns"
        " WHERE author_id = ? AND queued_ms > ? AND cost_usd > 0",
        (now_ms, user_id, now_ms - DAY_MS),
    )
    return _used(row, DAY_MS)


def _used(row: tuple[object, ...] | None, window_ms: int) -> Used:
    amount, oldest_ms = row if row is not None else (0, 0)
    return Used(round(float(str(amount)), 4), int(str(oldest_ms)) + window_ms)
