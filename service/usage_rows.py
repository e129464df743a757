"""SQL for sums over stored turns (tokens, dollars, waits) and for the audit. Costs are stored per turn."""

from collections.abc import Sequence

from api import AuditEntry, GroupBy, Totals, UsageRow
from api.access import Actor
from storage import Database, SqlValue, Statement

_GROUPS = {
    GroupBy.DAY: "date(turns.queued_ms / 1000, 'unixepoch')",
    GroupBy.USER: "turns.author_id",
    GroupBy.SESSION: "turns.session_id",
    None: "''",
}
_MAX_GROUPS = 400


async def read_usage(db: Database, since_ms: int, group_by: GroupBy | None) -> list[UsageRow]:
    """Return totals since a time by day, user or session, newest day or last name first.

    Without `group_by` there is one group.
    """
    group = _GROUPS[group_by]
    rows = await db.read(
        f"SELECT {group} AS grouped, count(*), sum(turns.status = 'failed'), sum(cost_usd),"  # noqa: S608
        " sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),"
        " avg(nullif(duration_ms, 0)), avg(first_text_ms),"
        # What a subscription pays is a list price, which nobody is billed.
        " sum(iif(payer = 'login', cost_usd, 0)) FROM turns"
        " WHERE queued_ms >= ? AND status <> 'withdrawn' GROUP BY grouped ORDER BY grouped DESC LIMIT ?",
        (since_ms, _MAX_GROUPS),
    )
    # Counted apart: joined to the turns, each block would count the turn's dollars once more.
    calls = await _counts(
        db,
        f"SELECT {group}, count(*), 0 FROM blocks JOIN turns ON turns.id = blocks.turn_id"  # noqa: S608
        " WHERE blocks.kind = 'tool_call' AND turns.queued_ms >= ? GROUP BY 1",
        since_ms,
    )
    asks = await _counts(
        db,
        f"SELECT {group}, count(*), avg(asks.closed_ms - asks.opened_ms) FROM asks"  # noqa: S608
        " JOIN turns ON turns.id = asks.turn_id WHERE turns.queued_ms >= ? GROUP BY 1",
        since_ms,
    )
    nothing = (0, 0.0)
    return [
        UsageRow(
            str(row[0]),
            _totals(row, calls.get(str(row[0]), nothing)[0], asks.get(str(row[0]), nothing)),
        )
        for row in rows
    ]


async def _counts(db: Database, sql: str, since_ms: int) -> dict[str, tuple[int, float]]:
    rows = await db.read(sql, (since_ms,))
    return {str(row[0]): (int(_number(row[1])), _number(row[2])) for row in rows}


def _totals(row: Sequence[SqlValue], tool_calls: int, asks: tuple[int, float]) -> Totals:
    return Totals(
        turns=int(_number(row[1])),
        failed_turns=int(_number(row[2])),
        cost_usd=_number(row[3]),
        input_tokens=int(_number(row[4])),
        output_tokens=int(_number(row[5])),
        cache_read_tokens=int(_number(row[6])),
        cache_write_tokens=int(_number(row[7])),
        mean_duration_ms=_number(row[8]),
        mean_first_text_ms=_number(row[9]),
        tool_calls=tool_calls,
        asks=asks[0],
        mean_ask_wait_ms=asks[1],
        list_price_usd=_number(row[10]),
    )


def _number(value: SqlValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


async def count_by_lifecycle(db: Database) -> dict[str, int]:
    """Return the number of sessions in each lifecycle, `ended` included; empty lifecycles are absent."""
    rows = await db.read("SELECT status, count(*) FROM sessions GROUP BY status")
    return {str(status): int(_number(count)) for status, count in rows}


def audit_entry(at_ms: int, actor: Actor, action: str, *, allowed: bool, session_id: str = "") -> Statement:
    """Return the statement for an audit row: the actor, the action, and whether it was allowed.

    The detail of a row says whose process spoke for the actor, if one did (`Actor.through`).
    """
    detail = f"by {actor.through}" if actor.through else ""
    return Statement(
        "INSERT INTO audit (at_ms, actor, face, action, session_id, allowed, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (at_ms, actor.user_id, actor.face, action, session_id, int(allowed), detail),
    )


async def read_audit(db: Database, session_id: str, before: int | None, limit: int) -> list[AuditEntry]:
    """Return audit rows, newest first, of one session; an empty id means all sessions."""
    rows = await db.read(
        "SELECT id, at_ms, actor, face, action, session_id, allowed, detail FROM audit"
        " WHERE id < ? AND (? = '' OR session_id = ?) ORDER BY id DESC LIMIT ?",
        (before if before is not None else 1 << 62, session_id, session_id, max(1, min(limit, 200))),
    )
    return [
        AuditEntry(
            id=int(_number(row[0])),
            at_ms=int(_number(row[1])),
            actor=str(row[2]),
            face=str(row[3]),
            action=str(row[4]),
            session_id=str(row[5]),
            allowed=bool(row[6]),
            detail=str(row[7]),
        )
        for row in rows
    ]


async def has_active_runs(db: Database) -> bool:
    """Whether a run of a work-flow has not ended. Asked at each start, so without the room of work-flows."""
    # Without its name SQLite would rather read all of another index.
    active = "SELECT 1 FROM runs INDEXED BY runs_active WHERE status NOT IN ('completed', 'failed') LIMIT 1"
    return await db.read_one(active) is not None
