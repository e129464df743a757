"""Formulas in a text, between dollars or behind backslashes. Discord cannot show them, so they become code.

Answers for recognising one. A formula between dollars needs a sign that prices do not have.
"""

import re

SPAN = 300
"""Most characters of a formula inside a paragraph."""
_PAIRS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_TELLING = re.compile(r"\\[A-Za-z]|[\^_=<>+*/|{}-]|\A\s*[A-Za-z]'?\s*\Z")
_TELLING_IN_BRACKETS = re.compile(r"\\[A-Za-z]|[\^_=<>+*{}]")  # `\[x\]` is a check box, `\[a-b\]` a name
_TELLING_IN_DOLLARS = re.compile(r"\\[A-Za-z]|[\^_][{\w\\(*+]|\A[A-Za-z]'?\Z|[A-Za-z0-9)]\s?[=<>]\s?[\w\\(-]")


def formula_end(text: str, at: int) -> int:
    """Return the place after the formula that begins at `at`; -1 for none."""
    opening = _opening(text, at)
    close = _PAIRS[opening]
    start = at + len(opening)
    end = text.find(close, start, at + SPAN)
    if end < 0 or not is_telling(opening, text[start:end]):
        return -1
    # `from $5 to $6` are prices.
    if opening == "$" and (text[end - 1].isspace() or text[end + 1 : end + 2].isdecimal()):
        return -1
    return end + len(close)


def may_become_formula(text: str, at: int) -> bool:
    """Say whether further text could turn the text from `at` on into a formula."""
    opening = _opening(text, at)
    begun = text[at + len(opening) :]
    return len(text) - at < SPAN and _PAIRS[opening] not in begun and "\n\n" not in begun


def begins_one(text: str, at: int) -> bool:
    """Say whether the text from `at` on is certainly a formula, though its end is not there yet."""
    opening = _opening(text, at)
    return is_telling(opening, text[at + len(opening) :])


def is_telling(opening: str, content: str) -> bool:
    """Say whether `content` has signs of a formula, which prices and bracketed text do not have."""
    if not content.strip() or (opening == "$" and (content[0].isspace() or "\n" in content)):
        return False
    telling = _TELLING_IN_BRACKETS if opening == "\\[" else _TELLING
    return (_TELLING_IN_DOLLARS if "$" in opening else telling).search(content) is not None


def _opening(text: str, at: int) -> str:
    return text[at : at + 2] if text[at] == "\\" or text.startswith("$$", at) else "$"
