"""Write a piece of text for Discord: as text without marks, as code, as italic, as a link.

The kind of the piece is known here; `inline` finds the pieces.
"""

import re

from bot.markdown import links
from bot.markdown.marks import ATOM, CODE, CODE2, STAR, UNDERSCORE, apart, closing, plain
from bot.markdown.references import USE_IN_MARKED, Target, normal

# A colon only if an emoji's name follows it: times and places in files stay easy to copy.
_SIGNS = re.compile(r"[\\*_~|`\[\]<>#:](?:(?<!:)|(?=[\w+\-]{1,64}:))")
_FENCE_LIKE = re.compile("`{3,}")
_TICKS = re.compile("`+")
_ITALIC = re.compile(
    f"([{STAR}{UNDERSCORE}])([^{STAR}{UNDERSCORE}{closing(STAR)}{closing(UNDERSCORE)}]*)"
    f"[{closing(STAR)}{closing(UNDERSCORE)}]"
)


def escaped(text: str) -> str:
    """Return `text` with every sign escaped that could be a mark, so that Discord shows it unchanged."""
    return _SIGNS.sub(r"\\\g<0>", text)


def code_span(content: str) -> str:
    """Return a code span that Discord shows as `content`. Parts three backticks, which would open a fence."""
    content = _FENCE_LIKE.sub(lambda run: "\u200b".join(run[0]), content.replace("\n", " "))
    runs = {len(run[0]) for run in _TICKS.finditer(content)}
    # Discord escapes nothing in code, and knows marks of one and of two backticks.
    if {1, 2} <= runs:
        content = content.replace("``", "`\u200b`")
    mark = CODE2 if 1 in runs else CODE
    pad_left, pad_right = " " * content.startswith("`"), " " * content.endswith("`")
    return f"{mark}{pad_left}{content}{pad_right}{closing(mark)}"


def atom(text: str) -> str:
    """Return `text` as an atom: a piece that is not cut in two."""
    return f"{ATOM}{text}{closing(ATOM)}"


def link(label: str, leads: links.Masked) -> str:
    """Return a link with the rendered `label`. A misleading label is written beside its visible target."""
    # Anything else is shown with its target, so that nobody follows a link to another place than it says.
    if leads.is_honest():
        return atom(f"[{label}]({leads.target}{leads.title})")
    if leads.is_address() and not leads.label.strip():
        # In brackets: Discord would read a letter right behind the address as a part of it.
        return atom(f"<{leads.target.strip('<>')}>") + leads.title
    target = atom(leads.target) if leads.is_address() else escaped(leads.target)
    if not leads.label.strip() or leads.label.strip("`") == leads.target:
        return target + leads.title
    return f"{label} ({target}{leads.title})"


def resolved(marked: str, name: str, target: Target) -> str:
    """Return `marked` with the uses of the reference `name` as links."""

    def linked(use: re.Match[str]) -> str:
        label = plain(use[1])
        if normal(plain(use[2] or "") or label) != name:
            return use[0]
        return link(use[1], links.Masked(label, target.address, target.title, 0))

    return USE_IN_MARKED.sub(linked, marked) if ATOM in marked else marked


def unmistakable(marked: str) -> str:
    """Return `marked` with `*` for italics that contain `_`, and `_` for those that contain `*`.

    Discord ends italics at the first such sign, even inside code. Italics that contain both become plain text.
    """
    return _ITALIC.sub(_with_other_sign, marked) if STAR in marked or UNDERSCORE in marked else marked


def _with_other_sign(italic: re.Match[str]) -> str:
    mark, inner = italic[1], italic[2]
    if ("*" if mark == STAR else "_") not in inner:
        return italic[0]
    if "*" not in inner:
        return STAR + inner + closing(STAR)
    if "_" not in inner:
        return UNDERSCORE + inner + apart(inner[-1:]) + closing(UNDERSCORE)
    return inner
