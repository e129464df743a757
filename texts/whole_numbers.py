"""Reads the whole numbers that people type or programs send. Pure."""

LARGEST = 2**53 - 1
"""More than any id or count of ours, and exact in SQLite and in JavaScript."""


def whole_number(text: str, most: int) -> int | None:
    """Return the number from 0 to `most` that `text` is, in digits alone; None for any other text.

    Zeros in front do not count. The text may be of any length.
    """
    if not text.isdecimal():
        return None
    try:
        number = int(text)
    except ValueError:
        # Python refuses more than 4,300 digits: the conversion takes quadratic time.
        return None
    return number if number <= most else None
