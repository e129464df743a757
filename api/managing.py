"""Commands on a session as a whole: model, mode, title, project, shares, branches, process, end."""

import msgspec

from api.access import Action
from api.command import Nothing, SessionCommand
from api.reading import SessionInfo
from sessions.model import PermissionMode, ShareLevel


class Handover(msgspec.Struct, frozen=True):
    """The shell command that continues the conversation in a terminal on the machine."""

    command: str


class Branch(SessionCommand[SessionInfo], frozen=True, tag="branch", kw_only=True):
    """Create a session owned by the actor that continues from a turn (None: the last); the parent is untouched.

    With `own_copy` it gets a copy of the files as they are now, else it shares its parent's directory. Where
    checkpoints are off, it always shares. Raises `IllegalMove` if that turn cannot be branched from yet,
    `TurnNotFound`, `PlaceTaken`, `BranchRefused` if the files cannot be copied.
    """

    action = Action.PROMPT
    reply = SessionInfo
    channel_id: str
    turn_id: str | None = None
    key: str = ""
    title: str = ""
    own_copy: bool = True


class GoOnFrom(SessionCommand[SessionInfo], frozen=True, tag="go_on_from", kw_only=True):
    """Make the next prompt follow this answer, if the last prompt has several; the others stay readable.

    Raises `IllegalMove` while a turn runs or waits, or if another prompt came since; `TurnNotFound`,
    `ConversationGone`.
    """

    action = Action.PROMPT
    reply = SessionInfo
    turn_id: str


class SetModel(SessionCommand[SessionInfo], frozen=True, tag="set_model", kw_only=True):
    """Use a model from the next turn on.

    Raises `ModelRefused`, `IllegalMove` if the session has ended, `ClaudeUnavailable` if the CLI refuses.
    """

    action = Action.MANAGE
    reply = SessionInfo
    model: str


class SetMode(SessionCommand[SessionInfo], frozen=True, tag="set_mode", kw_only=True):
    """Set the permission mode, which decides what Claude may do without asking.

    Raises `NotAllowed` if somebody else than an admin chooses the mode that never asks, `IllegalMove` if the
    session has ended, `ClaudeUnavailable` if the CLI refuses.
    """

    action = Action.MANAGE
    reply = SessionInfo
    mode: PermissionMode


class Rename(SessionCommand[SessionInfo], frozen=True, tag="rename", kw_only=True):
    """Give the session a title that no automatic title replaces."""

    action = Action.MANAGE
    reply = SessionInfo
    title: str


class MoveSession(SessionCommand[SessionInfo], frozen=True, tag="move_session", kw_only=True):
    """Move the session to another project, from its next prompt on; its conversation is kept.

    Claude is told once that paths have changed. Raises `WorkDirectoryRefused`, `IllegalMove` while a turn runs.
    """

    action = Action.MANAGE
    reply = SessionInfo
    project: str


class Pin(SessionCommand[SessionInfo], frozen=True, tag="pin", kw_only=True):
    """Pin the session, or unpin it. A pinned session comes first in lists and is never archived."""

    action = Action.MANAGE
    reply = SessionInfo
    pinned: bool = True


class EndLeftRunning(SessionCommand[SessionInfo], frozen=True, tag="end_left_running", kw_only=True):
    """End the programs that Claude's tools left running (`SessionInfo.left_running`); Claude's process stays.

    Raises `ClaudeUnavailable` if one of them cannot be ended.
    """

    action = Action.PROMPT
    reply = SessionInfo


class Share(SessionCommand[Nothing], frozen=True, tag="share", kw_only=True):
    """Share the session with a user or group id; `level` None takes the share back."""

    action = Action.MANAGE
    reply = Nothing
    grantee: str
    level: ShareLevel | None


class Park(SessionCommand[Nothing], frozen=True, tag="park", kw_only=True):
    """End the process, keep the conversation."""

    action = Action.MANAGE
    reply = Nothing


class HandOver(SessionCommand[Handover], frozen=True, tag="hand_over", kw_only=True):
    """Park the session for use in a terminal; the next prompt takes it back. The reply shows a local path.

    Raises `IllegalMove` while a turn runs, or before the conversation has begun.
    """

    action = Action.MANAGE
    reply = Handover


class Clear(SessionCommand[Nothing], frozen=True, tag="clear", kw_only=True):
    """End the process and the session."""

    action = Action.MANAGE
    reply = Nothing


class Purge(SessionCommand[Nothing], frozen=True, tag="purge"):
    """Delete an ended session for good, with its copies and checkpoints. Claude's own transcript stays, and
    so do its archived folder and its backups.

    Raises `IllegalMove` if it has not ended, `NotRemoved` while a process of it still runs, `BranchUnmerged`.
    """

    action = Action.MANAGE
    reply = Nothing


class RestoreSession(SessionCommand[SessionInfo], frozen=True, tag="restore_session", kw_only=True):
    """Restore an ended session as parked; its next prompt wakes it.

    With `key` None it gets its old place if that is free, and no place otherwise. An empty `channel_id` keeps
    its channel.
    Raises `IllegalMove` if it has not ended, `PlaceTaken` if another session holds `key`.
    """

    action = Action.MANAGE
    reply = SessionInfo
    channel_id: str = ""
    key: str | None = None


ManagingCommand = (
    Branch
    | GoOnFrom
    | SetModel
    | SetMode
    | Rename
    | MoveSession
    | Pin
    | EndLeftRunning
    | Share
    | Park
    | Purge
    | HandOver
    | Clear
    | RestoreSession
)
"""The commands of this file."""
