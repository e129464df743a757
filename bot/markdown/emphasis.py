"""Runs of emphasis characters: which can open, which can close, and how what is not matched is written.

Answers for one run by its neighbours. Leaves the matching to `inline`.
"""

from dataclasses import dataclass
from string import ascii_letters
from unicodedata import category

_LETTERS = ascii_letters
_QUOTES = "\"'"
_STOPS = ".,;:!?。．，、；：！？…"


@dataclass(slots=True)
class Run:
    """A run of emphasis characters: `left` of its `count` are not matched (yet)."""

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

    def spelled(self) -> str:
        """Return the run with its marks around what of it is text."""
        literal = self.char * self.left
        return self.before + (literal if self.bare else "".join(f"\\{char}" for char in literal)) + self.after


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The characters around a run: two touch it, the outer ones touch those. A space stands for none."""

    before: str
    after: str
    outer_before: str = " "
    outer_after: str = " "

    @property
    def needs_outer_after(self) -> bool:
        """Whether the character behind `after` decides: a quotation mark alone does not say if it opens."""
        return self.after in _QUOTES and self.before.isalnum()


def flanks(char: str, count: int, beside: Neighbours) -> tuple[bool, bool]:
    """Say whether a run of `char` can open and whether it can close.

    These are CommonMark's flanking rules, but for what nobody means by them. People who write without spaces
    end a mark after a full stop, `**注意：**请`, and begin one before a bracket: that is text to CommonMark and
    bold to Discord. Powers, products and the stars of paths are no marks.
    """
    before, after = beside.before, beside.after
    if before.isalnum() and after.isalnum():
        if count == 1 and not (_is_unspaced(before) or _is_unspaced(after)):
            return False, False  # 2*3 is a product, though CommonMark could open here
        is_power = (
            count == 2 and before.isascii() and after.isascii() and (before + after).strip(_LETTERS) != ""
        )
        return (char in "*~" and not is_power, char in "*~")
    if before == "/" and after in "/.":
        return False, False  # src/**/*.ts
    space_before, space_after = before.isspace(), after.isspace()
    sign_before, sign_after = _is_sign(before), _is_sign(after)
    left = not space_after and (not sign_after or space_before or sign_before)
    right = not space_before and (not sign_before or space_after or sign_after)
    opens, closes = left, right
    if char not in "*~":
        opens, closes = left and (not right or sign_before), right and (not left or sign_after)
    if sign_after and not (opens or space_before or sign_before):
        opens = _is_meant(char, count, before) and not _ends_something(after, beside.outer_after)
    if sign_before and not (closes or space_after or sign_after):
        closes = _is_meant(char, count, after) and not _begins_something(before, beside.outer_before)
    return opens, closes


def _is_meant(char: str, count: int, letter: str) -> bool:
    """Whether a run between a sign and `letter` is a mark to its author: `f*(x)` and `_(x` are none."""
    return (char in "*~" and count >= 2) or _is_unspaced(letter)


def _begins_something(sign: str, outer: str) -> bool:
    if sign in _QUOTES:
        return outer.isspace() or category(outer) in ("Ps", "Pi")
    return category(sign) in ("Ps", "Pi")


def _ends_something(sign: str, outer: str) -> bool:
    if sign in _QUOTES:
        return outer.isspace() or category(outer) in ("Pe", "Pf") or outer in _STOPS
    return category(sign) in ("Pe", "Pf") or sign in _STOPS


def _is_unspaced(char: str) -> bool:
    """Whether `char` is a letter of a script from Thai on: most of those stand without spaces between words."""
    return char >= "\u0e00" and char.isalnum()


def _is_sign(char: str) -> bool:
    return not char.isalnum() and category(char)[0] in "PS"


def is_bare(char: str, before: str, after: str) -> bool:
    """Say whether Discord reads no mark here: ` * ` between spaces, `_` inside a word."""
    if char == "*":
        return before.isspace() and after.isspace()
    return before.isalnum() and after.isalnum()
