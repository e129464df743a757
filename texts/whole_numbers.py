"""Reads the whole numbers that people type. Pure."""


def whole_number(text: str, most: int) -> int | None:
    """Return the number from 0 to `most` that `text` is, in digits alone; None for any other text."""
    if not text.isdecimal():
        return None
    try:
        number = int(text)
    except ValueError:
        # Python refuses more than 4,300 digits: the conversion takes quadratic time.
        return None
    return number if number <= most else None
