"""The names of people: pages show them, the core knows ids only.

A name is looked up once and kept while the face runs. A person without a known name is shown by their id.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

NameLookup = Callable[[str], Awaitable[str]]
"""Return the name of a user id; empty if nobody knows it. May raise any error."""

_PATIENCE_S = 1.5
"""A page does not wait longer for a name."""
_FAILED_FOR_S = 30.0
"""A failed look-up is repeated after this: while Discord is down, pages do not all wait."""
_MOST = 10_000


async def nobody_knows(_user_id: str) -> str:
    """The lookup of a face that knows no names."""
    return ""


@dataclass(slots=True)
class People:
    """The names that are known. `names` may be read at any time; `learn` fills it."""

    find: NameLookup = nobody_knows
    names: dict[str, str] = field(default_factory=dict)
    _failed: dict[str, float] = field(default_factory=dict)

    async def learn(self, user_ids: Iterable[str]) -> None:
        """Look up the names that are not known yet."""
        # Only Discord knows names; those at the terminal are in the id itself.
        unknown = {each for each in user_ids if each.startswith("discord:") and each not in self.names}
        now = time.monotonic()
        unknown = {each for each in unknown if now - self._failed.get(each, -_FAILED_FOR_S) >= _FAILED_FOR_S}
        if not unknown:
            return
        # Forgetting all is enough: a page learns the names that it needs again.
        if len(self.names) > _MOST:
            self.names.clear()
        if len(self._failed) > _MOST:
            self._failed.clear()
        await asyncio.gather(*(self._learn(each) for each in unknown))

    async def _learn(self, user_id: str) -> None:
        # A name is decoration: without it the page shows the id.
        self._failed[user_id] = time.monotonic()
        with suppress(Exception):
            async with asyncio.timeout(_PATIENCE_S):
                self.names[user_id] = await self.find(user_id)
            del self._failed[user_id]
