"""The parts of a turn that is being laid out: texts, quiet lines, thoughts; and the posts that they fill.

A text splits itself over posts; `turn_flow.py` decides the order of the parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from bot.bodies import File
from bot.markdown.answer import AnswerSplitter
from bot.markdown.long_answer import Rendered, head_of, is_too_long, render_long
from bot.markdown.posts import Post
from sessions.model import ToolCall

_AT_ONCE_CHARS = 50_000  # a very long answer is not laid out to its end: see `_split`


class LaidPost(msgspec.Struct, frozen=True):
    """One post of the turn: its text and its files."""

    text: str
    files: tuple[File, ...] = ()


class LaidAsk(msgspec.Struct, frozen=True):
    """The place of an ask's card among the posts."""

    ask_id: str


Laid = LaidPost | LaidAsk


@dataclass(slots=True)
class TextPart:
    """A text block. `open_key` is the key of the partial text that it grows from; empty once it is complete."""

    pieces: list[str]
    open_key: str = ""
    text: str = ""
    limit: int = 0
    splitter: AnswerSplitter | None = None
    head: tuple[str, ...] = ()  # its first posts, once it is too long to be shown whole in posts
    laid: tuple[LaidPost, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the text is complete."""
        return not self.open_key

    def posts(self, limit: int) -> tuple[LaidPost, ...]:
        """Return the posts at `limit` characters each. Reads only the text that came since the last call."""
        fresh = "".join(self.pieces)
        self.pieces.clear()
        self.text += fresh
        # The room left in the post before it has changed, so the text is split anew from its beginning.
        if limit != self.limit:
            self.limit, self.splitter, self.head, fresh = limit, AnswerSplitter(limit=limit), (), self.text
        # A complete text never changes: its posts are kept, its splitter is not.
        elif self.is_whole and self.splitter is None and self.laid:
            return self.laid
        shown = Rendered(())
        if not self.head and self.splitter is not None:
            posts = self._split(self.splitter, fresh)
            shown = Rendered([post.body for post in posts])
        if self.head:
            shown = render_long(self.head, self.text, finished=self.is_whole)
        self.laid = _lay(shown)
        if self.is_whole:
            self.splitter = None
        return self.laid

    def _split(self, splitter: AnswerSplitter, fresh: str) -> Sequence[Post]:
        """Read `fresh` in pieces, and stop as soon as the text is too long to be shown whole."""
        posts: Sequence[Post] = ()
        for start in range(0, len(fresh) or 1, _AT_ONCE_CHARS):
            splitter.feed(fresh[start : start + _AT_ONCE_CHARS])
            finished = self.is_whole and start + _AT_ONCE_CHARS >= len(fresh)
            posts = splitter.posts(finished=finished)
            if is_too_long(posts, self.text, finished=finished):
                self.head = head_of(posts)
                break
        return posts


def _lay(shown: Rendered) -> tuple[LaidPost, ...]:
    laid = [LaidPost(body) for body in shown.bodies]
    if shown.file is not None:
        # `replace`: Claude's text may have lone surrogates, which no encoding takes.
        file = File(shown.file.name, shown.file.text.encode(errors="replace"), "The whole answer")
        laid[shown.file_at] = LaidPost(laid[shown.file_at].text, (file,))
    return tuple(laid)


@dataclass(slots=True)
class LinePart:
    """A quiet line: a call, or other words. A call's result is added at the layout."""

    words: str
    call: ToolCall | None = None


@dataclass(slots=True)
class ThoughtPart:
    """A thought that is being written."""

    open_key: str


Part = TextPart | LinePart | ThoughtPart


@dataclass(slots=True)
class Sheet:
    """The posts that are being filled."""

    laid: list[Laid] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    used: int = 0
    files: tuple[File, ...] = ()

    def put(self, text: str, size: int) -> None:
        """Add text to the post; `size` is the room that it may need later."""
        self.parts.append(text)
        self.used += size + 1

    def turn_over(self) -> None:
        """Begin a new post."""
        if self.parts:
            self.laid.append(LaidPost("\n".join(self.parts), self.files))
        self.parts, self.used, self.files = [], 0, ()
