"""Errors as `application/problem+json` (RFC 9457): a code for programs, a sentence for people.

The code is the error's name in the core, in small letters. A session that exists but may not be seen is
answered like one that does not exist.
"""

import logging
import re
import uuid
from collections.abc import Mapping

import msgspec
from aiohttp import web

from api.run_model import IllegalRunMove, PlanOutdated, RunNotFound, TaskNotFound
from sessions import errors as se
from storage import StorageError

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_STATUS: Mapping[type[Exception], int] = {
    se.SessionHidden: 404,
    se.SessionNotFound: 404,
    se.TurnNotFound: 404,
    se.AskNotFound: 404,
    se.CheckpointNotFound: 404,
    se.CommentNotFound: 404,
    se.CleanupRuleNotFound: 404,
    se.RuleNotFound: 404,
    se.SharedPageNotFound: 404,
    se.TemplateNotFound: 404,
    se.NotAllowed: 403,
    se.LimitReached: 429,
    se.AlreadyDecided: 409,
    se.IllegalMove: 409,
    se.EndedAlready: 409,
    se.PlaceTaken: 409,
    se.NotRemoved: 409,
    se.OfferChanged: 409,
    se.PreviewOutdated: 409,
    se.MergeOutdated: 409,
    se.SetUpNotAgreed: 409,
    se.BranchUnmerged: 409,
    TaskNotFound: 404,
    IllegalRunMove: 409,
    PlanOutdated: 409,
    se.CoreLost: 503,
    se.ClaudeUnavailable: 503,
}
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as RFC 9457 describes it; `incident` names the record in the bridge's log."""

    status: int
    code: str
    title: str
    incident: str = ""


class Refused(Exception):
    """A request that the web face itself refuses, before or beside the core."""

    def __init__(self, status: int, code: str, title: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.problem = Problem(status, code, title)
        self.headers = dict(headers or {})


def problem_of(error: Exception, *, of_run: bool = False) -> Problem:
    """Return the answer for `error`; an unknown error is logged with an incident id and not described.

    `of_run`: the request was about a run, whose rights are those of its session.
    """
    match error:
        case Refused():
            return error.problem
        case se.SessionNotFound() | se.SessionHidden() | RunNotFound():
            # One answer for all: it must not tell which sessions exist.
            if of_run:
                return Problem(404, "run_not_found", "There is no such run, or it is not yours to see.")
            return Problem(404, "session_not_found", "There is no such session, or it is not yours to see.")
        case se.SessionError():
            # By the nearest base that is listed: a new subclass gets the status of its parent, never a 500.
            kinds = (each for each in type(error).__mro__ if each in _STATUS)
            return Problem(_STATUS.get(next(kinds, se.SessionError), 422), _code(type(error)), str(error))
        case StorageError():
            return Problem(503, _code(type(error)), str(error))
        case web.HTTPException():
            return Problem(error.status, f"http_{error.status}", error.reason or "The request was refused.")
        case _:
            incident = uuid.uuid4().hex[:8]
            # The words of an unknown error may hold paths and prompts, so only the log has them.
            log.error("request failed", extra={"incident": incident}, exc_info=error)
            return Problem(500, "internal", f"Something went wrong (incident {incident}).", incident)


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return `problem` as a response."""
    return web.Response(
        status=problem.status, body=msgspec.json.encode(problem), content_type=CONTENT_TYPE, headers=headers
    )


def _code(kind: type[Exception]) -> str:
    return _CAPITAL.sub("_", kind.__name__).lower()
