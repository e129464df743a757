"""The SQL of clean-up rules that run each day. A rule's body is JSON that the service reads and writes."""

from dataclasses import dataclass

from storage import Database, Row, Statement

_FIELDS = "id, user_id, body, made_ms, due_ms, ran_ms, removed, trouble"


@dataclass(frozen=True, slots=True)
class StoredCleanupRule:
    """A rule, and the outcome of its last run: the number of sessions removed, or the trouble in words."""

    id: str
    user_id: str
    body: str
    made_ms: int
    due_ms: int
    ran_ms: int | None = None
    removed: int = 0
    trouble: str = ""


def upsert_cleanup_rule(rule: StoredCleanupRule) -> Statement:
    """Store a rule, or replace the body and the next run of the one with its id."""
    return Statement(
        "INSERT INTO cleanup_rules (id, user_id, body, made_ms, due_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET body = excluded.body, due_ms = excluded.due_ms, trouble = ''",
        (rule.id, rule.user_id, rule.body, rule.made_ms, rule.due_ms),
    )


def cleanup_rule_ran(rule_id: str, ran_ms: int, due_ms: int, removed: int, trouble: str) -> Statement:
    """Note the outcome of a run, and the time of the next one."""
    return Statement(
        "UPDATE cleanup_rules SET ran_ms = ?, due_ms = ?, removed = ?, trouble = ? WHERE id = ?",
        (ran_ms, due_ms, removed, trouble, rule_id),
    )


def cleanup_rule_waits(rule_id: str, trouble: str) -> Statement:
    """Note why a rule that is due could not run yet."""
    return Statement("UPDATE cleanup_rules SET trouble = ? WHERE id = ?", (trouble, rule_id))


def delete_cleanup_rule(rule_id: str) -> Statement:
    """Delete a rule. No error if it no longer exists."""
    return Statement("DELETE FROM cleanup_rules WHERE id = ?", (rule_id,))


async def load_cleanup_rules(db: Database, user_id: str = "") -> list[StoredCleanupRule]:
    """Return the rules of a person, or of everybody, oldest first."""
    rows = await db.read(
        f"SELECT {_FIELDS} FROM cleanup_rules WHERE ? IN ('', user_id) ORDER BY made_ms, id",  # noqa: S608
        (user_id,),
    )
    return [_rule(row) for row in rows]


async def load_due_cleanup_rules(db: Database, now_ms: int) -> list[StoredCleanupRule]:
    """Return the rules whose next run is due."""
    rows = await db.read(
        f"SELECT {_FIELDS} FROM cleanup_rules WHERE due_ms <= ? ORDER BY due_ms, id",  # noqa: S608
        (now_ms,),
    )
    return [_rule(row) for row in rows]


def _rule(row: Row) -> StoredCleanupRule:
    rule_id, user_id, body, made_ms, due_ms, ran_ms, removed, trouble = row
    ran = None if ran_ms is None else int(str(ran_ms))
    made = (int(str(made_ms)), int(str(due_ms)), ran, int(str(removed)), str(trouble))
    return StoredCleanupRule(str(rule_id), str(user_id), str(body), *made)
