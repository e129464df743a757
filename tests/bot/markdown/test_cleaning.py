"""Cleaning is the same for every way of cutting the text in pieces."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.markdown.cleaning import Cleaner, clean

WALES = "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
PIECES = [
    "a",
    "\x1b",
    "[",
    "31m",
    "]8;;x",
    "\x07",
    "\\",
    "\r",
    "\n",
    "\ud83d",
    "\ude00",
    "\x00",
    "\u202e",
    "(B",
    "P",
    "\x9b",
    "🏴",
    "\ud83c",
    "\udff4",
    "\U000e0067",
    "\udb40",
    "\udc67",
    "\U000e007f",
    "\u2066",
    "\ufe0f",
    "\U000e0161",
    "\udd61",
]


@example([WALES, "b"])
@given(st.lists(st.sampled_from([*PIECES, WALES]), max_size=25))
def test_pieces_are_cleaned_as_the_whole(pieces: list[str]) -> None:
    cleaner = Cleaner()
    assert "".join([*map(cleaner.feed, pieces), cleaner.finish()]) == clean("".join(pieces))


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\u00ad", "\U000e0041"])
def test_what_nobody_sees_is_left_out(sign: str) -> None:
    assert clean(f"a{sign}b") == "ab"


def test_what_joins_letters_and_emoji_stays() -> None:
    for text in ("می\u200cخواهم", "👩\u200d👩\u200d👧", "❤\ufe0f", WALES):
        assert clean(text) == text


def test_of_signs_that_select_a_picture_only_the_first_stays_however_they_arrive() -> None:
    cleaner = Cleaner()
    pieces = ("❤\ufe0f\ufe01", "\u200b", "\ufe0f", "\U000e0161 ❤", "\ufe0f")
    assert "".join([*map(cleaner.feed, pieces), cleaner.finish()]) == "❤\ufe0f ❤\ufe0f"


def test_a_sequence_that_never_ends_holds_nothing_back_for_long() -> None:
    cleaner = Cleaner()
    text = cleaner.feed("\x1b]" + "x" * 1000)
    assert text == "]" + "x" * 1000


def test_line_ends_and_surrogate_pairs_are_put_right() -> None:
    assert clean("a\r\nb\rc\t\ud83d\ude00\ud83d\ufdd0") == "a\nb\nc\t😀\ufffd\ufffd"
