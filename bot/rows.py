"""The SQL of the Discord face: inbox, seen messages, places, posts, controls, small facts.

Tables: `bridge/migrations/0002_discord.sql`. Statements are returned where the caller puts them into a
transaction of its own; the rest reads.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from bot.bodies import Body, Control, Select, Verb
from storage import Database, Statement


class InboxStatus(StrEnum):
    NEW = "new"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class InboxRow:
    """Something that came from Discord; `external` names it there, `body` is what acting on it needs."""

    external: str
    kind: str
    channel_id: int
    author_id: int
    body: dict[str, Any]
    received_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session is shown: a thread (every message there is a prompt), a channel, or a user's channel."""

    session_id: str
    guild_id: int
    channel_id: int
    kind: str
    owner_id: int
    shown_event: int = 0


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post that was wished: `message_id` is None until Discord has confirmed it; `shown` is what it shows."""

    id: int
    session_id: str
    channel_id: int
    subject: str
    ordinal: int
    nonce: str
    message_id: int | None
    shown: str
    created_ms: int


# --- inbox ----------------------------------------------------------------------------------------------


async def take_in(db: Database, row: InboxRow) -> bool:
    """Store what came in; False if it is there already (Discord sent it twice, or it was read back)."""
    outcomes = await db.write(
        [
            Statement(
                "INSERT INTO inbox (external, kind, channel_id, author_id, body, status, received_ms)"
                " VALUES (?, ?, ?, ?, ?, 'new', ?) ON CONFLICT DO NOTHING",
                (
                    row.external,
                    row.kind,
                    row.channel_id,
                    row.author_id,
                    msgspec.json.encode(row.body).decode(),
                    row.received_ms,
                ),
            )
        ]
    )
    return outcomes[0].rowcount > 0


def close_inbox_row(external: str, status: InboxStatus, at_ms: int, note: str = "") -> Statement:
    """The row is dealt with; its body is not needed any more."""
    return Statement(
        "UPDATE inbox SET status = ?, note = ?, done_ms = ?, body = '{}' WHERE external = ?",
        (status, note, at_ms, external),
    )


async def open_interactions(db: Database, before_ms: int) -> list[InboxRow]:
    """The interactions that came in before a time and were not dealt with, oldest first: a crash cut them."""
    rows = await db.read(
        "SELECT external, kind, channel_id, author_id, body, received_ms FROM inbox WHERE status = 'new'"
        " AND kind NOT IN ('message', 'edit', 'delete') AND received_ms < ? ORDER BY received_ms, external",
        (before_ms,),
    )
    return [_inbox_row(row) for row in rows]


def describe_inbox_row(external: str, kind: str, body: dict[str, Any]) -> Statement:
    """Replace what is known of a row that is not dealt with: acting on it has become clearer."""
    return Statement(
        "UPDATE inbox SET kind = ?, body = ? WHERE external = ? AND status = 'new'",
        (kind, msgspec.json.encode(body).decode(), external),
    )


async def next_message_row(db: Database, channel_id: int) -> InboxRow | None:
    """The oldest message, edit or deletion of a channel that was not dealt with."""
    row = await db.read_one(
        "SELECT external, kind, channel_id, author_id, body, received_ms FROM inbox WHERE status = 'new'"
        " AND channel_id = ? AND kind IN ('message', 'edit', 'delete') ORDER BY received_ms, rowid LIMIT 1",
        (channel_id,),
    )
    return None if row is None else _inbox_row(row)


async def queued_messages(db: Database) -> list[tuple[int, int]]:
    """Channel and id of each message whose prompt still waits to be sent to Claude."""
    rows: Sequence[Sequence[Any]] = await db.read(
        "SELECT inbox.channel_id, substr(turns.origin, length('discord:message:') + 1) FROM turns"
        " JOIN inbox ON inbox.external = substr(turns.origin, length('discord:') + 1)"
        " WHERE turns.status = 'queued' AND turns.origin LIKE 'discord:message:%'"
    )
    return [(int(row[0]), int(row[1])) for row in rows]


async def waiting_channels(db: Database) -> list[int]:
    """The channels with messages, edits or deletions that were not dealt with."""
    rows: Sequence[Sequence[Any]] = await db.read(
        "SELECT DISTINCT channel_id FROM inbox WHERE status = 'new' AND kind IN ('message', 'edit', 'delete')"
    )
    return [int(row[0]) for row in rows]


async def author_of(db: Database, external: str) -> int | None:
    """Whose it is, dealt with or not; None if nothing was taken in under this name."""
    row = await db.read_one("SELECT author_id FROM inbox WHERE external = ?", (external,))
    return None if row is None else int(row[0])


async def was_noted_of_an_edit(db: Database, message_id: int, note: str) -> bool:
    """Whether an edit of this message was dealt with and got this note."""
    row = await db.read_one(
        "SELECT 1 FROM inbox WHERE external > ? AND external < ? AND note = ?",
        (f"edit:{message_id}:", f"edit:{message_id};", note),
    )
    return row is not None


def _inbox_row(row: Sequence[Any]) -> InboxRow:
    return InboxRow(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4]), row[5])


def mark_seen(guild_id: int, channel_id: int, message_id: int) -> Statement:
    """Messages up to this one are taken in; the mark never goes back."""
    return Statement(
        "INSERT INTO seen (channel_id, guild_id, message_id) VALUES (?, ?, ?) ON CONFLICT (channel_id)"
        " DO UPDATE SET message_id = max(message_id, excluded.message_id)",
        (channel_id, guild_id, message_id),
    )


async def load_seen(db: Database) -> dict[int, int]:
    """The newest message taken in, by channel."""
    rows: Sequence[Sequence[Any]] = await db.read("SELECT channel_id, message_id FROM seen")
    return {int(row[0]): int(row[1]) for row in rows}


# --- places ---------------------------------------------------------------------------------------------


def insert_place(place: Place, at_ms: int) -> Statement:
    return Statement(
        "INSERT INTO places (session_id, guild_id, channel_id, kind, owner_id, created_ms)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET channel_id = excluded.channel_id,"
        " guild_id = excluded.guild_id, kind = excluded.kind",
        (place.session_id, place.guild_id, place.channel_id, place.kind, place.owner_id, at_ms),
    )


def note_shown(session_id: str, event: int) -> Statement:
    """Everything of the session up to event `event` is in Discord."""
    return Statement(
        "UPDATE places SET shown_event = max(shown_event, ?) WHERE session_id = ?", (event, session_id)
    )


_PLACE = "SELECT session_id, guild_id, channel_id, kind, owner_id, shown_event FROM places"


async def load_place(db: Database, session_id: str) -> Place | None:
    row: Sequence[Any] | None = await db.read_one(f"{_PLACE} WHERE session_id = ?", (session_id,))
    return None if row is None else Place(*row)


async def places_in(db: Database, channel_id: int) -> list[Place]:
    """The sessions that are shown in a channel, newest first."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_PLACE} WHERE channel_id = ? ORDER BY created_ms DESC", (channel_id,)
    )
    return [Place(*row) for row in rows]


