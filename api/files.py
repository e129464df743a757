"""Files in and out of a session's work directory. The content goes beside the wish, as a stream: see `Core`."""

from api.access import Action
from api.command import Nothing, SessionCommand
from sessions.model import Attachment

MOST_BYTES = 64 * 2**20
"""What one file may have, whatever a face allows."""


class PutFile(SessionCommand[Attachment], frozen=True, tag="put_file", kw_only=True):
    """Store a file as `.attachments/<folder>/<name>`; the same place again replaces it, whole or not at all.

    Raises `FileRefused` for a name that `safe_name` would change, or if it cannot be stored; `FileTooLarge`.
    """

    action = Action.PROMPT
    reply = Attachment
    folder: str
    name: str
    media_type: str = ""
    max_bytes: int = MOST_BYTES


class GetFile(SessionCommand[Nothing], frozen=True, tag="get_file", kw_only=True):
    """Hand out the file `path`, relative to the work directory or absolute in it.

    Whoever may prompt could let Claude read it; those who only read along have what is in the session.
    Raises `FileRefused`, with one sentence for whatever is not there or not given out; `FileTooLarge`.
    """

    action = Action.PROMPT
    reply = Nothing
    path: str
    max_bytes: int = MOST_BYTES


FilesCommand = PutFile | GetFile
"""The commands of this file."""
