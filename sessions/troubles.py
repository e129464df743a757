"""Failures on Claude's side, as values: why a turn failed, and which usage limit is reached.

The sentences are in `api/words/failures.py` and `api/words/limits.py`.
"""

from enum import StrEnum

import msgspec


class FailureKind(StrEnum):
    """Why Claude did not finish a turn. Each is a `Topic` too; the words are in `api/words/failures.py`."""

    LOGIN = "login"
    FORBIDDEN = "forbidden"
    """Refused with 403: by the API, or by a proxy on the way."""
    ORGANIZATION = "organization"
    """The organization allows no subscription in Claude Code."""
    ORGANIZATION_DISABLED = "organization_disabled"
    ACCOUNT_ON_HOLD = "account_on_hold"
    VERIFICATION = "verification"
    CLOUD_LOGIN = "cloud_login"
    BILLING = "billing"
    SPENDING_LIMIT = "spending_limit"
    """The organization's own limit on what its API key may spend."""
    USAGE_LIMIT = "usage_limit_reached"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONNECTION = "connection"
    MODEL_UNKNOWN = "model_unknown"
    CONTEXT_FULL = "context_full"
    TOO_LARGE = "too_large"
    FILE_REFUSED = "file_refused"
    """A picture or document in the conversation cannot be read."""
    CONTENT_FILTERED = "content_filtered"
    OUTPUT_LIMIT = "output_limit"
    TURN_LIMIT = "turn_limit"
    BUDGET = "claude_budget"
    NOT_COMPACTED = "not_compacted"
    HOOK = "hook"
    """A hook of the machine's user or of the project stopped the turn."""
    DEFERRED = "deferred"
    """A hook put a tool call off."""
    REFUSED = "refused"
    """The API rejects the request as invalid (400, or another status that we do not know)."""
    STUCK = "stuck"
    """The API has refused several turns in a row: the conversation itself is what it refuses."""
    UNKNOWN = "turn_failed"


class Retry(msgspec.Struct, frozen=True):
    """A request is tried again in `pause_s` seconds, as try `attempt` of `attempts`."""

    attempt: int
    attempts: int
    pause_s: int


class Failure(msgspec.Struct, frozen=True):
    """A failure on Claude's side. `reported` is the CLI's own kind, `detail` the API's message, cleaned.

    `uses_key`: an API key pays, so nobody has to log in. `last_good` is the last turn that succeeded, or empty.
    `goes_on`: a prompt that lets Claude go on waits until the usage limit opens.
    """

    kind: FailureKind
    status: int | None = None
    reported: str = ""
    detail: str = ""
    uses_key: bool = False
    last_good: str = ""
    goes_on: bool = False
    retry: Retry | None = None


class LimitWindow(StrEnum):
    """The time window of an account's limit; the values are the CLI's names."""

    FIVE_HOUR = "five_hour"
    WEEKLY = "seven_day"
    EXTRA = "overage"
    OTHER = "other"


class LimitState(StrEnum):
    """The state of a limit."""

    OPEN = "open"
    NEAR = "near"
    REACHED = "reached"
    EXTRA_USAGE = "extra_usage"
    """Reached, and the request was served: extra usage is spent."""


class Limit(msgspec.Struct, frozen=True):
    """A usage limit of the account. `family` is the model family that it limits; empty for all models.

    `until_ms` is the time when it opens again or a new window begins. `share` is the used part, from 0 to 1.
    """

    window: LimitWindow
    state: LimitState
    family: str = ""
    until_ms: int | None = None
    share: float | None = None


class LimitShare(msgspec.Struct, frozen=True):
    """The used part of one of the account's limits, from 0 to 1 in hundredths, until a new window begins."""

    window: LimitWindow
    share: float
    until_ms: int | None = None
