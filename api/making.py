"""Commands that make a session: a new one, or one that continues an export or an outside conversation."""

from api.access import Action
from api.command import Command
from api.reading import SessionInfo
from sessions.model import PermissionMode


class CreateSession(Command[SessionInfo], frozen=True, tag="create_session", kw_only=True):
    """Create a session owned by the actor. With `key` it becomes the session of that place.

    A `focus` gives it a readable id and a folder (`ReadFolder`), and a title if `title` is empty.
    With `own_copy` it works in a copy of the project's files, on a git branch of its own if there is git.
    Raises `WorkDirectoryRefused`, `ModelRefused`, `PlaceTaken`, `BranchRefused` if the files cannot be copied.
    """

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None
    focus: str = ""
    own_copy: bool = False


class GetOrCreateSession(Command[SessionInfo], frozen=True, tag="get_or_create_session", kw_only=True):
    """Return the session at the place `key` that has not ended, or create it. Concurrent calls get the same.

    `own_copy` is as in `CreateSession`. Raises `WorkDirectoryRefused`, `ModelRefused`, `BranchRefused`,
    `NotAllowed` if it exists and the actor may not view it.
    """

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None
    own_copy: bool = False


class ImportSession(Command[SessionInfo], frozen=True, tag="import_session", kw_only=True):
    """Create a session owned by the actor that continues an exported JSON file, or a bundle with its files.

    Raises `ImportRefused`, `BackupRefused` for a bundle, `WorkDirectoryRefused`, `PlaceTaken`.
    """

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    data: bytes
    key: str = ""
    project: str = ""


class AdoptConversation(Command[SessionInfo], frozen=True, tag="adopt_conversation", kw_only=True):
    """Create a session owned by the actor that takes over a conversation.

    The conversation's directory must be in the workspace. If it was renamed or is elsewhere, `project` names
    the project to continue in. Raises `SessionNotFound` if there is no such conversation,
    `WorkDirectoryRefused`, `PlaceTaken`.
    """

    # These conversations are the machine user's own, and may hold anything.
    action = Action.ADMINISTER
    reply = SessionInfo
    channel_id: str
    conversation_id: str
    key: str = ""
    project: str = ""


MakingCommand = CreateSession | GetOrCreateSession | ImportSession | AdoptConversation
"""The commands of this file."""
