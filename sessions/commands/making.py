"""Commands that make a session: a new one, or one that goes on from something that was there before."""

import msgspec

from sessions.access import Action
from sessions.commands.command import Command, SessionCommand
from sessions.commands.reading import SessionInfo
from sessions.model import PermissionMode


class CreateSession(Command[SessionInfo], frozen=True, tag="create_session", kw_only=True):
    """A new session of the actor's. `key` makes it the one of its place (see `GetOrCreateSession`)."""

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class GetOrCreateSession(Command[SessionInfo], frozen=True, tag="get_or_create_session", kw_only=True):
    """The session that has not ended at the place `key`, or a new one. Concurrent calls get the same."""

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class Branch(SessionCommand[SessionInfo], frozen=True, tag="branch", kw_only=True):
    """A new session of the actor's that goes on from a turn (None: the last one); the parent is untouched."""

    action = Action.PROMPT
    reply = SessionInfo
    channel_id: str
    turn_id: str | None = None
    key: str = ""
    title: str = ""


class ImportSession(Command[SessionInfo], frozen=True, tag="import_session", kw_only=True):
    """A new session of the actor's that goes on from an exported JSON file. Raises `ImportRefused`."""

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    data: bytes
    key: str = ""
    project: str = ""


class AdoptConversation(Command[SessionInfo], frozen=True, tag="adopt_conversation", kw_only=True):
    """A session of the actor's that takes a conversation over; it must lie in the workspace."""

    action = Action.ADMINISTER
    reply = SessionInfo
    channel_id: str
    conversation_id: str
    key: str = ""


class FoundConversation(msgspec.Struct, frozen=True):
    """A conversation that was begun outside the bridge."""

    conversation_id: str
    title: str
    first_prompt: str
    directory_name: str
    size_bytes: int
    updated_ms: int


class FoundConversations(msgspec.Struct, frozen=True):
    conversations: tuple[FoundConversation, ...]


class ListConversations(Command[FoundConversations], frozen=True, tag="list_conversations", kw_only=True):
    """Conversations on this machine that no session has, last written first."""

    action = Action.ADMINISTER
    reply = FoundConversations
    limit: int = 50


MakingCommand = (
    CreateSession | GetOrCreateSession | Branch | ImportSession | AdoptConversation | ListConversations
)
"""The commands of this file."""
