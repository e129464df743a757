"""Sentences for people when Claude did not finish a turn: the cause and the next step.

The one place that makes sentences of `Failure`; all faces and exports use it. Kinds and figures come from the
CLI (`sessions/failures.py`). If our words would say less than the API's own message, that message is shown,
cleaned and cut.
"""

from typing import Protocol

from sessions.troubles import Failure, FailureKind

_K = FailureKind

_LOGIN = (
    "Claude is not logged in, or the login has expired. Run `claude auth login` on the machine, and try again."
)
_KEY = (
    "Claude's service does not accept the API key that is set on the machine. "
    "An admin has to replace it; then try again."
)
_SENTENCES = {
    _K.ORGANIZATION: (
        "The organization does not allow Claude Code with a subscription. Ask its admin to enable it, or set "
        "an API key on the machine."
    ),
    _K.ORGANIZATION_DISABLED: (
        "The organization that Claude's login or API key belongs to is disabled. "
        "An admin has to set another one."
    ),
    _K.ACCOUNT_ON_HOLD: "The Claude account is on hold. Its owner has to look at claude.ai; then try again.",
    _K.VERIFICATION: "The Claude account has to be verified. Its owner does that at claude.ai; then try again.",
    _K.CLOUD_LOGIN: "The login of the cloud that serves Claude has expired. An admin has to renew it.",
    _K.BILLING: "The credit of the Claude account is used up. Add credit or change the plan; then try again.",
    _K.CONTENT_FILTERED: "The answer was held back by Claude's content filter. Ask in other words.",
    _K.USAGE_LIMIT: "A usage limit of the account is reached. Send this again when it opens.",
    _K.RATE_LIMITED: "Claude takes no more requests for the moment; try again in a minute.",
    _K.DEFERRED: "A hook put a tool call off. Send a prompt to go on, or change the hook.",
    _K.OVERLOADED: "Claude is overloaded right now; try again in a moment.",
    _K.SERVER_ERROR: "Claude's service had an error; try again in a moment.",
    _K.CONNECTION: "The connection to Claude's service broke; try again in a moment.",
    _K.MODEL_UNKNOWN: (
        "This model is not known or not open to this account; choose another. "
        "If none works, an admin has to check the address of Claude's service."
    ),
    _K.CONTEXT_FULL: (
        "The conversation no longer fits into the model's context. Compact it, or start a new one."
    ),
    _K.TOO_LARGE: "What was sent is too large for Claude. Send a smaller file or picture.",
    _K.OUTPUT_LIMIT: "The answer was longer than the model may give at once; ask for less, or in parts.",
    _K.TURN_LIMIT: "Claude reached the limit of steps for one prompt; send another to go on.",
    _K.BUDGET: "The budget for this conversation is used up.",
}
# The conversation itself may be refused, which every further prompt sends along: a branch from before helps.
_CONVERSATION_AT_FAULT = frozenset({_K.REFUSED, _K.STUCK, _K.FILE_REFUSED})


class Ended(Protocol):
    """A turn that is over, as an event or as a row."""

    @property
    def failure(self) -> Failure | None: ...
    @property
    def reason(self) -> str: ...


def ended_because(turn: Ended) -> str:
    """Return why a turn did not end as done, as a sentence; empty if there is nothing to say."""
    return turn.reason if turn.failure is None else failure_sentence(turn.failure)


def failure_sentence(failure: Failure) -> str:
    """Return the cause and the remedy in one or two sentences."""
    sentence = _sentence(failure)
    if failure.retry is None:
        return sentence
    # The rest of the sentence tells people to try again, which Claude does by itself here.
    what = sentence.split(";", maxsplit=1)[0].removesuffix(".")
    pause = failure.retry
    return f"{what}; trying again in {pause.pause_s} s (try {pause.attempt} of {pause.attempts})."


def good_turn_to_branch_from(failure: Failure) -> str:
    """Return the last turn before the failures if a branch from there helps; else an empty string."""
    return failure.last_good if failure.kind in _CONVERSATION_AT_FAULT else ""


def _sentence(failure: Failure) -> str:
    said = f": {failure.detail.rstrip('.')}." if failure.detail else "."
    status = f" ({failure.status})" if failure.status else ""
    match failure.kind:
        case _K.LOGIN:
            return _KEY if failure.uses_key else _LOGIN
        case _K.FORBIDDEN:
            what = f"Claude's service, or a proxy on the way to it, refused the request{status}{said}"
            whom = "Ask whoever runs the network or the organization."
            login = "If the login was withdrawn, run `claude auth login` on the machine."
            return f"{what} {whom}" if failure.uses_key else f"{what} {whom} {login}"
        case _K.USAGE_LIMIT if failure.goes_on:
            return (
                "A usage limit of the account is reached. Claude goes on when it opens, or with another model."
            )
        case _K.REFUSED:
            return f"Claude's service refused the request{status}{said} Try again, in other words if need be."
        case _K.SPENDING_LIMIT:
            return f"The organization's spending limit is reached{said} An admin can raise it; then try again."
        case _K.STUCK:
            what = f"Claude's service refuses every request of this conversation{status}{said}"
            helps = "Branch from the last good turn" if failure.last_good else "Start a new session"
            return f"{what} {helps} to go on; trying again does not help."
        case _K.FILE_REFUSED:
            what = f"Claude cannot take a picture or file of this conversation{said}"
            return f"{what} Send another, or go on without."
        case _K.HOOK:
            return f"A hook stopped this{said} Change the prompt or the hook, and send it again."
        case _K.NOT_COMPACTED:
            return f"The conversation was not compacted{said} Nothing of it is lost; try again."
        case _K.UNKNOWN:
            return f"Claude could not finish this turn{said} Try again; the log on the machine has the cause."
        case _:
            return _SENTENCES[failure.kind]
