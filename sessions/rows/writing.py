"""Statements that no event causes: for imported turns, hosts, inputs and shares."""

import msgspec

from backends.base import HostRef, InputLine
from sessions.model import (
    SessionId,
    ShareLevel,
)
from sessions.rows.encoding import as_json
from sessions.stored import StoredAsk, StoredTurn
from storage import Statement


def insert_stored_turn(turn: StoredTurn) -> Statement:
    """Insert a turn from an archive."""
    return Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt_uuid, prompt, attachments,"
        " conversation_id, last_uuid, alternative_of, reason, cost_usd, input_tokens, output_tokens,"
        " cache_read_tokens, cache_write_tokens, queued_ms, started_ms, ended_ms, duration_ms, first_text_ms,"
        " payer, failure, imported)"
        # `imported`: a file names its authors, and must not use up anybody's budget.
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        (
            turn.id,
            turn.session_id,
            turn.number,
            turn.kind,
            turn.status,
            turn.author_id,
            turn.prompt_uuid,
            turn.prompt,
            as_json(turn.attachments),
            turn.conversation_id,
            turn.last_uuid,
            turn.alternative_of,
            turn.reason,
            turn.cost_usd,
            turn.usage.input_tokens,
            turn.usage.output_tokens,
            turn.usage.cache_read_tokens,
            turn.usage.cache_write_tokens,
            turn.queued_ms,
            turn.started_ms,
            turn.ended_ms,
            turn.duration_ms,
            turn.first_text_ms,
            turn.payer,
            "" if turn.failure is None else msgspec.json.encode(turn.failure).decode(),
        ),
    )


def insert_stored_ask(stored: StoredAsk) -> Statement:
    """Insert a decided or withdrawn ask from an archive."""
    body = msgspec.to_builtins(stored.ask.body)
    return Statement(
        "INSERT INTO asks (id, session_id, turn_id, host, request_id, kind, body, status, decision, decided_by,"
        " opened_ms, closed_ms, decided_through, decided_face)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stored.ask.id,
            stored.session_id,
            stored.ask.turn_id,
            stored.ask.host,
            stored.ask.request_id,
            str(body["type"]),
            as_json(body),
            stored.status,
            as_json(stored.decision) if stored.decision is not None else "",
            stored.decided_by,
            stored.ask.opened_ms,
            stored.closed_ms,
            stored.decided_through,
            stored.decided_face,
        ),
    )


def insert_host(session_id: SessionId, number: int, at_ms: int) -> Statement:
    """Insert a host's row. It must be stored before the launch, so that every launch is known."""
    return Statement(
        "INSERT INTO hosts (session_id, number, status, launched_ms) VALUES (?, ?, 'launching', ?)",
        (session_id, number, at_ms),
    )


def host_launched(session_id: SessionId, number: int, ref: HostRef) -> Statement:
    """Record that the host runs, with the address for finding it again."""
    return Statement(
        "UPDATE hosts SET status = 'live', backend = ?, address = ? WHERE session_id = ? AND number = ?",
        (ref.backend, ref.address, session_id, number),
    )


def host_applied(session_id: SessionId, number: int, applied: int, replay_from: int) -> Statement:
    """Record that the output log is applied up to `applied`. A new reader begins at `replay_from`."""
    return Statement(
        # In the transaction of the events up to there: a line is applied once, wherever a kill falls.
        "UPDATE hosts SET applied = ?, replay_from = ? WHERE session_id = ? AND number = ?",
        (applied, replay_from, session_id, number),
    )


def insert_input(session_id: SessionId, host: int, number: int, line: InputLine, token: str) -> Statement:
    """Insert a line for the input log. The row must be stored before the bytes are appended."""
    return Statement(
        "INSERT INTO inputs (session_id, host, number, start, line, token) VALUES (?, ?, ?, ?, ?, ?)",
        (session_id, host, number, line.start, line.data, token),
    )


def acknowledge_input(session_id: SessionId, host: int, number: int) -> Statement:
    """Record that the CLI has the line, and drop its bytes: a new follower never starts before it."""
    return Statement(
        # The row stays for its offset: the next line starts after the last one.
        "UPDATE inputs SET acknowledged = 1, line = x'' WHERE session_id = ? AND host = ? AND number = ?",
        (session_id, host, number),
    )


def delete_tool_calls(session_id: SessionId, host: int) -> Statement:
    """Delete all calls of a host: its process has ended, and nobody waits for the answers."""
    return Statement("DELETE FROM tool_calls WHERE session_id = ? AND host = ?", (session_id, host))


def upsert_share(
    session_id: SessionId, grantee: str, level: ShareLevel, granted_by: str, at_ms: int
) -> Statement:
    """Share the session with a user or group, or change the level of the share."""
    return Statement(
        "INSERT INTO shares (session_id, grantee, level, granted_by, granted_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (session_id, grantee) DO UPDATE SET level = excluded.level,"
        " granted_by = excluded.granted_by, granted_ms = excluded.granted_ms",
        (session_id, grantee, level, granted_by, at_ms),
    )


def delete_share(session_id: SessionId, grantee: str) -> Statement:
    """Delete the share. No error if it does not exist."""
    return Statement("DELETE FROM shares WHERE session_id = ? AND grantee = ?", (session_id, grantee))


def fail_cut_requests() -> Statement:
    """Return the statement that notes requests as failed whose process has ended; for the start."""
    return Statement(
        # Only at a start: while a process runs, an asked request has somebody who waits for it.
        "UPDATE ai_requests SET status = 'failed', trouble = 'the bridge stopped meanwhile'"
        " WHERE status = 'asked'"
    )
