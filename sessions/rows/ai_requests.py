"""Rows of `ai_requests`: requests to Claude beside a conversation, with their answers."""

from dataclasses import dataclass

from sessions.model import SessionId
from sessions.stored import Purpose
from storage import Database, Statement


@dataclass(frozen=True, slots=True)
class AskedAside:
    """A request as it is asked; `turn_id` is the last turn that Claude knows then, or the turn that answers."""

    purpose: Purpose
    question: str
    model: str
    turn_id: str


def request_asked(request_id: str, session_id: SessionId, asked: AskedAside, now_ms: int) -> Statement:
    """Store a request that is about to be made."""
    return Statement(
        "INSERT INTO ai_requests (id, session_id, purpose, status, model, question, turn_id, asked_ms)"
        # Stored before the request is made: each costs money, and `fail_cut_requests` closes those that a kill
        # cut.
        " VALUES (?, ?, ?, 'asked', ?, ?, ?, ?)",
        (
            request_id,
            session_id,
            asked.purpose,
            asked.model,
            asked.question,
            asked.turn_id,
            now_ms,
        ),
    )


def request_became_turn(request_id: str, session_id: SessionId, asked: AskedAside, now_ms: int) -> Statement:
    """Store a request that a turn of the conversation answers."""
    return Statement(
        "INSERT INTO ai_requests"
        " (id, session_id, purpose, status, model, question, turn_id, asked_ms, ended_ms)"
        " VALUES (?, ?, ?, 'answered', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        # Repeated after a crash, the same request names the same turn: the first row stays.
        (request_id, session_id, asked.purpose, asked.model, asked.question, asked.turn_id, now_ms, now_ms),
    )


def request_answered(request_id: str, answer: str, now_ms: int) -> Statement:
    """Store the answer to a request."""
    return Statement(
        "UPDATE ai_requests SET status = 'answered', answer = ?, ended_ms = ? WHERE id = ?",
        (answer, now_ms, request_id),
    )


def request_failed(request_id: str, trouble: str, now_ms: int) -> Statement:
    """Store that a request got no answer; `trouble` is a sentence."""
    return Statement(
        "UPDATE ai_requests SET status = 'failed', trouble = ?, ended_ms = ? WHERE id = ?",
        (trouble, now_ms, request_id),
    )


async def load_answer(db: Database, session_id: SessionId, asked: AskedAside) -> str:
    """Return the last answer to the same question after the same turn; empty if there is none."""
    # After the same turn the conversation is the same: asking once more would only cost again.
    found = await db.read_one(
        "SELECT answer FROM ai_requests WHERE session_id = ? AND purpose = ? AND question = ? AND turn_id = ?"
        " AND status = 'answered' AND answer <> '' ORDER BY id DESC LIMIT 1",
        (session_id, asked.purpose, asked.question, asked.turn_id),
    )
    return str(found[0]) if found else ""
