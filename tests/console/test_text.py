"""Foreign text drives no terminal."""

import pytest

from console.text import clean, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x9b31mb\x9dx\x9cc", "abc"),
        ("a\x1b(Bb\x1b=c\x1b", "abc"),
        ("unfinished \x1b]52;c;", "unfinished "),
        ("bell\x07 back\x08space nul\x00 del\x7f", "bell backspace nul del"),
        ("one\r\ntwo\rthree\x85four\u2028five", "one\ntwo\nthree\nfour\nfive"),
        ("rm \u202eflip\u202c \u2066x\u2069", "rm flip x"),
        ("cut \ud83d emoji", "cut \ufffd emoji"),
        ("ü 漢 🎉 \u200fشكرا\u200b", "ü 漢 🎉 شكرا"),
    ],
)
def test_only_text_newlines_and_tabs_are_left(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_one_line_is_cut_with_an_ellipsis() -> None:
    assert one_line("a\nb\x1b[1m  c", 80) == "a b c"
    assert one_line("abcdef ghi", 5) == "abcd…"
