"""The SQL of review comments. A comment waits until a turn with its `sent_origin` exists."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from storage import Database, Row, Statement

_FIELDS = "id, session_id, turn_id, path, line, is_removed, snippet, text, author, author_name, made_ms"
# Claimed first, sent then: as long as no turn has the origin, the prompt may be lost, and the comment waits.
_WAITS = (
    "session_id = ? AND (sent_origin = '' OR NOT EXISTS (SELECT 1 FROM turns"
    " WHERE turns.session_id = review_comments.session_id AND turns.origin = sent_origin))"
)


@dataclass(frozen=True, slots=True)
class StoredComment:
    """A comment on a line of a turn's changes."""

    id: str
    session_id: str
    turn_id: str
    path: str
    line: int
    is_removed: bool
    snippet: str
    text: str
    author: str
    author_name: str
    made_ms: int


def insert_comment(comment: StoredComment, origin: str) -> Statement:
    """Store a comment; no effect if one with this origin exists."""
    return Statement(
        f"INSERT INTO review_comments ({_FIELDS}, origin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        # A form that the browser sends twice is one comment.
        " ON CONFLICT (session_id, origin) DO NOTHING",
        (
            comment.id,
            comment.session_id,
            comment.turn_id,
            comment.path,
            comment.line,
            int(comment.is_removed),
            comment.snippet,
            comment.text,
            comment.author,
            comment.author_name,
            comment.made_ms,
            origin,
        ),
    )


def delete_waiting(session_id: str, comment_id: str) -> Statement:
    """Delete a comment that waits."""
    return Statement(f"DELETE FROM review_comments WHERE id = ? AND {_WAITS}", (comment_id, session_id))  # noqa: S608


def claim_waiting(session_id: str, comment_ids: Sequence[str], origin: str) -> Statement:
    """Let these comments go with the prompt of this origin if they wait; they do until its turn exists."""
    return Statement(
        f"UPDATE review_comments SET sent_origin = ? WHERE id IN (SELECT value FROM json_each(?)) AND {_WAITS}",  # noqa: S608
        (origin, json.dumps(comment_ids), session_id),
    )


async def find_comment(db: Database, session_id: str, origin: str) -> StoredComment | None:
    """Return the comment of an origin."""
    row = await db.read_one(
        f"SELECT {_FIELDS} FROM review_comments WHERE session_id = ? AND origin = ?",  # noqa: S608
        (session_id, origin),
    )
    return None if row is None else _comment(row)


async def load_waiting(db: Database, session_id: str) -> list[StoredComment]:
    """Return the comments that wait, by file and line."""
    rows = await db.read(
        f"SELECT {_FIELDS} FROM review_comments WHERE {_WAITS} ORDER BY path, line, made_ms, id",  # noqa: S608
        (session_id,),
    )
    return [_comment(row) for row in rows]


def _comment(row: Row) -> StoredComment:
    comment_id, session_id, turn_id, path, line, is_removed, *rest = row
    snippet, text, author, author_name, made_ms = rest
    where = (str(comment_id), str(session_id), str(turn_id), str(path), int(line), bool(is_removed))
    return StoredComment(*where, str(snippet), str(text), str(author), str(author_name), int(made_ms))
