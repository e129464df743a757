"""Properties of the posts of any answer, whole and growing."""

import re
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.markdown.answer import (
    AnswerSplitter,
    fitted,
    split_answer,
)
from bot.markdown.cleaning import clean
from tests.bot.markdown.dialect import loose_marks
from tests.bot.markdown.samples import anything, put_together, well_formed, without_space
from tests.growing_cost import LINEAR, cost_of_twice, times_as_long

often = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
limits = st.sampled_from([100, 300, 1900])


def bodies_of(splitter: AnswerSplitter, *, finished: bool) -> list[str]:
    return [post.body for post in splitter.posts(finished=finished)]


@often
@given(anything, limits, st.data())
def test_a_sealed_post_never_changes_and_pieces_do_not_matter(
    text: str, limit: int, data: st.DataObject
) -> None:
    final = split_answer(text, finished=True, limit=limit)
    splitter = AnswerSplitter(limit=limit)
    at = 0
    while at < len(text):
        size = data.draw(st.integers(1, 60) if len(text) < 600 else st.integers(20, 900))
        splitter.feed(text[at : at + size])
        at += size
        bodies = bodies_of(splitter, finished=False)
        assert tuple(bodies) == split_answer(text[:at], finished=False, limit=limit)
        assert tuple(bodies[:-1]) == final[: max(len(bodies) - 1, 0)]
    assert tuple(bodies_of(splitter, finished=True)) == final


def test_what_closes_late_is_the_same_in_small_pieces() -> None:
    text = f"A **{'bold ' * 60}end** and `{'code ' * 60}` and ***x y* z** [{'a ' * 50}](https://x.y) end. " * 3
    final = split_answer(text, finished=True, limit=300)
    splitter = AnswerSplitter(limit=300)
    for char in text:
        splitter.feed(char)
        splitter.posts()
    assert tuple(bodies_of(splitter, finished=True)) == final


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("word " * 20 + "`" * 400 + "code " * 240 + "`" * 400, 1900, 1800),
        ("_" + "word " * 230 + "w" + "_" * 100 + " end", 1900, 1240),
        ("_" + "word " * 238 + "` w_ " + "tail " * 10, 1900, 1215),
        (" # A heading", 1900, 5),
        (" 1. ````" + "word " * 390 + " " * 50, 1900, 2002),
        ("word" * 5 + " " * 490 + "end", 500, 505),
        ("> " + "word" * 5 + " " * 490 + "end", 500, 508),
        ("a | b\n--- | ---\n" + "long " * 60 + "| row\nc | d\n", 1900, 300),
        ("a | b\n--- | ---\n> " + "long " * 399 + "| row\nc | d\n", 1900, 2019),
    ],
    ids=[
        "code",
        "emphasis",
        "emphasis around half code",
        "heading",
        "fence in an item",
        "space",
        "quoted space",
        "row of a table without pipes at its sides",
        "line that is too long for a row",
    ],
)
def test_what_was_shown_at_a_bad_moment_is_the_same_in_the_end(text: str, limit: int, cut: int) -> None:
    splitter = AnswerSplitter(limit=limit)
    splitter.feed(text[:cut])
    splitter.posts()
    splitter.feed(text[cut:])
    assert tuple(bodies_of(splitter, finished=True)) == split_answer(text, finished=True, limit=limit)


@pytest.mark.parametrize("before", ["- ", "> ", "1. ", "- item\n  - inner\n    - ", "> - "])
@pytest.mark.parametrize("address", ["https://e.org/{}", "[label](https://e.org/{})", "<https://e.org/{}>"])
def test_an_address_longer_than_a_post_is_cut_behind_the_sign_of_a_list_or_quote(
    before: str, address: str
) -> None:
    text = before + address.format("0123456789" * 85) + " and on"
    bodies = split_answer(text, finished=True, limit=400)
    assert all(len(body) <= 400 for body in bodies)
    assert "0123456789" * 85 in re.sub(r"[\s>-]", "", "".join(bodies))
    assert bodies[-1].endswith("and on")


