"""The text of a line with its formatting marked, and how such a line is cut in two.

Rendered inline text carries each formatting mark as one Unicode noncharacter (no text has those after
cleaning): an opening one with its closing one right after it in code order. So a line can be measured and
cut without being parsed again, whatever Discord would make of the asterisks that are meant as text. `shown`
gives what Discord gets.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.markdown.graphemes import cut_before

STRONG, STAR, UNDERSCORE, STRIKE, SPOILER, CODE, CODE2, ATOM = map(chr, range(0xFDD0, 0xFDE0, 2))
_SPELLED = {
    STRONG: "**",
    STAR: "*",
    UNDERSCORE: "_",
    STRIKE: "~~",
    SPOILER: "||",
    CODE: "`",
    CODE2: "``",
    ATOM: "",
}
_SHOWN = _SPELLED | {chr(ord(mark) + 1): text for mark, text in _SPELLED.items()}
_MARK = re.compile("[\ufdd0-\ufddf]")
_PART = re.compile("[\ufdd0-\ufddf]|[^\\S\ufdd0-\ufddf]+|[^\\s\ufdd0-\ufddf]+")
_RUN = re.compile("[\ufdd0-\ufddf]|[^\ufdd0-\ufddf]+")
_ESCAPE = re.compile(r"\\([^\w\s])")


@dataclass(frozen=True, slots=True)
class Halves:
    """A line cut in two. `closed` ends `head` and `opened` begins `tail` only because of the cut, as shown.

    `spaced` says that a space stood at the cut; it is in neither half.
    """

    head: str
    tail: str
    closed: str
    opened: str
    spaced: bool


def closing(mark: str) -> str:
    """Return the mark that ends what `mark` begins."""
    return chr(ord(mark) + 1)


def shown(marked: str) -> str:
    """Return `marked` as Discord gets it."""
    if _MARK.search(marked) is None:
        return marked
    return _MARK.sub(lambda mark: _SHOWN[mark[0]], marked)


def plain(marked: str) -> str:
    """Return the text alone, as a reader sees it: no formatting, no escapes."""
    return _ESCAPE.sub(r"\1", _MARK.sub("", marked))


def flattened(marked: str) -> str:
    """Return `marked` without what Discord, looking for the next mark only, takes for the end of one.

    That is a mark inside its like, and the sign of a double mark in code inside it: there something invisible
    parts the two characters.
    """
    stack, kept = "", ""
    parts: list[str] = []
    for part in _RUN.findall(marked):
        if part in _SPELLED:
            if not _has_like(stack, part):
                kept += part
                parts.append(part)
            stack += part
        elif part in _SHOWN:
            mark, stack = stack[-1], stack[:-1]
            if not _has_like(stack, mark):
                kept = kept[:-1]
                parts.append((apart(parts[-1]) if mark == UNDERSCORE else "") + part)
        else:
            in_code = kept[-1:] in (CODE, CODE2)
            parts.append(_parted(part, kept[:-1]) if in_code else part)
    return "".join(parts)


def apart(mark: str) -> str:
    """Return what must stand between `mark` and an underscore after it: Discord ends no strike before one."""
    return "\u200b" if mark == closing(STRIKE) else ""


def _has_like(stack: str, mark: str) -> bool:
    italic = mark in (STAR, UNDERSCORE) and (STAR in stack or UNDERSCORE in stack)
    return italic or mark in stack


def _parted(code: str, marks: str) -> str:
    for mark in marks:
        sign = _SPELLED[mark]
        if len(sign) == 2 and sign in code:
            code = re.sub(f"{re.escape(sign[0])}(?={re.escape(sign[0])})", lambda one: one[0] + "\u200b", code)
    return code


def lines_of(marked: str) -> Sequence[str]:
    """Return the lines of `marked`; a mark that goes on over a line's end is closed there and opened again."""
    parts = marked.split("\n")
    if len(parts) == 1 or _MARK.search(marked) is None:
        return parts
    lines, stack = [], ""
    for line in parts:
        opened = stack
        for mark in _MARK.findall(line):
            stack = stack + mark if mark in _SPELLED else stack[:-1]
        lines.append(
            opened + (line.rstrip() if stack else line) + "".join(closing(mark) for mark in reversed(stack))
        )
    return lines


