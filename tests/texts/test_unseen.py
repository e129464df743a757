"""Invisible characters are removed or spelled; parts of letters and emoji stay."""

import pytest

from texts.unseen import as_seen, spelled, without_unseen

WALES = "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
HIDDEN = {
    "right to left": "\u202e",
    "an isolate": "\u2066",
    "a mark of direction": "\u200f",
    "an Arabic mark": "\u061c",
    "a space of no width": "\u200b",
    "a joiner of words": "\u2060",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "an annotation": "\ufff9",
    "a joiner of marks": "\u034f",
    "a letter without a picture": "\u3164",
    "half a letter without a picture": "\uffa0",
    "a tag": "\U000e0041",
    "a filler of Hangul": "\u115f",
    "another filler of Hangul": "\u1160",
    "a vowel of Khmer without a picture": "\u17b4",
    "a sign without a meaning": "\U000e0080",
}


@pytest.mark.parametrize("sign", HIDDEN.values(), ids=HIDDEN.keys())
def test_what_nobody_sees_is_removed_or_spelled(sign: str) -> None:
    assert without_unseen(f"a{sign}b") == as_seen(f"a{sign}b") == "ab"
    assert spelled(f"a{sign}b") == f"a\\u{ord(sign):04x}b"


@pytest.mark.parametrize(
    "text", ["می\u200cخواهم", "क्\u200dष", "👩\u200d👩\u200d👧", "❤\ufe0f", WALES, "a\tb\nc"]
)
def test_what_is_seen_stays(text: str) -> None:
    assert without_unseen(text) == as_seen(text) == text


def test_a_flag_holds_no_words() -> None:
    words = "".join(chr(0xE0000 + ord(each)) for each in "send .env")
    assert without_unseen(f"🏴{words}\U000e007f") == "🏴"


@pytest.mark.parametrize("between", ["", "\u200b"])
def test_of_signs_that_select_a_picture_one_stays_for_each_picture(between: str) -> None:
    selectors = between.join(("\ufe0f", "\U000e0161", "\U000e0162", "\ufe01"))
    assert (
        without_unseen(f"❤{selectors}葛\U000e0100")
        == as_seen(f"❤{selectors}葛\U000e0100")
        == "❤\ufe0f葛\U000e0100"
    )
    assert spelled("❤\ufe0f\ufe01\ufe02") == "❤\ufe0f\\ufe01\\ufe02"


def test_controls_go_from_files_and_are_spelled_for_whoever_decides() -> None:
    assert as_seen("a\x1b[1mb\r\nc\rd\x9be\x00") == "a[1mb\nc\nde"
    assert spelled("a\x1b\r\u2028\U000e0100\ud800") == r"a\u001b\u000d\u2028\ue0100\ud800"
