"""Faults on the REST side, asked for by a test. Decides which request is hit; the REST door does the damage."""

from __future__ import annotations

import asyncio
import fnmatch
import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Accept the request, then cut the connection in place of the answer."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the connection before the request takes effect."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with a 5xx before the request takes effect."""

    status: int


@dataclass(frozen=True, slots=True)
class Limit:
    """Answer 429 before the request takes effect; from Cloudflare it has no `Via` and no JSON.

    With `is_shared` others have used the limit up: that does not count as an invalid request of the bot.
    """

    retry_after_s: float
    is_global: bool = False
    cloudflare: bool = False
    is_shared: bool = False

    @property
    def scope(self) -> str:
        """As the answer's header says it."""
        return "global" if self.is_global else "shared" if self.is_shared else "user"


@dataclass(slots=True)
class Hold:
    """Accept the request and keep its answer back until `release`.

    For a bot that is to be killed between the request and its answer: await `reached`, kill, release.
    """

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self._released.set()

    async def wait(self) -> None:
        """Return once the test lets the answer go."""
        self.reached.set()
        await self._released.wait()


Damage = LoseAnswer | Reset | Fail | Limit | Hold


@dataclass(slots=True)
class Fault:
    """`damage` to requests whose `METHOD /route/{template}` matches the glob `route`.

    The first `skip` matching requests pass, then `times` are hit (None: all), each with `probability`.
    """

    damage: Damage
    route: str = "*"
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    hits: int = 0

    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """The faults in force. `seed` makes those with a probability repeatable."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._faults: list[Fault] = []
        self._held: list[Hold] = []

    def add(self, fault: Fault) -> Fault:
        """Put `fault` in force; its `hits` count up as it strikes."""
        self._faults.append(fault)
        return fault

    def lose_answer(
        self,
        route: str = "POST /channels/*/messages",
        *,
        times: int | None = 1,
        skip: int = 0,
        probability: float = 1.0,
    ) -> Fault:
        return self.add(Fault(LoseAnswer(), route, times, skip, probability))

    def reset(
        self, route: str = "*", *, times: int | None = 1, skip: int = 0, probability: float = 1.0
    ) -> Fault:
        return self.add(Fault(Reset(), route, times, skip, probability))

    def fail(
        self,
        status: int = 502,
        route: str = "*",
        *,
        times: int | None = 1,
        skip: int = 0,
        probability: float = 1.0,
    ) -> Fault:
        return self.add(Fault(Fail(status), route, times, skip, probability))

    def limit(
        self,
        retry_after_s: float,
        route: str = "*",
        *,
        times: int | None = 1,
        is_global: bool = False,
        cloudflare: bool = False,
        is_shared: bool = False,
        probability: float = 1.0,
    ) -> Fault:
        damage = Limit(retry_after_s, is_global, cloudflare, is_shared)
        return self.add(Fault(damage, route, times, probability=probability))

    def hold(self, route: str = "POST /channels/*/messages", *, skip: int = 0) -> Hold:
        """Keep back the answer to the next matching request."""
        held = Hold()
        self._held.append(held)
        self.add(Fault(held, route, 1, skip))
        return held

    def release_all(self) -> None:
        """Let every held answer go."""
        for held in self._held:
            held.release()

    def clear(self) -> None:
        """No more faults; answers already held stay held."""
        self._faults.clear()

    def strike(self, key: str) -> Damage | None:
        """The damage to do to this request, counting it; None lets it pass."""
        for fault in self._faults:
            if fault.spent() or not fnmatch.fnmatchcase(key, fault.route):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if self._random.random() >= fault.probability:
                continue
            fault.hits += 1
            return fault.damage
        return None
