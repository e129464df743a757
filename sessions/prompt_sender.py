"""Feed one live CLI: take the steps between turns while it is idle; in a long silence freeze, then park it."""

import asyncio
import logging
from typing import Protocol

from sessions.between_turns import FedHost, Feeding, held_until_ms, take_steps
from sessions.freezing import Freezing, QuietHost
from sessions.leaving import Departure
from sessions.model import Blocker, Lifecycle
from sessions.parking import may_be_parked
from sessions.retry_until_stored import until_stored
from storage import StorageError
from workdirs.checkpoint_model import Reason

log = logging.getLogger(__name__)

# A time that has just passed must not make a busy loop.
_SHORTEST_PAUSE_S = 0.05
_STORAGE_RETRY_S = 1.0


class SilentHost(FedHost, QuietHost, Protocol):
    """The host, as far as feeding and freezing need it."""


class PromptSender:
    """Takes the steps that the session's state calls for, each time that the state changes."""

    def __init__(self, host: SilentHost) -> None:
        self._host = host
        self._session = host.session
        self._around = host.session.around
        self._feeding = Feeding(host)
        self._freezing = Freezing(host)
        self._awake = asyncio.Event()

    @property
    def waits_for_disk(self) -> bool:
        """Whether the next prompt is held back until the disk has room."""
        return self._feeding.said_shortage

    def wake(self) -> None:
        """Look again for something to send. Does nothing while Claude works."""
        snapshot = self._session.snapshot
        # While Claude works nothing can be sent, and each line of its answer would wake the loop for nothing.
        if snapshot.is_idle or snapshot.blocker is Blocker.USAGE_LIMIT:
            self._awake.set()

    def try_now(self) -> None:
        """Send the next prompt even if a usage limit is known to be reached."""
        self._feeding.tries_anyway = True
        self._awake.set()

    def tool_ran(self) -> None:
        """Note that Claude has used a tool, which may leave processes running."""
        self._feeding.tools_ran = True

    def turn_ended(self) -> None:
        """Note the end of a turn: the steps that follow a turn are due."""
        self._feeding.turn_ended()

    async def run(self) -> None:
        """Send the next prompt whenever Claude is idle; in a silence freeze, then park. Never returns."""
        while True:
            try:
                await take_steps(self._feeding)
                pause_s = self._pause()
            except StorageError:
                # Nothing was sent: the line and its row are one transaction.
                log.exception("cannot store what is sent", extra={"session": self._session.id})
                pause_s = _STORAGE_RETRY_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._awake.wait()
            except TimeoutError:
                due_s = self._freezing.due_in_s()
                if due_s is not None and due_s <= 0:
                    await self._freezing.freeze()
                elif self._is_forgotten():
                    await until_stored(self._park)
            # Before the next steps: a change while they are taken sets it again, and is not missed.
            self._awake.clear()

    async def _park(self) -> None:
        # A process that a tool started may have come up only after the turn.
        await self._host.note_left_running()
        if self._around.checkpoints is not None:
            await self._around.checkpoints.before_leaving(self._session, Reason.PARKING)
        departure = Departure(Lifecycle.PARKED, "nothing happened for a while")
        await self._host.leaving.leave(departure, if_still=may_be_parked)

    def _pause(self) -> float | None:
        """Seconds until the next step that no event triggers: disk check, end of a limit, freezing, parking."""
        snapshot = self._session.snapshot
        if self._feeding.said_shortage:
            return self._around.resources.look_again_s
        if snapshot.blocker is Blocker.USAGE_LIMIT and (until_ms := held_until_ms(snapshot)):
            left_s = (until_ms - self._around.clock.now_ms()) / 1000
            return max(_SHORTEST_PAUSE_S, left_s)
        if not may_be_parked(snapshot):
            return None
        park_in_s, freeze_in_s = self._around.patience.idle_s - self._silent_s(), self._freezing.due_in_s()
        return max(_SHORTEST_PAUSE_S, park_in_s if freeze_in_s is None else min(park_in_s, freeze_in_s))

    def _silent_s(self) -> float:
        return self._around.clock.monotonic() - self._host.last_output

    def _is_forgotten(self) -> bool:
        return may_be_parked(self._session.snapshot) and self._silent_s() >= self._around.patience.idle_s
