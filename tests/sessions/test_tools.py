"""Claude calls tools of the bridge: each call is carried out and answered once, whatever happens to it."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sessions import rows
from sessions.claude.control_lines import ToolCalled
from sessions.claude.parse import parse
from sessions.claude.tool_server import announcement, answer_message
from sessions.rows.tool_calls import load_tool_calls
from sessions.session import Session
from sessions.tool_calls import MOST_A_MINUTE, MOST_ARGUMENT_BYTES, MOST_REPLY_CHARS, ToolCalls
from sessions.tools import Tool, ToolReply, ToolUse
from storage import Database, StorageError
from tests.fakes.memory_cli import Interrupted
from tests.sessions.kit import DEADLINE_S, House, house, idle, send, statuses, until
from tests.sessions.running_core import MIGRATIONS


class Box:
    """A toolbox that counts. `note` is done once for each origin, as every act of a real one."""

    instructions = "Take notes."

    def __init__(self) -> None:
        self.tools: Sequence[Tool] = (Tool("note", "Take a note.", {"type": "object"}),)
        self.notes: dict[str, str] = {}
        self.used = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuses_to_store = 0

    def for_run(self) -> "Box":
        return self

    async def use(self, use: ToolUse) -> ToolReply:
        self.used += 1
        if self.refuses_to_store:
            self.refuses_to_store -= 1
            raise StorageError("the disk is full")
        if use.name == "break":
            raise KeyError("a defect")
        text = str(use.arguments.get("text", ""))
        self.notes.setdefault(f"{use.session_id} {use.origin}", text)
        await self.gate.wait()
        return ToolReply(f"noted {text} for {use.owner_id}", is_error=text == "bad")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with Database.open(tmp_path / "sessions.db", MIGRATIONS) as db, house(db, tmp_path) as made:
        made.tools = Box()
        await made.restart()
        yield made


def box(here: House) -> Box:
    assert isinstance(here.tools, Box)
    return here.tools


def note(text: str, name: str = "note") -> str:
    return f"tool {name} {json.dumps({'text': text})}"


async def said(session: Session) -> list[str]:
    """Claude's last words of each turn, oldest first: the answers that it got."""
    found = reversed(await rows.load_turns(session.around.db, session.id))
    blocks = [await rows.load_blocks(session.around.db, turn.id) for turn in found]
    return [str(getattr(each[0], "text", "")) for each in blocks if each]


async def test_a_call_is_carried_out_for_the_owner_and_answered(here: House) -> None:
    session = await here.session()
    await send(session, note("a"), note("bad"), note("x", "break"))
    await idle(session)
    assert await said(session) == [
        "told: noted a for discord:1",
        "refused: noted bad for discord:1",
        "refused: The call failed because of a defect of the bridge. Go on without it.",
    ]
    assert list(box(here).notes.values()) == ["a", "bad"]
    assert await load_tool_calls(here.db, session.id, 1) == []


PROMPTS = (note("one"), note("two"))


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.soak)])
async def test_a_bridge_that_dies_at_any_durable_step_answers_each_call_once(here: House, stride: int) -> None:
    for after in itertools.count(step=stride):
        session = await here.session(f"place {after}")
        box(here).notes.clear()
        here.claude.told.clear()
        here.death.left = after
        work = [asyncio.create_task(_ask(session)), asyncio.create_task(here.death.came.wait())]
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        died = here.death.came.is_set()
        await here.restart()
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        session = await here.again(session)
        await _ask(session)
        assert await statuses(here, session) == [(prompt, "done") for prompt in PROMPTS], after
        assert sorted(box(here).notes.values()) == ["one", "two"], after
        assert set(Counter(request for request, _ in here.claude.told).values()) == {1}, after
        assert await said(session) == ["told: noted one for discord:1", "told: noted two for discord:1"], after
        if not died:
            assert after > 20
            return


async def _ask(session: Session) -> None:
    await send(session, *PROMPTS)
    await idle(session)


async def test_a_call_that_comes_while_the_bridge_is_away_is_answered_when_it_is_back(here: House) -> None:
    session = await here.session()
    await send(session, "gate g")
    await until(lambda: bool(here.claude.started))
    await here.bury()
    claude = here.claude.of_session(session.id)
    assert claude is not None
    calls = [claude.call_tool("note", {"text": "away"})]
    assert next(calls[0])() is False
    await here.restart()
    await until(lambda: len(here.claude.told) == 1)
    assert list(box(here).notes.values()) == ["away"]
    here.claude.open_gate("g")
    await idle(await here.again(session))


