"""Follows one turn of a run from an event number on: its cost, how long Claude worked, the plans it showed.

`Progress` is a pure fold over events, so a restart that reads them again comes to the same numbers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sessions import events as e
from sessions.events import Numbered
from sessions.model import Activity, Ask, AskId, Lifecycle, PlanBody, TurnStatus

_INTERRUPT_S = 60.0


@dataclass(slots=True)
class Progress:
    """A turn so far. `working_since_ms` is set while Claude works; waiting for people does not count."""

    turn_id: str
    active_ms: int = 0
    working_since_ms: int | None = None
    plans: list[tuple[AskId, str]] = field(default_factory=list)
    end: e.TurnEnded | None = None
    stopped: str = ""
    """The reason, while the session has failed or ended with the turn still in its queue."""

    def take(self, item: Numbered) -> None:
        """Take the next event of the session."""
        event = item.event
        match event:
            case e.ActivityChanged():
                self._count(item.at_ms)
                self.working_since_ms = item.at_ms if event.new is Activity.WORKING else None
            case e.LifecycleChanged(new=Lifecycle.FAILED | Lifecycle.ENDED):
                self._count(item.at_ms)
                self.working_since_ms = None
                self.stopped = event.cause or event.new.value
            # Without a process nobody works, whatever the last activity was.
            case e.HostEnded() | e.LifecycleChanged():
                self._count(item.at_ms)
                self.working_since_ms = None
                self.stopped = ""
            case e.TurnWithdrawn() if event.turn_id == self.turn_id:
                self.end = e.TurnEnded(event.turn_id, TurnStatus.WITHDRAWN)
            case e.AskOpened(ask=Ask(id=ask_id, body=PlanBody(plan=plan))):
                self.plans.append((ask_id, plan))
            case e.TurnStarted() | e.BackgroundTurnStarted():
                # A turn that starts is work: no change of activity comes with it.
                self._count(item.at_ms)
                self.working_since_ms = item.at_ms
            # A turn that was cut is taken up again: its end was not the last word.
            case e.TurnRequeued() | e.TurnContinued() if event.turn_id == self.turn_id:
                self.end = None
                if isinstance(event, e.TurnContinued):
                    self._count(item.at_ms)
                    self.working_since_ms = item.at_ms
            case e.TurnEnded() if event.turn_id == self.turn_id:
                self._count(item.at_ms)
                self.working_since_ms = None
                self.end = event
            case _:
                return

    def active_until(self, now_ms: int) -> int:
        """Return the milliseconds of activity up to now."""
        return self.active_ms + (max(0, now_ms - self.working_since_ms) if self.working_since_ms else 0)

    def _count(self, at_ms: int) -> None:
        if self.working_since_ms is not None:
            # Times of events come from the wall clock, which may be set back.
            self.active_ms += max(0, at_ms - self.working_since_ms)


@dataclass(frozen=True, slots=True)
class WatchedTurn:
    """The end of a turn. `plan` is the one that Claude showed for approval, or empty."""

    status: TurnStatus
    reason: str
    cost_usd: float
    active_ms: int
    plan: str = ""
    ran_out: bool = False


class Deadline:
    """Interrupts a turn once its activity reaches `most_ms`. `changed` tells it of each event."""

    def __init__(
        self,
        progress: Progress,
        most_ms: int | None,
        now_ms: Callable[[], int],
        interrupt: Callable[[], Awaitable[None]],
    ) -> None:
        self._progress = progress
        self._most_ms = most_ms
        self._now_ms = now_ms
        self._interrupt = interrupt
        self._changed = asyncio.Event()
        self.ran_out = False

    def changed(self) -> None:
        """Compute the time left anew."""
        self._changed.set()

    async def run(self) -> None:
        """Wait for the time to run out; then interrupt, once."""
        if self._most_ms is None:
            return
        while True:
            # Cleared before the time left is computed: an event in between leads to another round.
            self._changed.clear()
            left_ms = self._most_ms - self._progress.active_until(self._now_ms())
            if left_ms <= 0:
                break
            works = self._progress.working_since_ms is not None
            try:
                async with asyncio.timeout(left_ms / 1000 if works else None):
                    await self._changed.wait()
            # Computed anew: the timeout counts by another clock than the events.
            except TimeoutError:
                continue
        self.ran_out = True
        async with asyncio.timeout(_INTERRUPT_S):
            await self._interrupt()