@often
@given(anything, limits, st.floats(0, 1))
def test_every_body_can_be_posted(text: str, limit: int, part: float) -> None:
    growing = split_answer(text[: int(len(text) * part)], finished=False, limit=limit)
    for body in (*growing, *split_answer(text, finished=True, limit=limit)):
        assert 0 < len(body) <= limit
        assert body == body.strip()
        assert body.count("```") % 2 == 0
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]", body)
        body.encode()


@often
@example(
    f"{'plain ' * 7}[l](https://x.y)\n[r]: https://r.example/x\nplain <t:17:R> [l](https://x.y)\n"
    "- > [!TIP] a\n\n[r]: https://r.example/x"
)
@given(anything)
def test_posts_put_together_give_the_same_text_wherever_they_are_cut(text: str) -> None:
    def whole(limit: int) -> str:
        splitter = AnswerSplitter(limit=limit)
        splitter.feed(text)
        return without_space(put_together(splitter.posts(finished=True)))

    assert whole(150) == whole(400) == whole(1900)


@often
@given(well_formed, st.sampled_from([120, 1900]), st.floats(0, 1))
def test_no_mark_is_loose_at_any_cut(text: str, limit: int, part: float) -> None:
    for body in split_answer(text[: int(len(text) * part)], finished=False, limit=limit):
        assert not loose_marks(body), body
    for body in split_answer(text, finished=True, limit=limit):
        assert not loose_marks(body), body


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("_a `b _ c` d_", "*a `b _ c` d*"),
        ("*a `b*c` d*", "_a `b*c` d_"),
        ("*a `b * _ c` d*", "a `b * _ c` d"),
        ("_a b_c d_", "*a b_c d*"),
    ],
)
def test_what_is_italic_has_the_sign_that_is_not_in_it(text: str, shown: str) -> None:
    (body,) = split_answer(text, finished=True)
    assert body == shown
    assert not loose_marks(body)


@often
@given(anything, limits)
def test_no_letter_is_lost(text: str, limit: int) -> None:
    """Formatting may change; letters and digits stay, in order (a table's records repeat its head).

    Without what is shown in other letters: entities, tags, comments, references, alerts.
    """
    lines = [
        re.sub(r"&\w+;?|</?\w*|<!-*|\[r\]|\[!", "", line)
        for line in re.split(r"[\r\n]", text)
        if not re.search(r"\||\[[xX]\]|r\]:|\$\$|\\\[|\\(?:begin|end)\{", line)
        and not any(has_a_note(line, run) for run in ("```", "~~~"))
    ]
    text = clean("\n".join(lines))
    splitter = AnswerSplitter(limit=limit)
    splitter.feed(text)
    made = put_together(splitter.posts(finished=True))
    assert letters(made) == letters(text)


def has_a_note(line: str, run: str) -> bool:
    """Whether the info string of a fence has more than its first word: the rest stands before the fence."""
    info = line.partition(run)[2].lstrip(" \t")
    return " " in info or "\t" in info


def letters(text: str) -> str:
    return "".join(char for char in text if unicodedata.category(char)[0] in "LN")


@often
@given(st.text(alphabet="ab `~'\n\t😀e\u0301", max_size=3000))
def test_code_is_verbatim_over_many_posts(code: str) -> None:
    code = re.sub("`{2,}", "`", code).strip("\n")
    if not code.strip():
        return
    splitter = AnswerSplitter(limit=200)
    splitter.feed(f"~~~~~~~~~~\n{re.sub('~{3,}', '~', code)}\n~~~~~~~~~~")
    made = put_together(splitter.posts(finished=True))
    assert made == f"```\n{re.sub('~{3,}', '~', code)}\n```"


HOSTILE = {
    "everyone": "@everyone @here <@&1> ",
    "backticks": "`",
    "fences": "```",
    "zalgo": "a" + "\u0301\u0327\u0489" * 200,
    "right to left": "\u202e\u2066",
    "terminal": "\x1b[31m\x1b]8;;http://x\x07link\x1b]8;;\x07",
    "stars": "*a _b ~~c ||d ",
    "nested": "a*",
    "brackets": "[a](",
    "quotes": "> ",
    "joined": "👩\u200d",
    "nul": "\x00a",
    "half characters": "\ud83d",
    "one word": "x",
    "tables": "| a | b |\n|--|--|\n",
}


