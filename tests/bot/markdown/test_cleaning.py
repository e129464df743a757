"""Cleaning is the same for every way of cutting the text in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from bot.markdown.cleaning import Cleaner, clean

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
]


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_pieces_are_cleaned_as_the_whole(pieces: list[str]) -> None:
    cleaner = Cleaner()
    assert "".join([*map(cleaner.feed, pieces), cleaner.finish()]) == clean("".join(pieces))


def test_a_sequence_that_never_ends_holds_nothing_back_for_long() -> None:
    cleaner = Cleaner()
    text = cleaner.feed("\x1b]" + "x" * 1000)
    assert text == "]" + "x" * 1000


def test_line_ends_and_surrogate_pairs_are_put_right() -> None:
    assert clean("a\r\nb\rc\t\ud83d\ude00\ud83d\ufdd0") == "a\nb\nc\t😀\ufffd\ufffd"
