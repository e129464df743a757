"""Lay a growing turn out over posts: its blocks, and the text that is being written.

Answers for the content and order of the posts; a full post of Claude's text never changes again. The result
depends on blocks, open text and asks alone, not on their times, so that a restart gives the same layout.
Feeding is cheap, laying out is expensive: feed at every event, lay out only before sending.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from bot.markdown.answer import LIMIT
from bot.markdown.cards import escape_inline
from bot.pictures import TurnPictures
from bot.tool_lines import (
    CALL_CHARS,
    EARLIER_CHARS,
    RESULT_CHARS,
    after_earlier,
    call_line,
    result_mark,
    short_path,
    thinking_line,
    tool_line,
)
from bot.turn_parts import Laid, LaidAsk, LaidPost, LinePart, Part, Sheet, TextPart, ThoughtPart
from sessions.events import PartialText
from sessions.model import Block, GrowingKind, Note, Other, Text, Thinking, ToolCall, ToolOutput
from sessions.progress import progress_of

__all__ = ["LaidAsk", "LaidPost", "TurnFlow"]

_GROUP_ROOM = CALL_CHARS + RESULT_CHARS + EARLIER_CHARS + 4
"""Room for a group of steps, shown as one quiet line: a phone shows several of them as one mangled line."""
_SHARED_ROOM = 1_000
"""Text begins in the current post if it has at least this much room; else in the next one."""
_NOTE_CHARS = 110


class TurnFlow:
    """The blocks of one turn in order. `work_directory` is a directory's name, to shorten paths."""

    def __init__(self, work_directory: str = "") -> None:
        self.paths: dict[str, None] = {}
        self.todo: tuple[int, int, str] | None = None
        self.calls = 0
        self.blocks = 0
        self.pictures = TurnPictures(work_directory)
        self._work_directory = work_directory
        self._segments: list[Part] = []
        self._outputs: dict[str, ToolOutput] = {}
        self._top: dict[str, str] = {}  # tool use of a subagent → the call in the main thread that started it
        self._steps: dict[str, int] = {}
        self._known: dict[str, int] = {}  # characters of each open block

    @property
    def has_open_text(self) -> bool:
        """Whether a text or thought is still being written."""
        return bool(self._known)

    @property
    def files(self) -> Sequence[str]:
        """The short paths of the files that the turn wrote, and of its pictures."""
        pictures = (short_path(path.removeprefix("./"), self._work_directory) for path in self.pictures.sure)
        written = (short_path(path, self._work_directory) for path in self.paths)
        return list(dict.fromkeys((*written, *pictures)))

    # --- feeding ----------------------------------------------------------------------------------------

    def add(self, block: Block) -> None:
        """Append a complete block; it replaces the open text that it grew from."""
        self.blocks += 1
        self.pictures.add(block)
        match block:
            case Text(parent=None):
                self._add_text(block.text)
            case Thinking(parent=None):
                self._close_thought()
                self._segments.append(LinePart(thinking_line(block)))
            case ToolCall():
                self._add_call(block)
            case ToolOutput():
                self._outputs[block.tool_use_id] = block
                self.paths.update(dict.fromkeys(block.paths))
            case Note():
                self._segments.append(LinePart(f"-# {escape_inline(block.text, _NOTE_CHARS)}"))
            case Other():
                kind = escape_inline(block.kind, 40)
                self._segments.append(LinePart(f"-# Something that cannot be shown here ({kind})"))
            case _:
                pass  # texts and thoughts of subagents are not shown

    def _add_text(self, text: str) -> None:
        # A complete block does not name the pieces that it grew from: it completes the oldest open text.
        place = next((n for n, each in enumerate(self._segments) if _is_open_text(each)), None)
        if place is None:
            if text.strip():
                self._segments.append(TextPart([text]))
            return
        segment = self._segments[place]
        assert isinstance(segment, TextPart)
        self._known.pop(segment.open_key, None)
        so_far = segment.text + "".join(segment.pieces)
        if not text.strip():
            del self._segments[place]  # as if it had come whole
        elif text.startswith(so_far):
            # Only the rest is read: what is laid out stays, and so do its sealed posts.
            segment.pieces.append(text[len(so_far) :])
            segment.open_key = ""
        else:
            self._segments[place] = TextPart([text])

    def _close_thought(self) -> None:
        for number, segment in enumerate(self._segments):
            if isinstance(segment, ThoughtPart):
                self._known.pop(segment.open_key, None)
                del self._segments[number]
                return

    def _add_call(self, call: ToolCall) -> None:
        if call.parent is not None:
            # The parent may be a call of another subagent: all steps count for the call that people see.
            top = self._top.get(call.parent, call.parent)
            self._top[call.tool_use_id] = top
            self._steps[top] = self._steps.get(top, 0) + 1
            return
        self.calls += 1
        if (progress := progress_of(call)) is not None and progress.total:
            # The turn's last quiet line shows the list, so the call gets no line of its own.
            self.todo = (progress.done, progress.total, progress.current)
            return
        self._segments.append(LinePart(call_line(call, self._work_directory), call))

    def grow(self, piece: PartialText) -> bool:
        """Add a piece of partial text. Return False if text before the piece is missing."""
        if piece.void:
            self.drop_open()
            return True
        known = self._known.get(piece.key)
        # Claude begins the block again: what was shown of it is void.
        if known is not None and piece.start == 0 and piece.added:
            self._begin_anew(piece.key)
            known = None
        if piece.start > (known or 0):
            return False
        # A piece may repeat text that was there already when the turn was read.
        fresh = piece.added[(known or 0) - piece.start :]
        if known is None:
            self._known[piece.key] = 0
            thought = piece.kind is GrowingKind.THINKING
            self._segments.append(ThoughtPart(piece.key) if thought else TextPart([], open_key=piece.key))
        if fresh:
            self._known[piece.key] += len(fresh)
            for segment in reversed(self._segments):
                if isinstance(segment, TextPart) and segment.open_key == piece.key:
                    segment.pieces.append(fresh)
                    break
        return True

    def _begin_anew(self, key: str) -> None:
        self._known.pop(key)
        self._segments = [each for each in self._segments if getattr(each, "open_key", "") != key]

    def drop_open(self) -> None:
        """Forget all open text."""
        self._known.clear()
        self._segments = [each for each in self._segments if not getattr(each, "open_key", "")]

    # --- laying out -------------------------------------------------------------------------------------

    def lay_out(
        self,
        asks: Mapping[str, str],
        *,
        marks: Mapping[str, str] | None = None,
        over: bool,
        without_last_step: bool = False,
    ) -> Sequence[Laid]:
        """Return the posts in order; `over`: the turn has ended.

        `asks` maps tool uses to asks, `marks` maps tool uses to words in place of their results.
        `without_last_step` leaves out the line of steps at the end: another quiet line takes its place.
        """
        lines = partial(self._line, marks=marks or {}, carded=asks.keys(), over=over)
        sheet = Sheet()
        group: list[LinePart | ThoughtPart] = []
        for segment in self._segments:
            if isinstance(segment, TextPart):
                self._put_group(sheet, group, lines)
                group = []
                self._put_text(sheet, segment)
                continue
            group.append(segment)
            # A card is a message of its own, so the posts before and after it are separate ones.
            if (ask_id := asks.get(_id_of(segment))) is not None:
                self._put_group(sheet, group, lines)
                group = []
                sheet.turn_over()
                sheet.laid.append(LaidAsk(ask_id))
        if not (without_last_step and group and _is_step(group[-1])):
            self._put_group(sheet, group, lines)
        sheet.turn_over()
        return sheet.laid

    def _put_text(self, sheet: Sheet, segment: TextPart) -> None:
        # `used` counts the reserved room of quiet lines too, so
        # this does not depend on how far their steps are.
        if LIMIT - sheet.used < _SHARED_ROOM:
            sheet.turn_over()
        for number, post in enumerate(segment.posts(LIMIT - sheet.used)):
            if number:
                sheet.turn_over()
            sheet.put(post.text, len(post.text))
            sheet.files += post.files

    def _put_group(
        self,
        sheet: Sheet,
        group: Sequence[LinePart | ThoughtPart],
        line_of: Callable[[LinePart | ThoughtPart], str],
    ) -> None:
        """Put one line for the group: its last step, and the count of earlier ones."""
        if not group:
            return
        if LIMIT - sheet.used < _GROUP_ROOM:
            sheet.turn_over()
        failed = sum(self._has_failed(each) for each in group[:-1])
        line = after_earlier(line_of(group[-1]), len(group) - 1, failed)
        # Reserve room for later steps from the start: text after the group must not move when they come.
        sheet.put(line, _GROUP_ROOM)

    def _has_failed(self, line: LinePart | ThoughtPart) -> bool:
        output = self._outputs.get(_id_of(line))
        return output is not None and output.is_error

    def _line(
        self, line: LinePart | ThoughtPart, *, marks: Mapping[str, str], carded: Collection[str], over: bool
    ) -> str:
        """Return the line of a step. If it has a card (`carded`), the card shows what the step is about."""
        if isinstance(line, ThoughtPart):
            return "-# Thinking…"
        call = line.call
        if call is None:
            return line.words
        words = tool_line(call) if call.tool_use_id in carded else line.words
        if call.tool_use_id in marks:
            return f"{words} · {marks[call.tool_use_id]}"
        output = self._outputs.get(call.tool_use_id)
        return f"{words} · {result_mark(call, output, self._steps.get(call.tool_use_id, 0), over=over)}"


def _is_open_text(segment: Part) -> bool:
    return isinstance(segment, TextPart) and bool(segment.open_key)


def _id_of(line: LinePart | ThoughtPart) -> str:
    return line.call.tool_use_id if isinstance(line, LinePart) and line.call is not None else ""


def _is_step(line: LinePart | ThoughtPart) -> bool:
    """Whether the line shows a step of Claude's, not a note or a complete thought."""
    return isinstance(line, ThoughtPart) or line.call is not None
