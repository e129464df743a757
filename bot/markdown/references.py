"""Links by reference: `[label][name]`, `[name][]`, `[name]`, and the lines that define their targets.

Most answers name the target below the text that uses it. So a use is kept as an atom, and is rewritten when the
target is read, unless its post is sealed by then. Without a target, the use stays as it was written.
"""

import re

import msgspec

from bot.markdown.marks import ATOM, closing

_NAME = r"(?:[^\[\]\\\n]|\\[^\n]){1,100}+"
# A name with `^` is a footnote's.
_DEFINITION = re.compile(
    rf" {{0,3}}\[(?P<name>(?!\^){_NAME})\]:[ \t]{{0,20}}(?P<target><[^<>\n]{{1,900}}>|[^\s<]\S{{0,900}})"
    r"(?:[ \t]{1,20}(?P<title>\"[^\"\n]{0,300}\"|'[^'\n]{0,300}'|\([^()\n]{0,300}\)))?[ \t]{0,20}\Z"
)
# Not before `(` or `[`: that is a link, or the label of another use.
_USE = re.compile(rf"\[(?P<label>(?!\^){_NAME})\](?:\[(?P<name>(?:{_NAME})?)\])?(?![(\[])")
_USE_BEGUN = re.compile(rf"\[(?!\^){_NAME}\]\[(?:{_NAME})?\Z")
USE_IN_MARKED = re.compile(
    f"{ATOM}!?\\[([^{ATOM}{closing(ATOM)}]*?)\\](?:\\[([^{ATOM}{closing(ATOM)}]*?)\\])?{closing(ATOM)}"
)
"""A use in marked text: its label, and its name if that differs."""


class Target(msgspec.Struct, frozen=True):
    """The target of a reference; `title` is as in `links.Masked`."""

    address: str
    title: str


class Use(msgspec.Struct, frozen=True):
    """A use of a reference. `written` is its second bracket, if it has one; `end` is the place after it."""

    label: str
    name: str
    written: str | None
    end: int


def definition(line: str) -> tuple[str, Target] | None:
    """Return the name and the target that `line` defines."""
    found = _DEFINITION.match(line) if "]:" in line else None
    if found is None:
        return None
    title = f" {found['title']}" if found["title"] and found["title"][0] in "\"'" else ""
    return normal(found["name"]), Target(found["target"], title)


def use_at(text: str, at: int) -> Use | None:
    """Return the use of a reference that may begin at `at`."""
    found = _USE.match(text, at)
    if found is None:
        return None
    return Use(found["label"], normal(found["name"] or found["label"]), found["name"], found.end())


def may_become_use(text: str, at: int) -> bool:
    """Say whether further text could turn the text from `at` on into a use with two brackets."""
    return _USE_BEGUN.match(text, at) is not None


def normal(name: str) -> str:
    """Return `name` normalised, for comparing names."""
    return " ".join(name.split()).casefold()


def is_used(body: str, name: str) -> bool:
    """Say whether the text of a post shows a use of the reference `name`."""
    # With an address behind it, a label is a link that needs no definition any more.
    marked = body.casefold().replace("](", "]\0")
    # Bodies are escaped, names are not.
    pieces = marked.replace("\\", "").split(f"[{name}]")
    return any(not after.startswith("\0") for after in pieces[1:])
