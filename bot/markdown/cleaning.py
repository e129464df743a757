"""Remove terminal escapes, control characters, lone surrogates and invisible characters from a text.

Answers for text that arrives in pieces cut anywhere: the result is the same for every way of cutting.
Leaves all visible text alone, combining marks and joiners included.
"""

import re

from texts.unseen import SELECTORS, UNSEEN, without_unseen

# Bounded: an escape sequence that never ends must not hold back all later text.
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\n\r]{0,512}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]{1,4}[0-~]|\x1b[0-OQ-WYZ\\`-~]"
)
_BEGUN = re.compile(
    r"(?:\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|[\]PX^_][^\x07\x1b\n\r]{0,512}\x1b?|[ -/]{0,4})?|\r|[\ud800-\udbff]"
    r"|(?:\U0001f3f4|\ud83c\udff4)(?:[\U000e0020-\U000e007e]|\udb40[\udc20-\udc7e]){0,16}\udb40?)\Z"
)
_HOLDABLE = 700  # characters; longer than anything that `_BEGUN` matches
_UNWANTED = re.compile(
    f"[{UNSEEN}\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]|[{SELECTORS}]{{2}}"
)
_SELECTOR = re.compile(f"[{SELECTORS}]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_NONE = re.compile(r"[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_REPLACEMENT = "\ufffd"


def clean(text: str) -> str:
    """Return `text` with line ends as `\\n`, surrogate pairs put together.

    Terminal escapes, control characters and invisible characters are left out.

    Lone surrogates and Unicode's noncharacters become U+FFFD; a tab stays.
    """
    if _UNWANTED.search(text) is None:
        return text
    # JSON may spell a character as two halves, and a piece may end between them.
    text = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = without_unseen(_CONTROL.sub("", _SEQUENCE.sub("", text)))
    return _NONE.sub(_REPLACEMENT, text)


class Cleaner:
    """`clean` for a text in pieces. Holds back an end that may be the start of a sequence."""

    def __init__(self) -> None:
        self._held = ""
        self._last = ""

    def feed(self, piece: str) -> str:
        """Return the held-back text and `piece`, cleaned, without an end that the next piece may change."""
        text = self._held + piece
        self._held = ""
        # Only at the end: a search from the beginning would read all of a long text at each piece.
        begun = _BEGUN.search(text, max(0, len(text) - _HOLDABLE))
        if begun is not None:
            self._held = text[begun.start() :]
            text = text[: begun.start()]
        return self._following(clean(text))

    def finish(self) -> str:
        """Return the text held back, cleaned; no further piece may follow."""
        held, self._held = self._held, ""
        return self._following(clean(held))

    def _following(self, text: str) -> str:
        """Return cleaned text as it follows what was returned before."""
        # `clean` leaves one selector of several. Only the first of a piece may follow one of the piece before.
        if _SELECTOR.match(self._last) and _SELECTOR.match(text):
            text = text[1:]
        self._last = text[-1:] or self._last
        return text
