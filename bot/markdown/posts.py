"""Pack rows of rendered text into the bodies of successive posts.

Answers for where one post ends and the next begins, and for fences that are closed at the end of a post and
opened again in the next. The first row that does not fit seals a post, and no later row changes it. `scanner`
makes the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec
from msgspec.structs import replace

from bot.markdown.graphemes import cut_before
from bot.markdown.marks import ATOM, Halves, cut, shown

_CLOSE = "\n```"
_BLANK = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u061c"


class Seam(IntEnum):
    """How well a post can end before a row."""

    NEVER = 0
    POOR = 1  # inside a list's item or a quote, after a heading
    LINE = 2
    PARAGRAPH = 3


class Row(msgspec.Struct, frozen=True):
    """One line of an answer. `text` is marked (see `marks`), in a fence as it is.

    `gap` is the number of line ends before it (0: it continues a row that was cut), `fence` the number of its
    fence (0: none). If the row is cut, `hang` is put before its rest.
    """

    text: str
    gap: int = 1
    seam: Seam = Seam.LINE
    fence: int = 0
    language: str = ""
    hang: str = ""


class Post(msgspec.Struct, frozen=True):
    """The text of one post. Joining `joint + body[len(opened):-len(closed)]` of all posts gives the whole text.

    The seam added `opened` and `closed`: a fence or marks that continue, the sign of a quote.
    """

    body: str
    joint: str = ""
    opened: str = ""
    closed: str = ""


@dataclass(slots=True)
class Packer:
    """Packs rows into posts of at most `limit` characters. A `preview` makes one post and drops the rest."""

    limit: int
    sealed: list[Post] = field(default_factory=list)
    preview: bool = False
    _rows: list[Row] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)  # body size up to each row, without its fence's end
    _joint: str = ""
    _opened: str = ""
    _full: bool = False
    _cut: Row | None = None  # the last row, if all of it is sealed

    def push(self, row: Row) -> None:
        """Add a row at the end."""
        if not self._full:
            self._add(row)
            self._fit()

    def extend(self, text: str) -> None:
        """Add marked `text` (without a line end) to the last row."""
        if not self._full and not self._goes_on(text):
            row = self._rows[-1]
            # Not `replace`: it would cost more than the rest of this method.
            self._rows[-1] = Row(row.text + text, row.gap, row.seam, row.fence, row.language, row.hang)
            self._sizes[-1] += len(text if row.fence else shown(text))
            self._fit()

    def rewrite(self, change: Callable[[str], str]) -> None:
        """Apply `change` to the unsealed rows outside of fences. This may fill and seal posts."""
        rows = [row if row.fence else replace(row, text=change(row.text)) for row in self._rows]
        if rows == self._rows or self._full:
            return
        self._rows, self._sizes = [], []
        # Rows that were sealed are gone from the list, and keep the text that readers have seen.
        for row in rows:
            self.push(row)

    def copy(self) -> "Packer":
        """Return a preview that begins with the unsealed rows."""
        rows, sizes = self._rows.copy(), self._sizes.copy()
        return Packer(self.limit, [], True, rows, sizes, self._joint, self._opened, self._full, self._cut)

    def last(self) -> Sequence[Post]:
        """Return the unsealed post, or nothing if it has no visible text."""
        post = Post(_body(self._rows), self._joint, self._opened)
        return (post,) if is_visible(post.body) else ()

    def _goes_on(self, text: str) -> bool:
        """If the last row is sealed, begin the next post with `text`. Return whether it was sealed."""
        if self._cut is None:
            return False
        if text := text.lstrip(" "):
            self._opened = self._cut.hang.lstrip(" ")
            self.push(replace(self._cut, text=self._cut.hang + text, gap=0))
        return True

    def _add(self, row: Row) -> None:
        size = len(row.text if row.fence else shown(row.text))
        opening = len(row.language) + 4
        if not self._rows:
            size += opening if row.fence else 0
        elif row.fence and row.fence == self._rows[-1].fence:
            size += self._sizes[-1] + 1
        else:
            size += self._size(len(self._rows)) + row.gap + (opening if row.fence else 0)
        self._rows.append(row)
        self._sizes.append(size)
        self._cut = None

    def _size(self, count: int) -> int:
        """Return the size of a body of the first `count` rows."""
        return self._sizes[count - 1] + (len(_CLOSE) if self._rows[count - 1].fence else 0)

    def _fit(self) -> None:
        while self._rows and self._size(len(self._rows)) > self.limit:
            if self.preview:
                self._truncate()
                return
            place = self._best_seam()
            if place:
                self._seal_before(place)
            else:
                self._seal_inside()

    def _best_seam(self) -> int:
        """Return the index of the row that should begin the next post; 0 to cut inside the last row."""
        last = len(self._rows) - 1
        # Guesses of how full a post must be to end there: a better seam is worth more empty room.
        wishes = ((Seam.PARAGRAPH, self.limit // 2), (Seam.LINE, self.limit // 3), (Seam.POOR, self.limit // 2))
        for wanted, least in wishes:
            for index in range(last, 0, -1):
                if self._size(index) < least:
                    break
                if self._seam(index) >= wanted:
                    return index
        if not last:
            return 0
        row = self._rows[last]
        # A line of code loses its meaning when it is cut; half a post may stay empty for it.
        whole = row.fence and len(row.text) <= self.limit // 2
        return last if whole or self._room() < self.limit // 4 else 0

    def _seam(self, index: int) -> Seam:
        row = self._rows[index]
        return Seam.NEVER if row.fence and row.fence == self._rows[index - 1].fence else row.seam

    def _room(self) -> int:
        """Return how many characters of the last row fit."""
        row = self._rows[-1]
        return self.limit - self._size(len(self._rows)) + len(row.text if row.fence else shown(row.text))

    def _seal_before(self, place: int) -> None:
        before, rest = self._rows[place - 1], self._rows[place:]
        goes_on = bool(rest[0].fence) and rest[0].fence == before.fence
        self._seal(self._rows[:place], _CLOSE if goes_on else "")
        self._joint = "\n" if goes_on else "\n" * rest[0].gap
        self._begin(rest, f"```{rest[0].language}\n" if goes_on else "")

    def _seal_inside(self) -> None:
        row = self._rows[-1]
        halves = _cut_row(row, self._room())
        self._seal([*self._rows[:-1], replace(row, text=halves.head)], halves.closed)
        self._joint = " " if halves.spaced else ""
        if halves.tail:
            rest = replace(row, text=("" if row.fence else row.hang) + halves.tail, gap=0)
            self._begin([rest], halves.opened)
        else:
            self._begin([], "")
            self._cut = row

    def _seal(self, rows: Sequence[Row], closed: str) -> None:
        post = Post(_body(rows), self._joint, self._opened, closed)
        if is_visible(post.body):
            self.sealed.append(post)

    def _begin(self, rest: Sequence[Row], opened: str) -> None:
        self._opened = opened.lstrip(" ")  # as Discord trims a body
        self._rows, self._sizes = [], []
        for row in rest:
            self._add(row)

    def _truncate(self) -> None:
        """Keep the part of the last row that fits, and take no further rows."""
        self._full = True
        row, room = self._rows[-1], self._room()
        self._rows.pop()
        if room >= self.limit // 8:
            halves = _cut_row(row, room)
            if (halves.head + halves.tail).count(ATOM) == row.text.count(ATOM):  # not inside a link
                self._rows.append(replace(row, text=halves.head))


def is_visible(text: str) -> bool:
    """Say whether `text` has a visible character: Discord refuses a message without one."""
    # Twice: invisible characters may stand between spaces.
    return bool(text.strip().strip(_BLANK).strip(_BLANK + " \n\t"))


def _body(rows: Sequence[Row]) -> str:
    parts: list[str] = []
    fence = 0
    for row in rows:
        if row.fence and row.fence == fence:
            parts.append("\n" + row.text)
            continue
        if fence:
            parts.append(_CLOSE)
        if parts:
            parts.append("\n" * row.gap)
        parts.append(f"```{row.language}\n{row.text}" if row.fence else shown(row.text))
        fence = row.fence
    if fence:
        parts.append(_CLOSE)
    return "".join(parts).strip()


def _cut_row(row: Row, room: int) -> Halves:
    if not row.fence:
        hung = len(row.hang) if row.text.startswith(row.hang) else 0
        halves = cut(row.text, room, least=hung)
        return replace(halves, opened=row.hang + halves.opened)
    place = cut_before(row.text, room)
    return Halves(row.text[:place], row.text[place:], _CLOSE, f"```{row.language}\n", spaced=False)
