"""Logs the everyday events of all sessions, as ids, kinds and figures.

The log never holds words: no prompt, title, reason, path or tool output. Errors in our own code are logged
where they happen. `log_rates.py` bounds how often the same line appears.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from operator import attrgetter

import msgspec

from api import Begun, Core, FeedOfAll
from api.access import Actor, Role, unchanging
from bridge.background_task import running
from sessions import events as e
from sessions.events import Feed, Numbered
from sessions.model import TurnStatus

log = logging.getLogger(__name__)

_LOG = Actor("bridge:log", "bridge", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class _Line:
    """How an event is logged: its name, and the attributes of the event that are logged with it."""

    name: str
    facts: Sequence[str] = ()


_LINES: Mapping[type[msgspec.Struct], _Line] = {
    e.SessionCreated: _Line("session created", ("user_id", "channel_id", "mode")),
    e.SessionRestored: _Line("session restored", ("channel_id",)),
    e.LifecycleChanged: _Line("lifecycle changed", ("old", "new")),
    e.HostStarted: _Line("host started", ("number", "continues")),
    e.HostEnded: _Line("host ended", ("number", "code")),
    e.Branched: _Line("session branched", ("parent", "parent_turn")),
    e.Imported: _Line("turns imported", ("turns",)),
    e.TurnQueued: _Line("turn queued", ("turn_id", "kind", "author_id")),
    e.TurnHeldBack: _Line("turn held back by a usage limit", ("turn_id",)),
    e.TurnStarted: _Line("turn started", ("turn_id",)),
    e.TurnEnded: _Line("turn ended", ("turn_id", "status", "duration_ms", "cost_usd")),
    e.TurnWithdrawn: _Line("turn withdrawn", ("turn_id", "by")),
    e.AskOpened: _Line("ask opened", ("ask.id", "ask.turn_id")),
    e.AskDecided: _Line("ask decided", ("ask_id", "by")),
    e.AskWithdrawn: _Line("ask withdrawn", ("ask_id",)),
    e.Noticed: _Line("noticed", ("topic",)),
    e.ModeChanged: _Line("mode changed", ("mode",)),
}


@asynccontextmanager
async def logging_events(core: Core) -> AsyncIterator[None]:
    """Log the everyday events of `core` inside the block."""
    feed = core.follow_all(unchanging(_LOG), None, growing=False)
    async with aclosing(feed):
        await anext(feed)  # the stream has begun: it misses no event from here on
        async with running(_log_all(feed), "event log"):
            try:
                yield
            finally:
                await asyncio.sleep(0)  # let the task log the last events


async def _log_all(feed: AsyncGenerator[FeedOfAll, None]) -> None:
    async for change in feed:
        if isinstance(change, Begun):
            log.warning("events came faster than they were logged")
            continue
        for item in change.items:
            _log(item)


def _log(item: Feed) -> None:
    if not isinstance(item, Numbered):
        return
    event = item.event
    # It changes several times in each turn: only what holds a session up is worth a line.
    if isinstance(event, e.ActivityChanged):
        if event.blocker is not None:
            log.warning("blocked", extra={"session": item.session_id, "blocker": event.blocker.value})
        return
    line = _LINES.get(type(event))
    if line is None:
        return
    facts = {fact.replace(".", "_"): attrgetter(fact)(event) for fact in line.facts}
    if isinstance(event, e.TurnEnded) and event.failure is not None:
        # The API's message is left out: it may repeat words of the prompt.
        failure = event.failure
        facts |= {"failure": failure.kind, "api_status": failure.status, "reported": failure.reported}
    failed = isinstance(event, e.TurnEnded) and event.status in {TurnStatus.FAILED, TurnStatus.CUT}
    level = logging.WARNING if failed else logging.INFO
    log.log(level, line.name, extra={"session": item.session_id, **facts})
