"""The SQL of the Discord face: places, posts, controls, small facts. `inbox_rows.py` has that of the inbox.

Tables: `bridge/migrations/0002_discord.sql`. Functions that return a `Statement` leave the transaction to the
caller.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from bot.bodies import Body, Button, Card, Control, Select, Verb
from bot.scopes import SessionScope
from storage import Database, Statement

UNKNOWN = "?"


class Place(msgspec.Struct, frozen=True):
    """The place of a session; `kind`: a thread of its own, a channel, or a user's session in a channel."""

    session_id: str
    guild_id: int
    channel_id: int
    kind: SessionScope
    owner_id: int
    shown_event: int = 0


class PostRow(msgspec.Struct, frozen=True):
    """A wished post; `message_id` is None until Discord has confirmed it.

    `shown` is the hash of its body; `UNKNOWN` if Discord may or may not have taken the last edit. Until the
    message is confirmed, see `delivery_rows.note_tried`.
    """

    id: int
    session_id: str
    channel_id: int
    subject: str
    ordinal: int
    nonce: str
    message_id: int | None
    shown: str


# --- places ---------------------------------------------------------------------------------------------


def insert_place(place: Place, at_ms: int) -> Statement:
    """Store that the session is shown there from now on. A known session keeps its owner and `created_ms`."""
    return Statement(
        "INSERT INTO places (session_id, guild_id, channel_id, kind, owner_id, created_ms)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET channel_id = excluded.channel_id,"
        " guild_id = excluded.guild_id, kind = excluded.kind",
        (place.session_id, place.guild_id, place.channel_id, place.kind, place.owner_id, at_ms),
    )


def note_shown(session_id: str, channel_id: int, event: int) -> Statement:
    """Store that the channel shows everything up to `event`. No effect if another channel shows the session."""
    return Statement(
        # `max`: the number never goes back, whichever write comes last.
        "UPDATE places SET shown_event = max(shown_event, ?) WHERE session_id = ? AND channel_id = ?",
        (event, session_id, channel_id),
    )


_PLACE = "SELECT session_id, guild_id, channel_id, kind, owner_id, shown_event FROM places"


def _place(row: Sequence[Any]) -> Place:
    session_id, guild_id, channel_id, kind, owner_id, shown = row
    return Place(session_id, guild_id, channel_id, SessionScope(kind), owner_id, shown)


async def load_place(db: Database, session_id: str) -> Place | None:
    """Return the session's place; None if it has none."""
    row: Sequence[Any] | None = await db.read_one(f"{_PLACE} WHERE session_id = ?", (session_id,))
    return None if row is None else _place(row)


async def places_in(db: Database, channel_id: int) -> list[Place]:
    """Return the places of the sessions shown in a channel, newest first."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_PLACE} WHERE channel_id = ? ORDER BY created_ms DESC", (channel_id,)
    )
    return [_place(row) for row in rows]


async def page_of_places(db: Database, after: str, limit: int) -> list[Place]:
    """Return the next `limit` places, sorted by session id, after session `after`; "" begins."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_PLACE} WHERE session_id > ? ORDER BY session_id LIMIT ?", (after, limit)
    )
    return [_place(row) for row in rows]


# --- posts ----------------------------------------------------------------------------------------------


def new_nonce() -> str:
    """Return a random nonce of 24 characters; Discord takes at most 25."""
    return secrets.token_hex(12)


_POST = "SELECT id, session_id, channel_id, subject, ordinal, nonce, message_id, shown FROM posts"


