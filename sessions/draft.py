"""A change of a session before its commit: events applied to a snapshot, and the lines to send with them.

A draft takes effect only when it is committed. A dropped draft has changed nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from backends.base import InputLine
from sessions import rows
from sessions.events import Event, Numbered, TurnWithdrawn
from sessions.rows import StoredInput
from sessions.state import Snapshot, apply
from storage import AnyStatement


@dataclass(slots=True)
class Draft:
    """Events, applied one by one. `snapshot` is the state after the last one, `stored` before the first one."""

    snapshot: Snapshot
    at_ms: int
    stored: Snapshot = field(init=False)
    numbered: list[Numbered] = field(default_factory=list)
    extra: list[AnyStatement] = field(default_factory=list)
    lines: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stored = self.snapshot

    def add(self, event: Event) -> None:
        """Apply `event`. Raises `IllegalMove` if the state forbids it."""
        number = self.snapshot.next_event
        self.snapshot = apply(self.snapshot, event, self.at_ms)
        self.numbered.append(Numbered(self.snapshot.id, number, self.at_ms, event))

    def add_all(self, events: Iterable[Event]) -> None:
        """Apply `events` in order. Raises as `add` does; the draft must be dropped then."""
        for event in events:
            self.add(event)

    def withdraw_queue(self, by: str) -> None:
        """Withdraw every queued prompt, because the session ends."""
        self.add_all([TurnWithdrawn(turn.turn_id, by) for turn in self.snapshot.queue])

    def send(self, token: str, line: bytes) -> None:
        """Send `line` to the host after the commit. The output log acknowledges it by `token`."""
        self.lines.append((token, line))

    @property
    def is_empty(self) -> bool:
        """Whether committing it would change nothing."""
        return not (self.numbered or self.extra or self.lines)

    def statements(self, *, new_session: bool = False) -> list[AnyStatement]:
        """Return all statements of the change: the events' rows, their projections, the session's row."""
        session = self.snapshot
        # The session's row first: the rows of its events refer to it.
        written: list[AnyStatement] = [rows.insert_session(session)] if new_session else []
        for each in self.numbered:
            written.append(rows.insert_event(session.id, each.number, each.at_ms, each.event))
            written.extend(rows.project_event(session.id, each.event, each.at_ms))
        if self.numbered and not new_session:
            written.append(rows.update_session(session, self.stored))
        return [*written, *self.extra]


class InputLedger:
    """The lines for one host in order, and whether each is reserved, appended or acknowledged.

    A line gets its offset before its bytes are in the log: its row then says where a torn line has to go on.
    """

    def __init__(self, stored: Sequence[StoredInput], log_size: int) -> None:
        self._open = [each for each in stored if not each.acknowledged]
        self.next_number = stored[-1].number + 1 if stored else 1
        # The row of an acknowledged line no longer holds its bytes, but the log has them all. An open line may
        # be torn in the log.
        self.end = max(log_size, self._open[-1].line.end if self._open else 0)
        self._unsent = [each for each in self._open if each.line.end > log_size]

    def reserve(self, lines: Sequence[tuple[str, bytes]]) -> list[StoredInput]:
        """Return the next rows for `lines`. The ledger changes only with `commit`."""
        reserved: list[StoredInput] = []
        number, start = self.next_number, self.end
        for token, data in lines:
            reserved.append(StoredInput(number, InputLine(start, data), token, acknowledged=False))
            number, start = number + 1, start + len(data)
        return reserved

    def commit(self, reserved: Sequence[StoredInput]) -> None:
        """Note that the rows of `reserved` are stored."""
        if reserved:
            self._open.extend(reserved)
            # Not before: a line that the CLI gets without a row would be unknown after a crash.
            self._unsent.extend(reserved)
            self.next_number = reserved[-1].number + 1
            self.end = reserved[-1].line.end

    def unsent(self) -> StoredInput | None:
        """Return the first line that may be missing in the log, or None."""
        return self._unsent[0] if self._unsent else None

    def sent(self) -> None:
        """Note that the first unsent line is in the log."""
        # Only after `Host.send`: a line that failed is sent again, which appends what is missing of it.
        self._unsent.pop(0)

    @property
    def is_waiting(self) -> bool:
        """Whether a committed line is not acknowledged yet."""
        return bool(self._open)

    def is_on_its_way(self, token: str) -> bool:
        """Whether a line with this token was sent and is not acknowledged yet."""
        return any(each.token == token for each in self._open)

    def matching(self, token: str) -> list[StoredInput]:
        """Return the open lines that `token` acknowledges: its own and all before it (read in order)."""
        # The CLI reads in order: if it has read this line, it has read all before it.
        newest = max((each.number for each in self._open if each.token == token), default=0)
        return [each for each in self._open if each.number <= newest]

    def acknowledge(self, acknowledged: Sequence[StoredInput]) -> None:
        """Note that the output log acknowledges these lines."""
        gone = {each.number for each in acknowledged}
        self._open = [each for each in self._open if each.number not in gone]

    def replay_offset(self) -> int:
        """Return the offset where a new follower must begin: the first line without an acknowledgement."""
        return self._open[0].line.start if self._open else self.end
