"""Freeze the process of an idle session, so that it takes no CPU time and still answers at once.

An idle CLI wakes up about ten times a second. A frozen one uses no CPU time and keeps its memory. The host
thaws it by itself, before each line and before its end: a sender need not know that it was frozen.
"""

from typing import Protocol

from backends.base import Host
from sessions.control_requests import ControlRequests
from sessions.draft import InputLedger
from sessions.leaving import Leaving
from sessions.parking import may_be_frozen
from sessions.session_port import SessionPort


class QuietHost(Protocol):
    """A host that may be frozen.

    `last_output` is the monotonic time of its last output. `log_bytes` is how much of its output log is read.
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
    """Freezes one host once in each silence, `freeze_s` after the silence began (see `Patience`)."""

    def __init__(self, host: QuietHost) -> None:
        self._host = host
        self._around = host.session.around
        self._tried_at: int | None = None

    def due_in_s(self) -> float | None:
        """Return the seconds until the host is due to be frozen; 0 or less: now; None: not planned."""
        host, freeze_s = self._host, self._around.patience.freeze_s
        # The place in the log names the silence: new output begins another one.
        if freeze_s is None or host.log_bytes == self._tried_at or not may_be_frozen(host.session.snapshot):
            return None
        # A frozen CLI would leave an unread or unanswered line waiting for the next one: check again later.
        if host.control.is_waiting or host.inputs.is_waiting or host.leaving.departure is not None:
            return freeze_s
        return freeze_s - (self._around.clock.monotonic() - host.last_output)

    async def freeze(self) -> None:
        """Freeze the host if it is still due. Also after a failure, the next try comes in the next silence."""
        # Before the wait: output that comes meanwhile begins a silence that has its own try.
        read_to = self._host.log_bytes
        # `_is_due` is asked last of all, when nothing else can come before the stop.
        await self._host.host.freeze(self._is_due)
        self._tried_at = read_to

    def _is_due(self) -> bool:
        due_s = self.due_in_s()
        return due_s is not None and due_s <= 0
