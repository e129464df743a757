"""The words of notices: one title, one tone and possibly a next step for each topic."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from api.words.failures import failure_sentence
from api.words.limits import limit_sentence
from sessions.events import ActivityChanged, Noticed
from sessions.topics import Topic


class Tone(StrEnum):
    """How urgent a notice is; a face has one colour for each."""

    MILD = "mild"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class NoticeWords:
    """Title, tone and next step (a sentence or empty). If `said_by_turn`, the turn's posts say it."""

    title: str
    tone: Tone = Tone.TROUBLE
    next_step: str = ""
    said_by_turn: bool = False


def _mild(title: str, next_step: str = "") -> NoticeWords:
    return NoticeWords(title, Tone.MILD, next_step)


def _of_turn(title: str) -> NoticeWords:
    return NoticeWords(title, said_by_turn=True)


NOTICES: Mapping[Topic, NoticeWords] = {
    Topic.USAGE_LIMIT: NoticeWords("Usage limit reached"),
    Topic.USAGE_WARNING: _mild("Usage limit near"),
    Topic.EXTRA_USAGE: _mild("Extra usage is being spent"),
    Topic.USAGE_LIMIT_REACHED: _of_turn("This met a usage limit"),
    Topic.FORBIDDEN: _of_turn("Claude's service lets nobody in"),
    Topic.ORGANIZATION: NoticeWords("The organization does not allow this"),
    Topic.ORGANIZATION_DISABLED: NoticeWords("The organization is disabled"),
    Topic.ACCOUNT_ON_HOLD: NoticeWords("The account is on hold"),
    Topic.VERIFICATION: NoticeWords("The account has to be verified"),
    Topic.CLOUD_LOGIN: NoticeWords("The cloud needs a login"),
    Topic.BILLING: NoticeWords("No credit left"),
    Topic.SPENDING_LIMIT: NoticeWords("The spending limit is reached"),
    Topic.FILE_REFUSED: _of_turn("A file was refused"),
    Topic.CONTENT_FILTERED: _of_turn("The answer was held back"),
    Topic.OUTPUT_LIMIT: _of_turn("The answer was too long"),
    Topic.NOT_COMPACTED: _of_turn("Not compacted"),
    Topic.HOOK: _of_turn("A hook stopped this"),
    Topic.DEFERRED: _of_turn("A hook put this off"),
    Topic.WRITES_LOST: NoticeWords("Claude could not save everything", next_step="Make room on the disk."),
    Topic.REFUSED: _of_turn("The request was refused"),
    Topic.STUCK: NoticeWords("The conversation is refused"),
    Topic.LOGIN: NoticeWords(
        "Claude needs a login", next_step="The prompt can be sent again once Claude is logged in."
    ),
    Topic.OVERLOADED: _of_turn("Claude is overloaded"),
    Topic.RATE_LIMITED: _of_turn("Claude takes no more requests"),
    Topic.SERVER_ERROR: _of_turn("An error of Claude's service"),
    Topic.CONNECTION: _of_turn("No connection to Claude's service"),
    Topic.CONTEXT_FULL: NoticeWords("The conversation is full"),
    Topic.TOO_LARGE: _of_turn("Too large for Claude"),
    Topic.MODEL_UNKNOWN: _of_turn("The model is not known"),
    Topic.TURN_LIMIT: _of_turn("The limit of steps is reached"),
    Topic.TURN_FAILED: NoticeWords("Claude could not go on"),
    Topic.CLAUDE_BUDGET: NoticeWords("The conversation's budget is used up"),
    Topic.OUR_BUDGET: _mild("Your budget is nearly used up"),
    Topic.CLEARED: _mild("A new conversation"),
    Topic.CONVERSATION_LOST: NoticeWords(
        "Claude's memory of this is gone", next_step="Say again what Claude needs to know."
    ),
    Topic.MODEL_FALLBACK: _mild("Another model answers"),
    Topic.MODEL_UNLISTED: _mild("Claude lists no such model"),
    Topic.DISK: NoticeWords(
        "The disk is nearly full", next_step="Queued prompts wait until there is room again."
    ),
    Topic.MEMORY: NoticeWords("Memory is short", next_step="Queued prompts wait until there is memory again."),
    Topic.START_FAILED: NoticeWords("Claude could not be started"),
    Topic.PROJECT_GONE: NoticeWords(
        "The project is gone", next_step="Move the session to another project; its conversation is kept."
    ),
    Topic.PROCESS_ENDED: NoticeWords(
        "Claude's process ended",
        next_step="The conversation is kept: send a prompt, or press Continue on the last answer.",
    ),
    Topic.PROCESS_STUCK: NoticeWords("Claude's process cannot be ended"),
    Topic.CRASH_LOOP: NoticeWords("Claude keeps failing to start", next_step="The conversation is kept."),
    Topic.BROKEN: NoticeWords("This session broke down", next_step="The conversation is kept."),
    Topic.ADOPTED: _mild("A process of Claude's was found again"),
    Topic.OWN_COPY: _mild("Own copy of the files"),
    Topic.SHARED_DIRECTORY: _mild("Two sessions, one directory", "Both can change the same files."),
    Topic.RUN_WAITS: _mild("The run waits for you", "Its card has the buttons."),
    Topic.RUN_ENDED: _mild("The run has ended"),
    Topic.ASK_REMINDER: _mild("Claude still waits"),
    Topic.NO_PROGRESS: NoticeWords("No sign of life", next_step="Stop is on the last post."),
    Topic.PERMISSIONS: _mild("Permissions came along"),
    Topic.SCHEDULES_LOST: _mild("What Claude had planned is gone", "Ask Claude to plan it again."),
    Topic.SCHEDULES_WAIT: _mild("What Claude has planned waits"),
    Topic.LEFT_RUNNING_ENDED: _mild("Something left running was ended"),
    Topic.SANDBOX_HIDES: _mild("Something is outside of the sandbox"),
    Topic.SANDBOX: _mild("The sandbox around Claude"),
    Topic.MODE_LOWERED: _mild("Claude asks again"),
    Topic.TRUST_WANTED: _mild(
        "This project brings more than text", "An admin decides what of it counts: /settings trust."
    ),
    Topic.SITE_WANTED: _mild("Claude wanted a host that is not listed", "An admin decides: /settings network."),
    Topic.SERVER_FAILED: _mild(
        "An MCP server did not start", "A sandbox shows it only what SANDBOX_READ names. See: claude mcp list."
    ),
    Topic.SERVER_ASKS: _mild("An MCP server asked for something"),
    Topic.GAP: _mild("A gap was filled"),
    Topic.FILES_NOT_IMPORTED: _mild("Files were left behind"),
    Topic.CHECKPOINTS: _mild("Checkpoints"),
    Topic.RESTORED: _mild("Files were put back"),
    Topic.END_PROPOSED: _mild("Claude would end the session", "/session end does it, with this summary."),
    Topic.OTHER: NoticeWords("Notice"),
}


def notice_text(notice: Noticed) -> str:
    """Return the notice as a sentence."""
    if notice.failure is not None:
        return failure_sentence(notice.failure)
    return notice.text if notice.limit is None else limit_sentence(notice.limit)


def waiting_text(change: ActivityChanged) -> str:
    """Return what a blocked session waits for, as a sentence."""
    if change.failure is not None:
        return failure_sentence(change.failure)
    return change.cause if change.limit is None else limit_sentence(change.limit)
