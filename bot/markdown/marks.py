"""Lines of text with marked formatting, and how to cut such a line in two.

Rendered inline text carries each formatting mark as one Unicode noncharacter (cleaned text has none of them).
The code of a closing mark is the opening one's plus 1. So a line can be measured and cut without parsing it
again, and an asterisk that is text cannot be mistaken for a mark. `shown` turns the marks into Discord's signs.
"""

import re
from collections.abc import Sequence

import msgspec

from bot.markdown.graphemes import cut_before

# Unicode keeps these characters for use inside of a program; `cleaning` replaces them in Claude's text.
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
_TURN = re.compile(
    f"[{''.join(closing_ for closing_ in _SHOWN if closing_ not in _SPELLED)}][{''.join(_SPELLED)}]"
)
_SAME_KIND = re.compile(
    "|".join(chr(ord(mark) + 1) + mark for mark in (STRONG, STAR, UNDERSCORE, STRIKE, SPOILER))
)
_EMPTY = re.compile("|".join(mark + chr(ord(mark) + 1) for mark in (STRONG, STAR, UNDERSCORE, STRIKE, SPOILER)))
_ESCAPE = re.compile(r"\\([^\w\s])")


class Halves(msgspec.Struct, frozen=True):
    """A line cut in two. The cut added `closed` to the end of `head` and `opened` to the start of `tail`.

    Both are as shown. `spaced`: a space stood at the cut; neither half has it.
    """

    head: str
    tail: str
    closed: str
    opened: str
    spaced: bool


def closing(mark: str) -> str:
    """Return the closing mark of the opening `mark`."""
    return chr(ord(mark) + 1)


def shown(marked: str) -> str:
    """Return `marked` with Discord's signs in place of the marks."""
    if _MARK.search(marked) is None:
        return marked
    return _MARK.sub(lambda mark: _SHOWN[mark[0]], marked)


def plain(marked: str) -> str:
    """Return the text alone, as a reader sees it: no formatting, no escapes."""
    return _ESCAPE.sub(r"\1", _MARK.sub("", marked))


def flattened(marked: str) -> str:
    """Return `marked` without signs that would end a mark too early: Discord ends a mark at the next such sign.

    A mark inside a mark of its kind is removed. If code inside a double mark (bold, strike, spoiler) has the
    mark's sign, an invisible character parts its two characters.
    """
    # `stack` are the open marks, `kept` those of them that are written.
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


def beside(marked: str) -> str:
    """Return `marked` so that a mark right behind another one stays a mark.

    Discord reads `**a****b**` and `**a***b*` otherwise. Two marks of a kind become one; an invisible character
    parts others that are spelled with the same sign.
    """
    if _TURN.search(marked) is None:
        return marked
    # Repeated: without one pair, two others may stand beside each other.
    while (joined := _SAME_KIND.sub("", marked)) != marked:
        marked = joined
    return _TURN.sub(_with_space, marked)


def _with_space(turn: re.Match[str]) -> str:
    ends, begins = turn[0][0], turn[0][1]
    sign = _SHOWN[ends][-1:]
    return f"{ends}\u200b{begins}" if sign and sign == _SPELLED[begins][:1] else turn[0]


def _without_empty(marked: str) -> str:
    """Return `marked` without marks around nothing: Discord shows their signs."""
    while (without := _EMPTY.sub("", marked)) != marked:
        marked = without
    return marked


def apart(mark: str) -> str:
    """Return the separator between `mark` and an underscore after it: Discord ends no strike there."""
    return "\u200b" if mark == closing(STRIKE) else ""


def _has_like(stack: str, mark: str) -> bool:
    italic = mark in (STAR, UNDERSCORE) and (STAR in stack or UNDERSCORE in stack)
    return italic or mark in stack


def _parted(code: str, marks: str) -> str:
    for mark in marks:
        sign = _SPELLED[mark]
        # Discord looks for the end of a double mark in code, too.
        if len(sign) == 2 and sign in code:
            code = re.sub(f"{re.escape(sign[0])}(?={re.escape(sign[0])})", lambda one: one[0] + "\u200b", code)
    return code


