"""SQL of the Discord face on delivery: posts that may not have reached Discord, threads that are being opened,
and rows that are no longer needed.
"""

from collections.abc import Iterable

from bot.rows import PostRow
from storage import Database, Statement


def note_tried(row: PostRow) -> Statement:
    """Store the fingerprints of the bodies sent for a post: until its message is confirmed, `shown` holds them,
    separated by spaces.
    """
    return Statement(
        "UPDATE posts SET shown = ? WHERE id = ? AND nonce = ? AND message_id IS NULL",
        (row.shown, row.id, row.nonce),
    )


async def messages_around(db: Database, row: PostRow) -> tuple[int, frozenset[int]]:
    """Return the newest confirmed message of the channel older than `row`, and all confirmed ones after it."""
    found = await db.read_one(
        # By the row's id, not by its time: the clock may have jumped between two rows.
        "SELECT coalesce(max(message_id), 0) FROM posts WHERE channel_id = ? AND id < ?",
        (row.channel_id, row.id),
    )
    after = int(str(found[0])) if found is not None else 0
    rows = await db.read(
        "SELECT message_id FROM posts WHERE channel_id = ? AND message_id > ?", (row.channel_id, after)
    )
    return after, frozenset(int(str(each[0])) for each in rows)


async def unconfirmed_subjects(db: Database, session_id: str) -> list[str]:
    """Return the subjects of posts that Discord may or may not have, oldest first."""
    rows = await db.read(
        "SELECT subject FROM posts WHERE session_id = ? AND message_id IS NULL ORDER BY id", (session_id,)
    )
    return list(dict.fromkeys(str(each[0]) for each in rows))


def forget_posts_elsewhere(session_id: str, channel_id: int) -> Statement:
    """Forget the session's posts in all channels but this one. Their messages stay on Discord as they are."""
    # Rows are unique by session, subject and ordinal: those of the old place would stand in for new ones.
    return Statement("DELETE FROM posts WHERE session_id = ? AND channel_id <> ?", (session_id, channel_id))


async def is_being_opened(db: Database, thread_id: int) -> bool:
    """Return whether an open inbox row is opening the thread, so that it has no session so far.

    A thread on a message has the message's id; the row of a command names the message in `anchor_id`.
    """
    row = await db.read_one(
        "SELECT 1 FROM inbox WHERE status = 'new'"
        " AND (external = ? OR (kind = 'asked' AND json_extract(body, '$.anchor_id') = ?))",
        (f"message:{thread_id}", thread_id),
    )
    return row is not None


async def unconfirmed_sessions(db: Database) -> set[str]:
    """Return the sessions with posts that Discord may or may not have."""
    rows = await db.read("SELECT DISTINCT session_id FROM posts WHERE message_id IS NULL")
    return {str(each[0]) for each in rows}


def forget_closed_rows(before_ms: int) -> list[Statement]:
    """Delete inbox rows closed before a time, and the parts of their prompts (`prompt_making.Parts`).

    A closed row lets the bot recognise a message that Discord sends twice. That happens within minutes.
    """
    return [
        Statement("DELETE FROM inbox WHERE status <> 'new' AND done_ms < ?", (before_ms,)),
        Statement(
            "DELETE FROM face_facts WHERE name GLOB 'prompt:*' AND NOT EXISTS (SELECT 1 FROM inbox"
            " WHERE external = 'message:' || substr(name, length('prompt:') + 1))"
        ),
    ]


async def page_of_sessions_with_controls(db: Database, after: str, limit: int) -> list[str]:
    """Return the next `limit` session ids of controls, sorted, after `after`; "" begins."""
    rows = await db.read(
        "SELECT DISTINCT session_id FROM controls WHERE session_id > ? ORDER BY session_id LIMIT ?",
        (after, limit),
    )
    return [str(each[0]) for each in rows]


def forget_controls_of(session_ids: Iterable[str]) -> list[Statement]:
    """Delete the controls of these sessions."""
    return [Statement("DELETE FROM controls WHERE session_id = ?", (each,)) for each in session_ids]
