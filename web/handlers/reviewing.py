"""Routes of reviews: comments on lines of a turn's changes, sent together as one prompt."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

import api as c
from web.principals import Scope
from web.routing import Call, Route, Words

LineNumber = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]


class NewComment(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A comment on a line, which counts after the turn, or before it if `is_removed`; `snippet` is its text."""

    turn_id: Words
    path: Words
    line: LineNumber
    text: Words
    snippet: str = ""
    is_removed: bool = False


class ReviewWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Words before the comments; may be empty."""

    note: str = ""


async def add_comment(call: Call) -> c.ReviewComment:
    """Pin a comment to a line of a turn's changes. It waits until somebody sends the review."""
    wish: NewComment = call.body
    people, user_id = call.parts.people, call.actor.user_id
    # The name is stored with the comment: the prompt that Claude gets names people, not ids.
    await people.learn([user_id])
    command = c.AddComment(
        session_id=call.session_id,
        turn_id=wish.turn_id,
        path=wish.path,
        line=wish.line,
        text=wish.text,
        origin=call.origin,
        snippet=wish.snippet,
        is_removed=wish.is_removed,
        author_name=people.names.get(user_id, ""),
    )
    return await call.perform(command)


async def list_comments(call: Call) -> c.ReviewComments:
    """List the comments that wait, with those marked whose line has changed since."""
    return await call.perform(c.ListComments(session_id=call.session_id))


async def remove_comment(call: Call) -> c.Nothing:
    """Remove a comment that waits."""
    command = c.RemoveComment(session_id=call.session_id, comment_id=call.place("comment_id"))
    return await call.perform(command)


async def send_review(call: Call) -> c.Accepted:
    """Send all comments that wait as one prompt."""
    wish: ReviewWish = call.body
    return await call.perform(c.SendReview(session_id=call.session_id, origin=call.origin, note=wish.note))


_ONE = "/api/sessions/{session_id}"
ROUTES: Sequence[Route] = (
    Route(
        "POST",
        f"{_ONE}/comments",
        add_comment,
        Scope.OPERATE,
        NewComment,
        reply=c.ReviewComment,
        status=201,
    ),
    Route("GET", f"{_ONE}/comments", list_comments, reply=c.ReviewComments),
    Route("DELETE", f"{_ONE}/comments/{{comment_id}}", remove_comment, Scope.OPERATE),
    Route("POST", f"{_ONE}/review", send_review, Scope.OPERATE, ReviewWish, reply=c.Accepted, status=202),
)
