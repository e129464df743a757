"""The SQL of the Discord face: places, posts, controls, small facts. What came in is `inbox_rows.py`.

Tables: `bridge/migrations/0002_discord.sql`. Statements are returned where the caller puts them into a
transaction of its own; the rest reads.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.bodies import Body, Card, Control, Select, Verb
from bot.scopes import SessionScope
from storage import Database, Statement

UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session is shown: a thread (every message there is a prompt), a channel, or a user's channel."""

    session_id: str
    guild_id: int
    channel_id: int
    kind: SessionScope
    owner_id: int
    shown_event: int = 0


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post that was wished: `message_id` is None until Discord has confirmed it.

    `shown` tells what it shows, `UNKNOWN` if Discord may or may not have taken the last change.
    """

    id: int
    session_id: str
    channel_id: int
    subject: str
    ordinal: int
    nonce: str
    message_id: int | None
    shown: str
    created_ms: int


# --- places ---------------------------------------------------------------------------------------------


def insert_place(place: Place, at_ms: int) -> Statement:
    """The session is shown there from now on; its owner and beginning stay."""
    return Statement(
        "INSERT INTO places (session_id, guild_id, channel_id, kind, owner_id, created_ms)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET channel_id = excluded.channel_id,"
        " guild_id = excluded.guild_id, kind = excluded.kind",
        (place.session_id, place.guild_id, place.channel_id, place.kind, place.owner_id, at_ms),
    )


def note_shown(session_id: str, channel_id: int, event: int) -> Statement:
    """Everything of the session up to event `event` is in the channel; nothing if it is shown elsewhere now."""
    return Statement(
        "UPDATE places SET shown_event = max(shown_event, ?) WHERE session_id = ? AND channel_id = ?",
        (event, session_id, channel_id),
    )


_PLACE = "SELECT session_id, guild_id, channel_id, kind, owner_id, shown_event FROM places"


def _place(row: Sequence[Any]) -> Place:
    session_id, guild_id, channel_id, kind, owner_id, shown = row
    return Place(session_id, guild_id, channel_id, SessionScope(kind), owner_id, shown)


async def load_place(db: Database, session_id: str) -> Place | None:
    """Where the session is shown; None if it has no place."""
    row: Sequence[Any] | None = await db.read_one(f"{_PLACE} WHERE session_id = ?", (session_id,))
    return None if row is None else _place(row)


async def places_in(db: Database, channel_id: int) -> list[Place]:
    """The sessions that are shown in a channel, newest first."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_PLACE} WHERE channel_id = ? ORDER BY created_ms DESC", (channel_id,)
    )
    return [_place(row) for row in rows]


async def places_behind(db: Database) -> list[Place]:
    """Sessions with events that Discord does not show yet: what a start has to bring up to date."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_PLACE} WHERE shown_event < (SELECT coalesce(max(number), 0) FROM events"  # noqa: S608
        " WHERE events.session_id = places.session_id)"
        " OR session_id IN (SELECT session_id FROM posts WHERE message_id IS NULL)"
    )
    return [_place(row) for row in rows]


# --- posts ----------------------------------------------------------------------------------------------


def new_nonce() -> str:
    """A random nonce of 24 characters; Discord takes at most 25."""
    return secrets.token_hex(12)


_POST = "SELECT id, session_id, channel_id, subject, ordinal, nonce, message_id, shown, created_ms FROM posts"


async def load_posts(
    db: Database, session_id: str, channel_id: int, subject: str | None = None
) -> list[PostRow]:
    """The posts of a session in its channel (of one `subject`), in order; none if it is shown elsewhere."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_POST} WHERE session_id = ? AND channel_id = ? AND (? IS NULL OR subject = ?) ORDER BY id",
        (session_id, channel_id, subject, subject),
    )
    return [PostRow(*row) for row in rows]


async def find_post(db: Database, message_id: int) -> PostRow | None:
    """The post that a Discord message is."""
    row: Sequence[Any] | None = await db.read_one(f"{_POST} WHERE message_id = ?", (message_id,))
    return None if row is None else PostRow(*row)


