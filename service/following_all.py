"""Following all sessions that an actor may view. Rights are checked again as in `following.py`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from api import Begun, Changes, FeedOfAll, Position
from api.access import Action, Actor, ActorSource, Role, authorize, may
from service.following import renewed
from service.parts import ServiceParts
from service.session_info import session_facts
from sessions.bus import Subscription
from sessions.errors import SessionNotFound
from sessions.events import Feed, Numbered, SharesChanged
from sessions.model import SessionId


async def follow_all(
    parts: ServiceParts, who: ActorSource, after: Position | None, *, growing: bool = True
) -> AsyncGenerator[FeedOfAll, None]:
    """See `api.Core.follow_all`."""
    bus = parts.manager.bus
    subscription = bus.subscribe(None, only_durable=not growing)
    # Positions count within one run of the bridge: those of an earlier run mean nothing.
    feed = bus.follow_all(after.number if after is not None and after.run == bus.run else None, subscription)
    async with aclosing(feed):
        sight = Sight(parts, who, subscription)
        await sight.renew()
        async with renewed(sight, subscription):
            async for batch in feed:
                await sight.renew(if_due=True)
                as_of = Position(bus.run, batch.position)
                if batch.begins:
                    yield Begun(as_of)
                    continue
                items, hidden = await sight.visible(batch.items)
                yield Changes(as_of, tuple(items), hidden)


class Sight:
    """The sessions that the actor may view. If `who` returns a different actor, the stream begins anew."""

    def __init__(self, parts: ServiceParts, who: ActorSource, subscription: Subscription) -> None:
        self._parts = parts
        self._who = who
        self._subscription = subscription
        self._actor: Actor | None = None
        self._seen: dict[SessionId, bool] = {}
        self._due = 0.0
        self._asking = asyncio.Lock()

    @property
    def left_s(self) -> float:
        """Seconds until it runs out; 0 or less when it must be renewed."""
        return self._due - asyncio.get_running_loop().time()

    async def renew(self, *, if_due: bool = False) -> None:
        """Ask who the actor is. Raises `NotAllowed`, and the errors of `who`."""
        if if_due and self.left_s > 0:
            return
        async with self._asking:
            begun = asyncio.get_running_loop().time()
            actor = await self._who()
            authorize(actor, Action.LIST)
            if actor != self._actor:
                self._seen.clear()
                # Another actor sees other sessions, so everything is told anew.
                if self._actor is not None:
                    self._subscription.lag()
            self._actor = actor
            self._due = begun + self._parts.ask_again_s

    async def visible(self, items: Sequence[Feed]) -> tuple[Sequence[Feed], tuple[SessionId, ...]]:
        """Return those of `items` that the actor may see, and the sessions that they may no longer view."""
        assert self._actor is not None
        if self._actor.role is Role.ADMIN:
            return items, ()
        shown: list[Feed] = []
        hidden: list[SessionId] = []
        for item in items:
            # Looked up first: only a session that was visible can become hidden.
            before = self._seen.get(item.session_id, False)
            if isinstance(item, Numbered) and isinstance(item.event, SharesChanged):
                self._seen.pop(item.session_id, None)
            if await self._sees(self._actor, item.session_id):
                shown.append(item)
            elif before:
                hidden.append(item.session_id)
        return shown, tuple(hidden)

    async def _sees(self, actor: Actor, session_id: SessionId) -> bool:
        if session_id not in self._seen:
            try:
                facts = await session_facts(await self._parts.manager.get_session(session_id))
            except SessionNotFound:
                return False
            self._seen[session_id] = may(actor, Action.VIEW, facts)
        return self._seen[session_id]
