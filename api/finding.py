"""Commands that find: sessions, projects, conversations that no session has."""

import msgspec

from api.access import Action
from api.command import Command
from api.reading import SessionInfo
from sessions.model import Lifecycle
from sessions.stored import StoredTurn


class SessionPage(msgspec.Struct, frozen=True):
    """Sessions in the order that was asked for; `cursor` asks for the next page, or is empty at the end."""

    sessions: tuple[SessionInfo, ...]
    cursor: str = ""


class FindSession(Command[SessionInfo], frozen=True, tag="find_session", kw_only=True):
    """The session that has not ended at the place `key`. Raises `SessionNotFound`."""

    action = Action.LIST
    reply = SessionInfo
    audited = False
    key: str


class FindTurn(Command[StoredTurn], frozen=True, tag="find_turn", kw_only=True):
    """The turn that the wish `origin` made, in a session that the actor may view. Raises `TurnNotFound`."""

    action = Action.LIST
    reply = StoredTurn
    audited = False
    origin: str


class QuerySessions(Command[SessionPage], frozen=True, tag="query_sessions", kw_only=True):
    """Sessions that the actor may view, newest activity first. Empty fields do not narrow."""

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
    include_ended: bool = False
    limit: int = 20
    cursor: str = ""


class Names(msgspec.Struct, frozen=True):
    """Names to choose from."""

    names: tuple[str, ...]


class ListProjects(Command[Names], frozen=True, tag="list_projects"):
    """The names of the directories in the workspace, sorted."""

    action = Action.CREATE
    reply = Names
    audited = False


class FoundConversation(msgspec.Struct, frozen=True):
    """A conversation that was begun outside the bridge.

    `directory_is_gone`: it can go on in another project only.
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
    """Conversations on this machine that no session has, last written first."""

    action = Action.ADMINISTER
    reply = FoundConversations
    audited = False
    limit: int = 50


FindingCommand = FindSession | FindTurn | QuerySessions | ListProjects | ListConversations
"""The commands of this file."""