def cut(marked: str, room: int, *, least: int = 0) -> Halves:
    """Cut `marked` in two, the first part at most `room` characters as shown; both parts are whole lines.

    Prefers a space outside all formatting, then one inside (marks are closed and opened again), then any
    place between two grapheme clusters. What is an atom (link, mention) is cut only where it alone is
    longer than `room`. More than the first `least` characters go into the first part: what is always put
    before a line is no part of it. `room` must be at least 8 more than that. The second part may be empty.
    """
    outside = inside = (0, "")
    size, stack, ends = 0, "", 0
    for part in _PART.finditer(marked):
        text = part[0]
        if text in _SHOWN:
            stack, ends = _after_mark(stack, ends, text)
            size += len(_SHOWN[text])
        else:
            if size + len(text) + ends > room:
                break
            size += len(text)
            if text.isspace() and not stack:
                outside = (part.start(), "")
            elif text.isspace() and ATOM not in stack and not _beside_mark(marked, part):
                inside = (part.start(), stack)
        if size + ends > room:
            break
    else:
        return Halves(marked, "", "", "", spaced=False)
    for place, open_marks in (outside, inside):
        if place >= room // 2 and place > least:
            return _halves(marked, place, open_marks)
    return _cut_anywhere(marked, room, least)


def _cut_anywhere(marked: str, room: int, least: int) -> Halves:
    """Cut inside a word, as late as it fits: before an atom, or inside one that stands alone."""
    size, stack, ends = 0, "", 0
    best = (0, "")
    for part in _PART.finditer(marked):
        text = part[0]
        if text in _SHOWN:
            stack, ends = _after_mark(stack, ends, text)
            size += len(_SHOWN[text])
            if text not in _SPELLED and best[0] == part.start():
                best = (part.end(), stack)
            continue
        free = room - size - ends
        held = ATOM in stack
        if free < len(text):
            if free > 0 and not (held and best[0]):
                best = (part.start() + _safe(text, free), stack)
            break
        size += len(text)
        if part.end() > least and (not held or marked.startswith(closing(ATOM), part.end())):
            best = (part.end(), stack)
    if not best[0]:
        return _without_marks(marked, room)
    return _halves(marked, *best)


def _without_marks(marked: str, room: int) -> Halves:
    """Give up on formatting that does not leave room for a single character."""
    text = _MARK.sub("", marked)
    place = _safe(text, room)
    return Halves(text[:place], text[place:], "", "", spaced=False)


def _safe(text: str, at: int) -> int:
    place = cut_before(text, at)
    run = len(text[:place].rstrip("`"))
    if 0 < run < place or text[place : place + 1] == "`":
        place = run or place
    slashes = place - len(text[:place].rstrip("\\"))
    return place - 1 if slashes % 2 and place > 1 else place


def _halves(marked: str, place: int, stack: str) -> Halves:
    ends = "".join(closing(mark) for mark in reversed(stack))
    head, tail = marked[:place], marked[place:]
    kept = tail.lstrip(" ")
    spaced = len(kept) < len(tail) or head.endswith(" ")
    return Halves(head.rstrip(" ") + ends, stack + kept, shown(ends), shown(stack), spaced)


def _after_mark(stack: str, ends: int, mark: str) -> tuple[str, int]:
    """Return what is open after `mark`, and how many characters it takes to close that."""
    if mark in _SPELLED:
        return stack + mark, ends + len(_SPELLED[mark])
    return stack[:-1], ends - len(_SHOWN[mark])


def _beside_mark(marked: str, space: re.Match[str]) -> bool:
    """Say whether a cut at `space` would leave a mark around nothing, or beside a backtick of the text."""
    neighbours = marked[space.start() - 1], marked[space.end() : space.end() + 1]
    return any(sign in _SHOWN or sign == "`" for sign in neighbours)
