"""The SQL of permission rules: `permission_rules` in the migrations."""

from collections.abc import Sequence

from sessions.model import Rule, RuleKind, RuleScope, SessionId
from sessions.stored import StoredRule
from storage import Database, Statement

_COLUMNS = "id, scope, session_id, work_directory, kind, value, given_by, for_all, given_ms"
# A project's rule holds in the sessions of its giver or, if an admin says so, in all.
_HOLDS = (
    "(scope = 'session' AND session_id = ?)"
    " OR (scope = 'project' AND work_directory = ? AND (for_all OR given_by = ?))"
)


async def load_rules(
    db: Database, session_id: SessionId, work_directory: str, owner_id: str
) -> list[StoredRule]:
    """Return the rules that hold in a session, oldest first."""
    rows = await db.read(
        f"SELECT {_COLUMNS} FROM permission_rules WHERE {_HOLDS} ORDER BY id",  # noqa: S608 (constants)
        (session_id, work_directory, owner_id),
    )
    return [
        StoredRule(
            id=int(str(row[0])),
            scope=RuleScope(str(row[1])),
            session_id=SessionId(str(row[2])) if row[2] is not None else None,
            work_directory=str(row[3]),
            rule=Rule(RuleKind(str(row[4])), str(row[5])),
            given_by=str(row[6]),
            for_all=bool(row[7]),
            given_ms=int(str(row[8])),
        )
        for row in rows
    ]


def insert_session_rules(
    session_id: SessionId, work_directory: str, rules: Sequence[Rule], by: str, at_ms: int
) -> list[Statement]:
    """Insert rules of one session. A rule that it has already is not inserted again."""
    return [
        Statement(
            "INSERT INTO permission_rules (scope, session_id, work_directory, kind, value, given_by, given_ms)"
            # The first giver stays: a later yes to the same rule does not change who answers for it.
            " VALUES ('session', ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (session_id, work_directory, rule.kind, rule.value, by, at_ms),
        )
        for rule in rules
    ]


def insert_project_rules(work_directory: str, rules: Sequence[Rule], by: str, at_ms: int) -> list[Statement]:
    """Insert rules of a project. They hold in the sessions of `by`."""
    return [
        Statement(
            "INSERT INTO permission_rules (scope, work_directory, kind, value, given_by, given_ms)"
            " VALUES ('project', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (work_directory, rule.kind, rule.value, by, at_ms),
        )
        for rule in rules
    ]


def copy_session_rules(parent: SessionId, child: SessionId) -> Statement:
    """Copy the rules of a session to its branch."""
    return Statement(
        "INSERT INTO permission_rules (scope, session_id, work_directory, kind, value, given_by, given_ms)"
        # Under the parent's giver: the person who branches has given nothing by it.
        " SELECT scope, ?, work_directory, kind, value, given_by, given_ms FROM permission_rules"
        " WHERE scope = 'session' AND session_id = ? ORDER BY id",
        (child, parent),
    )


def delete_rule(rule_id: int) -> Statement:
    """Take a rule back. No error if it no longer exists."""
    return Statement("DELETE FROM permission_rules WHERE id = ?", (rule_id,))


def update_rule_for_all(rule_id: int, *, for_all: bool) -> Statement:
    """Let a project's rule hold in all sessions of the project, or again only in those of its giver."""
    return Statement("UPDATE permission_rules SET for_all = ? WHERE id = ?", (int(for_all), rule_id))
