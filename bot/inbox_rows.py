"""The SQL of what came in: the inbox, and how far each channel was read.

Tables `inbox` and `seen`: `bridge/migrations/0002_discord.sql`. Statements are returned where the caller puts
them into a transaction of its own; the rest reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from storage import Database, Statement


class InboxStatus(StrEnum):
    """What became of a row: not dealt with, acted on, or refused with a note."""

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
