"""The SQL of shared pages. The content is compressed; only hashes of addresses are stored."""

from dataclasses import dataclass

from sessions.model import SessionId
from storage import Database, Row, Statement

_FIELDS = "id, made_by, made_ms, as_of, turns, expires_ms, opened, opened_ms"


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page with an address, without its content. Times in milliseconds since 1970."""

    id: str
    made_by: str
    made_ms: int
    as_of: int
    turns: int
    expires_ms: int
    opened: int
    opened_ms: int | None


@dataclass(frozen=True, slots=True)
class NewPage:
    """A draft."""

    id: str
    session_id: SessionId
    made_by: str
    made_ms: int
    as_of: int
    turns: int
    content: bytes


def insert_draft(page: NewPage) -> Statement:
    """Store a draft."""
    return Statement(
        "INSERT INTO shared_pages (id, session_id, made_by, made_ms, as_of, turns, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (page.id, page.session_id, page.made_by, page.made_ms, page.as_of, page.turns, page.content),
    )


def forget_pages(drafted_before_ms: int, expired_before_ms: int) -> Statement:
    """Delete old drafts and expired pages."""
    return Statement(
        "DELETE FROM shared_pages WHERE token_hash IS NULL AND made_ms < ? OR expires_ms < ?",
        (drafted_before_ms, expired_before_ms),
    )


def publish_draft(page_id: str, session_id: SessionId, token_hash: str, expires_ms: int) -> Statement:
    """Give a draft of the session its address; returns the page as the only row, none without such a draft."""
    return Statement(
        # One statement checks and publishes: of two clicks, one gets an address.
        "UPDATE shared_pages SET token_hash = ?, expires_ms = ? WHERE id = ? AND session_id = ?"  # noqa: S608
        f" AND token_hash IS NULL RETURNING {_FIELDS}",
        (token_hash, expires_ms, page_id, session_id),
        fetch=True,
    )


def delete_page(page_id: str, session_id: SessionId) -> Statement:
    """Delete a page of the session; `rowcount` is 0 if it has no such page."""
    return Statement("DELETE FROM shared_pages WHERE id = ? AND session_id = ?", (page_id, session_id))


def count_opening(token_hash: str, now_ms: int) -> Statement:
    """Count an opening; returns the content as the only row, none if the page is unknown or has expired."""
    return Statement(
        # Counted and read at once: no page is shown that has expired or was taken back meanwhile.
        "UPDATE shared_pages SET opened = opened + 1, opened_ms = ? WHERE token_hash = ? AND expires_ms > ?"
        " RETURNING content",
        (now_ms, token_hash, now_ms),
        fetch=True,
    )


async def load_pages(db: Database, session_id: SessionId, now_ms: int) -> list[StoredPage]:
    """Return the session's pages that have not expired, newest first."""
    rows = await db.read(
        f"SELECT {_FIELDS} FROM shared_pages WHERE session_id = ? AND expires_ms > ?"  # noqa: S608
        " ORDER BY made_ms DESC, id",
        (session_id, now_ms),
    )
    return [page_of(row) for row in rows]


def page_of(row: Row) -> StoredPage:
    """Return a row of `publish_draft` or `load_pages` as a value."""
    made_ms, as_of, turns, expires_ms, opened = (int(str(value)) for value in row[2:7])
    opened_ms = int(str(row[7])) if row[7] is not None else None
    return StoredPage(str(row[0]), str(row[1]), made_ms, as_of, turns, expires_ms, opened, opened_ms)
