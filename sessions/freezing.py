"""When the process of an idle session is frozen: it does nothing then, but is there at once for the next line.

An idle CLI wakes up some ten times a second. Frozen it takes no CPU time and keeps its memory. The host thaws
it with the next line that it is sent, and before its end, so that nobody who sends has to know.
"""

from typing import Protocol

from backends.base import Host
from sessions.control_requests import ControlRequests
from sessions.draft import InputLedger
from sessions.leaving import Leaving
from sessions.parking import may_be_frozen
from sessions.session_port import SessionPort


class QuietHost(Protocol):
    """The host that may be frozen. `last_output` is when it last printed something, by the steady clock.

    `log_bytes` is how much of that is read.
    """

    @property
    def session(self) -> SessionPort: ...

    @property
    def host(self) -> Host: ...

    @property
    def inputs(self) -> InputLedger: ...

    @property
    def control(self) -> ControlRequests: ...

    @property
    def leaving(self) -> Leaving: ...

    @property
    def last_output(self) -> float: ...

    @property
    def log_bytes(self) -> int: ...


class Freezing:
    """Freezes one host once in each silence, `freeze_s` after it began (see `Patience`)."""

    def __init__(self, host: QuietHost) -> None:
        self._host = host
        self._around = host.session.around
        self._tried_at: int | None = None

    def due_in_s(self) -> float | None:
        """Seconds until it is to be frozen, 0 or less if that is now; None if nothing of that is in sight."""
        host, freeze_s = self._host, self._around.patience.freeze_s
        if freeze_s is None or host.log_bytes == self._tried_at or not may_be_frozen(host.session.snapshot):
            return None
        # A line that was not read, or not answered, would wait for the next one: look again later.
        if host.control.is_waiting or host.inputs.is_waiting or host.leaving.departure is not None:
            return freeze_s
        return freeze_s - (self._around.clock.monotonic() - host.last_output)

    async def freeze(self) -> None:
        """Freeze the host if it still is due; whatever comes of it, the next try is in the next silence."""
        read_to = self._host.log_bytes
        await self._host.host.freeze(self._is_due)
        self._tried_at = read_to

    def _is_due(self) -> bool:
        due_s = self.due_in_s()
        return due_s is not None and due_s <= 0
