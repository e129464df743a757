"""Costs are true: what turns are said to cost is what the model was asked for, however processes come and go.

The demo model's requests, at list price, are the truth; the real CLI counts. What a killed process had spent
on its unfinished turn is the one thing that nobody is told, so killed turns wait in their first request.
"""

import asyncio
import os
import random
import signal
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import api as c
from bridge.demo.conversation import read_conversation
from bridge.demo.model import DemoModel
from bridge.demo.reply import Message, next_reply
from bridge.demo.wire import whole_body
from sessions.claude.registry import open_conversations
from sessions.model import ExportFormat
from sessions.session import Session
from tests.fakes.cli_home import CliHome, make_cli_home
from tests.sessions.running_core import DEADLINE_S, CoreParts, RunningCore, idle, running_core
from tests.sessions.test_handover import in_terminal

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]

# Dollars for a million tokens: input, read from the cache, output.
_PRICES = {"claude-opus-5-5": (4.0, 0.2, 20.0), "claude-haiku-4-5": (1.0, 0.1, 5.0)}


def spent(demo: DemoModel) -> float:
    """List price of every answer that the model has given; one that waits at the gate `never` was not given."""
    bodies = [seen.body for seen in demo.requests if seen.path == "/v1/messages" and seen.body]
    # When it is given another model, the CLI tries it with a one-token request, which it does not count.
    return sum(_price(body) for body in bodies if body["max_tokens"] > 1)


def _price(body: dict[str, Any]) -> float:
    conversation = read_conversation(body)
    reply = next_reply(conversation, failures=0)
    if not isinstance(reply, Message) or "demo:gate never" in conversation.prompt:
        return 0.0
    usage = whole_body(reply)["usage"]
    fresh, cached, output = next(price for name, price in _PRICES.items() if reply.model.startswith(name))
    micros: float = (
        usage["input_tokens"] * fresh
        + usage["cache_read_input_tokens"] * cached
        + usage["output_tokens"] * output
    )
    return micros / 1e6


class Walk:
    """Random steps over one family of sessions. `elsewhere` is what the terminal spent."""

    def __init__(self, core: RunningCore, demo: DemoModel, home: CliHome, rng: random.Random) -> None:
        self._core, self._demo, self._home, self._rng = core, demo, home, rng
        self.sessions: list[Session] = []
        self.elsewhere = 0.0
        self.came_in: set[str] = set()
        self.steps: dict[str, Callable[[Session], Awaitable[object]]] = {
            "turn": self._turn,
            "tool": lambda session: core.ask(session, "demo:todo demo:text a second request"),
            "park": lambda session: session.park("test"),
            "kill": self._kill,
            "kill in a turn": self._kill_in_a_turn,
            "branch": self._branch,
            "export and import": self._export_and_import,
            "terminal": self._go_to_the_terminal_and_back,
            "compact": self._compact,
            "another model": lambda session: session.set_model(rng.choice(list(_PRICES))),
            "error": lambda session: core.ask(session, "demo:todo demo:error 400"),
            "again": self._regenerate,
        }

    async def take(self, step: str) -> None:
        session = self._rng.choice(self.sessions)
        await self.steps[step](session)

    async def check(self) -> None:
        rows = await self._core.db.read("SELECT session_id, id, cost_usd FROM turns")
        costs = {str(turn_id): (str(session_id), float(str(cost))) for session_id, turn_id, cost in rows}
        own = sum(cost for turn_id, (_, cost) in costs.items() if turn_id not in self.came_in)
        assert own + self.elsewhere == pytest.approx(spent(self._demo), abs=1e-9)
        for session in self.sessions:
            of_session = sum(cost for session_id, cost in costs.values() if session_id == session.id)
            assert session.snapshot.cost_usd == pytest.approx(of_session, abs=1e-9)

    async def _turn(self, session: Session) -> None:
        await self._core.ask(session, f"demo:text {'word ' * self._rng.randrange(1, 200)}")

    async def _kill(self, session: Session) -> None:
        await self._turn(session)
        await self._end_by_signal(session)

    async def _kill_in_a_turn(self, session: Session) -> None:
        self._demo.hold("never")
        await self._core.say(session, "demo:gate never")
        async with asyncio.timeout(DEADLINE_S):
            await self._demo.reached("never")
        await self._end_by_signal(session)

    async def _end_by_signal(self, session: Session) -> None:
        run = session.run
        assert run is not None
        [process] = [
            each
            for each in open_conversations(self._core.claude)
            if each.conversation_id == session.snapshot.conversation_id
        ]
        os.kill(process.pid, signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            await run.leaving.over()

    async def _branch(self, session: Session) -> None:
        await self._turn(session)
        made = await self._core.do(c.Branch(session_id=session.id, channel_id="c"))
        self.sessions.append(await self._core.manager.get_session(made.id))
        await self._turn(self.sessions[-1])

    async def _export_and_import(self, session: Session) -> None:
        file = await self._core.do(c.ExportSession(session_id=session.id, format=ExportFormat.JSON))
        made = await self._core.do(c.ImportSession(channel_id="c", data=file.data))
        rows = await self._core.db.read("SELECT id FROM turns WHERE session_id = ?", (made.id,))
        self.came_in |= {str(turn_id) for (turn_id,) in rows}
        self.sessions.append(await self._core.manager.get_session(made.id))
        await self._turn(self.sessions[-1])

    async def _go_to_the_terminal_and_back(self, session: Session) -> None:
        await self._turn(session)
        handover = await self._core.do(c.HandOver(session_id=session.id))
        before = spent(self._demo)
        environment = dict(self._home.environment)
        await in_terminal(handover.command, self._home.binary, "demo:text there", environment)
        self.elsewhere += spent(self._demo) - before
        await self._turn(session)

    async def _compact(self, session: Session) -> None:
        await self._turn(session)
        await self._core.do(c.RunCommand(session_id=session.id, name="compact", origin=str(uuid.uuid4())))
        await idle(session)

    async def _regenerate(self, session: Session) -> None:
        await self._turn(session)
        await session.park("test")
        await self._core.do(c.Regenerate(session_id=session.id, origin=str(uuid.uuid4())))
        await idle(session)


async def walk(tmp_path: Path, seed: int, steps: int) -> None:
    rng = random.Random(seed)
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path, demo.base_url)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with running_core(tmp_path / "core", parts, continue_cut_turns=False) as core:
            here = Walk(core, demo, home, rng)
            here.sessions.append(await core.session())
            await here.take("turn")
            # Every kind of step once, then more of any, so that each follows many others.
            names = rng.sample(list(here.steps), len(here.steps)) + rng.choices(list(here.steps), k=steps)
            for number, step in enumerate(names):
                await here.take(step)
                try:
                    await here.check()
                except AssertionError as error:
                    error.add_note(f"seed {seed}, after {names[: number + 1]}")
                    raise


