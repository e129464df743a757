"""The words of the checker: which rules there are, and what a broken one looks like."""

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The rules; one planted fault of each kind is in `test_check.py`."""

    LINE_LOST = "a line of the log was not applied"
    LINE_TWICE = "a line of the log was applied twice"
    LINE_ORDER = "lines of the log were applied out of order"
    LINE_CHANGED = "what is stored is not what the line says"
    LINE_INVENTED = "something is stored that no line says"
    LINE_MISPLACED = "a block is stored with another turn than it was said in"
    LOG_NOT_READ = "the stored offset is not the end of the log"
    PROMPT_LOST = "an accepted prompt has no turn"
    PROMPT_TWICE = "an accepted prompt has several turns"
    PROMPT_UNFINISHED = "an accepted prompt never came to an end"
    PROMPT_RAN_AGAIN = "a prompt that was done was run again"
    OUTCOME_DIFFERS = "a turn ended otherwise than its result says"
    TURN_ENDED_TWICE = "a turn ended more than once"
    INPUT_TWICE = "a line was sent twice to one host"
    INPUT_MISPLACED = "the input log is not what its rows say"
    INPUT_BROKEN = "the input log has a line that is no JSON"
    ASK_LOST = "an ask of the log is not stored"
    ASK_INVENTED = "an ask is stored that the log does not have"
    ASK_ANSWERED_TWICE = "an ask was answered twice"
    ANSWER_LOST = "an answer took no effect"
    ANSWER_CHANGED = "an ask was decided otherwise than the one whose answer was accepted"
    EVENT_GAP = "events are not numbered 1, 2, 3 …"
    STATE_DIFFERS = "the stored state is not what the events add up to"
    SHOWN_GAP = "a face was not shown every event once and in order"
    SHOWN_DIFFERS = "a face was shown something else than is stored"
    POST_LOST = "Discord does not show a text of the log"
    POST_TWICE = "Discord shows a text of the log twice"
    POST_ORDER = "Discord shows texts out of order"
    REQUESTS_INVALID = "more than one request in a hundred, and more than one a start, was invalid for Discord"
    STARTS_OVER_BUDGET = "more sessions with Discord were started in a day than it allows"
    PROCESS_LEFT = "a process is left over"
    LOCK_HELD = "a lock is left over"
    FILE_LEFT = "a temporary file is left over"
    TRANSACTION_OPEN = "a transaction is left open"
    DATABASE_DAMAGED = "the database is damaged"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, where, and how."""

    rule: Rule
    session_id: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.rule} [{self.session_id[-6:]}] {self.detail}"
