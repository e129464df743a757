"""Invisible characters that make a text look like another one: they reverse its direction or hide in it.

This is the only list, for all faces and for exports. Joiners and variation selectors are not in it: scripts and
emoji need them. But of several selectors behind one picture or letter only the first has a meaning; whole
sentences hide in the others.
"""

import re

UNSEEN = (
    "\u00ad\u034f\u180e\u200b\u2060-\u2064\ufeff"  # no width: soft hyphen, separators, joiners of words
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters without a picture: names and words of nothing
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction (Unicode TR 36)
    "\u2065\u206a-\u206f\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # obsolete formatting
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"  # tags, in which whole sentences hide, and no signs at all
)
"""A class of characters, without its brackets, for regular expressions."""
FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
"""The flag of a part of a country, as Wales: the one emoji that tags belong to, those of a short code."""
SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""A class of characters as `UNSEEN`: each chooses between two pictures of the character before it."""

_UNSEEN = re.compile(f"({FLAG})|[{UNSEEN}]")
_UNSEEN_OR_CONTROL = re.compile(f"({FLAG})|[{UNSEEN}\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TO_SPELL = re.compile(
    f"[{UNSEEN}\u2028\u2029\U000e0100-\U000e01ef\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]"
    f"|(?<=[{SELECTORS}])[{SELECTORS}]"
)
_FURTHER = re.compile(f"(?<=[{SELECTORS}])[{SELECTORS}]+")


def without_unseen(text: str) -> str:
    """Return `text` without invisible characters."""
    return text if text.isascii() else _FURTHER.sub("", _UNSEEN.sub(r"\1", text))


def as_seen(text: str) -> str:
    """Return `text` without invisible and control characters, with `\\n` as line end; for files to read."""
    text = _UNSEEN_OR_CONTROL.sub(r"\1", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text if text.isascii() else _FURTHER.sub("", text)


def spelled(text: str) -> str:
    """Return `text` with invisible characters spelled like `\\u202e`: for texts that somebody must approve."""
    return _TO_SPELL.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)
