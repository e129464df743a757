"""Commands that make a session: a new one, or one that goes on from what was elsewhere."""

from api.access import Action
from api.command import Command
from api.reading import SessionInfo
from sessions.model import PermissionMode


class CreateSession(Command[SessionInfo], frozen=True, tag="create_session", kw_only=True):
    """A new session of the actor's. `key` makes it the one of its place (see `GetOrCreateSession`).

    Raises `WorkDirectoryRefused`, `ModelRefused`, `PlaceTaken`.
    """

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class GetOrCreateSession(Command[SessionInfo], frozen=True, tag="get_or_create_session", kw_only=True):
    """The session that has not ended at the place `key`, or a new one. Concurrent calls get the same.

    Raises `WorkDirectoryRefused`, `ModelRefused`, `NotAllowed` if it is there and not the actor's to view.
    """

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class ImportSession(Command[SessionInfo], frozen=True, tag="import_session", kw_only=True):
    """A new session of the actor's that goes on from an exported JSON file.

    Raises `ImportRefused`, `WorkDirectoryRefused`, `PlaceTaken`.
    """

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    data: bytes
    key: str = ""
    project: str = ""


class AdoptConversation(Command[SessionInfo], frozen=True, tag="adopt_conversation", kw_only=True):
    """A session of the actor's that takes a conversation over; it must lie in the workspace.

    With `project` it goes on there: for one whose directory was renamed, or lies elsewhere.
    Raises `SessionNotFound` if there is none to take, `WorkDirectoryRefused`, `PlaceTaken`.
    """

    action = Action.ADMINISTER
    reply = SessionInfo
    channel_id: str
    conversation_id: str
    key: str = ""
    project: str = ""


MakingCommand = CreateSession | GetOrCreateSession | ImportSession | AdoptConversation
"""The commands of this file."""
