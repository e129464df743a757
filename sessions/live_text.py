"""The text that Claude is writing right now, as pieces for the bus: never stored, never sent twice.

Lines of the log go in one by one. After a batch, `publish` returns the text that is new for subscribers. After
a restart, the text is rebuilt from the log.
"""

from collections.abc import Mapping

from sessions.claude import lines as c
from sessions.claude.partial import Partial, fold
from sessions.events import PartialText
from sessions.model import GrowingKind, SessionId, TurnId

_SHOWN: Mapping[str, GrowingKind] = {kind.value: kind for kind in GrowingKind}


class LiveText:
    """The open blocks of one host's main thread."""

    def __init__(self) -> None:
        self._partial = Partial()
        self._message_from = 0
        self._in_message = False
        # Pieces are joined when they are published: to add each to one text would copy that text each time.
        self._added: dict[str, list[str]] = {}
        self._shown: dict[str, int] = {}
        self._void = False

    def copy(self) -> "LiveText":
        """Return a copy of the state, to restore if the lines read after it cannot be stored."""
        other = LiveText()
        other._partial, other._message_from = self._partial, self._message_from
        other._in_message = self._in_message
        # These two change in place. The rest is replaced as a whole.
        other._added = {key: list(pieces) for key, pieces in self._added.items()}
        other._shown, other._void = dict(self._shown), self._void
        return other

    def read(self, line: c.CliLine, begins_at: int) -> None:
        """Apply `line`, which begins at byte `begins_at` of the log."""
        match line:
            case c.MessageStarted(parent=None):
                # A message that begins while another is open repeats its API call: the text so far is void.
                self._message_from = begins_at
                self._in_message = True
                self._drop()
            case c.BlockDelta(parent=None):
                self._added.setdefault(self._key(line.index), []).append(line.text)
            case c.MessageStopped(parent=None) | c.TurnResult():
                self._in_message = False
                if isinstance(line, c.TurnResult) or line.abandoned_from is not None:
                    self._drop()
            case _:
                pass
        self._partial = fold(self._partial, line)

    def end(self) -> None:
        """Drop the open blocks: the process has ended and never completes them."""
        self._drop()
        self._partial = Partial()

    def replay_from(self, applied: int) -> int:
        """Return the offset to read from after a restart, so that an open message can be rebuilt."""
        return self._message_from if self._in_message or self._partial.blocks() else applied

    def publish(self, session_id: SessionId, turn_id: TurnId | None, after: int) -> list[PartialText]:
        """Return the text that is new since the last call, as additions to the open blocks."""
        pieces: list[PartialText] = []
        if self._void and turn_id is not None:
            pieces.append(PartialText(session_id, after, turn_id, "", GrowingKind.TEXT, 0, "", void=True))
        self._void = False
        if turn_id is not None:
            for block in self._partial.blocks():
                key = self._key(block.index)
                added = "".join(self._added.get(key, ()))
                kind = _SHOWN.get(block.kind)
                if kind is not None and added:
                    start = self._shown.get(key, 0)
                    pieces.append(PartialText(session_id, after, turn_id, key, kind, start, added))
                    self._shown[key] = start + len(added)
        self._added.clear()
        return pieces

    def whole(self, session_id: SessionId, turn_id: TurnId, after: int) -> list[PartialText]:
        """Return the open blocks from their beginnings, for a subscriber that joins late."""
        return [
            PartialText(session_id, after, turn_id, self._key(block.index), kind, 0, block.text)
            for block in self._partial.blocks()
            if (kind := _SHOWN.get(block.kind)) is not None and block.text
        ]

    def _key(self, index: int) -> str:
        # The index alone names no block: each message of a turn counts from 0.
        message = self._partial.messages.get(None)
        return f"{message.message_id if message else ''}/{index}"

    def _drop(self) -> None:
        """Drop the new text, and mark the published text of open blocks as void."""
        self._void = self._void or any(self._key(b.index) in self._shown for b in self._partial.blocks())
        self._added.clear()
        self._shown.clear()
