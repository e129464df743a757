"""What a check has found: good, worth a look, or broken; each with what to do. And how findings are shown."""

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
    """One check: its name, how it went, a sentence on what is, and one on what to do about it."""

    name: str
    level: Level
    sentence: str
    remedy: str = ""


_MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.FAILED: "✗", Level.SKIPPED: "–"}
_COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.FAILED: "31", Level.SKIPPED: "2"}


def ok(name: str, sentence: str) -> Finding:
    """A finding with nothing to do."""
    return Finding(name, Level.OK, sentence)


def warning(name: str, sentence: str, remedy: str) -> Finding:
    """A finding that stops nothing; `remedy` is what to do."""
    return Finding(name, Level.WARNING, sentence, remedy)


def failed(name: str, sentence: str, remedy: str) -> Finding:
    """A finding without which it does not work; `remedy` is what to do."""
    return Finding(name, Level.FAILED, sentence, remedy)


def skipped(name: str, sentence: str, remedy: str = "") -> Finding:
    """What was not looked at, and why."""
    return Finding(name, Level.SKIPPED, sentence, remedy)


def as_text(findings: Sequence[Finding], *, colours: bool = False) -> str:
    """One line a finding, and under it what to do."""
    width = max((len(each.name) for each in findings), default=0)
    lines: list[str] = []
    for each in findings:
        mark = _MARKS[each.level]
        shown = f"\x1b[{_COLOURS[each.level]}m{mark}\x1b[0m" if colours else mark
        lines.append(f"{shown} {each.name:<{width}}  {each.sentence}")
        if each.remedy:
            lines.append(f"  {'':<{width}}  → {each.remedy}")
    return "\n".join(lines)
