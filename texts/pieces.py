"""Cuts a long Markdown text into pieces that can be rendered one by one. Pure.

A piece ends between two paragraphs if it can, else at a line, else anywhere. A fence that is cut is closed at
the end of its piece and opened again in the next one.
"""

import re
from collections.abc import Iterator

_FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)[^\n]*")
_LOOK_BACK = 4
"""A piece may be a quarter shorter, so that it ends between two paragraphs."""


def pieces_of(text: str, most: int, *, is_markdown: bool = True) -> Iterator[str]:
    """Yield the pieces of `text`, each of at most `most` characters beside the fence that was cut."""
    fence, at = "", 0
    while at < len(text):
        end, fence_then = _end_of(text, at, most, fence) if is_markdown else (_line_end(text, at, most), "")
        piece = text[at:end]
        opened = f"{fence}\n" if fence else ""
        closed = f"\n{_marker(fence_then)}" if fence_then and end < len(text) else ""
        yield f"{opened}{piece}{closed}"
        fence, at = fence_then, end


def _line_end(text: str, at: int, most: int) -> int:
    if len(text) - at <= most:
        return len(text)
    found = text.rfind("\n", at + most // 2, at + most)
    return at + most if found < 0 else found + 1


def _end_of(text: str, at: int, most: int, fence: str) -> tuple[int, str]:
    """Return the end of the piece that begins at `at`, and the opening line of the fence that is open there."""
    if len(text) - at <= most:
        return len(text), fence
    limit, line = at + most, at
    best, best_fence = 0, fence
    last, last_fence = 0, fence
    while line < limit:
        stop = text.find("\n", line)
        stop = len(text) if stop < 0 else stop + 1
        if stop > limit:
            break
        words = text[line:stop].rstrip("\n")
        fence = _after(words, fence)
        last, last_fence = stop, fence
        if not words.strip() and not fence and stop > limit - most // _LOOK_BACK:
            best, best_fence = stop, fence
        line = stop
    if best:
        return best, best_fence
    return (last, last_fence) if last > at else (limit, fence)


def _after(line: str, fence: str) -> str:
    """Return the opening line of the fence that is open after `line`; empty without one."""
    found = _FENCE.fullmatch(line)
    if found is None:
        return fence
    if not fence:
        return line.strip()
    marker = _marker(fence)
    closes = found[1].startswith(marker) and line.strip() == found[1]
    return "" if closes else fence


def _marker(fence: str) -> str:
    found = _FENCE.fullmatch(fence)
    return found[1] if found is not None else ""
