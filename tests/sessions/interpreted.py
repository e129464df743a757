"""Lines and states from which tests of the interpreter begin."""

from sessions import events as e
from sessions.draft import Draft
from sessions.model import (
    Activity,
    Lifecycle,
    SessionId,
    Text,
    TurnId,
    TurnKind,
)
from sessions.state import RunningTurn, Snapshot

ID = SessionId("01890000-0000-7000-8000-000000000001")


def live(**fields: object) -> Snapshot:
    return Snapshot(ID, lifecycle=Lifecycle.LIVE, host=1, **fields)  # type: ignore[arg-type]  # names are checked at run time


def turn(name: str) -> RunningTurn:
    return RunningTurn(TurnId(name), f"uuid {name}", TurnKind.PROMPT, started_ms=1)


SENT = live(sent=turn("a"), activity=Activity.WORKING)
WORKS = live(running=turn("a"), activity=Activity.WORKING)


def ended(draft: Draft) -> list[tuple[str, str]]:
    events = (each.event for each in draft.numbered)
    return [(event.turn_id, event.status.value) for event in events if isinstance(event, e.TurnEnded)]


def blocks(draft: Draft) -> dict[str, list[str]]:
    """The texts of each turn."""
    texts: dict[str, list[str]] = {}
    for each in draft.numbered:
        if isinstance(each.event, e.BlockAdded) and isinstance(each.event.block, Text):
            texts.setdefault(each.event.turn_id, []).append(each.event.block.text)
    return texts