@pytest.mark.parametrize("sample", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_of_100_000_characters_makes_posts_in_linear_time(sample: str) -> None:
    def cost(size: int) -> float:
        text = (sample * (size // len(sample) + 1))[:size]
        start = time.process_time()
        bodies = split_answer(text, finished=True)
        assert all(0 < len(body) <= 1900 for body in bodies)
        return time.process_time() - start

    cost(2_000)
    small = min(cost(25_000) for _ in range(3))
    assert cost(100_000) < 4 * small * 2.5 + 0.05


@pytest.mark.parametrize(
    "whole",
    [
        lambda size: "<!--" + "\n" * size,
        lambda size: "<table>" + "\n" * size,
        lambda size: "<ul>" + "\n" * size,
        lambda size: "<ul>" + "<a \n" * (size // 15) + "</ul ",
        lambda size: "a | b\n--- | ---\n" + "\U0001f1e9" * size + "|",
    ],
    ids=["comment", "table", "list", "half tags", "half flags in a row"],
)
def test_a_hostile_block_is_read_in_linear_time(whole: Callable[[int], str]) -> None:
    assert cost_of_twice(lambda size: split_answer(whole(size), finished=True), 12_000) < LINEAR


@pytest.mark.parametrize("begins", ["<!--", "<table>", "<ul>"])
def test_a_block_of_empty_lines_does_not_hide_the_text_behind_it_for_ever(begins: str) -> None:
    shown = split_answer(begins + "\n" * 9_000 + "The end.\n\n", finished=False)
    assert shown[-1].endswith("The end.")


def test_the_beginning_of_a_long_text_costs_no_more_than_that_of_a_short_one() -> None:
    short = "Some **words** and `code`.\n\n" * 2_000
    assert fitted(short, 1900) == fitted(short * 30, 1900) == (split_answer(short, finished=True)[0], True)
    assert times_as_long(lambda: fitted(short * 30, 1900), lambda: fitted(short, 1900)) < 3


def test_a_growing_answer_costs_its_growth() -> None:
    """200 KB in steps of 100: ten times the text may cost ten times as much, not a hundred."""
    prose = (
        "The **quick** fox uses `code`, jumps over [dogs](https://x.y/z).\n\n- item one\n- item *two*\n\n"
        * 2500
    )

    def cost(size: int) -> float:
        splitter = AnswerSplitter()
        start = time.process_time()
        for at in range(0, size, 100):
            splitter.feed(prose[at : at + 100])
            splitter.posts()
        return time.process_time() - start

    small = min(cost(20_000) for _ in range(3))
    assert cost(200_000) < 10 * small * 2.5


def test_show_goes_on_from_the_text_shown_before() -> None:
    splitter = AnswerSplitter()
    assert [post.body for post in splitter.show("Hello **wor", finished=False)] == ["Hello **wor**"]
    assert [post.body for post in splitter.show("Hello **world** ", finished=True)] == ["Hello **world**"]
    assert [post.body for post in splitter.show("Hello **world** ", finished=True)] == ["Hello **world**"]
    with pytest.raises(ValueError, match="does not go on"):
        splitter.show("Other", finished=False)


def test_nothing_to_see_is_no_post() -> None:
    for text in ("", "\n \n", "\u200b\u200d", "\x00", "\x1b[0m"):
        assert split_answer(text, finished=True) == ()
        assert split_answer(text, finished=False) == ()
    assert split_answer("a" + "\u200b" * 5000 + "b", finished=True, limit=200)[-1].endswith("b")
    assert all(body.strip("\u200b") for body in split_answer("\u200b" * 5000 + "b", finished=True, limit=200))


@pytest.mark.parametrize("limit", [0, 99, 4001])
def test_a_limit_that_discord_or_a_fence_cannot_keep_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=str(limit)):
        AnswerSplitter(limit=limit)
