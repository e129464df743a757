"""Growing text settles into the same HTML, however it came in pieces."""

import asyncio
import itertools
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import strategies as st

from sessions.events import PartialText
from sessions.model import GrowingKind, SessionId, TurnId
from texts.markdown_html import MarkdownHtml
from texts.unseen import as_seen
from web.live.frames import Change, Grow, Remove, Settle
from web.live.growing import GrowingText
from web.rendering import Renderer

_ANSWER = (
    """# Answer

Some *words*, and a list:

- one
- two

  with a second paragraph
- three

```python
def empty_lines():

    return "in a fence"
```

| a | b |
|---|--:|
| 1 | 2 |

> a quote

1. first
2. second

Setext
======

The end, with `code` and [a link](https://example.org).
"""
    * 6
)


@pytest.mark.parametrize("size", [7, 4_000])
async def test_growing_text_settles_into_the_same_html(size: int) -> None:
    """In pieces of any size, the settled parts together are the HTML of the whole."""
    renderer = Renderer()
    growing = GrowingText(renderer)
    html, tail, wire = "", "", 0
    for start in range(0, len(_ANSWER), size):
        growing.take(
            PartialText(
                SessionId("s"), 1, TurnId("t"), "0", GrowingKind.TEXT, start, _ANSWER[start : start + size]
            )
        )
        for change in await growing.changes():
            match change:
                case Grow():
                    tail = change.text if change.fresh else tail + change.text
                    wire += len(change.text)
                case Settle():
                    html, tail = html + change.html, change.tail
                    wire += len(change.html)
                case _:
                    pytest.fail(str(change))
        # A tab that joins now has the same.
        assert _joined(growing.whole()) == (html, tail)
    assert html + await renderer.markdown(tail) == await renderer.markdown(_ANSWER)
    assert html or size > len(_ANSWER)
    assert wire < 8 * len(_ANSWER)
    renderer.close()


# A definition of a link after its use is left out: it changes what is settled, until the block is whole.
_PARTS = (
    "para\nline", "# head", "- a\n- b", "- a\n  - b\n    1. c\n\n      more",
    "1. x\n\n   ```py\n   y = 1\n\n   ```", "> quote\nlazy", "> ```py\n> x = 1\n>\n> ```\n> > deep",
    "```js\nlet a\n\n\n", "```", "~~~\nx\n~~~", "``` `", "`", "| a | b |\n|---|--:|\n| `c` | d |", "| a |",
    "|---|", "<div onclick=x>\n\nhtml</div>", "<!-- c\n\n-->", "Setext\n===", "    indented\n\n    code",
    "---", "***", "[ref]: https://example.org 'a'", "a  \nb\\\nc", "&amp;", "<https://a.example>",
    "* * *\n* a\n+ b", "  ", "\t- tab", "2) x\n10) y", "**open", "<script>\n\nx\n\n</script>", "- ",
    "-\n\n  x", ">", "\u2028x", "a\r\nb", "\x0cx", "\u65e5\u672c\u8a9e", "\U0001f469\u200d\U0001f467",
)  # fmt: skip


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    st.lists(st.tuples(st.sampled_from(_PARTS), st.integers(1, 3)), min_size=1, max_size=9),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_any_blocks_in_any_pieces_settle_into_the_same_html(
    parts: list[tuple[str, int]], sizes: list[int]
) -> None:
    text = "".join(part + "\n" * ends for part, ends in parts)
    assert asyncio.run(_grown(text, itertools.cycle(sizes))) == MarkdownHtml().render(as_seen(text))


async def _grown(text: str, sizes: Iterator[int]) -> str:
    """Return the HTML of `text` after it grew in pieces of these sizes: the settled part and the rest."""
    renderer, html, tail, start = Renderer(), "", "", 0
    growing = GrowingText(renderer)
    while start < len(text):
        added = text[start : start + next(sizes)]
        growing.take(PartialText(SessionId("s"), 1, TurnId("t"), "0", GrowingKind.TEXT, start, added))
        start += len(added)
        for change in await growing.changes():
            match change:
                case Grow():
                    tail = change.text if change.fresh else tail + change.text
                case Settle():
                    html, tail = html + change.html, change.tail
                case _:
                    pytest.fail(str(change))
    html += await renderer.markdown(tail)
    renderer.close()
    return html


def _joined(changes: list[Change]) -> tuple[str, str]:
    """Return the settled HTML and the tail that these changes make."""
    match changes:
        case [Grow(text=text, fresh=True)]:
            return "", text
        case [Grow(fresh=True), Settle(html=html, tail=tail)]:
            return html, tail
    pytest.fail(str(changes))


async def test_text_that_is_repeated_or_void_begins_anew() -> None:
    renderer = Renderer()
    growing = GrowingText(renderer)

    def piece(start: int, added: str, *, void: bool = False) -> list[Change]:
        return growing.take(
            PartialText(SessionId("s"), 1, TurnId("t"), "0", GrowingKind.TEXT, start, added, void)
        )

    piece(0, "one")
    await growing.changes()
    piece(3, " two")
    assert await growing.changes() == [Grow("g-t-0", "bs-t", "text", " two")]
    piece(0, "one two three")
    assert await growing.changes() == [Grow("g-t-0", "bs-t", "text", "one two three", fresh=True)]
    assert piece(0, "", void=True) == [Remove("g-t-0")]
    assert await growing.changes() == []
    renderer.close()


async def test_a_text_that_two_pages_render_at_once_counts_once_in_the_cache() -> None:
    renderer, text = Renderer(), _ANSWER * 2
    first, second = await asyncio.gather(renderer.markdown(text), renderer.markdown(text))
    renderer.close()
    assert renderer._held == len(first) == len(second)
