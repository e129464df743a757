"""Runs of emphasis characters: which can open or close a mark, and how unmatched characters are escaped.

Answers for one run by its neighbours, and for the runs of a paragraph. Leaves finding them to `inline`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters
from unicodedata import category

from bot.markdown.marks import SPOILER, STAR, STRIKE, STRONG, UNDERSCORE, closing

_MARKS = {
    "*": STAR,
    "_": UNDERSCORE,
    "~": STRIKE,
    "|": SPOILER,
    "b": STRONG,
    "i": STAR,
    "s": STRIKE,
    "u": "",  # Discord has no mark for it
}
_SHOWN_OPEN = 6  # most open marks that a growing text shows closed
_QUOTES = "\"'"
_STOPS = ".,;:!?。．，、；：！？…"


@dataclass(slots=True)
class Run:
    """A run of emphasis characters. `left` of its `count` characters are not matched so far.

    `tag` is the text of an HTML tag that stands for a mark, such as `<b>`; `char` then pairs it with its end.
    """

    at: int
    char: str
    count: int
    slot: int
    opens: bool
    closes: bool
    left: int
    before: str = ""
    after: str = ""
    bare: bool = False  # text without an escape, because Discord cannot read it as a mark
    tag: str = ""

    def spelled(self) -> str:
        """Return the run's unmatched characters as text, with its marks around them."""
        if not self.left:
            return self.before + self.after
        literal = self.tag or (self.char if self.bare else f"\\{self.char}") * self.left
        return self.before + literal + self.after


class Runs:
    """The runs of one paragraph, matched in pairs. The source range of each pair is added to `whole`."""

    def __init__(self, span: int, whole: list[tuple[int, int]], *, strong: bool) -> None:
        """`span` is how far apart two runs may be; without `strong`, bold marks vanish."""
        self.all: list[Run] = []
        self.nested = False  # more than one pair of marks: one may stand in another
        self._open: dict[str, list[Run]] = {}
        self._span = span
        self._whole = whole
        self._strong = strong

    def add(self, run: Run) -> None:
        """Take the next run of the text, and match it with those before it."""
        self.all.append(run)
        if run.closes:
            self._match(run)
        if run.left and run.opens:
            self._open.setdefault(run.char, []).append(run)

    def has_double(self, char: str, at: int) -> bool:
        """Say whether a run of two signs before `at` is open."""
        runs = self._open.get(char, [])
        return bool(runs) and runs[-1].left == 2 and at - runs[-1].at <= self._span

    def pending(self, end: int) -> list[Run]:
        """Return the runs, in order, that text after `end` may still close."""
        waiting = [run for runs in self._open.values() for run in runs if end - run.at <= self._span]
        return sorted(waiting, key=lambda run: run.at)

    def close(self, pending: Sequence[Run], last: int) -> str:
        """Turn `pending` into marks, so that a growing text shows no unmatched one. Return their closing marks.

        `last` is the slot of the last visible text.
        """
        ends = ""
        for run in reversed(pending[-_SHOWN_OPEN:]):
            empty = not ends and last < run.slot
            # A mark has three signs at most, and Discord shows an empty one as its signs.
            if run.left > 3 or empty:
                run.left = 0 if empty else run.left
                continue
            self.nested = True
            for used in (2, 1) if run.left == 3 else (run.left,):
                mark = self._mark(run.char, used)
                run.after = mark + run.after
                ends += closing(mark) if mark else ""
            run.left = 0
        return ends

    def _match(self, closer: Run) -> None:
        openers = self._open.get(closer.char, [])
        while closer.left and openers and closer.at - openers[-1].at <= self._span:
            opener = openers[-1]
            either = (opener.opens and opener.closes) or (closer.opens and closer.closes)
            # CommonMark's rule of three: it keeps `*a**b*` from pairing its outer and inner stars.
            if either and (opener.count + closer.count) % 3 == 0 and closer.count % 3:
                return
            used = 2 if opener.left >= 2 and closer.left >= 2 else 1
            mark = self._mark(closer.char, used)
            opener.after = mark + opener.after
            closer.before += closing(mark) if mark else ""
            opener.left -= used
            closer.left -= used
            self.nested = self.nested or bool(self._whole)
            self._whole.append((opener.at, closer.at + max(closer.count, len(closer.tag))))
            # Marks must nest: what was opened inside this pair can no longer close behind it.
            for others in self._open.values():
                while others and others[-1].at > opener.at:
                    others.pop()
            if not opener.left:
                openers.pop()

    def _mark(self, char: str, used: int) -> str:
        mark = _MARKS[char]
        if char in "*_" and used == 2:
            mark = STRONG
        return mark if mark != STRONG or self._strong else ""


def needs_more(before: str, after: str) -> bool:
    """Say whether the character behind `after` is needed too: a quotation mark alone may open or close."""
    return after in _QUOTES and before.isalnum()


def flanks(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Say whether the run `text[start:end]` can open and whether it can close.

    These are CommonMark's flanking rules with two exceptions. Scripts without spaces end a mark after a full
    stop, `**注意：**请`, and begin one before a bracket: Discord shows bold, though it is text to CommonMark.
    Powers, products and the stars of paths are not marks, though CommonMark may read marks there.
    """
    char, count = text[start], end - start
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    space_before, space_after = before.isspace(), after.isspace()
    if space_before or space_after:
        return not space_after, not space_before
    if before.isalnum() and after.isalnum():
        if count == 1 and not (is_unspaced(before) or is_unspaced(after)):
            return False, False  # 2*3 is a product, though CommonMark could open here
        is_power = count == 2 and before.isascii() and after.isascii() and (before + after).strip(ascii_letters)
        return (char in "*~" and not is_power, char in "*~")
    if before == "/" and after in "/.":
        return False, False  # src/**/*.ts
    sign_before, sign_after = _is_sign(before), _is_sign(after)
    opens, closes = not sign_after or sign_before, not sign_before or sign_after
    if char not in "*~":
        opens, closes = opens and (not closes or sign_before), closes and (not opens or sign_after)
    if sign_after and not sign_before and not opens:
        outer = text[end + 1 : end + 2] or " "
        opens = _is_meant(char, count, before) and not _ends_something(after, outer)
    if sign_before and not sign_after and not closes:
        outer = text[start - 2] if start > 1 else " "
        closes = _is_meant(char, count, after) and not _begins_something(before, outer)
    return opens, closes


def _is_meant(char: str, count: int, letter: str) -> bool:
    """Whether a run between a sign and `letter` is meant as a mark. In `f*(x)` and `_(x` it is not."""
    return (char in "*~" and count >= 2) or is_unspaced(letter)


def _begins_something(sign: str, outer: str) -> bool:
    if sign in _QUOTES:
        return outer.isspace() or category(outer) in ("Ps", "Pi")
    return category(sign) in ("Ps", "Pi")


def _ends_something(sign: str, outer: str) -> bool:
    if sign in _QUOTES:
        return outer.isspace() or category(outer) in ("Pe", "Pf") or outer in _STOPS
    return category(sign) in ("Pe", "Pf") or sign in _STOPS


def is_unspaced(char: str) -> bool:
    """Whether `char` is a letter of a script from Thai on: most of them have no spaces between words."""
    return char >= "\u0e00" and char.isalnum()


def _is_sign(char: str) -> bool:
    return not char.isalnum() and category(char)[0] in "PS"


def is_bare(char: str, before: str, after: str) -> bool:
    """Say whether Discord reads no mark here: ` * ` between spaces, `_` inside a word."""
    if char == "*":
        return before.isspace() and after.isspace()
    return before.isalnum() and after.isalnum()