async def test_turns_cost_what_the_model_was_asked_for_after_any_steps(tmp_path: Path) -> None:
    await walk(tmp_path, seed=1, steps=0)


async def test_what_a_subscription_pays_is_marked_as_list_price_wherever_it_is_shown(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path, demo.base_url)
        login = {key: value for key, value in home.environment.items() if key != "ANTHROPIC_API_KEY"}
        login["CLAUDE_CODE_OAUTH_TOKEN"] = "sk-ant-oat01-demo"
        parts = CoreParts(command=home.binary, claude=home.config, environment=login)
        async with running_core(tmp_path / "core", parts) as core:
            session = await core.session()
            await core.ask(session, "demo:text paid by a login")
            snapshot = session.snapshot
            by_login = snapshot.cost_usd
            assert by_login > 0
            assert snapshot.list_price_usd == by_login
            assert await shown(core, session) == (by_login, "(list price)", by_login)
            data = (await core.do(c.ExportSession(session_id=session.id, format=ExportFormat.JSON))).data
            copy = await core.manager.get_session(
                (await core.do(c.ImportSession(channel_id="c", data=data))).id
            )
            assert copy.snapshot.list_price_usd == by_login
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with running_core(tmp_path / "core", parts) as core:
            session = await core.manager.get_session(session.id)
            await core.ask(session, "demo:text paid with a key")
            assert session.snapshot.cost_usd > by_login
            assert await shown(core, session) == (by_login, f"(${by_login:.4f} of it list price)", 2 * by_login)


async def shown(core: RunningCore, session: Session) -> tuple[float, str, float]:
    """Return the list price in the session's facts, in the head of its export and in the statistics."""
    info = await core.do(c.GetSession(session_id=session.id))
    file = await core.do(c.ExportSession(session_id=session.id, format=ExportFormat.MARKDOWN))
    head = next(line for line in file.data.decode().splitlines() if " turns · " in line)
    statistics = await core.do(c.ReadStatistics())
    return info.list_price_usd, head[head.index("(") : head.index(")") + 1], statistics.totals.list_price_usd


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 22))
async def test_turns_cost_what_the_model_was_asked_for_after_many_steps(tmp_path: Path, seed: int) -> None:
    await walk(tmp_path, seed, steps=30)
