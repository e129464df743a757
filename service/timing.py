"""Carries out the commands of `api/timing.py`."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath

import api as c
from api.words.asks import subject_words
from api.words.tools import relative, telling_field, tool_label
from service.parts import ServiceParts
from sessions import rows
from sessions.model import Lifecycle, TurnId
from sessions.rows.turn_times import TimedStep, load_turn_steps
from sessions.session import Session
from sessions.stored import StoredAsk, StoredTurn

_LABEL = 80


async def time_turn(parts: ServiceParts, session: Session, command: c.TimingCommand) -> c.TurnTiming:
    """Return the turn's timing. Raises `TurnNotFound`."""
    db, turn_id = parts.manager.db, TurnId(command.turn_id)
    whole = (await rows.load_whole_turn(db, session.id, turn_id, with_blocks=False)).turns[0]
    turn, now_ms = whole.turn, parts.manager.now_ms()
    # A turn that runs is drawn up to now.
    end_ms = turn.ended_ms or now_ms
    steps = await load_turn_steps(db, session.id, turn_id)
    directory = PurePath(session.snapshot.work_directory).name
    spans = spans_of(turn, steps, whole.asks, end_ms, directory)
    return c.TurnTiming(
        began_ms=turn.queued_ms,
        total_ms=max(0, end_ms - turn.queued_ms),
        has_ended=turn.ended_ms is not None,
        cost_usd=turn.cost_usd,
        list_price_usd=turn.list_price_usd,
        output_tokens=turn.usage.output_tokens,
        spans=tuple(spans),
    )


def spans_of(
    turn: StoredTurn, steps: Sequence[TimedStep], asks: Sequence[StoredAsk], end_ms: int, directory: str
) -> list[c.Span]:
    """Return the spans of a turn, in the order of their beginnings. Pure."""
    begin = turn.queued_ms
    found = [*_before(turn, steps, end_ms), *_tools(steps, end_ms, directory), *_people(asks, end_ms)]
    made = [
        c.Span(kind, max(0, start - begin), max(0, min(stop, end_ms) - begin), label)
        for kind, start, stop, label in found
        # Clocks may step back between two events.
        if stop >= start
    ]
    return sorted(made, key=lambda span: (span.from_ms, -span.to_ms))


_Found = tuple[c.SpanKind, int, int, str]


def _before(turn: StoredTurn, steps: Sequence[TimedStep], end_ms: int) -> Iterator[_Found]:
    """Yield the time until Claude's first sign: in line, the process waking, Claude thinking."""
    place = next((number for number, step in enumerate(steps) if step.kind == "turn_sent"), None)
    # Turns of background work are never sent: the CLI begins them by itself.
    sent = turn.started_ms if place is None else steps[place].at_ms
    until = sent if sent is not None else end_ms
    # By their order, not by their times: the clock may have been set back.
    before = [step for step in steps if step.at_ms <= until] if place is None else steps[:place]
    moves = [step for step in before if step.kind == "lifecycle_changed"]
    woke = next((step.at_ms for step in moves if step.state == Lifecycle.STARTING), None)
    live = next((step.at_ms for step in moves if step.state == Lifecycle.LIVE), until)
    yield c.SpanKind.LINE, turn.queued_ms, woke if woke is not None else until, ""
    if woke is not None:
        yield c.SpanKind.WAKING, woke, live, ""
    if sent is not None:
        first = next((step.at_ms for step in steps if step.kind == "block_added"), end_ms)
        yield c.SpanKind.FIRST_SIGN, sent, first, ""


def _tools(steps: Sequence[TimedStep], end_ms: int, directory: str) -> Iterator[_Found]:
    # Tools run side by side, so a result is matched by its id and not by its place.
    results = {step.tool_use_id: step.at_ms for step in steps if step.block == "tool_output"}
    for step in steps:
        if step.block == "tool_call":
            told = str(step.input.get(telling_field(step.tool, step.input), ""))
            line = " ".join(relative(told, directory).split())
            label = f"{tool_label(step.tool)} {line}"[:_LABEL].rstrip()
            yield c.SpanKind.TOOL, step.at_ms, results.get(step.tool_use_id, end_ms), label


def _people(asks: Sequence[StoredAsk], end_ms: int) -> Iterator[_Found]:
    for each in asks:
        yield c.SpanKind.PERSON, each.ask.opened_ms, each.closed_ms or end_ms, subject_words(each.ask.body)
