"""Carries out the commands of `api/reviewing.py`."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

import api as c
from api.access import Actor
from api.reviewing import LONGEST_COMMENT, MOST_COMMENTS
from api.words.review import review_prompt
from service.parts import ServiceParts
from service.prompting import talk
from service.work_files import get_file
from sessions import rows
from sessions.errors import CommentNotFound, FileRefused, PromptRefused, TurnNotFound
from sessions.events import ReviewChanged
from sessions.model import TurnId
from sessions.rows import review_comments
from sessions.rows.review_comments import StoredComment
from sessions.session import Session
from storage import UuidMaker

_ids = UuidMaker()
_LONGEST_PATH = 1_000
_LONGEST_SNIPPET = 400
_MOST_BYTES = 2 * 2**20


async def review(parts: ServiceParts, session: Session, actor: Actor, command: c.ReviewingCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring names."""
    database = parts.manager.db
    match command:
        case c.AddComment():
            return await _add(parts, session, actor, command)
        case c.ListComments():
            return c.ReviewComments(await _waiting(parts, session))
        case c.RemoveComment():
            waiting = await review_comments.load_waiting(database, session.id)
            if all(each.id != command.comment_id for each in waiting):
                raise CommentNotFound
            await database.write([review_comments.delete_waiting(session.id, command.comment_id)])
            await _tell(session, actor)
            return c.Nothing()
        case c.SendReview():
            return await _send(parts, session, actor, command)
        case _:
            assert_never(command)


async def _add(parts: ServiceParts, session: Session, actor: Actor, command: c.AddComment) -> c.ReviewComment:
    database, text = parts.manager.db, command.text.strip()
    if not text or len(text) > LONGEST_COMMENT:
        raise PromptRefused(f"A comment has 1 to {LONGEST_COMMENT:,} characters.")
    if not command.path or len(command.path) > _LONGEST_PATH or not 0 < command.line < 2**31:
        raise PromptRefused("A comment belongs to a line of a file.")
    turn = await rows.load_turn(database, TurnId(command.turn_id))
    if turn.session_id != session.id:
        raise TurnNotFound(command.turn_id)
    if len(await review_comments.load_waiting(database, session.id)) >= MOST_COMMENTS:
        raise PromptRefused(f"At most {MOST_COMMENTS} comments can wait. Send them first.")
    comment = StoredComment(
        id=_ids.make(),
        session_id=session.id,
        turn_id=command.turn_id,
        path=command.path,
        line=command.line,
        is_removed=command.is_removed,
        snippet=command.snippet[:_LONGEST_SNIPPET],
        text=text,
        author=actor.user_id,
        author_name=" ".join(command.author_name.split())[:80],
        made_ms=parts.manager.now_ms(),
    )
    await database.write([review_comments.insert_comment(comment, command.origin)])
    await _tell(session, actor)
    # If an act is sent twice, the first comment of its origin stands.
    stored = await review_comments.find_comment(database, session.id, command.origin)
    return _shown(stored or comment, is_stale=False)


async def _tell(session: Session, actor: Actor) -> None:
    """Tell the open pages of others that they have to look at the comments again."""
    async with session.change() as draft:
        draft.add(ReviewChanged(actor.user_id))


async def _waiting(parts: ServiceParts, session: Session) -> tuple[c.ReviewComment, ...]:
    stored = await review_comments.load_waiting(parts.manager.db, session.id)
    now = await _lines_now(session, {each.path for each in stored if not each.is_removed})
    return tuple(
        _shown(each, is_stale=not each.is_removed and each.snippet not in now[each.path]) for each in stored
    )


async def _lines_now(session: Session, paths: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the lines of files as they are now; none for a file that is gone, hidden or too large."""
    found: dict[str, frozenset[str]] = {}
    root = Path(session.snapshot.work_directory)
    for path in paths:
        # Through the rules for files that are given out: a comment must not tell what is in a hidden one.
        wish = c.GetFile(session_id=session.id, path=path, max_bytes=_MOST_BYTES)
        try:
            content = b"".join([piece async for piece in get_file(root, wish)])
        except (FileRefused, OSError):
            content = b""
        found[path] = frozenset(
            line[:_LONGEST_SNIPPET] for line in content.decode("utf-8", "replace").split("\n")
        )
        # Splitting large files takes a while, so other tasks get their turn in between.
        await asyncio.sleep(0)
    return found


async def _send(parts: ServiceParts, session: Session, actor: Actor, command: c.SendReview) -> object:
    comments = await _waiting(parts, session)
    known = await rows.find_turn_by_origin(parts.manager.db, command.origin)
    if known is not None and known.session_id != session.id:
        known = None
    if not comments and known is None:
        raise PromptRefused("No comment waits to be sent.")
    # An act that is sent again gives the prompt of the first time.
    content = known.prompt if known is not None else review_prompt(comments, command.note)
    # Claimed first: if the bridge ends before the prompt is stored, they still wait, and go with the next try.
    if known is None:
        # Those of the text alone: a comment that somebody added meanwhile waits for the next prompt.
        claim = review_comments.claim_waiting(session.id, [each.id for each in comments], command.origin)
        await parts.manager.db.write([claim])
    wish = c.SendMessage(session_id=session.id, content=content, origin=command.origin)
    return await talk(parts, session, actor, wish)


def _shown(stored: StoredComment, *, is_stale: bool) -> c.ReviewComment:
    return c.ReviewComment(
        id=stored.id,
        turn_id=stored.turn_id,
        path=stored.path,
        line=stored.line,
        is_removed=stored.is_removed,
        snippet=stored.snippet,
        text=stored.text,
        author=stored.author,
        author_name=stored.author_name,
        made_ms=stored.made_ms,
        is_stale=is_stale,
    )
