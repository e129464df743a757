"""Uploads into a session, and files out of it. The content is a stream beside the command: see `Core`."""

from api.access import Action
from api.command import Nothing, SessionCommand
from sessions.model import Attachment

MOST_BYTES = 64 * 2**20
"""The largest file, whatever limit a face has of its own."""


class PutFile(SessionCommand[Attachment], frozen=True, tag="put_file", kw_only=True):
    """Store an upload `<folder>/<name>` outside of the project. An existing one is replaced whole or not.

    Raises `FileRefused` for a name that `safe_name` would change, or if it cannot be stored; `FileTooLarge`.
    """

    action = Action.PROMPT
    reply = Attachment
    folder: str
    name: str
    media_type: str = ""
    max_bytes: int = MOST_BYTES


class GetFile(SessionCommand[Nothing], frozen=True, tag="get_file", kw_only=True):
    """Hand out the file `path`, relative to the work directory or absolute in it. `uploads/…` names an upload.

    With `returned_by`, the id of a tool call, `path` is the number (from 0) of a picture which it returned.

    Needs the right to prompt: somebody who may prompt could have Claude read the file anyway.
    Raises `FileTooLarge`, and `FileRefused` with the same sentence for a missing file, a protected one, and one
    that has not changed since `changed_since_ms`.
    """

    action = Action.PROMPT
    reply = Nothing
    path: str
    max_bytes: int = MOST_BYTES
    changed_since_ms: int = 0
    returned_by: str = ""


FilesCommand = PutFile | GetFile
"""The commands of this file."""
