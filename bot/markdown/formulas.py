"""Formulas in a text, in dollars or behind backslashes. Discord shows none, so they stand as code, unchanged.

Answers for recognising one. A price is none: a formula in dollars has something in it that only formulas have.
"""

import re

SPAN = 300
"""Characters of a formula inside a paragraph, at most."""
_PAIRS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_TELLING = re.compile(r"\\[A-Za-z]|[\^_=<>+*/|{}-]|\A\s*[A-Za-z]'?\s*\Z")
_TELLING_IN_DOLLARS = re.compile(r"\\[A-Za-z]|[\^_][{\w\\(*+]|\A[A-Za-z]'?\Z|[A-Za-z0-9)]\s?[=<>]\s?[\w\\(-]")


def formula_end(text: str, at: int) -> int:
    """Return the place after the formula that begins at `at`; -1 for none."""
    opening = _opening(text, at)
    close = _PAIRS[opening]
    start = at + len(opening)
    end = text.find(close, start, at + SPAN)
    if end < 0 or not is_telling(opening, text[start:end]):
        return -1
    if opening == "$" and (text[end - 1].isspace() or text[end + 1 : end + 2].isdecimal()):
        return -1
    return end + len(close)


def may_become_formula(text: str, at: int) -> bool:
    """Say whether a text that goes on could make a formula of what begins at `at`."""
    opening = _opening(text, at)
    begun = text[at + len(opening) :]
    return len(text) - at < SPAN and _PAIRS[opening] not in begun and "\n\n" not in begun


def begins_one(text: str, at: int) -> bool:
    """Say whether what begins at `at` can be told to be a formula before it is closed."""
    opening = _opening(text, at)
    return is_telling(opening, text[at + len(opening) :])


def is_telling(opening: str, content: str) -> bool:
    """Say whether `content` is what people write in formulas, and not in prices or in brackets."""
    if not content.strip() or (opening == "$" and (content[0].isspace() or "\n" in content)):
        return False
    return (_TELLING_IN_DOLLARS if "$" in opening else _TELLING).search(content) is not None


def _opening(text: str, at: int) -> str:
    return text[at : at + 2] if text[at] == "\\" or text.startswith("$$", at) else "$"
