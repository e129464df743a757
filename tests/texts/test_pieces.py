"""A long text in pieces: nothing is lost, no piece is too long, and fences stay fences."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from texts.markdown_html import MarkdownHtml
from texts.pieces import pieces_of

_LINES = st.sampled_from(
    ["words in a line", "", "```python", "```", "~~~~", "- item", "    code", "x" * 70, "``` a"]
)


@given(st.lists(_LINES, max_size=60).map("\n".join), st.integers(100, 300))
@settings(max_examples=150, deadline=None)
def test_pieces_hold_every_line_once_and_are_short(text: str, most: int) -> None:
    pieces = list(pieces_of(text, most))
    assert all(len(piece) <= most + 2 * 80 for piece in pieces)
    plain = list(pieces_of(text, most, is_markdown=False))
    assert "".join(plain) == text
    words = re.compile(r"words in a line|x+|- item|    code")
    assert words.findall("\n".join(pieces)) == words.findall(text)


def test_code_that_is_cut_stays_code() -> None:
    text = "Before.\n\n```python\n" + "x = 1  # a line\n" * 40 + "```\n\nAfter *it*."
    html = MarkdownHtml()
    shown = [html.render(piece) for piece in pieces_of(text, 200)]
    assert len(shown) > 3
    assert all("<pre" in each for each in shown[:-1])
    assert "<em>it</em>" in shown[-1]


def test_a_piece_ends_between_paragraphs_if_it_can() -> None:
    text = "\n\n".join(f"paragraph {number} " + "word " * 8 for number in range(30))
    assert all(piece.startswith("paragraph") for piece in pieces_of(text, 300))
