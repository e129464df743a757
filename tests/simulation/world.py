"""One seed from its first instant to its judgement.

`World` holds what outlives the bot, lets people and accidents happen when the plan says so, gives the bot its
lives one after the other, and when the plan's time is over waits until nothing is left to do.
"""

import random
import re
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import discord

from backends.base import BackendError
from bot.transport import PostingError
from storage import StorageError
from tests.fakes.fake_backend import FakeMachine, FakeProcess
from tests.simulation.bot_of_now import BotOfNow
from tests.simulation.chat import Chat
from tests.simulation.claude import SimulatedClaude
from tests.simulation.database import new_database
from tests.simulation.faults import Faults
from tests.simulation.life import Life
from tests.simulation.loop import START_S, VirtualLoop, wake
from tests.simulation.people import People
from tests.simulation.plan import Action, Death, Plan, plan_of

REST_WITHIN_S = 900.0
_LOOK_EVERY_S = 5.0
_SETTLED_S = 20.0
Effect = tuple[float, str, str]
"""A line of the trace: seconds from the start, what, and of what."""

EXPECTED = (
    StorageError,
    sqlite3.Error,
    PostingError,
    BackendError,
    discord.DiscordException,
    aiohttp.ClientError,
    TimeoutError,
)
"""The errors that faults raise, and those that the bot makes of them."""


