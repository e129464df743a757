"""Commands on reviews: comments of several people on lines of a turn's changes, sent as one prompt."""

import msgspec

from api.access import Action
from api.command import Nothing, SessionCommand
from api.prompting import Accepted

MOST_COMMENTS = 200
LONGEST_COMMENT = 4_000


class ReviewComment(msgspec.Struct, frozen=True):
    """A comment. `line` counts in the file after the turn, or before it if `is_removed`.

    `snippet` is the line's text when the comment was written. If `is_stale`, the file has no such line now.
    `author_name` is what the author's face called them.
    """

    id: str
    turn_id: str
    path: str
    line: int
    is_removed: bool
    snippet: str
    text: str
    author: str
    author_name: str
    made_ms: int
    is_stale: bool = False


class ReviewComments(msgspec.Struct, frozen=True):
    """The comments that wait to be sent, in the order of their files and lines."""

    comments: tuple[ReviewComment, ...]


class AddComment(SessionCommand[ReviewComment], frozen=True, tag="add_comment", kw_only=True):
    """Pin a comment to a line of a turn's changes. A repeated `origin` returns the same comment.

    Raises `TurnNotFound`, `PromptRefused` for an empty or too long one, or if too many wait.
    """

    action = Action.PROMPT
    reply = ReviewComment
    turn_id: str
    path: str
    line: int
    text: str
    origin: str
    snippet: str = ""
    is_removed: bool = False
    author_name: str = ""


class ListComments(SessionCommand[ReviewComments], frozen=True, tag="list_comments", kw_only=True):
    """Return the comments that wait to be sent; each is compared with the file as it is now."""

    action = Action.VIEW
    reply = ReviewComments
    audited = False


class RemoveComment(SessionCommand[Nothing], frozen=True, tag="remove_comment", kw_only=True):
    """Remove a comment that waits. Raises `CommentNotFound` if it is gone or sent."""

    action = Action.PROMPT
    reply = Nothing
    comment_id: str


class SendReview(SessionCommand[Accepted], frozen=True, tag="send_review", kw_only=True):
    """Send all comments that wait as one prompt, with `note` before them. A repeated `origin` sends them once.

    Raises `PromptRefused` if none waits, and the errors of `SendMessage`: then they go on waiting.
    """

    action = Action.PROMPT
    reply = Accepted
    origin: str
    note: str = ""


ReviewingCommand = AddComment | ListComments | RemoveComment | SendReview
"""The commands of this file."""
