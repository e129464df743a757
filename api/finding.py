"""Commands that find sessions, projects, and conversations without a session."""

import msgspec

from api.access import Action
from api.command import Command
from api.reading import SessionInfo
from sessions.model import Lifecycle
from sessions.stored import StoredTurn


class SessionPage(msgspec.Struct, frozen=True):
    """Sessions in the requested order; `cursor` asks for the next page and is empty on the last one."""

    sessions: tuple[SessionInfo, ...]
    cursor: str = ""


class FindSession(Command[SessionInfo], frozen=True, tag="find_session", kw_only=True):
    """Return the session at the place `key` that has not ended. Raises `SessionNotFound`."""

    # The right to view is asked for when the session is known: the key alone says nothing.
    action = Action.LIST
    reply = SessionInfo
    audited = False
    key: str


class FindTurn(Command[StoredTurn], frozen=True, tag="find_turn", kw_only=True):
    """Return the turn that the command with `origin` made, if the actor may view it. Raises `TurnNotFound`."""

    action = Action.LIST
    reply = StoredTurn
    audited = False
    origin: str


class QuerySessions(Command[SessionPage], frozen=True, tag="query_sessions", kw_only=True):
    """Return the sessions that the actor may view, newest activity first. An empty field is not a filter.

    Pinned ones come before all others, unless `pinned_first` is False.
    """

    action = Action.LIST
    reply = SessionPage
    audited = False
    lifecycle: Lifecycle | None = None
    user_id: str = ""
    channel_id: str = ""
    model: str = ""
    project: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    text: str = ""
    oldest_first: bool = False
    pinned_first: bool = True
    include_ended: bool = False
    limit: int = 20
    cursor: str = ""


class LastEvents(msgspec.Struct, frozen=True):
    """The number of the last event of each session; 0 for a session without events."""

    numbers: dict[str, int]


class ReadLastEvents(Command[LastEvents], frozen=True, tag="read_last_events", kw_only=True):
    """Return the last event numbers of the given sessions. Deleted sessions, and those that the actor may not
    view, are missing in the reply.
    """

    action = Action.LIST
    reply = LastEvents
    audited = False
    session_ids: tuple[str, ...]


class QueuedTurns(msgspec.Struct, frozen=True):
    """Turns whose prompts are queued, oldest first."""

    turns: tuple[StoredTurn, ...]


class ListQueuedTurns(Command[QueuedTurns], frozen=True, tag="list_queued_turns", kw_only=True):
    """Return the queued turns of all sessions that the actor may view."""

    action = Action.LIST
    reply = QueuedTurns
    audited = False


class Names(msgspec.Struct, frozen=True):
    """Names to choose from."""

    names: tuple[str, ...]


class ListProjects(Command[Names], frozen=True, tag="list_projects"):
    """Return the names of the directories in the workspace, sorted."""

    # Names of projects are for those who begin sessions. Viewers need none.
    action = Action.CREATE
    reply = Names
    audited = False


class FoundConversation(msgspec.Struct, frozen=True):
    """A conversation that began outside the bridge.

    If `directory_is_gone`, it can continue only in another project.
    """

    conversation_id: str
    title: str
    first_prompt: str
    directory_name: str
    size_bytes: int
    updated_ms: int
    directory_is_gone: bool = False


class FoundConversations(msgspec.Struct, frozen=True):
    """Conversations, last written first."""

    conversations: tuple[FoundConversation, ...]


class ListConversations(Command[FoundConversations], frozen=True, tag="list_conversations", kw_only=True):
    """Return the conversations on this machine that belong to no session, last written first."""

    action = Action.ADMINISTER
    reply = FoundConversations
    audited = False
    limit: int = 50


FindingCommand = (
    FindSession | FindTurn | QuerySessions | ReadLastEvents | ListQueuedTurns | ListProjects | ListConversations
)
"""The commands of this file."""
