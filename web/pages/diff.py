"""A unified diff as it is read on a phone: a table for each file, with one column of line numbers. Pure.

Source: the unified format of GNU diffutils; the headers of `git diff`. Text that is no diff becomes no file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape

from texts.unseen import as_seen

MOST_LINES = 3_000
"""Lines that one page shows; a phone takes no more at once."""
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_NOWHERE = "/dev/null"


class LineKind(StrEnum):
    """A line of a diff."""

    ADDED = "added"
    REMOVED = "removed"
    SAME = "same"
    PLACE = "place"


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line with its number after the change, or before it if it was removed. A `PLACE` begins a hunk."""

    kind: LineKind
    text: str
    number: int = 0


@dataclass(slots=True)
class DiffFile:
    """A file's changes; `note` says why there are no lines."""

    path: str
    lines: list[DiffLine] = field(default_factory=list)
    note: str = ""


def parse_diff(text: str) -> list[DiffFile]:
    """Return the files of a unified diff."""
    found: list[DiffFile] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if line.startswith("diff --git "):
            found.append(DiffFile(""))
        elif not found:
            continue
        elif line.startswith(("--- ", "+++ ")):
            found[-1].path = _path(line) or found[-1].path
        elif line.startswith("Binary files "):
            found[-1].path = _binary_path(line)
            found[-1].note = "A file that is not text."
        elif hunk := _HUNK.match(line):
            # The numbers decide where a hunk ends: its lines may look like headers.
            found[-1].lines += _hunk(hunk, lines)
    return [each for each in found if each.path]


def _path(line: str) -> str:
    # GNU diff writes the time after a tab.
    path = line[4:].split("\t", maxsplit=1)[0]
    return "" if path == _NOWHERE else path


def _binary_path(line: str) -> str:
    old, _, new = line.removeprefix("Binary files ").removesuffix(" differ").partition(" and ")
    return old if new == _NOWHERE else new


def _hunk(hunk: re.Match[str], lines: Iterator[str]) -> Iterator[DiffLine]:
    old, new = int(hunk[1]), int(hunk[3])
    old_end = old + int(hunk[2] if hunk[2] is not None else 1)
    new_end = new + int(hunk[4] if hunk[4] is not None else 1)
    yield DiffLine(LineKind.PLACE, hunk[5], new)
    while old < old_end or new < new_end:
        line = next(lines, None)
        if line is None:
            return
        match line[:1]:
            case "+":
                yield DiffLine(LineKind.ADDED, line[1:], new)
                new += 1
            case "-":
                yield DiffLine(LineKind.REMOVED, line[1:], old)
                old += 1
            case "\\":
                continue  # "\ No newline at end of file"
            case _:
                yield DiffLine(LineKind.SAME, line[1:], new)
                old, new = old + 1, new + 1


Anchor = tuple[str, int, bool]
"""A line: path, number, and whether it was removed; the number counts before the change then."""
_NONE: Mapping[Anchor, str] = {}


def shown(files: Sequence[DiffFile], notes: Mapping[Anchor, str] = _NONE, *, can_comment: bool = False) -> str:
    """Return files with their changes as HTML; long diffs are cut with a word.

    `notes` has HTML that goes below lines. With `can_comment` each line can be chosen.
    """
    left, parts = MOST_LINES, []
    for number, each in enumerate(files):
        parts.append(_file(number, each, left, notes, can_comment=can_comment))
        # The bound holds for all files together: a page with many short files is as long as one long file.
        left = max(0, left - len(each.lines))
    return "".join(parts)


def _file(number: int, each: DiffFile, most: int, notes: Mapping[Anchor, str], *, can_comment: bool) -> str:
    name = escape(as_seen(each.path))
    added = sum(line.kind is LineKind.ADDED for line in each.lines)
    removed = sum(line.kind is LineKind.REMOVED for line in each.lines)
    counts = (
        f'<span class="added">+{added}</span> <span class="removed">−{removed}</span>' if each.lines else ""
    )
    note = f'<p class="dim">{escape(each.note)}</p>' if each.note else ""
    cut = len(each.lines) - most
    more = f'<p class="dim">… and {cut:,} lines more</p>' if cut > 0 else ""
    # A hunk from the first line on needs no word on its place.
    begin = 1 if each.lines and each.lines[0].number <= 1 and not each.lines[0].text else 0
    rows = "".join(_row(each.path, line, notes, can_comment) for line in each.lines[begin:most])
    table = f'<table class="diff" aria-label="Changes of {name}"><tbody>{rows}</tbody></table>' if rows else ""
    return (
        f'<details class="file" id="f-{number}" open data-path="{escape(each.path, quote=True)}">'
        f"<summary><code>{name}</code> {counts}</summary>{note}{table}{more}</details>"
    )


_SIGNS = {LineKind.ADDED: "+", LineKind.REMOVED: "−", LineKind.SAME: ""}


def _row(path: str, line: DiffLine, notes: Mapping[Anchor, str], can_comment: bool) -> str:
    if line.kind is LineKind.PLACE:
        return f'<tr class="place"><td colspan="3">{escape(as_seen(line.text)) or "⋯"}</td></tr>'
    # A removed line and an added one may have the same number.
    note = notes.get((path, line.number, line.kind is LineKind.REMOVED), "")
    below = f'<tr class="notes"><td colspan="3">{note}</td></tr>' if note else ""
    number, chosen = str(line.number), ""
    if can_comment:
        # A button, so that the keyboard reaches it; with a finger the whole line can be chosen.
        number = f'<button type="button" aria-label="Comment on line {number}">{number}</button>'
        chosen = f' data-line="{line.number}"'
    return (
        f'<tr class="{line.kind}"{chosen}><td class="no">{number}</td>'
        f'<td class="sign">{_SIGNS[line.kind]}</td><td>{escape(as_seen(line.text))}</td></tr>{below}'
    )


def listed(lines: Iterable[str]) -> str:
    """Return plain lines, such as changed files, as a list."""
    items = "".join(f"<li>{escape(as_seen(line.removeprefix('- ')))}</li>" for line in lines)
    return f'<ul class="plain">{items}</ul>' if items else ""
