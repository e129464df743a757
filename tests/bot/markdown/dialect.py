"""Discord's Markdown as a reader sees it, as far as it is known: what is left as text when all marks are
taken.

Written from how the client behaves, not from the code under test: rules are tried at each place, the
longest of the emphasis rules wins, and what no rule takes is text.
"""

import re
from collections.abc import Sequence

_FENCE = re.compile(r"```(?:([a-z0-9_+\-.#]+?)\n)?\n*([^\n][\s\S]*?)\n*```", re.IGNORECASE)
_TAKEN: Sequence[re.Pattern[str]] = (
    re.compile(r"\\([^0-9A-Za-z\s])"),
    re.compile(r"(`{1,20})([\s\S]*?[^`])\1(?!`)"),
    re.compile(r"<(?:@[!&]?\d+|#\d+|a?:\w+:\d+|t:-?\d+(?::\w)?|https?://[^\s>]+)>"),
    re.compile(r"\[((?:[^\[\]\\]|\\.|\[[^\]]*\])*)\]\((https?://(?:[^\s()]|\([^\s()]*\))*)(?: \"[^\"]*\")?\)"),
    re.compile(r"https?://[^\s<]+[^<.,:;\"')\]\s]"),
)
_NESTING = (
    (re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)"), 1),
    (re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)"), 0),
    (re.compile(r"_((?:__|\\[\s\S]|[^\\_])+?)_\b|\*(?=\S)((?:\*\*|\s+(?:[^*\s]|\*\*)|[^\s*])+?)\*(?!\*)"), 2),
    (re.compile(r"~~([\s\S]+?)~~(?!_)"), 0),
    (re.compile(r"\|\|([\s\S]+?)\|\|"), 0),
)
_TEXT = re.compile(r"[0-9A-Za-z\u00c0-\uffff]+(?:_[0-9A-Za-z]+)*|[\s\S]")


def left_over(body: str) -> str:
    """Return what Discord shows of `body` as plain text, code and links left out."""
    assert len(body) <= 2_000, "longer than a post: Discord's rules take time by its square"
    text, at = "", 0
    for fence in _FENCE.finditer(body):
        text += _inline(body[at : fence.start()]) + " "
        at = fence.end()
    return text + _inline(body[at:])


def loose_marks(body: str) -> Sequence[str]:
    """Return the marks that a reader would see as such: they belong to nothing, and nobody escaped them."""
    return re.findall(r"```|`|\*\*|(?<=\S)\*|\*(?=\S)|~~|\|\||__|\]\(", left_over(body))


def _inline(text: str) -> str:
    shown, at = "", 0
    while at < len(text):
        for rule in _TAKEN:
            if found := rule.match(text, at):
                shown += "\u2022"
                at = found.end()
                break
        else:
            nested = [
                (found.end() + bonus / 10, found) for rule, bonus in _NESTING if (found := rule.match(text, at))
            ]
            if nested:
                best = max(nested, key=lambda pair: pair[0])[1]
                shown += f" {_inline(best[best.lastindex or 1])} "
                at = best.end()
            elif plain := _TEXT.match(text, at):
                shown += plain[0]
                at = plain.end()
    return shown
