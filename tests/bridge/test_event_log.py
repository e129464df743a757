"""The log of everyday events: their ids and kinds, never a word, never without bound."""

import logging
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import api as c
from api.access import Actor, Role
from bridge.event_log import _LINES, logging_events
from bridge.log_rates import RateBound
from sessions.errors import NotAllowed
from sessions.events import Event
from sessions.model import AllowSession
from tests.sessions.running_core import idle, reached, running_core

# Whatever else an event says may be somebody's words.
IDS_AND_KINDS = {
    "user_id", "channel_id", "mode", "old", "new", "number", "continues", "code", "parent", "parent_turn",
    "turns", "turn_id", "kind", "author_id", "status", "duration_ms", "cost_usd", "by", "ask.id",
    "ask.turn_id", "ask_id", "topic",
}  # fmt: skip


def told(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if record.name == "bridge.event_log"]


async def test_the_life_of_a_session_is_told_by_ids_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running_core(tmp_path) as core, logging_events(core.service):
        session = await core.session()
        await core.say(session, "demo:bash touch SENTINEL demo:text SENTINEL")
        asked = await reached(session, lambda snapshot: bool(snapshot.asks))
        decision = c.AnswerAsk(session_id=session.id, ask_id=asked.asks[0].id, decision=AllowSession())
        await core.do(decision)
        await idle(session)
        await session.park("SENTINEL")
        with pytest.raises(NotAllowed):
            await core.do(decision, Actor("eve", "test", Role.NOBODY))
    ours = [record for record in caplog.records if record.name == "bridge.event_log"]
    assert {vars(record)["session"] for record in ours} == {session.id}
    steps = told(caplog.records)
    for step in (
        "session created", "host started", "turn queued", "turn started", "ask opened", "ask decided",
        "turn ended", "host ended",
    ):  # fmt: skip
        assert steps.count(step) == 1, step
    assert steps.index("ask opened") < steps.index("ask decided") < steps.index("turn ended")
    moves = [vars(record)["new"] for record in ours if record.getMessage() == "lifecycle changed"]
    assert moves[-2:] == ["stopping", "parked"]
    assert "SENTINEL" not in "".join(str(vars(record)) for record in caplog.records)


async def test_a_refusal_is_told_by_who_wanted_what(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        with pytest.raises(NotAllowed):
            await core.do(c.Park(session_id=session.id), Actor("eve", "test", Role.VIEWER))
    (record,) = [record for record in caplog.records if record.getMessage() == "refused"]
    facts = vars(record)
    assert (facts["actor"], facts["session"]) == ("eve", session.id)


def test_what_is_logged_of_an_event_is_there_and_no_free_text() -> None:
    assert set(_LINES) <= set(get_args(Event))
    for kind, line in _LINES.items():
        names = {field.name for field in msgspec.structs.fields(kind)}
        assert {fact.split(".")[0] for fact in line.facts} <= names, kind
        assert set(line.facts) <= IDS_AND_KINDS, kind


# --- how often ------------------------------------------------------------------------------------------


def record(event: str, name: str = "bot.pump", **fields: str) -> logging.LogRecord:
    return logging.makeLogRecord({"name": name, "levelno": logging.WARNING, "msg": event, **fields})


def test_a_storm_of_one_kind_is_cut_and_counted_and_hides_no_other() -> None:
    now = 0.0
    bound = RateBound(3, lambda: now)
    assert [bound.filter(record("storm")) for _ in range(5)] == [True, True, True, False, False]
    assert bound.filter(record("other"))
    assert bound.filter(record("storm", name="bot.view"))
    assert not bound.filter(record("storm", session="a"))
    now = 60.0
    after, quiet = record("storm"), record("quiet")
    assert bound.filter(after)
    assert bound.filter(quiet)
    assert vars(after)["left_out"] == 3
    assert "left_out" not in vars(quiet)


def test_kinds_without_end_take_no_room_without_end() -> None:
    bound = RateBound(3, lambda: 0.0)
    for number in range(5_000):
        assert bound.filter(record(f"a {number}"))
    assert len(bound._counts) <= 1_000