async def places_behind(db: Database) -> list[Place]:
    """Sessions with events that Discord does not show yet: what a start has to bring up to date."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_PLACE} WHERE shown_event < (SELECT coalesce(max(number), 0) FROM events"  # noqa: S608
        " WHERE events.session_id = places.session_id)"
        " OR session_id IN (SELECT session_id FROM posts WHERE message_id IS NULL)"
    )
    return [Place(*row) for row in rows]


# --- posts ----------------------------------------------------------------------------------------------


def new_nonce() -> str:
    """A random nonce of 24 characters; Discord takes at most 25."""
    return secrets.token_hex(12)


_POST = "SELECT id, session_id, channel_id, subject, ordinal, nonce, message_id, shown, created_ms FROM posts"


async def load_posts(db: Database, session_id: str, subject: str | None = None) -> list[PostRow]:
    """The posts of a session, or of one subject of it, in order."""
    rows: Sequence[Sequence[Any]] = await db.read(
        f"{_POST} WHERE session_id = ?1 AND (?2 IS NULL OR subject = ?2) ORDER BY id", (session_id, subject)
    )
    return [PostRow(*row) for row in rows]


async def find_post(db: Database, message_id: int) -> PostRow | None:
    """The post that a Discord message is."""
    row: Sequence[Any] | None = await db.read_one(f"{_POST} WHERE message_id = ?", (message_id,))
    return None if row is None else PostRow(*row)


async def insert_post(
    db: Database, session_id: str, channel_id: int, subject: str, ordinal: int, at_ms: int
) -> PostRow:
    """The row that must be there before a message is created, so that no message is ever unknown."""
    outcomes = await db.write(
        [
            Statement(
                "INSERT INTO posts (session_id, channel_id, subject, ordinal, nonce, created_ms)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session_id, subject, ordinal)"
                " DO UPDATE SET channel_id = excluded.channel_id RETURNING id, session_id, channel_id,"
                " subject, ordinal, nonce, message_id, shown, created_ms",
                (session_id, channel_id, subject, ordinal, new_nonce(), at_ms),
                fetch=True,
            )
        ]
    )
    row: Sequence[Any] = outcomes[0].rows[0]
    return PostRow(*row)


def confirm_post(post_id: int, message_id: int, shown: str) -> Statement:
    """Discord has the message, and shows this."""
    return Statement("UPDATE posts SET message_id = ?, shown = ? WHERE id = ?", (message_id, shown, post_id))


def forget_message(post_id: int) -> Statement:
    """The message is gone (somebody deleted it): it is made anew under a new nonce."""
    return Statement(
        "UPDATE posts SET message_id = NULL, shown = '', nonce = ? WHERE id = ?", (new_nonce(), post_id)
    )


def delete_post(post_id: int) -> Statement:
    return Statement("DELETE FROM posts WHERE id = ?", (post_id,))


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
    return Statement(
        "INSERT INTO face_facts (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def store_in_fact(name: str, key: str, value: str) -> Statement:
    """Set one key of a fact that is a JSON object, whatever else is written to it at the same time.

    `key` has only letters and digits; `value` is JSON.
    """
    return Statement(
        "INSERT INTO face_facts (name, value) VALUES (?, json_object(?, json(?)))"
        " ON CONFLICT (name) DO UPDATE SET value = json_set(value, '$.\"' || ? || '\"', json(?))",
        (name, key, value, key, value),
    )
