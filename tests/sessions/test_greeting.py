"""Claude's answer about itself, and the parts of it that are about something else by then."""

import asyncio
from collections.abc import Sequence

import pytest

from sessions import events as e
from sessions import rows
from sessions.host_run import HostRun
from sessions.model import TurnStatus
from sessions.output_lines import ReadLine
from sessions.prompt_queue import Sender
from tests.sessions.kit import DEADLINE_S, USER, House, until


async def test_a_greeting_from_before_a_prompt_says_nothing_about_its_turn(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bridge stood still: a turn is over in unread lines when it asks why Claude is silent."""
    session = await here.session()
    await session.send_message("gate x", sender=Sender(USER, "1"))
    await session.until(lambda snapshot: snapshot.running is not None)
    await session.send_message("two", sender=Sender(USER, "2"))
    (process,), read_on, apply = here.machine.living(), asyncio.Event(), HostRun._apply

    async def late(self: HostRun, lines: Sequence[ReadLine]) -> None:
        await read_on.wait()
        for line in lines:
            await apply(self, [line])
            if session.snapshot.is_idle and session.snapshot.queue:
                await session.until(lambda snapshot: snapshot.sent is not None)

    monkeypatch.setattr(HostRun, "_apply", late)
    printed = len(process.output)
    here.claude.open_gate("x")
    await until(lambda: b'"state": "idle"' in process.output[printed:])
    assert session.run is not None
    asking = asyncio.create_task(session.run.greet(in_silence_s=DEADLINE_S))
    await until(lambda: b'"control_response"' in process.output[printed:])
    read_on.set()
    await asking
    run = session.run
    await until(lambda: process.output.count(b'"type": "result"') == 2 and run._read_to == len(process.output))
    turns = await rows.load_turns(here.db, session.id)
    assert [each.prompt for each in turns] == ["two", "gate x"]
    for each in turns:
        assert each.status is TurnStatus.DONE
        assert await rows.load_blocks(here.db, each.id)


@pytest.mark.parametrize(("typed", "is_sent"), [("compcat", False), ("compact", True), ("mcp__s__ask", True)])
async def test_a_command_typed_before_the_first_process_is_sent_only_if_claude_offers_it(
    here: House, typed: str, *, is_sent: bool
) -> None:
    here.claude.offered = ("compact", "context")
    session = await here.session()
    placed = await session.command(typed, sender=Sender(USER, "1"))
    await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)
    turn = await rows.load_turn(here.db, placed.turn_id)
    (process,) = here.machine.living()
    assert (turn.status is TurnStatus.DONE, typed.encode() in process.output) == (is_sent, is_sent)
    assert turn.reason == ("" if is_sent else "There is no command /compcat here. Do you mean /compact?")


async def test_a_model_that_claude_does_not_list_is_taken_with_a_word(here: House) -> None:
    session = await here.session()
    for model in ("nope", "opus", "sonnet[1m]", "claude-new-7", "us.anthropic.x", "nope"):
        await session.set_model(model)
    said = [each.event for each in await rows.load_notices(here.db, session.id, 0)]
    words = [each.text.partition(";")[0] for each in said if isinstance(each, e.Noticed)]
    assert words == ["Claude lists no model nope"] * 2
