"""Runs of emphasis characters: which can open, which can close, and how what is not matched is written.

Answers for one run by its neighbours, after CommonMark. Leaves the matching to `inline`.
"""

from dataclasses import dataclass


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


def flanks(char: str, before: str, after: str) -> tuple[bool, bool]:
    """Say whether a run of `char` can open and whether it can close: CommonMark's flanking rules."""
    if before.isalnum() and after.isalnum():
        return (char in "*~", char in "*~")
    space_before, space_after = before.isspace(), after.isspace()
    sign_before, sign_after = _is_sign(before), _is_sign(after)
    left = not space_after and (not sign_after or space_before or sign_before)
    right = not space_before and (not sign_before or space_after or sign_after)
    if char in "*~":
        return left, right
    return left and (not right or sign_before), right and (not left or sign_after)


def _is_sign(char: str) -> bool:
    return char == "_" or not (char.isspace() or char.isalnum())


def is_bare(char: str, before: str, after: str) -> bool:
    """Say whether Discord reads no mark here: ` * ` between spaces, `_` inside a word."""
    if char == "*":
        return before.isspace() and after.isspace()
    return before.isalnum() and after.isalnum()
