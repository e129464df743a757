"""Split Claude's Markdown into the texts of Discord posts.

Answers for one answer text, whole or still growing. The result depends on the text alone, never on the
pieces that it came in. The view decides when to post them, and with which buttons.
"""

from collections.abc import Sequence

from bot.markdown.cleaning import Cleaner
from bot.markdown.lines import LONGEST
from bot.markdown.posts import Packer, Post
from bot.markdown.scanner import Scanner

# The rest is for the closing line and the tail that the view adds.
LIMIT = 1900  # code points of a body; Discord takes 2000
_LEAST_LIMIT = 100
_MOST_LIMIT = 4000  # code points of a card; a message has 2000
_FITTED_CHARS = 20_000  # read at once by `fitted`


class AnswerSplitter:
    """The posts of one answer while it grows. Costs the new text, not the whole, at every call."""

    def __init__(self, *, limit: int = LIMIT) -> None:
        """Begin an empty answer; raise `ValueError` for a `limit` outside 100 to 4000 code points."""
        if not _LEAST_LIMIT <= limit <= _MOST_LIMIT:
            raise ValueError(f"a text has {_LEAST_LIMIT} to {_MOST_LIMIT} characters, not {limit}")
        self._packer = Packer(limit)
        self._scanner = Scanner(self._packer)
        self._cleaner = Cleaner()
        self._pieces: list[str] = []
        self._beginning = ""  # start of an unfinished line, not read yet
        self._in_line = False  # the start of the current line is read already
        self._text = ""
        self._last: Sequence[Post] | None = None  # the unsealed posts that were returned last
        self._finished = False

    def feed(self, piece: str) -> None:
        """Add `piece` to the end of the answer; it may be cut anywhere. Only stores it, so it is cheap."""
        if self._finished:
            raise ValueError("the answer is finished")
        self._pieces.append(piece)

    def posts(self, *, finished: bool = False) -> Sequence[Post]:
        """Return the posts of the text so far; all but the last are sealed and stay as they are.

        A growing answer is shown with all marks closed, and without an incomplete link or fence at its end.
        Text at the end may be held back until the kind of its line is known. With `finished` nothing is held
        back, and no piece may follow.
        """
        if self._pieces or self._last is None or finished:
            self._last = self._read_to_end() if finished else self._read_so_far()
        return (*self._packer.sealed, *self._last)

    def show(self, text: str, *, finished: bool) -> Sequence[Post]:
        """Return the posts of the whole `text`, which must begin with the text shown before.

        Raises `ValueError` otherwise: another answer needs another splitter.
        """
        if not text.startswith(self._text):
            raise ValueError("the text does not go on from the one shown before")
        if len(text) > len(self._text):
            self.feed(text[len(self._text) :])
        self._text = text
        return self.posts(finished=finished)

    def _read_so_far(self) -> Sequence[Post]:
        self._read()
        # Settled text becomes rows first, so that the preview below reads only what is left.
        self._scanner.settle()
        # On a copy: an unfinished line may turn out to be of another kind.
        preview = self._scanner.copy()
        preview.show_tail(self._beginning, in_line=self._in_line)
        return preview.packer.last()

    def _read_to_end(self) -> Sequence[Post]:
        if not self._finished:
            self._finished = True
            self._read()
            self._advance(self._cleaner.finish())
            if self._beginning:
                self._scanner.line(self._beginning)
            self._scanner.finish()
        return self._packer.last()

    def _read(self) -> None:
        text = self._cleaner.feed("".join(self._pieces))
        self._pieces.clear()
        self._advance(text)

    def _advance(self, text: str) -> None:
        if self._in_line:
            head, line_end, text = text.partition("\n")
            self._scanner.go_on(head)
            if not line_end:
                return
            self._in_line = False
        *whole, beginning = (self._beginning + text).split("\n")
        for line in whole:
            self._scanner.line(line)
        self._beginning = beginning
        if len(beginning) > 2 * LONGEST and beginning.isspace() and not self._scanner.in_fence:
            self._beginning = beginning[:LONGEST] + " "  # more spaces would change nothing
        # A long line is read before its end: otherwise each piece would cost all of the line so far.
        if self._scanner.takes(beginning):
            self._scanner.line(beginning)
            self._beginning = ""
            self._in_line = True


def split_answer(text: str, *, finished: bool, limit: int = LIMIT) -> Sequence[str]:
    """Return the bodies of the successive posts that show `text`, each at most `limit` code points, none blank.

    For a growing text all bodies but the last are sealed: they are the same for every longer text.
    """
    splitter = AnswerSplitter(limit=limit)
    splitter.feed(text)
    return tuple(post.body for post in splitter.posts(finished=finished))


def fitted(text: str, room: int) -> tuple[str, bool]:
    """Return as much of Claude's Markdown `text` as fits `room`, and whether something is left out."""
    splitter = AnswerSplitter(limit=room)
    posts: Sequence[Post] = ()
    for start in range(0, len(text) or 1, _FITTED_CHARS):
        end = start + _FITTED_CHARS
        splitter.feed(text[start:end])
        posts = splitter.posts(finished=end >= len(text))
        # All but the last are sealed. The rest may be megabytes, and nobody sees it here.
        if len(posts) > 2:
            break
    return (posts[0].body if posts else ""), len(posts) > 1
