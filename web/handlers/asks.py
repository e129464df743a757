"""Routes on the asks of a session: read them, answer them."""

from collections.abc import Sequence

import msgspec

import api as c
from sessions.model import AllowAlways, Ask, Decision
from sessions.stored import StoredAsk
from web.principals import Scope
from web.routing import Call, Route, Words


class NewDecision(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The answer to an ask."""

    decision: Decision


class Approval(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The answer to an ask of the session in the path."""

    ask_id: Words
    decision: Decision


async def read_asks(call: Call) -> c.Asks:
    """Read every ask of a session with its outcome, oldest first."""
    return await call.perform(c.ReadAsks(session_id=call.session_id))


async def read_ask(call: Call) -> StoredAsk:
    """Read one ask with its outcome."""
    return await call.perform(c.ReadAsk(session_id=call.session_id, ask_id=call.place("ask_id")))


async def answer_ask(call: Call) -> Ask:
    """Answer an ask. The first answer counts, from whatever face it comes; a later one gets 409."""
    wish: NewDecision = call.body
    return await _answer(call, call.place("ask_id"), wish.decision)


async def approve(call: Call) -> Ask:
    """Answer an ask, as `answer_ask`, with its id in the body."""
    wish: Approval = call.body
    return await _answer(call, wish.ask_id, wish.decision)


async def _answer(call: Call, ask_id: str, decision: Decision) -> Ask:
    # The answer for this once needs no fresh login; a rule answers asks that nobody sees any more.
    call.check_fresh(isinstance(decision, AllowAlways))
    return await call.perform(c.AnswerAsk(session_id=call.session_id, ask_id=ask_id, decision=decision))


_ASKS = "/api/sessions/{session_id}/asks"
ROUTES: Sequence[Route] = (
    Route("GET", _ASKS, read_asks, reply=c.Asks),
    Route("GET", f"{_ASKS}/{{ask_id}}", read_ask, reply=StoredAsk),
    Route("POST", f"{_ASKS}/{{ask_id}}/decision", answer_ask, Scope.APPROVE, NewDecision, reply=Ask),
    Route("PUT", "/api/chat/{session_id}/approve", approve, Scope.APPROVE, Approval, reply=Ask),
)
