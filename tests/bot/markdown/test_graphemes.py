"""Cuts and widths are those of the terminal library, and tables that hold such text stay straight."""

import subprocess
import sys

import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st

from bot.markdown.answer import split_answer
from bot.markdown.graphemes import columns, cut_before

CLUSTERS = {
    "a": 1,
    "e\u0301": 1,
    "\u0e01\u0e33": 2,  # Thai: sara am belongs to the consonant
    "👩\u200d👩\u200d👧": 2,
    "🏳\ufe0f\u200d🌈": 2,
    "🇩🇪": 2,
    "👍🏽": 2,
    "각": 2,
    "\u1100\u1161\u11a8": 2,
    "क्षि": 2,
    "漢": 2,
    "ｆ": 2,
    "❤\ufe0f": 2,
    "\u200b": 0,
    "#\ufe0f\u20e3": 2,
    " ": 1,
}


@given(st.lists(st.sampled_from(sorted(CLUSTERS)), max_size=12).map("".join))
def test_a_cut_takes_no_cluster_apart(text: str) -> None:
    places, at = {0, len(text)}, 0
    for cluster in wcwidth.iter_graphemes(text):
        at += len(cluster)
        places.add(at)
    for place in range(len(text) + 1):
        last = max(each for each in places if each <= place)
        assert cut_before(text, place) == (last or place)


def test_a_cluster_longer_than_the_room_is_cut_where_the_room_ends() -> None:
    assert cut_before("a" + "\u0301" * 50, 20) == 20
    assert cut_before("ab\u0301", 2) == 1
    assert cut_before("a\r\nb", 2) == 1


@pytest.mark.parametrize(("cluster", "width"), CLUSTERS.items())
def test_a_table_with_any_script_stays_straight(cluster: str, width: int) -> None:
    assert columns(cluster) == width
    (body,) = split_answer(f"| a | b |\n|---|---|\n| x{cluster} | 1 |\n| xxxxx | 2 |", finished=True)
    assert {wcwidth.wcswidth(line[:-1]) for line in body.splitlines()[3:5]} == {7}


def test_a_tab_in_a_table_is_one_space() -> None:
    (body,) = split_answer("| a | b |\n|---|---|\n| x\ty | 1 |\n| xxx | 2 |", finished=True)
    assert body.splitlines()[3:5] == ["x y  1", "xxx  2"]


def test_plain_english_needs_no_tables_of_unicode() -> None:
    code = (
        "import sys; from bot.markdown.answer import split_answer; split_answer('word ' * 999, finished=True);"
        "assert 'wcwidth' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
