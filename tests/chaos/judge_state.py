"""Events have no gap, the stored state is their sum, and faces were shown exactly them."""

import json
from collections.abc import Iterator

import msgspec

from sessions.events import Event
from sessions.model import SessionId
from sessions.state import Snapshot, apply
from tests.chaos.history import History, digest
from tests.chaos.rules import Rule, Violation

_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_snapshots = msgspec.json.Decoder(Snapshot)


def judge_state(history: History, session_id: str) -> Iterator[Violation]:
    rows = history.of("events", session_id)
    numbers = [row["number"] for row in rows]
    if numbers != list(range(1, len(numbers) + 1)):
        yield Violation(Rule.EVENT_GAP, session_id, f"{len(numbers)} events, the last is {numbers[-1:]}")
        return
    snapshot = Snapshot(SessionId(session_id))
    for row in rows:
        snapshot = apply(snapshot, _events.decode(row["body"]), row["at_ms"])
    session = next(row for row in history.tables["sessions"] if row["id"] == session_id)
    stored = _snapshots.decode(session["data"])
    if stored != snapshot:
        names = [
            name for name in Snapshot.__struct_fields__ if getattr(stored, name) != getattr(snapshot, name)
        ]
        yield Violation(Rule.STATE_DIFFERS, session_id, ", ".join(names))
    elif session["status"] != stored.lifecycle:
        yield Violation(Rule.STATE_DIFFERS, session_id, f"status {session['status']}, not {stored.lifecycle}")


def judge_shown(history: History, session_id: str) -> Iterator[Violation]:
    """Each person who looked on from the beginning saw event 1, 2, 3 … once each, as they are stored."""
    stored = {row["number"]: row for row in history.of("events", session_id)}
    blocks = {(row["turn_id"], row["ordinal"]): row["body"] for row in history.tables["blocks"]}
    seen: dict[str, list[tuple[int, str]]] = {}
    for each in history.did("seen"):
        if each["session"] == session_id:
            seen.setdefault(each["who"], []).append((each["number"], each["digest"]))
    for who, events in seen.items():
        numbers = [number for number, _ in events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Violation(Rule.SHOWN_GAP, session_id, f"{who} saw {len(numbers)} events, not in one row")
            continue
        for number, shown in events:
            if number not in stored:
                yield Violation(
                    Rule.SHOWN_DIFFERS, session_id, f"{who} saw event {number}, which is not stored"
                )
                break
            body = json.loads(stored[number]["body"])
            if body["type"] == "block_added":
                body["block"] = json.loads(blocks.get((body["turn_id"], body["ordinal"]), "null"))
            if digest(body) != shown:
                yield Violation(Rule.SHOWN_DIFFERS, session_id, f"{who} saw another event {number}")
                break
