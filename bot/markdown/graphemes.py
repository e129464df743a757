"""Where text may be cut and how wide it is, in the units that a reader sees.

Answers with wcwidth: grapheme clusters after UAX #29, monospace columns as a terminal shows them. Leaves to
others where a cut is wanted.
"""


def cut_before(text: str, at: int) -> int:
    """Return the last place at or before `at` where no grapheme cluster is taken apart.

    Returns `at` itself where one cluster reaches from the beginning of `text` past it.
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
    """Return how many monospace columns `text` takes: wide characters two, combining ones none.

    `text` has no control characters.
    """
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(wcswidth(text), 0)
