"""Following a session: yields its events for as long as the actor may view it.

The right is checked again when shares change and at least once a minute. An actor's role comes from the face,
and Discord does not tell the face when it takes a role away.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from api.access import Action, ActorSource, Role, authorize
from service.parts import ServiceParts
from service.session_info import session_facts
from sessions.bus import Subscription
from sessions.errors import NotAllowed
from sessions.events import Feed, Numbered, SharesChanged


class Permit:
    """A permit to view one session, valid for a limited time. Call `renew` before anything else."""

    def __init__(self, parts: ServiceParts, who: ActorSource, session_id: str) -> None:
        self._parts = parts
        self._who = who
        self._session_id = session_id
        self._known = 0
        self._due = 0.0
        self._asking = asyncio.Lock()

    @property
    def left_s(self) -> float:
        """Seconds until the permit runs out; 0 or less when it must be renewed."""
        return self._due - asyncio.get_running_loop().time()

    async def renew(self, *, if_due: bool = False) -> None:
        """Ask who the actor is and check the right to view.

        Raises `NotAllowed`, `SessionNotFound`, and the errors of `who`.
        """
        async with self._asking:
            # Another call has renewed it while this one waited for the lock.
            if if_due and self.left_s > 0:
                return
            # From before the question on: the answer may be old by the time it comes.
            begun = asyncio.get_running_loop().time()
            actor = await self._who()
            if actor.role is Role.NOBODY:
                raise NotAllowed(Action.VIEW)  # before the look-up: a refusal must not tell what exists
            session = await self._parts.manager.get_session(self._session_id)
            # Before the shares are read: a change in between has a higher number and leads to another look.
            self._known = session.snapshot.next_event - 1
            authorize(actor, Action.VIEW, await session_facts(session))
            self._due = begun + self._parts.ask_again_s

    async def hold_for(self, item: Feed) -> None:
        """Renew the permit before `item` is handed out, if it has run out or `item` changes who may view."""
        # The permit already covers the shares up to event `_known`: a replayed older change needs no renewal.
        match item:
            case Numbered(event=SharesChanged(), number=number) if number > self._known:
                await self.renew()
            case _ if self.left_s <= 0:
                await self.renew(if_due=True)
            case _:
                return


async def follow_session(
    parts: ServiceParts, who: ActorSource, session_id: str, after: int
) -> AsyncGenerator[Feed, None]:
    """See `api.Core.follow`."""
    permit = Permit(parts, who, session_id)
    await permit.renew()
    bus, session = parts.manager.bus, await parts.manager.get_session(session_id)
    # Before stored events are read, so that none falls between the two.
    subscription = bus.subscribe(session.id)
    feed = bus.batches(session.id, after, subscription)
    async with aclosing(feed), renewed(permit, subscription):
        async for batch in feed:
            for item in batch:
                await permit.hold_for(item)
                yield item


async def follow_durable(
    parts: ServiceParts, who: ActorSource, session_id: str, after: int
) -> AsyncGenerator[Numbered, None]:
    """Yield a session's events above number `after`, stored and live. Unlike `follow_session`, text that grows
    wakes nobody. Raises as `Core.follow`.
    """
    permit = Permit(parts, who, session_id)
    await permit.renew()
    bus, session = parts.manager.bus, await parts.manager.get_session(session_id)
    subscription = bus.subscribe(session.id, only_durable=True)
    feed = bus.batches(session.id, after, subscription)
    async with aclosing(feed), renewed(permit, subscription):
        async for batch in feed:
            for item in batch:
                if isinstance(item, Numbered):
                    await permit.hold_for(item)
                    yield item


class Renewable(Protocol):
    """A permit that must be renewed in time."""

    @property
    def left_s(self) -> float: ...

    async def renew(self, *, if_due: bool = False) -> None: ...


@asynccontextmanager
async def renewed(permit: Renewable, subscription: Subscription) -> AsyncIterator[None]:
    """Renew `permit` in time inside the block, even if no event comes. Its errors end `subscription`."""

    async def keep() -> None:
        try:
            while True:
                await asyncio.sleep(max(0.0, permit.left_s))
                await permit.renew(if_due=True)
        # Nobody awaits this task while the stream runs, so its error ends the stream.
        except Exception as error:
            subscription.fail(error)

    keeping = asyncio.create_task(keep(), name="permit")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
