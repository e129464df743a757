"""The retention report, as faces show it."""

from collections.abc import Iterator

import api as c
from sessions.retention import MAX_SIZED, Due, Removals


def retention_report(removals: Removals, *, applied: bool) -> c.RetentionReport:
    """Return a report that lists the first steps, those whose sizes are known, and counts all."""
    steps = (
        *_steps(c.RetentionVerb.ARCHIVE, removals.archived),
        *_steps(c.RetentionVerb.DELETE, removals.deleted),
    )
    return c.RetentionReport(steps[:MAX_SIZED], len(removals.archived), len(removals.deleted), applied=applied)


def _steps(verb: c.RetentionVerb, due: tuple[Due, ...]) -> Iterator[c.RetentionStep]:
    for each in due[:MAX_SIZED]:
        session = each.session
        yield c.RetentionStep(
            verb, session.id, session.title, session.user_id, each.why, session.last_ms, session.size_bytes
        )
