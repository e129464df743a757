"""Places where text may be cut, and its width, in the units that a reader sees.

Uses wcwidth: grapheme clusters after UAX #29, monospace columns as a terminal shows them. Callers decide where
they want a cut.
"""


def cut_before(text: str, at: int) -> int:
    """Return the last place at or before `at` that splits no grapheme cluster.

    Returns `at` itself if one cluster reaches from the beginning of `text` past it.
    """
    if at <= 0 or at >= len(text):
        return at
    before, after = text[at - 1], text[at]
    # No combining mark, joiner or emoji is below U+0300: most cuts need no tables.
    if before < "\u0300" and after < "\u0300" and after != "\n":
        return at
    # Imported at the first use: its tables take 60 ms and 9 MB, and plain English needs none of them.
    from wcwidth import grapheme_boundary_before

    return grapheme_boundary_before(text, at + 1) or at


def columns(text: str) -> int:
    """Return how many monospace columns `text` takes: two for a wide character, zero for a combining one.

    `text` has no control characters.
    """
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(wcswidth(text), 0)