def lines_of(marked: str) -> Sequence[str]:
    """Return the lines of `marked`. A mark that spans a line's end is closed there and opened again."""
    parts = marked.split("\n")
    if len(parts) == 1 or _MARK.search(marked) is None:
        return parts
    lines, stack = [], ""
    for line in parts:
        opened = stack
        for mark in _MARK.findall(line):
            stack = stack + mark if mark in _SPELLED else stack[:-1]
        ends = "".join(closing(mark) for mark in reversed(stack))
        # Each line may become the last one of a post, so its marks end with it.
        whole = opened + (line.rstrip() if stack else line) + ends
        if opened or stack:
            whole = _without_empty(whole)
        lines.append(whole.rstrip() if stack else whole)
    return lines


def cut(marked: str, room: int, *, least: int = 0) -> Halves:
    """Cut `marked` in two, the first part at most `room` characters as shown; both parts are whole lines.

    Prefers a space outside all formatting, then one inside (marks are closed and opened again), then any
    place between two grapheme clusters. An atom (link, mention) is cut only if it alone is longer than `room`.
    The first part gets more than `least` characters, so that it is never only the line's prefix. `room` must be
    at least `least` + 8. The second part may be empty.
    """
    if len(marked) > room and _MARK.search(marked, 0, room + 1) is None:
        # Most lines have no marks, and looking at each word of them takes ten times as long.
        place = _last_space(marked, room)
        if _is_late(place, room, least):
            return _halves(marked, place, "")
        return _cut_anywhere(marked, room, least)
    outside = inside = (0, "")
    size, stack, ends = 0, "", 0
    for part in _PART.finditer(marked):
        text = part[0]
        if text in _SHOWN:
            stack, ends = _after_mark(stack, ends, text)
            size += len(_SHOWN[text])
        else:
            # The signs that close the open marks must fit as well.
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
        if _is_late(place, room, least):
            return _halves(marked, place, open_marks)
    return _cut_anywhere(marked, room, least)


def _last_space(text: str, room: int) -> int:
    """Return the place of the last spaces that fit into `room` as a whole; 0 without any."""
    words = text[: room + 1].rstrip().rsplit(maxsplit=1)
    return len(words[0]) if len(words) > 1 else 0


def _is_late(place: int, room: int, least: int) -> bool:
    """Whether a cut at `place` leaves a first part that is long enough."""
    return place >= room // 2 and place > least


def _cut_anywhere(marked: str, room: int, least: int) -> Halves:
    """Cut inside a word, as late as it fits: before an atom, or inside an atom that stands alone."""
    size, stack, ends = 0, "", 0
    best = (0, "")
    for part in _PART.finditer(marked):
        text = part[0]
        if text in _SHOWN:
            stack, ends = _after_mark(stack, ends, text)
            size += len(_SHOWN[text])
            # A cut before a closing mark would leave an empty mark in the second half.
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
    """Cut the text without its formatting: the marks would leave no room for a single character."""
    text = _MARK.sub("", marked)
    place = _safe(text, room)
    return Halves(text[:place], text[place:], "", "", spaced=False)


def _safe(text: str, at: int) -> int:
    # Neither inside a run of backticks nor behind a backslash: both halves would read otherwise.
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
    """Return the open marks after `mark`, and how many characters their closing signs take."""
    if mark in _SPELLED:
        return stack + mark, ends + len(_SPELLED[mark])
    return stack[:-1], ends - len(_SHOWN[mark])


def _beside_mark(marked: str, space: re.Match[str]) -> bool:
    """Say whether a cut at `space` would leave an empty mark, or one beside a backtick of the text."""
    neighbours = marked[space.start() - 1], marked[space.end() : space.end() + 1]
    return any(sign in _SHOWN or sign == "`" for sign in neighbours)
