"""Find from the CLI's lines why Claude did not finish a turn: as kinds and figures, not as sentences.

The sentences are in `api/words/failures.py`.
"""

from sessions.claude.api_message import Told, cleaned, told_by
from sessions.claude.lines import ApiRetry, AssistantBlocks, StatusChanged, TextBlock, TurnResult
from sessions.model import Blocker, Payer, TurnKind
from sessions.state import RunningTurn, Snapshot
from sessions.troubles import Failure, FailureKind, Retry

_K = FailureKind

_BY_REASON = {
    "prompt_too_long": _K.CONTEXT_FULL,
    "max_turns": _K.TURN_LIMIT,
    "budget_exhausted": _K.BUDGET,
}
_BY_HOOK = {"hook_stopped": _K.HOOK, "tool_deferred": _K.DEFERRED}
# The CLI's own kinds that are more precise than the HTTP status. Source: the CLI's schema of `assistant.error`.
_BY_REPORT = {
    "oauth_org_not_allowed": _K.ORGANIZATION,
    "account_on_hold": _K.ACCOUNT_ON_HOLD,
    "verification_required": _K.VERIFICATION,
    "billing_error": _K.BILLING,
    "cloud_credential_error": _K.CLOUD_LOGIN,
    "model_not_found": _K.MODEL_UNKNOWN,
    "max_output_tokens": _K.OUTPUT_LIMIT,
    "overloaded": _K.OVERLOADED,
}
_BY_MESSAGE = {
    Told.ORGANIZATION_DISABLED: _K.ORGANIZATION_DISABLED,
    Told.SPENDING_LIMIT: _K.SPENDING_LIMIT,
    Told.CONTENT_FILTERED: _K.CONTENT_FILTERED,
    Told.USAGE_LIMIT: _K.USAGE_LIMIT,
}
_BY_STATUS = {
    400: _K.REFUSED,
    401: _K.LOGIN,
    402: _K.BILLING,
    403: _K.FORBIDDEN,
    404: _K.MODEL_UNKNOWN,
    # A proxy wants a login, or a law forbids the page; the API itself has neither.
    407: _K.FORBIDDEN,
    451: _K.FORBIDDEN,
    # Passing states of the service, though their numbers blame the request.
    408: _K.SERVER_ERROR,
    409: _K.SERVER_ERROR,
    425: _K.SERVER_ERROR,
    413: _K.TOO_LARGE,
    429: _K.RATE_LIMITED,
    529: _K.OVERLOADED,
}
_STUCK_AFTER = 2
"""After this many refused turns in a row, the cause is the conversation itself, not the prompt."""


def failure_of_error(snapshot: Snapshot, line: AssistantBlocks) -> Failure:
    """Return the failure that an assistant line reports. The turn's result completes it later."""
    text = "\n".join(block.text for block in line.blocks if isinstance(block, TextBlock))
    kind = _kind(line.error or "", line.api_error_status, "")
    return Failure(kind, line.api_error_status, line.error or "", cleaned(text), _uses_key(snapshot))


def failure_of_status(snapshot: Snapshot, line: StatusChanged) -> Failure | None:
    """Return the failure of a compaction; None if it succeeded, or if no command asked for it."""
    current = snapshot.current
    if line.compact_result in (None, "success") or current is None or current.kind is not TurnKind.COMMAND:
        return None
    return Failure(_K.NOT_COMPACTED, detail=cleaned(line.compact_error), uses_key=_uses_key(snapshot))


def failure_of_result(snapshot: Snapshot, turn: RunningTurn, line: TurnResult) -> Failure:
    """Return the failure of `turn`, from its `result` line and the CLI's earlier reports."""
    reported = turn.failure or Failure(_K.UNKNOWN)
    status = line.api_error_status or reported.status
    kind = _kind(reported.reported, status, line.terminal_reason)
    if snapshot.blocker is Blocker.AUTH and line.api_error_status is None:
        kind = _K.LOGIN
    if kind is _K.RATE_LIMITED and snapshot.blocker is Blocker.USAGE_LIMIT:
        kind = _K.USAGE_LIMIT
    if kind in (_K.REFUSED, _K.RATE_LIMITED) and (told := told_by(line.text)) is not None:
        kind = _BY_MESSAGE[told]
    if kind is _K.REFUSED and snapshot.refused_turns + 1 >= _STUCK_AFTER:
        kind = _K.STUCK
    return Failure(
        kind,
        status,
        reported.reported,
        cleaned(line.text or "\n".join(line.errors)),
        _uses_key(snapshot),
        last_good=snapshot.last_good_turn,
    )


def failure_of_hook(turn: RunningTurn, line: TurnResult) -> Failure | None:
    """Return how a hook ended `turn`, which the CLI reports as a success; None if no hook did."""
    if turn.failure is not None and turn.failure.kind is _K.HOOK:
        return turn.failure
    kind = _BY_HOOK.get(line.terminal_reason)
    return Failure(kind) if kind is not None else None


def failure_of_retry(snapshot: Snapshot, retry: ApiRetry) -> Failure:
    """Return why the CLI repeats a request, and when it will."""
    kind = _K.LOGIN if retry.status == 403 else _kind(retry.error, retry.status, "api_error")
    pause = Retry(retry.attempt, retry.max_retries, max(1, round(retry.delay_ms / 1000)))
    return Failure(kind, retry.status, retry.error, uses_key=_uses_key(snapshot), retry=pause)


def _kind(reported: str, status: int | None, terminal_reason: str) -> FailureKind:
    if terminal_reason in _BY_REASON:
        return _BY_REASON[terminal_reason]
    if terminal_reason == "image_error":
        return _K.TOO_LARGE if status == 413 else _K.FILE_REFUSED
    if reported in _BY_REPORT:
        return _BY_REPORT[reported]
    if status is None:
        is_login = reported == "authentication_failed"
        lost = _K.CONNECTION if terminal_reason == "api_error" else _K.UNKNOWN
        return _K.LOGIN if is_login else lost
    if 300 <= status < 400:
        return _K.FORBIDDEN  # the API never redirects: a login page of the network stands before it
    return _BY_STATUS.get(status, _K.SERVER_ERROR if status >= 500 else _K.REFUSED)


def _uses_key(snapshot: Snapshot) -> bool:
    return snapshot.payer is Payer.KEY
