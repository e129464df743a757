"""What is kept for how long: sessions that nobody uses are archived, ended ones are deleted in the end.

Archived is ended, with a reason that says so: out of the lists, its process and place given back, nothing of it
lost. `restore` brings an ended session back until a rule deletes it with all that is kept of it. Claude's own
transcripts are Claude's; ours are copies and go with the session.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sessions.commands import RetentionReport
from sessions.model import SessionId
from sessions.session import Session
from storage import Database

log = logging.getLogger(__name__)

ARCHIVED = "archived: nobody used it for long"
"""The reason of a session that a rule ended."""

DAY_MS = 86_400_000
MAX_LISTED = 500


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """What is removed. None: that rule removes nothing. A day has 24 hours.

    `keep_ended_days`, `max_ended` and `max_ended_bytes` delete ended sessions, those that ended first before
    others; `archive_after_days` ends sessions without a process that nothing happened to for so long.
    """

    keep_ended_days: float | None = None
    archive_after_days: float | None = None
    max_ended: int | None = None
    max_ended_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _Ended:
    """An ended session. `size_bytes` is 0 when nobody asked for it."""

    id: SessionId
    title: str
    user_id: str
    ended_ms: int
    size_bytes: int


class Retention:
    """Carries the rules out. `load` gives a session, `forget` takes it out of the cache."""

    def __init__(
        self,
        db: Database,
        rules: RetentionRules,
        load: Callable[[str], Awaitable[Session]],
        forget: Callable[[SessionId], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._db = db
        self._rules = rules
        self._load = load
        self._forget = forget
        self._now_ms = now_ms

    async def plan(self) -> RetentionReport:
        """What `apply` would do now; changes nothing. At most `MAX_LISTED` steps are listed, all are counted."""
        archive, delete = await self._due()
        sizes = await self._sizes([each.id for each in delete[:MAX_LISTED]])
        steps = [_step("archive", each, why, 0) for each, why in archive]
        steps += [_step("delete", each, why, sizes.get(each.id, 0)) for each, why in delete.items()]
        return RetentionReport(tuple(steps[:MAX_LISTED]), len(archive), len(delete), applied=False)
