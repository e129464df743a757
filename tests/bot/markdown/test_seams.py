"""Where a growing paragraph may be divided."""

from bot.markdown.seams import gap_before, gap_outside, outermost


def test_ranges_that_begin_together_count_as_the_longest() -> None:
    assert outermost([(4, 6), (0, 3), (0, 9), (12, 13)]) == [(0, 9), (12, 13)]


def test_a_gap_is_before_a_space_or_a_full_stop_of_a_script_without_spaces() -> None:
    assert gap_before("one two three", 10) == 7
    assert gap_before("漢字。仮名。", 5) == 2
    assert gap_before("**漢字**。仮名", 9) == -1
    assert gap_before("word", 4) == -1


def test_a_gap_outside_ranges_is_in_none_of_them() -> None:
    assert gap_outside("one two three four", 16, [(4, 13)]) == 13
    assert gap_outside("one two three four", 16, [(4, 14)]) == 3
    assert gap_outside("one two", 6, [(0, 7)]) == 0
