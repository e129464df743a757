"""Commands of an admin: statistics, the audit, retention, the emergency stop."""

from enum import StrEnum

import msgspec

from api.access import Action
from api.backing_up import BackupInfo
from api.command import Command
from sessions.model import SessionId


class ClearedSession(msgspec.Struct, frozen=True):
    """The result of clearing one session; `trouble` is a sentence, or empty when it was cleared."""

    session_id: SessionId
    had_process: bool
    trouble: str = ""


class ClearReport(msgspec.Struct, frozen=True):
    """The result of `ClearAll`, session by session; `trouble` is empty when all went well."""

    sessions: tuple[ClearedSession, ...]


class Totals(msgspec.Struct, frozen=True):
    """Sums over turns; times in milliseconds, means over the turns that have them.

    `list_price_usd` is the part of `cost_usd` that a login covered instead of an API key: it is not billed.
    """

    turns: int = 0
    failed_turns: int = 0
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    tool_calls: int = 0
    asks: int = 0
    mean_duration_ms: float = 0.0
    mean_first_text_ms: float = 0.0
    mean_ask_wait_ms: float = 0.0
    list_price_usd: float = 0.0


class GroupBy(StrEnum):
    """The property of a turn that its totals are grouped by."""

    DAY = "day"
    USER = "user"
    SESSION = "session"


class UsageRow(msgspec.Struct, frozen=True):
    """Totals of one group: a day (`2026-01-31`), a user or a session."""

    group: str
    totals: Totals


class Statistics(msgspec.Struct, frozen=True):
    """Counts and sums over the whole core. `memory_bytes` is the memory of all host trees together.

    The last three are the limits of each user; None means no limit.
    """

    by_lifecycle: dict[str, int]
    live_processes: int
    max_processes: int
    waiting: int
    open_asks: int
    memory_bytes: int
    totals: Totals
    groups: tuple[UsageRow, ...] = ()
    last_backup: BackupInfo | None = None
    user_processes: int | None = None
    user_turns_per_hour: int | None = None
    user_dollars_per_day: float | None = None


class AuditEntry(msgspec.Struct, frozen=True):
    """One act that was done or refused, and by whom; `action` is the tag of the command."""

    id: int
    at_ms: int
    actor: str
    face: str
    action: str
    session_id: str
    allowed: bool
    detail: str


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, newest first."""

    entries: tuple[AuditEntry, ...]


class RetentionVerb(StrEnum):
    """The act of a retention rule on a session. An archived session has ended and can be restored."""

    ARCHIVE = "archive"
    DELETE = "delete"


class RetentionStep(msgspec.Struct, frozen=True):
    """A session that a retention rule archives or deletes."""

    verb: RetentionVerb
    session_id: SessionId
    title: str
    user_id: str
    why: str
    last_ms: int
    size_bytes: int


class RetentionReport(msgspec.Struct, frozen=True):
    """Sessions that the rules would remove or, if `applied`, have removed.

    `steps` lists at most 500 of them; the counts cover all.
    """

    steps: tuple[RetentionStep, ...]
    archived: int
    deleted: int
    applied: bool


class ClearAll(Command[ClearReport], frozen=True, tag="clear_all"):
    """Emergency: end every process within 10 seconds and clear its session."""

    action = Action.ADMINISTER
    reply = ClearReport


class ReadStatistics(Command[Statistics], frozen=True, tag="read_statistics", kw_only=True):
    """Return counts and sums, over all time or since a time; without `group_by` there are no groups."""

    action = Action.ADMINISTER
    reply = Statistics
    audited = False
    since_ms: int = 0
    group_by: GroupBy | None = None


class ReadAudit(Command[AuditPage], frozen=True, tag="read_audit", kw_only=True):
    """Return audit entries with ids below `before`, newest first."""

    action = Action.ADMINISTER
    reply = AuditPage
    audited = False
    session_id: str = ""
    before: int | None = None
    limit: int = 50


class PlanRetention(Command[RetentionReport], frozen=True, tag="plan_retention"):
    """Report the sessions that the retention rules would remove now; change nothing."""

    action = Action.ADMINISTER
    reply = RetentionReport
    audited = False


class ApplyRetention(Command[RetentionReport], frozen=True, tag="apply_retention"):
    """Archive and delete the sessions that are due. A deleted session cannot be restored."""

    action = Action.ADMINISTER
    reply = RetentionReport


AdministeringCommand = ClearAll | ReadStatistics | ReadAudit | PlanRetention | ApplyRetention
"""The commands of this file."""
