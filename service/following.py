"""Following a session: its events for as long as whoever follows may view it.

Rights are asked for again when shares change and at least once a minute: an actor's role comes from the face,
and nobody tells the face when Discord takes a role away.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from api.access import Action, ActorSource, Role, authorize
from service.parts import ServiceParts
from service.session_info import session_facts
from sessions.errors import NotAllowed
from sessions.events import Feed, Numbered, SharesChanged


class Permit:
    """Leave to view one session, for a while. `renew` comes first."""

    def __init__(self, parts: ServiceParts, who: ActorSource, session_id: str) -> None:
        self._parts = parts
        self._who = who
        self._session_id = session_id
        self._known = 0
        self._due = 0.0

    @property
    def left_s(self) -> float:
        """For how long it holds; 0 or less when it must be renewed."""
        return self._due - asyncio.get_running_loop().time()

    async def renew(self) -> None:
        """Ask who it is, and whether they may. Raises `NotAllowed`, `SessionNotFound`, and what `who` does."""
        begun = asyncio.get_running_loop().time()
        actor = await self._who()
        if actor.role is Role.NOBODY:
            raise NotAllowed(Action.VIEW)  # before it is looked for: nobody learns which sessions there are
        session = await self._parts.manager.get_session(self._session_id)
        self._known = session.snapshot.next_event - 1
        authorize(actor, Action.VIEW, await session_facts(session))
        self._due = begun + self._parts.ask_again_s

    async def hold_for(self, item: Feed) -> None:
        """Renew it before `item` is handed out, if it has run out or `item` changes who may view."""
        # The shares as of event `_known` are in it: an old change that is replayed asks nobody again.
        match item:
            case Numbered(event=SharesChanged(), number=number) if number > self._known:
                await self.renew()
            case _ if self.left_s <= 0:
                await self.renew()
            case _:
                return


async def follow_session(
    parts: ServiceParts, who: ActorSource, session_id: str, after: int
) -> AsyncGenerator[Feed, None]:
    """See `api.Core.follow`."""
    permit = Permit(parts, who, session_id)
    await permit.renew()
    session = await parts.manager.get_session(session_id)
    feed = parts.manager.bus.batches(session.id, after)
    async with aclosing(feed), aclosing(_while_permitted(feed, permit)) as batches:
        async for batch in batches:
            for item in batch:
                await permit.hold_for(item)
                yield item


async def _while_permitted(
    feed: AsyncGenerator[Sequence[Feed], None], permit: Permit
) -> AsyncGenerator[Sequence[Feed], None]:
    """The batches of `feed`; the permit is renewed also while nothing comes."""
    coming: asyncio.Task[Sequence[Feed]] | None = None
    try:
        while True:
            # Kept across renewals: a step of the feed that is cancelled ends the whole feed.
            coming = coming or asyncio.create_task(_next(feed), name="followed batch")
            done, _ = await asyncio.wait([coming], timeout=max(0.0, permit.left_s))
            if not done:
                await permit.renew()
                continue
            batch, coming = coming.result(), None
            yield batch
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(feed: AsyncGenerator[Sequence[Feed], None]) -> Sequence[Feed]:
    return await anext(feed)
