"""Text that Claude is writing: its settled part as HTML, each piece rendered once, the rest as plain text."""

from dataclasses import dataclass, field
from html import escape

from sessions.events import PartialText
from sessions.model import GrowingKind
from texts.unseen import as_seen
from web.live.frames import Change, Grow, Remove, Settle
from web.rendering import Renderer

_MOST_CHARS = 200_000
_GOES_ON = "\n… it goes on; all of it can be read at its end."


@dataclass(slots=True)
class _Growing:
    turn_id: str
    kind: GrowingKind
    text: str = ""
    settled: int = 0
    sent: int = 0
    parse_at: int = 0
    html: str = ""


@dataclass(slots=True)
class GrowingText:
    """The blocks of one session that are being written, as one browser has them."""

    renderer: Renderer
    _blocks: dict[str, _Growing] = field(default_factory=dict)

    def take(self, piece: PartialText) -> list[Change]:
        """Note a piece of text; return the changes that drop void text. `changes` returns the others."""
        if piece.void:
            return self.end_turn(piece.turn_id)
        name = element_id(piece.turn_id, piece.key)
        known = self._blocks.get(name)
        # The piece begins before what was sent: Claude writes this block anew, so the element begins anew.
        if known is None or piece.start < known.sent:
            known = self._blocks[name] = _Growing(piece.turn_id, piece.kind)
        known.text = known.text[: piece.start] + piece.added
        return []

    async def changes(self) -> list[Change]:
        """Return what the browser lacks of all growing blocks."""
        found: list[Change] = []
        for name, block in self._blocks.items():
            # Half of a line end has to wait for the other half: alone it would be a line end of its own.
            end = min(len(block.text) - block.text.endswith("\r"), _MOST_CHARS)
            if end <= block.sent:
                continue
            fresh, added, is_cut = block.sent == 0, block.text[block.sent : end], len(block.text) > _MOST_CHARS
            # The browser need not hold megabytes that will be cut: the end of the block brings the link.
            shown = as_seen(f"{added}{_GOES_ON}" if is_cut else added)
            found.append(Grow(name, f"bs-{escape(block.turn_id)}", block.kind, shown, fresh))
            block.sent = end
            if is_cut:
                continue
            # A block begins on a new line, so nothing is parsed for the pieces in between.
            if "\n" in added and end - block.settled >= block.parse_at:
                found += await self._settle(name, block)
        return found

    async def _settle(self, name: str, block: _Growing) -> list[Change]:
        tail = block.text[block.settled : block.sent]
        count = await self.renderer.settled(tail)
        # A long block (a file in a fence) is not parsed anew for each of its lines: that takes quadratic time.
        block.parse_at = 0 if count else len(tail) + len(tail) // 4
        if not count:
            return []
        html = await self.renderer.markdown(tail[:count])
        block.settled += count
        block.html += html
        return [Settle(name, html, as_seen(tail[count:]))]

    def whole(self) -> list[Change]:
        """Return the changes that bring all that was sent to a browser that has nothing of it."""
        found: list[Change] = []
        for name, block in self._blocks.items():
            if block.sent:
                text = block.text[: block.sent]
                if block.sent >= _MOST_CHARS:
                    text += _GOES_ON
                found.append(Grow(name, f"bs-{escape(block.turn_id)}", block.kind, as_seen(text), fresh=True))
                if block.settled:
                    found.append(Settle(name, block.html, as_seen(text[block.settled :])))
        return found

    def end_block(self, turn_id: str, kind: GrowingKind) -> list[Change]:
        """Return the change that takes out the oldest growing block of this kind: it is whole now."""
        for name, block in self._blocks.items():
            # A whole block does not name the growing one; blocks of a kind end in the order of beginning.
            if block.turn_id == turn_id and block.kind is kind:
                del self._blocks[name]
                return [Remove(name)]
        return []

    def end_turn(self, turn_id: str) -> list[Change]:
        """Return the changes that take out all growing blocks of a turn."""
        names = [name for name, block in self._blocks.items() if block.turn_id == turn_id]
        for name in names:
            del self._blocks[name]
        return [Remove(name) for name in names]


def element_id(turn_id: str, key: str) -> str:
    """Return the id of a growing block's element."""
    return f"g-{escape(turn_id)}-{escape(key, quote=True)}"