async def insert_post(
    db: Database, session_id: str, channel_id: int, subject: str, ordinal: int, at_ms: int
) -> PostRow | None:
    """The row that must be there before a message is created, so that no message is ever unknown.

    None if the session is not shown in the channel (any more).
    """
    outcomes = await db.write(
        [
            Statement(
                "INSERT INTO posts (session_id, channel_id, subject, ordinal, nonce, created_ms)"
                " SELECT session_id, channel_id, ?, ?, ?, ? FROM places WHERE session_id = ? AND channel_id = ?"
                " ON CONFLICT (session_id, subject, ordinal) DO UPDATE SET channel_id = excluded.channel_id"
                " RETURNING id, session_id, channel_id, subject, ordinal, nonce, message_id, shown, created_ms",
                (subject, ordinal, new_nonce(), at_ms, session_id, channel_id),
                fetch=True,
            )
        ]
    )
    rows: Sequence[Sequence[Any]] = outcomes[0].rows
    return PostRow(*rows[0]) if rows else None


# By id and nonce: when a session is brought elsewhere, a new row may get the id of one that is gone.


def confirm_post(row: PostRow, message_id: int, shown: str) -> Statement:
    """Discord has the message, and shows this."""
    return Statement(
        "UPDATE posts SET message_id = ?, shown = ? WHERE id = ? AND nonce = ?",
        (message_id, shown, row.id, row.nonce),
    )


def forget_message(row: PostRow) -> Statement:
    """The message is gone (somebody deleted it): it is made anew under a new nonce."""
    return Statement(
        "UPDATE posts SET message_id = NULL, shown = '', nonce = ? WHERE id = ? AND nonce = ?",
        (new_nonce(), row.id, row.nonce),
    )


def delete_post(row: PostRow) -> Statement:
    """The message is gone, and nothing of it is expected."""
    return Statement("DELETE FROM posts WHERE id = ? AND nonce = ?", (row.id, row.nonce))


# --- controls -------------------------------------------------------------------------------------------


def insert_controls(body: Body) -> list[Statement]:
    """Rows for every control of `body`; written before the message that carries them."""
    return [insert_control(each) for each in controls_of(body)]


def insert_control(control: Control) -> Statement:
    """The row of one control."""
    return Statement(
        "INSERT INTO controls (key, verb, session_id, subject, detail) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (control.key, control.verb, control.session_id, control.subject, control.detail),
    )


def controls_of(body: Body) -> Iterable[Control]:
    """Every control in `body`."""
    if isinstance(body, Card) and body.beside is not None:
        yield body.beside.control
    for row in body.rows:
        if isinstance(row, Select):
            yield row.control
        else:
            yield from (button.control for button in row)


async def load_control(db: Database, key: str) -> Control | None:
    """What a click on the control with this key means."""
    row: Sequence[Any] | None = await db.read_one(
        "SELECT verb, session_id, subject, detail FROM controls WHERE key = ?", (key,)
    )
    return None if row is None else Control(Verb(row[0]), row[1], row[2], row[3])


# --- small facts ----------------------------------------------------------------------------------------


async def load_fact(db: Database, name: str) -> str:
    """A fact that the face wrote down, or an empty string."""
    row = await db.read_one("SELECT value FROM face_facts WHERE name = ?", (name,))
    return "" if row is None else str(row[0])


def store_fact(name: str, value: str) -> Statement:
    """Remember `value` under `name`, in place of what was there."""
    return Statement(
        "INSERT INTO face_facts (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def store_in_fact(name: str, key: str, value: str) -> Statement:
    """Set one key of a fact that is a JSON object, whatever else is written to it at the same time.

    `key` has only letters, digits and `+`; `value` is JSON.
    """
    return Statement(
        "INSERT INTO face_facts (name, value) VALUES (?, json_object(?, json(?)))"
        " ON CONFLICT (name) DO UPDATE SET value = json_set(value, '$.\"' || ? || '\"', json(?))",
        (name, key, value, key, value),
    )
