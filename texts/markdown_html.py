"""Claude's Markdown as HTML that is safe to show: the one renderer of exports and of the web face.

Raw HTML in Markdown comes out as text, images are not loaded, and a link whose label names another host shows
the host that it leads to.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from texts.hosts import host_of, names_another_host

_SCHEME = re.compile(r"([^/?#]*?):")
_SCHEMES = frozenset({"http", "https", "mailto"})


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 (the library's name)
        """Whether an address leads to the web: it is relative, or of a scheme that is allowed.

        Other schemes open programs on the reader's machine (vscode:, ms-msdt:) or hold content (data:).
        """
        scheme = _SCHEME.match(url.strip())
        return scheme is None or scheme[1].lower() in _SCHEMES


class MarkdownHtml:
    """Renders Markdown (CommonMark with tables) as HTML. Not to be shared between threads."""

    def __init__(self) -> None:
        options = {"html": False, "linkify": False, "highlight": highlighted}
        self._parser = _Parser("commonmark", options)
        self._parser.enable("table")
        # An image would be loaded from the reader's machine: an address with a secret in it would leak it.
        self._parser.disable("image")
        self._parser.core.ruler.push("hosts", _show_hidden_hosts)
        self._parser.add_render_rule("link_open", _link_open)
        self._parser.core.ruler.push("columns", _align_by_class)

    def render(self, text: str) -> str:
        """Return `text` as HTML. Takes about 2 ms for each 1,000 characters."""
        return str(self._parser.render(text))

    def settled(self, text: str) -> int:
        """Return the number of characters of `text` that later text cannot change any more.

        They are its top-level blocks but the last. An added line can still change the last block: continue its
        paragraph, underline it as a heading, or close its fence.
        """
        # A line that still grows may look like the beginning of another block: ``` before its text comes.
        text = text[: text.rfind("\n") + 1]
        tops = [token for token in self._parser.parse(text) if token.level == 0 and token.map]
        # A definition of a link changes blocks elsewhere, so a text with one is settled only at its end.
        if len(tops) < 2 or "]:" in text:
            return 0
        begin = (tops[-1].map or [0])[0]
        return sum(len(line) + 1 for line in text.split("\n")[:begin])


def highlighted(code: str, language: str, _attributes: str = "") -> str:
    """Return `code` as one `<pre class="code">`, with a `<span>` for each token if `language` is known."""
    # Loaded with the first code: most starts of a face show none.
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language or "text")
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return f'<pre class="code">{highlight(code, lexer, HtmlFormatter(nowrap=True))}</pre>'


def code_colours() -> str:
    """Return the style sheet for the spans of `highlighted`."""
    from pygments.formatters import HtmlFormatter

    return str(HtmlFormatter().get_style_defs(".code"))  # type: ignore[no-untyped-call]  # the stubs leave it out


def _link_open(
    renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    # The page behind the link learns nothing of the page that it stood on.
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return renderer.renderToken(tokens, index, options, env)


def _align_by_class(state: StateCore) -> None:
    """Name a column's alignment as a class: a strict Content-Security-Policy blocks style attributes."""
    for token in state.tokens:
        style = str((token.attrs or {}).get("style", ""))
        if token.type in ("td_open", "th_open") and style.startswith("text-align:"):
            del token.attrs["style"]
            token.attrSet("class", style.removeprefix("text-align:"))


def _show_hidden_hosts(state: StateCore) -> None:
    """Add the host of a link after its label if the label names another host."""
    for token in state.tokens:
        shown: list[Token] = []
        opened = 0
        for child in token.children or ():
            shown.append(child)
            if child.type == "link_open":
                opened = len(shown)
            elif child.type == "link_close" and shown[opened - 1].type == "link_open":
                address = str(shown[opened - 1].attrs.get("href", ""))
                label = "".join(each.content for each in shown[opened:])
                if names_another_host(label, address):
                    shown.append(Token("text", "", 0, content=f" ({host_of(address) or address})"))
        if token.children:
            token.children = shown
