"""Anything that can happen to sessions, in any order, beside a simple model of what must come of it.

`World` carries out one step at a time on a real manager with a CLI in memory, lets the model say what must be
seen, and waits until it is. A step is a word and a number that choices are made with: so a list of steps is a
whole test, a seed gives a list, and a list that fails can be made shorter.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sessions.errors import IllegalMove, SessionError, TurnNotFound
from sessions.model import Allow, Deny, TurnId
from sessions.prompt_queue import Sender
from sessions.session import Session
from sessions.session_maker import NewSession
from storage import Database
from tests.sessions.agreement import Divergence, check_events, difference
from tests.sessions.kit import USER, Death, House, Killed
from tests.sessions.model_session import ModelSession, ModelTurn

Step = tuple[str, int]

WEIGHTS = {
    "create": 1,
    "send": 10,
    "open_gate": 5,
    "answer": 5,
    "stop": 3,
    "park": 2,
    "kill_cli": 3,
    "kill_follower": 1,
    "regenerate": 3,
    "branch": 2,
    "clear": 1,
    "withdraw": 2,
    "move_to_front": 2,
    "send_now": 2,
    "edit": 1,
    "finish_background": 2,
    "restart": 2,
    "crash": 4,
    "reboot": 1,
    "wipe": 1,
}
DEADLINE_S = 60.0
MAX_SESSIONS = 4


def steps_of(seed: int, length: int = 14) -> list[Step]:
    """The steps of a seed."""
    dice = random.Random(seed)
    words = dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=length)
    return [("create", 0), *((word, dice.randrange(1 << 16)) for word in words)]


class World:
    """A house with its model. `step` does one thing and waits until model and house agree again."""

    def __init__(self, house: House, name: str) -> None:
        self.house = house
        self.name = name
        self.models: list[ModelSession] = []
        self.gates: set[str] = set()
        self.crashed: set[str] = set()
        self.prompts = 0

    # --- choosing ---------------------------------------------------------------------------------------

    def _pick(self, number: int) -> ModelSession | None:
        alive = [each for each in self.models if not each.ended]
        return alive[number % len(alive)] if alive else None

    async def _session(self, model: ModelSession) -> Session:
        return await self.house.manager.get_session(model.session_id)

    def _prompt(self, number: int) -> ModelTurn:
        self.prompts += 1
        name = f"{self.name}-{self.prompts}"
        word = ("say", "say", "gate", "gate", "ask", "crash", "background")[number % 7]
        return ModelTurn(f"origin {name}", f"{word} {name}")

    def _turn_id(self, turn: ModelTurn) -> TurnId:
        return self._ids[turn.origin]

    # --- one step ---------------------------------------------------------------------------------------

    _ids: dict[str, TurnId]

    async def run(self, steps: Sequence[Step]) -> None:
        """All steps, then the end of every session. Raises `Divergence`."""
        self._ids = {}
        for step in steps:
            await self.step(step)
        for model in self.models:
            if not model.ended:
                await check_events(await self._session(model))
                model.end()
                await self.house.manager.clear_session(model.session_id)
        await self._agree()
        for model in self.models:
            await check_events(await self._session(model))

    async def step(self, step: Step) -> None:
        word, number = step
        self.house.clock.seconds += 61
        if word == "create":
            await self._create()
        elif word in ("restart", "reboot", "wipe"):
            await self._restart(word)
        elif (model := self._pick(number)) is not None:
            await getattr(self, f"_{word}")(model, number // 16)
        await self._agree()

    async def _create(self) -> None:
        if len(self.models) < MAX_SESSIONS:
            session = await self.house.manager.create_session(NewSession(USER, "c"))
            self.models.append(ModelSession(session.id))

    async def _restart(self, word: str) -> None:
        await self.house.bury()
        if word != "restart":
            self.house.machine.reboot(wipe=word == "wipe")
            for model in self.models:
                model.lose_process()
        await self.house.restart()

    async def _send(self, model: ModelSession, number: int) -> None:
        turn = self._prompt(number)
        await self._hand_in(model, turn)

    async def _hand_in(self, model: ModelSession, turn: ModelTurn) -> None:
        session = await self._session(model)
        placed = await session.send_message(turn.text, sender=Sender(USER, turn.origin))
        self._ids[turn.origin] = placed.turn_id
        model.turns.append(turn)
        model.queue.append(turn)

    async def _open_gate(self, model: ModelSession, number: int) -> None:
        if model.current is not None and model.current.text.startswith("gate"):
            name = model.current.text.partition(" ")[2]
            self.gates.add(name)
            self.house.claude.open_gate(name)

    async def _answer(self, model: ModelSession, number: int) -> None:
        session = await self._session(model)
        for ask in session.snapshot.asks:
            decision = Allow() if number % 2 else Deny("no")
            await session.answer(ask.id, decision, by=USER)
            assert model.current is not None
            word = "allow" if number % 2 else "deny"
            model.finish("done", [f"decided: {word}", f"answer to {model.current.text}"])

    async def _stop(self, model: ModelSession, number: int) -> None:
        assert await (await self._session(model)).stop() == (model.current is not None)
        model.interrupt()

    async def _park(self, model: ModelSession, number: int) -> None:
        await (await self._session(model)).park("the test says so")
        model.interrupt()
        model.lose_process()

    async def _kill_cli(self, model: ModelSession, number: int) -> None:
        for process in self.house.machine.living():
            if process.spec.session_id == model.session_id:
                process.end(-9 if number % 2 else None)
                model.lose_process()

    async def _kill_follower(self, model: ModelSession, number: int) -> None:
        for process in self.house.machine.living():
            if process.spec.session_id == model.session_id:
                process.has_follower = False
                process.tell()

    async def _regenerate(self, model: ModelSession, number: int) -> None:
        session = await self._session(model)
        self.prompts += 1
        origin = f"origin {self.name}-{self.prompts}"
        asked = [turn for turn in model.turns if turn.status != "withdrawn"]
        try:
            placed = await session.regenerate(sender=Sender(USER, origin))
        except IllegalMove:
            assert model.current is not None or model.queue
            return
        except TurnNotFound:
            assert not asked
            return
        assert model.current is None
        assert not model.queue
        turn = ModelTurn(origin, asked[-1].text)
        if asked[-1] in model.conversation:
            del model.conversation[model.conversation.index(asked[-1]) :]
        self._ids[origin] = placed.turn_id
        model.turns.append(turn)
        model.queue.append(turn)

    async def _branch(self, model: ModelSession, number: int) -> None:
        """A branch from a turn that is over, used at once: the parent may forget what it branched from."""
        own = [turn for turn in model.conversation if turn in model.turns]
        over = [turn for turn in own if turn.status in ("done", "interrupted")]
        if not over or len(self.models) >= MAX_SESSIONS:
            return
        turn = over[number % len(over)]
        parent = await self._session(model)
        session = await self.house.manager.maker.branch(parent, self._turn_id(turn), NewSession(USER, "c"))
        child = ModelSession(session.id)
        child.conversation = model.conversation[: model.conversation.index(turn) + 1]
        self.models.append(child)
        await self._hand_in(child, self._prompt(0))

    async def _clear(self, model: ModelSession, number: int) -> None:
        await self.house.manager.clear_session(model.session_id)
        model.end()

    async def _withdraw(self, model: ModelSession, number: int) -> None:
        if model.queue:
            turn = model.queue.pop(number % len(model.queue))
            await (await self._session(model)).prompts.withdraw(self._turn_id(turn), by=USER)
            turn.status = "withdrawn"

    async def _move_to_front(self, model: ModelSession, number: int) -> None:
        if model.queue:
            turn = model.queue.pop(number % len(model.queue))
            await (await self._session(model)).prompts.move_to_front(self._turn_id(turn))
            model.queue.insert(0, turn)

    async def _send_now(self, model: ModelSession, number: int) -> None:
        if model.queue:
            turn = model.queue.pop(number % len(model.queue))
            await (await self._session(model)).send_now(self._turn_id(turn))
            model.queue.insert(0, turn)
            model.interrupt()

    async def _edit(self, model: ModelSession, number: int) -> None:
        if model.queue:
            turn = model.queue[number % len(model.queue)]
            turn.text += " edited"
            await (await self._session(model)).prompts.edit(self._turn_id(turn), turn.text)

    async def _finish_background(self, model: ModelSession, number: int) -> None:
        cli = self.house.claude.of_session(model.session_id)
        if model.background and model.current is None and cli is not None:
            cli.finish_background()
            model.background -= 1
            model.heard += 1

    async def _crash(self, model: ModelSession, number: int) -> None:
        """The bridge dies some steps into something that a face repeats after the restart, as inboxes do."""
        self.house.death.left = number % 23
        what = number // 23 % 3
        turn = self._prompt(number) if what == 0 else None
        attempt = asyncio.ensure_future(self._attempt(model, what, turn, number))
        dying = asyncio.ensure_future(self._death_or_rest())
        await dying
        await self.house.bury()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        if number % 5 == 0:
            self.house.machine.reboot(wipe=number % 2 == 0)
            for each in self.models:
                each.lose_process()
                # It may have done all before the machine went down, or only after.
                each.unsure = True
        await self.house.restart(Death())
        if turn is not None:
            await self._hand_in(model, turn)
        elif what == 2:
            await self._clear(model, 0)

    async def _attempt(self, model: ModelSession, what: int, turn: ModelTurn | None, number: int) -> None:
        try:
            if turn is not None:
                session = await self._session(model)
                await session.send_message(turn.text, sender=Sender(USER, turn.origin))
            elif what == 1:
                await self._open_gate(model, number)
            else:
                await self.house.manager.clear_session(model.session_id)
        except (Killed, SessionError):
            return

    async def _death_or_rest(self) -> None:
        """Wait for the death; if nothing durable happens any more, it comes now."""
        death = self.house.death
        for _ in range(1000):
            before = death.left
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await death.came.wait()
            if death.left == before:
                death.came.set()
            if death.came.is_set():
                return

    # --- model and house --------------------------------------------------------------------------------

    async def _agree(self) -> None:
        for model in self.models:
            model.settle(self.gates, self.crashed)
            if model.unsure and not model.ended:
                model.background = None
                model.live = None if model.current is None else True
            model.unsure = False
        deadline = time.monotonic() + DEADLINE_S
        for model in self.models:
            while (found := await difference(self.house, model, self._ids)) is not None:
                if time.monotonic() > deadline:
                    raise Divergence(found)
                await asyncio.sleep(0.0005)


async def run_steps(db: Database, root: Path, name: str, steps: Sequence[Step]) -> None:
    """A whole sequence in a house of its own on `db`."""
    house = House(db, root)
    await house.manager.initialize()
    try:
        await World(house, name).run(steps)
    finally:
        await house.bury()


async def shorter(db: Database, root: Path, name: str, steps: Sequence[Step]) -> list[Step]:
    """A list that still fails, with every step left out that is not needed for it."""
    kept = list(steps)
    attempt = 0
    at = len(kept) - 1
    while at > 0:
        attempt += 1
        candidate = kept[:at] + kept[at + 1 :]
        try:
            await run_steps(db, root, f"{name}.{attempt}", candidate)
        except Exception:
            kept = candidate
        at -= 1
    return kept