class World:
    """See the module. `verbose` gets each line of the trace as it happens."""

    def __init__(
        self, seed: int, root: Path, loop: VirtualLoop, verbose: Callable[[str], None] | None = None
    ) -> None:
        self.seed = seed
        self.root = root
        self.loop = loop
        self.plan: Plan = plan_of(seed)
        self.chance = random.Random(f"chance {seed}")
        self.calm = False
        self.trace: list[Effect] = []
        self.blamed: list[str] = []
        self.lives = 0
        self.expected: set[int] = set()
        self.deleted: set[int] = set()
        self.database = new_database()
        self.claude = SimulatedClaude(self)
        self.machine = FakeMachine(self.claude.start)
        self.ever: dict[tuple[str, int], FakeProcess] = {}
        self.people = People(self)
        self.chat = Chat(loop.time, self.people.tell)
        self.faults = Faults(self)
        self.bot: BotOfNow | None = None
        self._verbose = verbose
        self._rested_since: float | None = None
        self._finished = False
        self._told_at = 0.0

    # --- for the parts ---------------------------------------------------------------------------------------

    @property
    def passed_s(self) -> float:
        return self.loop.time() - START_S

    def note(self, kind: str, detail: object) -> None:
        """A line of the trace."""
        self.trace.append((self.loop.time() - START_S, kind, str(detail)))
        if self._verbose is not None:
            self._verbose(said(self.trace[-1]))

    def blame(self, rule: str, detail: object) -> None:
        """Something is so that must never be so."""
        self.blamed.append(f"{rule}: {detail}")
        self.note("BROKEN", self.blamed[-1])

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self.loop.call_later(seconds, action)

    def gateway(self, event: Callable[[BotOfNow], Coroutine[Any, Any, Any]]) -> None:
        """Tell the bot of something, in a moment, if it is connected then."""

        def tell() -> None:
            bot = self.bot
            if bot is not None and bot.connected and bot.life.alive and not self.faults.gateway_is_away:
                bot.life.start(event(bot))

        # In order: what was said later is told later.
        self._told_at = max(self._told_at + 1e-6, self.loop.time() + self.chance.random() ** 2 * 0.2)
        self.loop.call_at(self._told_at, tell)

    # --- the run ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything, up to the last life at rest."""
        for action in self.plan.actions:
            self.loop.call_at(START_S + action.at_s, self.people.do, action)
        for accident in self.plan.accidents:
            self.loop.call_at(START_S + accident.at_s, self._befall, accident)
        for _, end in self.plan.gateway_away:
            self.loop.call_at(START_S + min(end, self.plan.span_s), self._reconnect)
        self.loop.call_at(START_S + self.plan.span_s, self._calm_down)
        deaths = list(self.plan.deaths)
        while True:
            death = deaths.pop(0) if deaths and not self.calm else None
            life = await self._live(death)
            if self._finished:
                return
            if death is None or life.alive:
                death = Death(0, "kill", 1.0)
            if death.how in ("reboot", "wipe"):
                self._reboot(wipe=death.how == "wipe")
            await self.loop.sleep(death.away_s)

    def _reboot(self, *, wipe: bool) -> None:
        """Every process ends; with `wipe` what was not read of their logs was never said."""
        self.note("reboot", "and wiped" if wipe else "")
        if wipe:
            rows = self.database.execute("SELECT session_id, number, applied FROM hosts")
            applied = {(session_id, number): offset for session_id, number, offset in rows.fetchall()}
            for key, process in self.machine.hosts.items():
                del process.output[applied.get(key, 0) :]
        self.machine.reboot(wipe=wipe)

    async def _live(self, death: Death | None) -> Life:
        loop = self.loop
        self.lives += 1
        life = Life(self, death.after if death is not None and death.how != "stop" else None)
        self.bot = bot = BotOfNow(self, life)
        self.note("life", death)
        loop.owner = life.own
        loop.cut_off = lambda: lambda: not life.alive
        task = life.start(bot.run())
        task.add_done_callback(lambda _: wake(life.over))
        if death is not None and death.how == "stop":
            self.later(death.after / 5, bot.stopping.set)
        try:
            await life.over
            self.note("buried", "")
            self.bot = None
            await life.bury()
        finally:
            loop.owner = None
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, EXPECTED):
                self.note("ended", type(error).__name__)
            else:
                self.blame("the bot ended with", repr(error))
        return life

    def _befall(self, accident: Action) -> None:
        living = self.machine.living()
        if not living:
            return
        process = living[accident.number % len(living)]
        self.note(accident.kind, process.spec.session_id[-4:])
        if accident.kind == "kill cli":
            process.end(-9)
        else:
            process.has_follower = False
            process.tell()

    def _reconnect(self) -> None:
        bot = self.bot
        if bot is not None and bot.connected and bot.life.alive:
            bot.life.start(bot.connect())

    # --- the end ---------------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        self.note("calm", "")
        self.calm = True
        if self.bot is not None:
            self.bot.life.spare()
        self.later(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        """Is everything done? Whoever is asked answers now."""
        self.people.answer_everything()
        bot, now_s = self.bot, self.loop.time()
        unrest = bot.unrest() if bot is not None and bot.life.alive else "no bot"
        if unrest:
            self._rested_since = None
        elif self._rested_since is None:
            self._rested_since = now_s
        self._finished = self._rested_since is not None and now_s - self._rested_since >= _SETTLED_S
        if not self._finished and self.passed_s > self.plan.span_s + REST_WITHIN_S:
            self.blame("no rest", unrest)
            self._finished = True
        if not self._finished:
            self.later(_LOOK_EVERY_S, self._look)
        elif bot is not None:
            bot.life.end()

    # --- a second look ---------------------------------------------------------------------------------------

    async def look_again(self) -> None:
        """One more life that shows every session anew: Discord must show everything already.

        But for what happens in that life: a session may have been idle for long enough just now.
        """
        self.database.execute("UPDATE places SET shown_event = 0")
        before, events, rooms = self.chat.shown(), self._newest_events(), self._rooms()
        self._finished, self._rested_since = False, None
        self.later(_LOOK_EVERY_S, self._look)
        await self._live(None)
        rooms |= self._rooms()
        went_on = {channel_id for channel_id, _ in self._newest_events() ^ events}
        for post_id, was, now in self.chat.differences(before):
            if rooms[post_id] not in went_on:
                what = f"{post_id & 0xFFFFFF} {_brief(was)!r} became {_brief(now)!r}"
                self.blame("not shown as it is", what)

    def _rooms(self) -> dict[int, int]:
        """Where each post of the bot is."""
        return {post.id: room.id for room in self.chat.threads for post in room.from_bot()}

    def _newest_events(self) -> set[tuple[int, int]]:
        """Each channel with the number of its session's newest event."""
        return set(
            self.database.execute(
                "SELECT channel_id, max(number) FROM places JOIN events USING (session_id) GROUP BY channel_id"
            ).fetchall()
        )


def said(effect: Effect) -> str:
    """A line of the trace, for reading."""
    at_s, kind, detail = effect
    return f"{at_s:10.4f} {kind:14} {detail}"


def _brief(text: str | None) -> str | None:
    """`text` with words that repeat once only."""
    return re.sub(r"(\b\w+ )\1+", r"\1… ", text) if text is not None else None
