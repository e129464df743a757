"""Whole numbers that people type: any text, of any length, is a number in bounds or none."""

import pytest

from texts.whole_numbers import LARGEST, whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0", 0), ("7", 7), ("007", 7), ("٣", 3), (str(LARGEST), LARGEST), ("0" * 4_000 + "1", 1)],
        *[("", None), ("-1", None), ("+1", None), ("1.0", None), (" 1", None), ("1_0", None), ("²", None)],
        *[(str(LARGEST + 1), None), ("9" * 5_000, None)],
    ],
)  # fmt: skip
def test_a_number_is_digits_alone_and_in_bounds(text: str, number: int | None) -> None:
    assert whole_number(text, LARGEST) == number


def test_nothing_is_in_the_bounds_of_an_empty_list() -> None:
    assert whole_number("0", -1) is None
