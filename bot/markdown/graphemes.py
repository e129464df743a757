"""Where text may be cut and how wide it is, in the units that a reader sees.

Answers for grapheme clusters and monospace columns, from the standard library's Unicode tables. Leaves to
others where a cut is wanted.
"""

from unicodedata import category, combining, east_asian_width

_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"


def may_cut(text: str, at: int) -> bool:
    """Say whether `text` may be cut before `text[at]` without taking a grapheme cluster apart.

    Follows the extended clusters of UAX #29, without the rare prepending marks.
    """
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before < "\u0300" and after < "\u0300":
        return not (before == "\r" and after == "\n")
    if _extends(after) or before == _JOINER:
        return False
    if combining(before) == 9 and category(after) == "Lo":  # a virama joins two consonants
        return False
    if _is_regional(after) and _is_regional(before):
        return _regionals_before(text, at) % 2 == 0
    return not _jamo_joins(before, after)


def cut_before(text: str, at: int) -> int:
    """Return the last place at or before `at` where `text` may be cut; `at` itself where there is none past
    0.
    """
    place = at
    while place > 0 and not may_cut(text, place):
        place -= 1
    return place or at


def columns(text: str) -> int:
    """Return how many monospace columns `text` takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    total = 0
    for index, char in enumerate(text):
        if char == _EMOJI_STYLE and index and east_asian_width(text[index - 1]) not in "WF":
            total += 1
        elif category(char) not in ("Mn", "Me", "Cf"):
            total += 2 if east_asian_width(char) in "WF" else 1
    return total


def _extends(char: str) -> bool:
    return (
        category(char)[0] == "M"
        or char in "\u200c\u200d\uff9e\uff9f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # the tags of regional flags
    )


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    count = 0
    while count < at and _is_regional(text[at - 1 - count]):
        count += 1
    return count


def _jamo_joins(before: str, after: str) -> bool:
    if "\u1160" <= after <= "\u11ff" or "\ud7b0" <= after <= "\ud7fb":  # vowel or final consonant
        return (
            "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7fb" or "\ua960" <= before <= "\ua97c"
        )
    leading = ("\u1100" <= before <= "\u115f") or ("\ua960" <= before <= "\ua97c")
    return leading and (
        "\u1100" <= after <= "\u115f" or "\ua960" <= after <= "\ua97c" or "\uac00" <= after <= "\ud7a3"
    )
