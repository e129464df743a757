"""The result of a check: good, worth a look, or broken, with a remedy; and how results are shown."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How a check went. `skipped`: there was nothing to check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(msgspec.Struct, frozen=True):
    """One check: its name, its result, a sentence on the facts, and one on the remedy."""

    name: str
    level: Level
    sentence: str
    remedy: str = ""


_MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.FAILED: "✗", Level.SKIPPED: "–"}
_COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.FAILED: "31", Level.SKIPPED: "2"}


def ok(name: str, sentence: str) -> Finding:
    """A finding that needs no remedy."""
    return Finding(name, Level.OK, sentence)


def warning(name: str, sentence: str, remedy: str) -> Finding:
    """A finding that does not stop the bridge; `remedy` says what to do."""
    return Finding(name, Level.WARNING, sentence, remedy)


def failed(name: str, sentence: str, remedy: str) -> Finding:
    """A finding that keeps the bridge from working; `remedy` says what to do."""
    return Finding(name, Level.FAILED, sentence, remedy)


def skipped(name: str, sentence: str, remedy: str = "") -> Finding:
    """A check that was not made, and the reason."""
    return Finding(name, Level.SKIPPED, sentence, remedy)


def as_text(findings: Sequence[Finding], *, colours: bool = False) -> str:
    """Return the findings as text: one line each, with the remedy below."""
    width = max((len(each.name) for each in findings), default=0)
    lines: list[str] = []
    for each in findings:
        mark = _MARKS[each.level]
        shown = f"\x1b[{_COLOURS[each.level]}m{mark}\x1b[0m" if colours else mark
        lines.append(f"{shown} {each.name:<{width}}  {each.sentence}")
        if each.remedy:
            lines.append(f"  {'':<{width}}  → {each.remedy}")
    return "\n".join(lines)
