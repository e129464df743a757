"""Lines of code inside a fence. Discord knows only fences of three backticks."""

import re

_TICKS = re.compile("`+")
_BROKEN = "\u200b"


class CodeText:
    """One line of code that may come in pieces. Keeps backticks apart: three together would end the fence."""

    def __init__(self, ticks: int = 0) -> None:
        """Begin after `ticks` backticks."""
        self._ticks = ticks

    def copy(self) -> "CodeText":
        """Return a copy with the same state."""
        return CodeText(self._ticks)

    def add(self, text: str) -> str:
        """Return `text` with an invisible character after every second of adjacent backticks."""
        if "`" not in text:
            self._ticks = 0 if text else self._ticks
            return text
        spread = _TICKS.sub(self._spread, text)
        # A run may be cut in two by the pieces: the next one counts on from here.
        trailing = len(text) - len(text.rstrip("`"))
        self._ticks = trailing + (self._ticks if trailing == len(text) else 0)
        return spread

    def _spread(self, run: re.Match[str]) -> str:
        before = 0 if run.start() else self._ticks
        return "".join(_BROKEN * (n >= 2 and n % 2 == 0) + "`" for n in range(before, before + len(run[0])))


def dedented(line: str, indent: int) -> str:
    """Return `line` without up to `indent` columns of leading space."""
    if not indent or not line[:1].isspace():
        return line
    space = len(line) - len(line.lstrip(" \t"))
    return line[:space].expandtabs(4)[indent:] + line[space:]
