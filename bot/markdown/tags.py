"""Recognise HTML in Claude's Markdown: comments, entities, and tags for formatting.

Leaves its spelling for Discord to `inline`. Unknown tags are text: people write `Vec<T>` and `<App />`.
"""

import re

import msgspec

from bot.markdown.cleaning import clean

_LONGEST = 1_200  # most characters of a tag, a comment, or the content up to a closing tag
_TAG = re.compile(r"<(/?)([A-Za-z]{1,10})((?:\s[^<>]{0,900})?)/?>")
_TAG_BEGUN = re.compile(
    r"<(?:/?[A-Za-z]{0,10}|(?:a|img|br|details|p|div|span|font)\s[^<>]{0,900})\Z", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    r"([a-z-]{1,30})\s{0,3}=\s{0,3}(?:\"([^\"]{0,900})\"|'([^']{0,900})'|([^\s\"'>]{1,900}))"
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ENTITY_BEGUN = re.compile(r"&(?:#(?:[0-9]{0,7}|[xX][0-9A-Fa-f]{0,6})|[A-Za-z][A-Za-z0-9]{0,31})?\Z")
_RAISED = str.maketrans("0123456789+-=()niabcdefghjklmoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_LOWERED = str.maketrans("0123456789+-=()aeox", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓ")

CODE_TAGS = frozenset({"kbd", "code", "samp", "tt", "var"})
"""Tags whose content is shown as code."""
MARK_TAGS = {
    "b": "b", "strong": "b", "summary": "b", "i": "i", "em": "i", "s": "s", "del": "s", "strike": "s", "u": "u",
    "ins": "u", "mark": "u", "small": "u", "big": "u", "font": "u", "center": "u", "abbr": "u",
    "span": "u", "p": "u", "div": "u", "section": "u", "figure": "u", "figcaption": "u",
}  # fmt: skip
"""Tags for a mark, with the sign by which `emphasis` pairs them; `u` if Discord has no mark for the tag."""
_AROUND = CODE_TAGS | {"a", "sup", "sub"}
_KNOWN = _AROUND | MARK_TAGS.keys() | {"img", "br", "details"}


class Tag(msgspec.Struct, frozen=True):
    """A known tag; `end` is the place after it."""

    name: str
    closes: bool
    attributes: dict[str, str]
    end: int

    def has_content(self) -> bool:
        """Whether the tag is shown together with its content, up to its closing tag."""
        return not self.closes and self.name in _AROUND


def tag_at(text: str, at: int) -> Tag | None:
    """Return the known tag that begins at `at`."""
    found = _TAG.match(text, at)
    if found is None or found[2].lower() not in _KNOWN:
        return None
    attributes = {
        each[1]: decoded(each[2] or each[3] or each[4] or "") for each in _ATTRIBUTE.finditer(found[3])
    }
    return Tag(found[2].lower(), bool(found[1]), attributes, found.end())


def may_become_tag(text: str, at: int) -> bool:
    """Say whether further text could turn the text from `at` on into a tag or a comment."""
    if text.startswith("<!", at):
        return "<!--".startswith(text[at : at + 4]) and len(text) - at < _LONGEST
    return len(text) - at < _LONGEST and _TAG_BEGUN.match(text, at) is not None


def end_of_comment(text: str, at: int) -> int:
    """Return the place after the comment that begins at `at`; -1 for none."""
    if not text.startswith("<!--", at):
        return -1
    end = text.find("-->", at + 4, at + _LONGEST)
    return end + 3 if end >= 0 else -1


def closing_tag(text: str, at: int, name: str) -> int:
    """Return the place of the tag that closes `name`, if it is near enough after `at`; else -1."""
    # Not in `text.lower()`: some letters, such as `İ`, become two there, so that places differ.
    found = re.compile(f"</{name}>", re.IGNORECASE | re.ASCII).search(text, at, at + _LONGEST)
    return found.start() if found is not None else -1


def entity_at(text: str, at: int) -> tuple[str, int]:
    """Return the decoded entity at `at`, and the place after it; ("", at) for none."""
    found = _ENTITY.match(text, at)
    shown = _unescaped(found) if found else ""
    if found is None or shown == found[0]:
        return "", at
    return clean(shown).replace("\n", " "), found.end()


def open_code(tag: Tag, text: str) -> str:
    """Return the code that an open `tag` begins with `text`; empty if it is no tag of code."""
    if tag.name not in CODE_TAGS:
        return ""
    import html

    return clean(html.unescape(text)).strip()


def decoded(text: str) -> str:
    """Return `text` with its entities decoded."""
    return clean(_ENTITY.sub(_unescaped, text)) if "&" in text else text


def _unescaped(entity: re.Match[str]) -> str:
    import html  # its table of names takes 0.4 MB
    from html.entities import html5

    # `html.unescape` also decodes beginnings of names: `&notify;` would become `¬ify;`.
    is_known = entity[0][1] == "#" or entity[0][1:] in html5
    return html.unescape(entity[0]) if is_known else entity[0]


def may_become_entity(text: str, at: int) -> bool:
    """Say whether further text could turn the text from `at` on into an entity."""
    return _ENTITY_BEGUN.match(text, at) is not None


def raised(text: str) -> str:
    """Return `text` as a superscript: in Unicode's raised signs if all exist, else after a `^`."""
    shown = text.translate(_RAISED)
    return shown if _all_changed(text, shown) else f"^{text}" if len(text) == 1 else f"^({text})"


def lowered(text: str) -> str:
    """Return `text` as a subscript: in Unicode's lowered signs if all exist, else after a `_`."""
    shown = text.translate(_LOWERED)
    return shown if _all_changed(text, shown) else f"_{text}" if len(text) == 1 else f"_({text})"


def _all_changed(text: str, shown: str) -> bool:
    return all(one != other or one == " " for one, other in zip(text, shown, strict=True))
