"""Access rules: one function decides for every way in, by ids only, closed by default.

A face says who the actor is and which role the settings give. Owners share single sessions with a user or a
role. Names never count, and neither do claims that a message makes about its sender.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

import msgspec

from sessions.errors import NotAllowed, SessionHidden
from sessions.model import ShareLevel


class Role(StrEnum):
    """The role that the settings give an actor. `nobody` is allowed nothing."""

    ADMIN = "admin"
    USER = "user"
    VIEWER = "viewer"
    NOBODY = "nobody"


class Action(StrEnum):
    """A kind of act that can be allowed or refused. The words appear in refusals and in the audit."""

    CREATE = "create_sessions"
    LIST = "list_sessions"
    VIEW = "view_this_session"
    PROMPT = "prompt_this_session"
    APPROVE = "answer_for_this_session"
    MANAGE = "manage_this_session"
    ADMINISTER = "administer_the_bridge"
    LOG_IN = "log_in_to_the_web_face"
    NOTE_REFUSAL = "note_a_refusal"
    OPEN_SHARED = "open_a_shared_page"


class Actor(msgspec.Struct, frozen=True):
    """A person at a face. `user_id` and `group_ids` are opaque ids such as `discord:123`.

    `through` is the id of the process's owner that spoke for this person, such as `terminal:ann`, if another
    process named the person over the control socket; else empty. The audit and cards show it.
    """

    user_id: str
    face: str
    role: Role
    group_ids: tuple[str, ...] = ()
    through: str = ""


ActorSource = Callable[[], Awaitable[Actor]]
"""Return the actor as of now, role and groups included. Called repeatedly while the actor follows a stream.

May raise any error if it cannot tell; the caller must then refuse.
"""


def unchanging(actor: Actor) -> ActorSource:
    """Return a source for an actor whose role cannot change, such as the owner of the machine."""

    async def answer() -> Actor:
        return actor

    return answer


class SessionFacts(msgspec.Struct, frozen=True):
    """The facts of a session that `authorize` needs: its owner and its shares."""

    owner_id: str
    shares: Mapping[str, ShareLevel] = {}


# No share includes MANAGE: only the owner and admins end, move, merge or share a session.
_INCLUDED = {
    Action.VIEW: (ShareLevel.VIEW, ShareLevel.PROMPT, ShareLevel.APPROVE),
    Action.PROMPT: (ShareLevel.PROMPT, ShareLevel.APPROVE),
    Action.APPROVE: (ShareLevel.APPROVE,),
}


def may(actor: Actor, action: Action, session: SessionFacts | None = None) -> bool:
    """Whether `actor` may do `action`; `session` is the session that the action is about, if any."""
    if action in (Action.NOTE_REFUSAL, Action.OPEN_SHARED):
        # Whatever the role: the face records a refusal in the name of the refused actor, and the address of a
        # shared page is itself the right to read it.
        return True
    match actor.role:
        case Role.ADMIN:
            return True
        case Role.NOBODY:
            return False
        case Role.VIEWER:
            if action in (Action.LIST, Action.LOG_IN):
                return True
            # Also with a share for prompts: the role bounds what a share can give.
            return action is Action.VIEW and _shared(actor, action, session)
        case Role.USER:
            if action in (Action.CREATE, Action.LIST, Action.LOG_IN):
                return True
            # An action on no session that is not named above is an admin's.
            if action is Action.ADMINISTER or session is None:
                return False
            return actor.user_id == session.owner_id or _shared(actor, action, session)


def authorize(actor: Actor, action: Action, session: SessionFacts | None = None) -> None:
    """Raise `NotAllowed` unless `actor` may do `action`; `SessionHidden` if they may not even view it."""
    if may(actor, action, session):
        return
    # A refusal must not tell somebody without the right to view that the session exists.
    if session is not None and not may(actor, Action.VIEW, session):
        raise SessionHidden(action)
    raise NotAllowed(action)


def _shared(actor: Actor, action: Action, session: SessionFacts | None) -> bool:
    if session is None:
        return False
    # Any of them may give the right: a person may have a share, and their groups another.
    levels = (session.shares.get(grantee) for grantee in (actor.user_id, *actor.group_ids))
    return any(level in _INCLUDED.get(action, ()) for level in levels)