async def test_an_interrupted_call_is_not_answered_and_a_call_behind_it_is_not_begun(here: House) -> None:
    session = await here.session()
    box(here).gate.clear()
    await send(session, note("slow"))
    await until(lambda: box(here).used == 1)
    claude = here.claude.of_session(session.id)
    assert claude is not None
    behind = claude.call_tool("note", {"text": "behind"})
    next(behind)
    with pytest.raises(Interrupted):  # the CLI cancels both
        behind.throw(Interrupted())
    await session.stop()
    box(here).gate.set()
    await idle(session)
    await send(session, note("next"))
    await idle(session)
    assert list(box(here).notes.values()) == ["slow", "next"]
    assert [message["result"] for _, message in here.claude.told[:-1]] == [{}, {}]
    assert (await said(session))[-1] == "told: noted next for discord:1"


async def test_a_store_that_refuses_makes_the_call_wait(here: House) -> None:
    session = await here.session()
    box(here).refuses_to_store = 1
    await send(session, note("a"))
    await idle(session)
    assert (box(here).used, await said(session)) == (2, ["told: noted a for discord:1"])


def test_a_call_counts_once_however_often_its_commit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.tool_calls.toolbox_in", lambda *_: Box())
    clock = SimpleNamespace(monotonic=lambda: 1.0)
    around = SimpleNamespace(driver=None, tools=None, clock=clock)
    calls = ToolCalls(cast("Any", SimpleNamespace(id="s", around=around, snapshot=None)), 1)
    line = ToolCalled("r", 1, "note", {}, "t")
    for tried in range(1, 2 * MOST_A_MINUTE):
        draft = SimpleNamespace(extra=[])  # a refusal would send a line, and this draft sends none
        calls.take(cast("Any", draft), line, at=7)
        assert len(draft.extra) == 1, tried
    calls.committed()
    assert calls._open == 1


CALLS, AT_ONCE = 2_000, 100


async def test_thousands_of_calls_are_refused_but_for_a_few_and_leave_nothing(here: House) -> None:
    session = await here.session()
    await send(session, "gate g")
    await until(lambda: bool(here.claude.started))
    claude = here.claude.of_session(session.id)
    assert claude is not None
    calls = [claude.call_tool("note", {"text": str(number)}) for number in range(CALLS)]
    for answered, call in enumerate(calls, start=1):
        next(call)
        if answered % AT_ONCE == 0:
            await until(lambda: len(here.claude.told) == answered)  # noqa: B023 (awaited here)
    assert 1 <= box(here).used <= MOST_A_MINUTE
    refused = [each for _, each in here.claude.told if each["result"].get("isError")]
    assert len(refused) == len(calls) - box(here).used
    here.clock.seconds += 61
    next(claude.call_tool("note", {"text": "later"}))
    await until(lambda: "later" in box(here).notes.values())
    here.claude.open_gate("g")
    await idle(session)


async def test_long_arguments_are_refused_and_a_long_answer_is_cut(here: House) -> None:
    session = await here.session()
    await send(session, note("x" * MOST_ARGUMENT_BYTES), note("y" * (MOST_REPLY_CHARS + 9)))
    await idle(session)
    first, second = await said(session)
    assert first == "refused: The arguments are too long. Write less."
    assert len(second) == len("told: ") + MOST_REPLY_CHARS


async def test_a_process_that_knows_the_tools_is_told_if_they_are_switched_off(here: House) -> None:
    here.tools = None
    await here.restart()
    session = await here.session()
    await send(session, note("a"))
    await idle(session)
    assert await said(session) == ["refused: The bridge offers no tools now."]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"method": "initialize", "id": 0, "params": {"protocolVersion": "2030-01-01"}}, "2030-01-01"),
        ({"method": "initialize", "id": 0}, "Take notes."),
        ({"method": "tools/list", "id": "x"}, '"note"'),
        ({"method": "ping", "id": 3}, '"result": {}'),
        ({"method": "notifications/initialized"}, '"result": {}'),
        ({"method": "resources/list", "id": 4}, '"code": -32601'),
        ({"method": 7, "id": [1]}, '"result": {}'),
        ({}, '"result": {}'),
    ],
)
def test_each_message_to_the_server_has_an_answer_with_its_id(message: dict[str, Any], told: str) -> None:
    request = {"subtype": "mcp_message", "server_name": "bridge", "message": message}
    line = parse(json.dumps({"type": "control_request", "request_id": "r", "request": request}).encode())
    answer = answer_message(line, Box())  # type: ignore[arg-type]
    assert answer["response"]["request_id"] == "r"
    assert told in json.dumps(answer)
    ident = message.get("id")
    expected = ident if isinstance(ident, int | str) else 0
    assert answer["response"]["response"]["mcp_response"]["id"] == expected


def test_the_greeting_carries_the_whole_handshake() -> None:
    told = announcement(Box())
    manifest = told["sdkMcpServerManifests"]["bridge"]
    assert manifest["initializeResult"]["instructions"] == "Take notes."
    assert [tool["name"] for tool in manifest["toolsListResult"]["tools"]] == ["note"]
    assert told["sdkMcpServers"] == ["bridge"]
