"""The SQL of the inbox, and of the last seen message in each channel.

Tables `inbox` and `seen`: `bridge/migrations/0002_discord.sql`. Functions that return a `Statement` leave the
transaction to the caller.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from storage import Database, Statement

log = logging.getLogger(__name__)


class InboxStatus(StrEnum):
    """The state of a row: open, acted on, or refused with a note."""

    NEW = "new"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message, edit, deletion or interaction. `external` names it on Discord; its handler reads `body`."""

    external: str
    kind: str
    channel_id: int
    author_id: int
    body: dict[str, Any]
    received_ms: int


async def take_in(db: Database, row: InboxRow) -> bool:
    """Store `row`. Return False if it is there already: Discord sent it twice, or it was read back."""
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
    """Return the statement that closes a row and drops its body."""
    return Statement(
        # The body goes: it has the person's words, or the token of an interaction.
        "UPDATE inbox SET status = ?, note = ?, done_ms = ?, body = '{}' WHERE external = ?",
        (status, note, at_ms, external),
    )


async def open_interactions(db: Database, before_ms: int) -> list[InboxRow]:
    """Return the open interactions from before a time, oldest first: a crash cut them."""
    rows = await db.read(
        "SELECT external, kind, channel_id, author_id, body, received_ms FROM inbox WHERE status = 'new'"
        " AND kind NOT IN ('message', 'edit', 'delete') AND received_ms < ? ORDER BY received_ms, external",
        (before_ms,),
    )
    return [_inbox_row(row) for row in rows]


def describe_inbox_row(external: str, kind: str, body: dict[str, Any]) -> Statement:
    """Return the statement that replaces kind and body of an open row, once its request is known."""
    return Statement(
        # Only an open row: the body of a closed one was dropped on purpose.
        "UPDATE inbox SET kind = ?, body = ? WHERE external = ? AND status = 'new'",
        (kind, msgspec.json.encode(body).decode(), external),
    )


async def next_message_row(db: Database, channel_id: int) -> InboxRow | None:
    """Return the oldest open message, edit or deletion of a channel."""
    row = await db.read_one(
        "SELECT external, kind, channel_id, author_id, body, received_ms FROM inbox WHERE status = 'new'"
        # By Discord's time: messages that are read back come late, but belong before newer ones.
        " AND channel_id = ? AND kind IN ('message', 'edit', 'delete') ORDER BY received_ms, rowid LIMIT 1",
        (channel_id,),
    )
    return None if row is None else _inbox_row(row)


_ALONE = (
    "json_extract(body, '$.content') = '' AND json_extract(body, '$.reply_to') IS NULL"
    " AND (json_array_length(body, '$.files') > 0 OR json_extract(body, '$.forwarded') <> '')"
)
"""An open message with files or a forward and without words."""


async def waits_for_words(db: Database, row: InboxRow, patience_ms: int) -> bool:
    """Whether files of the same author wait in the channel for the words in `row`."""
    found = await db.read_one(
        "SELECT 1 FROM inbox WHERE status = 'new' AND kind = 'message' AND channel_id = ? AND author_id = ?"  # noqa: S608
        f" AND received_ms BETWEEN ? AND ? AND {_ALONE}",
        (row.channel_id, row.author_id, row.received_ms - patience_ms, row.received_ms),
    )
    return found is not None


async def next_of_author(db: Database, row: InboxRow, patience_ms: int) -> InboxRow | None:
    """Return the next open message of the same author in the channel, at most `patience_ms` after `row`."""
    found = await db.read_one(
        "SELECT external, kind, channel_id, author_id, body, received_ms FROM inbox WHERE status = 'new'"
        " AND kind = 'message' AND channel_id = ? AND author_id = ? AND external <> ?"
        " AND received_ms BETWEEN ? AND ? ORDER BY received_ms, rowid LIMIT 1",
        (row.channel_id, row.author_id, row.external, row.received_ms, row.received_ms + patience_ms),
    )
    return None if found is None else _inbox_row(found)


async def later_fate_of(db: Database, message_id: int) -> InboxRow | None:
    """Return the open deletion of a message, or else its newest open edit."""
    found = await db.read_one(
        "SELECT external, kind, channel_id, author_id, body, received_ms FROM inbox WHERE status = 'new'"
        # `;` follows `:` in ASCII, so this is every edit of the
        # message, by the index. "delete" sorts before "edit".
        " AND (external = ? OR (external > ? AND external < ?)) ORDER BY kind, received_ms DESC LIMIT 1",
        (f"delete:{message_id}", f"edit:{message_id}:", f"edit:{message_id};"),
    )
    return None if found is None else _inbox_row(found)


async def last_prompt_in(db: Database, row: InboxRow) -> int | None:
    """Return the id of the last message of the channel, before the one of `row`, that was a prompt."""
    found = await db.read_one(
        "SELECT max(CAST(substr(external, length('message:') + 1) AS INTEGER)) FROM inbox"
        # A refused message never reached Claude, so the next prompt takes its words along.
        " WHERE kind = 'message' AND status = 'done' AND channel_id = ? AND received_ms < ?",
        (row.channel_id, row.received_ms),
    )
    return int(found[0]) if found is not None and found[0] is not None else None


async def waiting_channels(db: Database) -> list[int]:
    """Return the channels with open messages, edits or deletions."""
    rows: Sequence[Sequence[Any]] = await db.read(
        "SELECT DISTINCT channel_id FROM inbox WHERE status = 'new' AND kind IN ('message', 'edit', 'delete')"
    )
    return [int(row[0]) for row in rows]


async def author_of(db: Database, external: str) -> int | None:
    """Return the author's id of a row, open or closed; None if there is no row of this name."""
    row = await db.read_one("SELECT author_id FROM inbox WHERE external = ?", (external,))
    return None if row is None else int(row[0])


async def channel_of(db: Database, external: str) -> int | None:
    """Return the channel of a row, open or closed; None if there is no row of this name."""
    row = await db.read_one("SELECT channel_id FROM inbox WHERE external = ?", (external,))
    return None if row is None else int(row[0])


async def was_noted_of_an_edit(db: Database, message_id: int, note: str) -> bool:
    """Whether an edit of this message was closed with this note."""
    row = await db.read_one(
        "SELECT 1 FROM inbox WHERE external > ? AND external < ? AND note = ?",
        (f"edit:{message_id}:", f"edit:{message_id};", note),
    )
    return row is not None


def _inbox_row(row: Sequence[Any]) -> InboxRow:
    try:
        body = msgspec.json.decode(row[4], type=dict[str, Any])
    except (ValueError, RecursionError):
        log.exception("body of an inbox row not readable", extra={"inbox": row[0]})
        body = {}  # its handler refuses it, and goes on with the next one
    return InboxRow(row[0], row[1], row[2], row[3], body, row[5])


def mark_seen(guild_id: int, channel_id: int, message_id: int) -> Statement:
    """Return the statement that marks messages up to this one as seen; the mark never moves back."""
    return Statement(
        "INSERT INTO seen (channel_id, guild_id, message_id) VALUES (?, ?, ?) ON CONFLICT (channel_id)"
        # Live messages and those that are read back come in any order.
        " DO UPDATE SET message_id = max(message_id, excluded.message_id)",
        (channel_id, guild_id, message_id),
    )


async def load_seen(db: Database) -> dict[int, int]:
    """Return the last seen message of each channel."""
    rows: Sequence[Sequence[Any]] = await db.read("SELECT channel_id, message_id FROM seen")
    return {int(row[0]): int(row[1]) for row in rows}
