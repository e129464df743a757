"""Who may do what: one function for every way in, ids only, closed by default.

A face says who the actor is and which role the settings give; owners share single sessions with a user or a
role. Names never count, and what a message claims of its sender never comes here.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

import msgspec

from sessions.errors import NotAllowed, SessionHidden
from sessions.model import ShareLevel


class Role(StrEnum):
    """What the settings make of an actor. `nobody` is allowed nothing."""

    ADMIN = "admin"
    USER = "user"
    VIEWER = "viewer"
    NOBODY = "nobody"


class Action(StrEnum):
    """What an actor wants. The words appear in refusals and in the audit."""

    CREATE = "create_sessions"
    LIST = "list_sessions"
    VIEW = "view_this_session"
    PROMPT = "prompt_this_session"
    APPROVE = "answer_for_this_session"
    MANAGE = "manage_this_session"
    ADMINISTER = "administer_the_bridge"
    NOTE_REFUSAL = "note_a_refusal"


class Actor(msgspec.Struct, frozen=True):
    """Somebody at a face. `user_id` and `group_ids` are opaque ids such as `discord:123`."""

    user_id: str
    face: str
    role: Role
    group_ids: tuple[str, ...] = ()


ActorSource = Callable[[], Awaitable[Actor]]
"""Says who somebody is now, role and groups included: asked again as long as they follow something.

Raises what keeps it from knowing; whoever asks must then take it for a no.
"""


def unchanging(actor: Actor) -> ActorSource:
    """A source for somebody whose role cannot change meanwhile, such as the owner of the machine."""

    async def answer() -> Actor:
        return actor

    return answer


class SessionFacts(msgspec.Struct, frozen=True):
    """What `authorize` has to know of a session: whose it is, and with whom it is shared."""

    owner_id: str
    shares: Mapping[str, ShareLevel] = {}


_INCLUDED = {
    Action.VIEW: (ShareLevel.VIEW, ShareLevel.PROMPT, ShareLevel.APPROVE),
    Action.PROMPT: (ShareLevel.PROMPT, ShareLevel.APPROVE),
    Action.APPROVE: (ShareLevel.APPROVE,),
}


def may(actor: Actor, action: Action, session: SessionFacts | None = None) -> bool:
    """Whether `actor` may do `action`, to `session` where the action is about one."""
    if action is Action.NOTE_REFUSAL:
        return True  # the actor is who was turned away: the face writes it down for them
    match actor.role:
        case Role.ADMIN:
            return True
        case Role.NOBODY:
            return False
        case Role.VIEWER:
            return action is Action.LIST or (action is Action.VIEW and _shared(actor, action, session))
        case Role.USER:
            if action in (Action.CREATE, Action.LIST):
                return True
            if action is Action.ADMINISTER or session is None:
                return False
            return actor.user_id == session.owner_id or _shared(actor, action, session)


def authorize(actor: Actor, action: Action, session: SessionFacts | None = None) -> None:
    """Raise `NotAllowed` unless `actor` may do `action`; `SessionHidden` if they may not even view it."""
    if may(actor, action, session):
        return
    if session is not None and not may(actor, Action.VIEW, session):
        raise SessionHidden(action)
    raise NotAllowed(action)


def _shared(actor: Actor, action: Action, session: SessionFacts | None) -> bool:
    if session is None:
        return False
    levels = (session.shares.get(grantee) for grantee in (actor.user_id, *actor.group_ids))
    return any(level in _INCLUDED.get(action, ()) for level in levels)
