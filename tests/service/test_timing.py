"""Where a turn's time went: the spans add up to what the events say, also while it runs."""

from pathlib import Path

import pytest

import api as c
from sessions.errors import TurnNotFound
from sessions.model import Allow
from storage import Statement
from tests.sessions.running_core import idle, running_core


async def test_a_turn_tells_its_wake_its_tools_and_its_wait_for_people(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        await core.ask(session, "demo:text first")
        await core.do(c.Park(session_id=session.id))
        turn = await core.say(session, "demo:text hi demo:bash touch x demo:text done")
        snapshot = await session.until(lambda snapshot: bool(snapshot.asks))
        running = await core.do(c.ReadTiming(session_id=session.id, turn_id=turn))
        assert not running.has_ended
        assert running.spans[-1].kind is c.SpanKind.PERSON
        assert running.spans[-1].to_ms == running.total_ms
        wish = c.AnswerAsk(session_id=session.id, ask_id=snapshot.asks[0].id, decision=Allow())
        await core.do(wish)
        await idle(session)
        timing = await core.do(c.ReadTiming(session_id=session.id, turn_id=turn))
        assert timing.has_ended
        spans = {span.kind: span for span in timing.spans}
        assert list(spans) == [
            c.SpanKind.LINE,
            c.SpanKind.WAKING,
            c.SpanKind.FIRST_SIGN,
            c.SpanKind.TOOL,
            c.SpanKind.PERSON,
        ]
        assert "touch x" in spans[c.SpanKind.TOOL].label
        assert spans[c.SpanKind.WAKING].to_ms > spans[c.SpanKind.WAKING].from_ms
        # The tool's span holds the wait for its permission.
        tool, person = spans[c.SpanKind.TOOL], spans[c.SpanKind.PERSON]
        assert tool.from_ms <= person.from_ms <= person.to_ms <= tool.to_ms <= timing.total_ms
        with pytest.raises(TurnNotFound):
            await core.do(c.ReadTiming(session_id=session.id, turn_id="nope"))
        waiting = await core.session()
        first = await core.say(waiting, "demo:bash touch y")
        await waiting.until(lambda snapshot: bool(snapshot.asks))
        queued = await core.say(waiting, "demo:text later")
        (span,) = (await core.do(c.ReadTiming(session_id=waiting.id, turn_id=queued))).spans
        assert span.kind is c.SpanKind.LINE
        assert first != queued


async def test_a_clock_that_was_set_back_during_a_turn_hides_none_of_its_steps(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        await core.ask(session, "demo:text first")
        await core.do(c.Park(session_id=session.id))
        turn = await core.say(session, "demo:bash touch x demo:text done")
        snapshot = await session.until(lambda snapshot: bool(snapshot.asks))
        wish = c.AnswerAsk(session_id=session.id, ask_id=snapshot.asks[0].id, decision=Allow())
        await core.do(wish)
        await idle(session)
        await core.say(session, "demo:text later")
        await idle(session)
        events = (
            "UPDATE events SET at_ms = at_ms - 3600000 WHERE number > (SELECT number FROM events"
            " WHERE kind = 'turn_sent' AND body ->> 'turn_id' = ?)"
        )
        turns = "UPDATE turns SET ended_ms = ended_ms - 3600000 WHERE id = ?"
        await core.db.write([Statement(events, (turn,)), Statement(turns, (turn,))])
        timing = await core.do(c.ReadTiming(session_id=session.id, turn_id=turn))
        kinds = [span.kind for span in timing.spans]
        assert {c.SpanKind.WAKING, c.SpanKind.TOOL} <= set(kinds)
        assert kinds.count(c.SpanKind.WAKING) == 1
