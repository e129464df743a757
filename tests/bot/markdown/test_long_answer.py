"""Answers that are too long for posts: what stands in the channel, what in the file."""

import random

import pytest

from bot.markdown.answer import LIMIT, split_answer
from bot.markdown.long_answer import MOST_CHARS
from bot.turn_parts import LaidPost, TextPart

PARAGRAPH = "A sentence of some length, and another one after it.\n\n"


def laid(text: str, *, step: int = 0, whole: bool = True) -> tuple[LaidPost, ...]:
    """The posts of `text`, which came at once or in pieces of `step` characters with a look after each."""
    part = TextPart([], open_key="k")
    for start in range(0, len(text), step or len(text)):
        part.pieces.append(text[start : start + (step or len(text))])
        part.posts(LIMIT)
    part.open_key = "" if whole else "k"
    return part.posts(LIMIT)


def text_of(chars: int) -> str:
    text = "".join(f"Point {number}: {PARAGRAPH}" for number in range(chars // len(PARAGRAPH)))
    return text[: chars - 40] + "\n\nShall I go on with the second part? "


@pytest.mark.parametrize("chars", [1_000, 5_000, 9_000, 11_000, MOST_CHARS])
def test_up_to_twelve_thousand_characters_stand_in_posts(chars: int) -> None:
    text = text_of(chars)
    posts = laid(text)
    assert not any(post.files for post in posts)
    assert "".join("".join(post.text for post in posts).split()) == "".join(text.split())


@pytest.mark.parametrize("chars", [12_500, 14_000, 30_000, 200_000])
def test_of_more_the_beginning_and_the_end_stand_in_posts_and_the_whole_in_the_file(chars: int) -> None:
    text = text_of(chars)
    posts = laid(text)
    assert len(posts) <= 8
    assert posts[0].text.startswith("Point 0: A sentence")
    assert posts[-1].text.endswith("Shall I go on with the second part?")
    (number,) = (number for number, post in enumerate(posts) if post.files)
    assert posts[number].text.startswith("-# A long answer: ")
    assert posts[number].files[0].data.decode().split() == text.split()
    assert sum(len(post.text) for post in posts) > 9_000


@pytest.mark.parametrize("step", [37, 1_000, 7_777])
def test_a_long_answer_ends_up_the_same_however_it_came(step: int) -> None:
    text = text_of(25_000)
    assert laid(text, step=step) == laid(text)


def test_while_it_grows_its_first_posts_stay_and_its_end_is_in_view() -> None:
    text = "".join(f"word{number} " for number in range(3_000))
    part, heads = TextPart([], open_key="k"), list[list[str]]()
    for number in range(3_000):
        part.pieces.append(f"word{number} ")
        if number % 50 == 0:
            posts = [post.text for post in part.posts(LIMIT)]
            assert f"word{number}" in posts[-1]
            heads.append(posts[:4])
    assert len(text) > 2 * MOST_CHARS
    full = [head[:3] for head in heads if len(head) == 4]
    assert full
    assert all(head == full[-1] for head in full)


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_the_end_of_code_is_code(fence: str) -> None:
    text = text_of(3_000) + f"\n\n{fence}python\n" + "value = '**not bold**'\n" * 900
    posts = laid(text)
    assert posts[-1].text.startswith("```python\nvalue = '**not bold**'")
    closed = text + f"{fence}\n\n" + PARAGRAPH * 60
    assert laid(closed)[-1].text.startswith("A sentence")


_LINES = ("```", "```python", "    ```", "> ```", "> x", "", "- ```sh", "1. x", "```a``` b", "~~~~", "~~~ a ~")


@pytest.mark.parametrize("seed", range(12))
def test_the_end_reads_as_it_would_after_the_text_before_it(seed: int) -> None:
    """Fences in lists and quotes, a sloppy end of a fence, and a line that only looks like a fence."""
    rng = random.Random(seed)
    mixed = "".join(f"{rng.choice(_LINES)}\n" for _ in range(8))
    is_quoted = rng.random() < 0.2
    end = "> *x* of a line.\n" * 400 if is_quoted else "*x* of a line.\n" * 450
    end_is_code = split_answer(mixed + end, finished=True)[-1].startswith("```")
    last = laid(text_of(9_000).replace("Shall", "> Shall" if is_quoted else "Shall") + "\n\n" + mixed + end)[-1]
    assert last.text.startswith("```") is end_is_code


def test_white_space_alone_is_not_long() -> None:
    assert laid("Yes." + "\n" * 50_000) == (LaidPost("Yes."),)