async def load_posts(
    db: Database, session_id: str, channel_id: int, subject: str | None = None
) -> list[PostRow]:
    """Return the posts of a session in the channel (of one `subject`), in order."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_POST} WHERE session_id = ? AND channel_id = ? AND (? IS NULL OR subject = ?) ORDER BY id",
        (session_id, channel_id, subject, subject),
    )
    return [PostRow(*row) for row in rows]


async def find_post(db: Database, message_id: int) -> PostRow | None:
    """Return the post of a Discord message; None if the message is no post."""
    row: Sequence[Any] | None = await db.read_one(f"{_POST} WHERE message_id = ?", (message_id,))
    return None if row is None else PostRow(*row)


async def insert_post(
    db: Database, session_id: str, channel_id: int, key: tuple[str, int], at_ms: int, shown: str = ""
) -> PostRow | None:
    """Store the row of the post with this subject and ordinal, and return it.

    Call it before the message is created, so that no message is unknown. An existing row keeps its `shown`.
    Returns None if the session is not shown in the channel.
    """
    outcomes = await db.write(
        [
            Statement(
                # From `places`, so that a session that moved or was deleted meanwhile gets no row, and posts
                # nothing here. An update on conflict, because `DO NOTHING` would return no row.
                "INSERT INTO posts (session_id, channel_id, subject, ordinal, nonce, created_ms, shown)"
                " SELECT session_id, channel_id, ?, ?, ?, ?, ? FROM places"
                " WHERE session_id = ? AND channel_id = ?"
                " ON CONFLICT (session_id, subject, ordinal) DO UPDATE SET channel_id = excluded.channel_id"
                " RETURNING id, session_id, channel_id, subject, ordinal, nonce, message_id, shown",
                (*key, new_nonce(), at_ms, shown, session_id, channel_id),
                fetch=True,
            )
        ]
    )
    rows: Sequence[Sequence[Any]] = outcomes[0].rows
    return PostRow(*rows[0]) if rows else None


# By id and nonce: when a session moves to another channel, a new row may reuse the id of a deleted one.


def confirm_post(row: PostRow, message_id: int, shown: str) -> Statement:
    """Store that Discord has the message, and the hash of the body that it shows."""
    return Statement(
        "UPDATE posts SET message_id = ?, shown = ? WHERE id = ? AND nonce = ?",
        (message_id, shown, row.id, row.nonce),
    )


def forget_message(row: PostRow) -> Statement:
    """Store that somebody deleted the message: the row gets a new nonce for the next one."""
    return Statement(
        "UPDATE posts SET message_id = NULL, shown = '', nonce = ? WHERE id = ? AND nonce = ?",
        (new_nonce(), row.id, row.nonce),
    )


def delete_post(row: PostRow) -> Statement:
    """Delete the row of a post that is no longer wished."""
    return Statement("DELETE FROM posts WHERE id = ? AND nonce = ?", (row.id, row.nonce))


# --- controls -------------------------------------------------------------------------------------------


def insert_controls(body: Body) -> list[Statement]:
    """Store a row for every control of `body`; write them before the message is sent."""
    return [insert_control(each) for each in controls_of(body)]


def insert_control(control: Control) -> Statement:
    """Store the row of one control; no effect if it is there."""
    return Statement(
        # A key is a hash of the meaning: the row that is there says the same.
        "INSERT INTO controls (key, verb, session_id, subject, detail) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (control.key, control.verb, control.session_id, control.subject, control.detail),
    )


def controls_of(body: Body) -> Iterable[Control]:
    """Yield every control in `body`."""
    if isinstance(body, Card) and body.beside is not None:
        yield body.beside.control
    for row in body.rows:
        if isinstance(row, Select):
            yield row.control
        else:
            yield from (button.control for button in row if isinstance(button, Button))


async def load_control(db: Database, key: str) -> Control | None:
    """Return the control with this key; None if it has no row."""
    row: Sequence[Any] | None = await db.read_one(
        "SELECT verb, session_id, subject, detail FROM controls WHERE key = ?", (key,)
    )
    return None if row is None else Control(Verb(row[0]), row[1], row[2], row[3])


# --- small facts ----------------------------------------------------------------------------------------


async def load_fact(db: Database, name: str) -> str:
    """Return a stored fact; an empty string if there is none of this name."""
    row = await db.read_one("SELECT value FROM face_facts WHERE name = ?", (name,))
    return "" if row is None else str(row[0])


def store_fact(name: str, value: str) -> Statement:
    """Store `value` under `name`, in place of the earlier value."""
    return Statement(
        "INSERT INTO face_facts (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def muted_fact(session_id: str) -> str:
    """Return the name of the fact that the owner of a session wants no pings in it."""
    return f"muted:{session_id}"


def delete_fact(name: str) -> Statement:
    """Delete a fact; no effect if there is none of this name."""
    return Statement("DELETE FROM face_facts WHERE name = ?", (name,))


async def facts_of(db: Database, prefix: str) -> dict[str, str]:
    """Return the facts whose names begin with `prefix`."""
    # No `LIKE`: an underscore in the prefix would stand for any character.
    rows = await db.read(
        "SELECT name, value FROM face_facts WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
    )
    return {str(name): str(value) for name, value in rows}


def store_in_fact(name: str, key: str, value: str) -> Statement:
    """Set one key of a fact that is a JSON object. Concurrent writes of other keys are kept.

    `key` has only letters, digits and `+`; `value` is JSON.
    """
    return Statement(
        "INSERT INTO face_facts (name, value) VALUES (?, json_object(?, json(?)))"
        " ON CONFLICT (name) DO UPDATE SET value = json_set(value, '$.\"' || ? || '\"', json(?))",
        (name, key, value, key, value),
    )
