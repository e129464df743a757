"""Places where a growing paragraph may be divided: between words, outside all indivisible ranges."""

import re
from collections.abc import Sequence

_STOP = re.compile(r"(?<=\w)[。、，．！？：；]")


def gap_before(text: str, bound: int) -> int:
    """Return the place of the last space or full stop before `bound` that ends a word; -1 for none."""
    place = max(text.rfind(" ", 0, bound), text.rfind("\n", 0, bound))
    if text.isascii():
        return place
    # Scripts without spaces: before a full stop or comma after a letter, which cannot be half of a mark.
    stops = [found.start() for found in _STOP.finditer(text, max(place, 0), bound)]
    return stops[-1] if stops else place


def gap_outside(text: str, bound: int, ranges: Sequence[tuple[int, int]]) -> int:
    """Return the place of the last gap before `bound` that lies outside all `ranges`; 0 for none."""
    outer = outermost(ranges)
    while True:
        place = gap_before(text, bound)
        # Ranges behind the place are of no use: `bound` only moves to the left.
        while outer and outer[-1][0] >= place:
            outer.pop()
        if place <= 0 or not outer or outer[-1][1] <= place:
            return max(place, 0)
        bound = outer[-1][0]


def outermost(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the `ranges` in order, without those inside another; overlapping ones are joined."""
    outer: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if not outer or start >= outer[-1][1]:
            outer.append((start, stop))
        elif stop > outer[-1][1]:
            outer[-1] = (outer[-1][0], stop)
    return outer
