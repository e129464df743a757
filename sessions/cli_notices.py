"""Translate what the CLI says outside of an answer: a hook ends a turn, rows are lost on a full disk. Pure."""

from collections.abc import Iterator

from sessions import events as e
from sessions.claude.api_message import cleaned
from sessions.claude.lines import SystemNotice
from sessions.state import Snapshot
from sessions.topics import Topic
from sessions.troubles import Failure, FailureKind

_WRITES_LOST = "The disk is full: Claude lost parts of its record of this conversation."


def said_by_cli(snapshot: Snapshot, line: SystemNotice) -> Iterator[e.Event]:
    """Yield the failure by which a hook stops the running turn, or the notice of lost rows."""
    if line.subtype == "session_writes_lost":
        yield e.Noticed(Topic.WRITES_LOST, _WRITES_LOST)
    elif line.stops and snapshot.running is not None:
        yield e.RequestFailed(snapshot.running.turn_id, Failure(FailureKind.HOOK, detail=cleaned(line.text)))
