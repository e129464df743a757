"""The words that somebody looks for in conversations. Pure."""

import re
from dataclasses import dataclass

_INDEXED_CHARS = 3
"""The index knows groups of three characters; shorter words are looked for in the texts themselves."""
_MOST_WORDS = 10
_LONGEST_WORD = 200
_WORD = re.compile(r'"([^"]+)"|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Words:
    """The words to look for; a text must have all of them."""

    indexed: tuple[str, ...]
    short: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Words":
        """Return the words in what a person typed. Words in double quotes stay together.

        Any text is valid; one without words returns none.
        """
        # sqlite3 refuses lone surrogates, and a query of the index would end at a NUL.
        clean = text.encode("utf-8", "replace").decode().replace("\0", " ")
        found = [(quoted or word).strip()[:_LONGEST_WORD] for quoted, word in _WORD.findall(clean)]
        words = [word for word in found if word][:_MOST_WORDS]
        return cls(
            tuple(word for word in words if len(word) >= _INDEXED_CHARS),
            tuple(word for word in words if len(word) < _INDEXED_CHARS),
        )

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """A pattern that matches any of the words, in any case; None without words."""
        # Longest first: a pattern takes the first alternative that fits, and would mark a part of a word.
        words = sorted((*self.indexed, *self.short), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None


def literal(text: str) -> str:
    """Return `text` for LIKE ... ESCAPE '\\', without wildcards."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
