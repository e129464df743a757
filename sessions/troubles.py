"""What goes wrong at Claude's side, in sentences for people: what happened, and what comes next.

The API's own words never reach a face: they name hosts, ids and accounts.
"""

from dataclasses import dataclass

from sessions.claude.lines import ApiRetry, RateLimit, TurnResult
from sessions.model import Blocker
from sessions.topics import Topic


@dataclass(frozen=True, slots=True)
class Trouble:
    """`blocker` is what the session waits for, if it waits."""

    topic: Topic
    sentence: str
    blocker: Blocker | None = None


LOGIN = Trouble(
    Topic.LOGIN,
    "Claude is not logged in, or the login has expired. Run `claude auth login` on the machine, and try again.",
    Blocker.AUTH,
)
OVERLOADED = Trouble(Topic.OVERLOADED, "Claude is overloaded right now; try again in a moment.")
RATE_LIMITED = Trouble(
    Topic.RATE_LIMITED, "Claude takes no more requests for the moment; try again in a minute."
)
SERVER_ERROR = Trouble(Topic.SERVER_ERROR, "Claude's service had an error; try again in a moment.")
CONNECTION = Trouble(Topic.CONNECTION, "The connection to Claude's service broke; try again in a moment.")
CONTEXT_FULL = Trouble(
    Topic.CONTEXT_FULL,
    "The conversation no longer fits into the model's context. Compact it, or start a new one.",
)
TOO_LARGE = Trouble(Topic.TOO_LARGE, "What was sent is too large for Claude. Send a smaller file or picture.")
MODEL_UNKNOWN = Trouble(
    Topic.MODEL_UNKNOWN, "This model is not known or not open to this account; choose another."
)
BUDGET = Trouble(Topic.CLAUDE_BUDGET, "The budget for this conversation is used up.")
TURN_LIMIT = Trouble(
    Topic.TURN_LIMIT, "Claude reached the limit of steps for one prompt; send another to go on."
)
FAILED = Trouble(
    Topic.TURN_FAILED, "Claude could not finish this turn; try again, or see the log on the machine."
)

_BY_STATUS = {401: LOGIN, 403: LOGIN, 404: MODEL_UNKNOWN, 413: TOO_LARGE, 429: RATE_LIMITED, 529: OVERLOADED}
_BY_REASON = {
    "prompt_too_long": CONTEXT_FULL,
    "image_error": TOO_LARGE,
    "max_turns": TURN_LIMIT,
    "budget_exhausted": BUDGET,
}


def trouble_of_result(result: TurnResult) -> Trouble:
    """Why a turn failed, from the facts of its `result` line (never from its prose)."""
    if result.terminal_reason in _BY_REASON:
        return _BY_REASON[result.terminal_reason]
    status = result.api_error_status
    if status is None:
        return CONNECTION if result.terminal_reason == "api_error" else FAILED
    if status >= 500 and status not in _BY_STATUS:
        return SERVER_ERROR
    return _BY_STATUS.get(status, FAILED)


def trouble_of_retry(retry: ApiRetry) -> Trouble:
    """Why the CLI tries an API call again, with what it waits for."""
    if retry.status in (401, 403):
        return LOGIN
    base = CONNECTION if retry.status is None else _BY_STATUS.get(retry.status, SERVER_ERROR)
    seconds = max(1, round(retry.delay_ms / 1000))
    what = base.sentence.split(";", maxsplit=1)[0]
    sentence = f"{what}; trying again in {seconds} s (try {retry.attempt} of {retry.max_retries})."
    return Trouble(base.topic, sentence, Blocker.RETRYING)


def limit_notice(limit: RateLimit) -> str:
    """The account's usage limit in a sentence, without the time (faces show it in the reader's zone)."""
    window = {"five_hour": "five-hour", "seven_day": "weekly"}.get(limit.kind, "usage")
    if limit.status == "rejected":
        return f"The account's {window} limit is used up. Queued prompts wait, and go on when it opens again."
    if limit.utilization is None:
        return f"The account's {window} limit is nearly used up."
    return f"{limit.utilization:.0%} of the account's {window} limit is used."
