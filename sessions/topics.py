"""What a notice of a session is about: stable names for programs, each with one meaning."""

from enum import StrEnum


class Topic(StrEnum):
    """The kinds of `Noticed`. The words that faces show for them are in `api/words/notices.py`."""

    USAGE_LIMIT = "usage_limit"
    USAGE_WARNING = "usage_warning"
    LOGIN = "login"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    CONNECTION = "connection"
    CONTEXT_FULL = "context_full"
    TOO_LARGE = "too_large"
    MODEL_UNKNOWN = "model_unknown"
    TURN_LIMIT = "turn_limit"
    TURN_FAILED = "turn_failed"
    CLAUDE_BUDGET = "claude_budget"
    OUR_BUDGET = "our_budget"
    CLEARED = "cleared"
    CONVERSATION_LOST = "conversation_lost"
    MODEL_FALLBACK = "model_fallback"
    DISK = "disk"
    MEMORY = "memory"
    START_FAILED = "start_failed"
    PROCESS_ENDED = "process_ended"
    PROCESS_STUCK = "process_stuck"
    CRASH_LOOP = "crash_loop"
    BROKEN = "broken"
    ADOPTED = "adopted"
    SHARED_DIRECTORY = "shared_directory"
    ASK_REMINDER = "ask_reminder"
    NO_PROGRESS = "no_progress"
    PERMISSIONS = "permissions"
    LEFT_RUNNING_ENDED = "left_running_ended"
    GAP = "gap"
    FILES_NOT_IMPORTED = "files_not_imported"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> "Topic | None":
        """A topic that is stored and not known here: an earlier version's, or a later one's."""
        # "budget" and "failed" had two meanings each until 2026; which one, only the sentence tells.
        return cls.OTHER if isinstance(value, str) else None
