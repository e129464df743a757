"""Recognise links, mentions and addresses in a text, complete ones and beginnings of them.

Leaves their spelling for Discord to `inline`.
"""

import re

import msgspec
from msgspec.structs import replace

from bot.markdown.tags import decoded
from texts.hosts import names_another_host

# All spans are bounded: a bracket that never closes must not hold back what follows.
_TARGET = 900  # most characters of a target
_LABEL = r"(?:[^\[\]\\\n]|\\[^\n]|\[[^\[\]\n]{0,300}\]){0,300}+"  # a longer bracket is text
_MASKED = re.compile(
    rf"!?\[(?P<label>{_LABEL})\]"
    rf"\([ \t]{{0,3}}(?P<target><[^<>\n]{{0,{_TARGET}}}>|(?:[^\s()<>]|\([^\s()]{{0,200}}\)){{0,{_TARGET}}}+)"
    r"(?P<title>[ \t]{1,3}(?:\"[^\"\n]{0,300}\"|'[^'\n]{0,300}'))?[ \t]{0,3}\)"
)
_MASKED_BEGUN = re.compile(
    rf"!?\[{_LABEL}(?:\\|\[[^\[\]\n]{{0,300}})?\Z"  # in the label
    rf"|!?\[{_LABEL}\](?:\([^\n]*)?\Z"
)
_LONGEST = 1200  # most characters of a whole link
_ANGLE = re.compile(
    r"<(?:https?://[^\s<>]{1,900}|@[!&]?\d{1,20}|#\d{1,20}|a?:\w{1,32}:\d{1,20}|t:-?\d{1,13}(?::[tTdDfFRsS])?"
    r"|/[^\n<>:]{1,100}:\d{1,20}|id:\w{1,20})>"
)
_ANGLE_BEGUN = re.compile(
    r"<(?:h(?:t(?:t(?:p(?:s?(?::(?:/(?:/[^\s<>]{0,900})?)?)?)?)?)?)?"
    r"|@[!&]?\d{0,20}|#\d{0,20}|a?(?::\w{0,32}(?::\d{0,20})?)?"
    r"|t?(?::-?\d{0,13}(?::[tTdDfFRsS]?)?)?|/[^\n<>:]{0,100}(?::\d{0,20})?|i?d?(?::\w{0,20})?)?\Z"
)
# Nobody sets a space before the stops and brackets of scripts without spaces, nor before a double mark.
_ENDS = r"\*\*|~~|\|\||[\u3001\u3002\u3008-\u3011\u3014-\u301f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\u2018-\u201d\u2026]"  # noqa: E501 (one pattern)
_ADDRESS = re.compile(rf"https?://(?:(?!{_ENDS})[^\s<>`\u0000-\u001f]){{0,900}}")
_READ_ON = re.compile(rf"(?={_ENDS})[*~|]{{0,20}}[^\s<*~|]")
_TRAILING = "*_~|.,:;\"')]!?\\"


class Masked(msgspec.Struct, frozen=True):
    """`[label](target "title")` or an image; `end` is the place after it."""

    label: str
    target: str
    title: str
    end: int

    def without_image(self) -> "Masked":
        """Return the link. If its label is a picture (a badge), the picture's words become the label."""
        image = _MASKED.fullmatch(self.label) if self.label.startswith("![") else None
        return replace(self, label=image["label"] or "image") if image is not None else self

    def is_address(self) -> bool:
        """Say whether Discord makes the target clickable."""
        return re.match(r"<?https?://[^\s]", self.target) is not None

    def is_honest(self) -> bool:
        """Say whether Discord shows it as a link, and its label does not name another host."""
        if not self.is_address() or not self.label.strip():
            return False
        # Claude may repeat text of a hostile page: readers must see where a link leads.
        return not names_another_host(self.label, self.target.strip("<>"))


def masked_at(text: str, at: int) -> Masked | None:
    """Return the masked link or image that begins at `at`."""
    found = _MASKED.match(text, at, at + _LONGEST)
    if found is None:
        return None
    # A target in angle brackets may have spaces, but an address has none.
    target = decoded(found["target"]).strip().replace(" ", "%20")
    return Masked(found["label"], target, found["title"] or "", found.end())


def may_become_masked(text: str, at: int) -> bool:
    """Say whether further text could turn the text from `at` on into a masked link."""
    return len(text) - at < _LONGEST and _MASKED_BEGUN.match(text, at) is not None


def angle_at(text: str, at: int) -> str:
    """Return the mention, emoji, time, or address in angle brackets that begins at `at`; "" for none."""
    found = _ANGLE.match(text, at)
    return found[0] if found else ""


def may_become_angle(text: str, at: int) -> bool:
    """Say whether further text could turn the text from `at` on into a mention."""
    return len(text) - at <= 920 and _ANGLE_BEGUN.match(text, at) is not None


def read_on(text: str, end: int) -> int:
    """Return how many characters show that Discord reads on behind the address ending at `end`; 0 if not."""
    found = _READ_ON.match(text, end)
    return len(found[0]) if found is not None and found[0][-1] not in _TRAILING else 0


def address_at(text: str, at: int) -> str:
    """Return the bare address that begins at `at`, without the signs that end its sentence."""
    found = _ADDRESS.match(text, at)
    address = found[0] if found else text[at : at + 8]
    return address.rstrip(_TRAILING) or address
