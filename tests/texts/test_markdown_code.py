"""Code in Markdown stays code, whatever it is: read back by a parser of CommonMark."""

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from texts.markdown_code import code_span, fence_around

signs = st.text(st.sampled_from("`~ a\\\n<*"), max_size=12)


@example("``` \n# A heading")
@given(signs)
def test_no_text_ends_its_fence(text: str) -> None:
    fence = fence_around(text)
    (block,) = MarkdownIt().parse(f"{fence}\n{text}\n{fence}")
    assert (block.type, block.content) == ("fence", f"{text}\n")


@example("`make`")
@example("a ``b` c")
@given(signs.filter(lambda text: bool(text.strip())))
def test_a_span_shows_its_text_on_one_line(text: str) -> None:
    _, line, _ = MarkdownIt().parse(f"x {code_span(text)} x")
    assert line.children is not None
    _, span, _ = line.children
    assert (span.type, span.content) == ("code_inline", " ".join(text.splitlines()))


def test_an_empty_text_is_no_span() -> None:
    assert code_span("") == ""
