"""Cuts and widths agree with the tables of a terminal library."""

import wcwidth
from hypothesis import given
from hypothesis import strategies as st

from bot.markdown.graphemes import columns, cut_before, may_cut

CLUSTERS = [
    "a",
    "e\u0301",
    "👩\u200d👩\u200d👧",
    "🇩🇪",
    "👍🏽",
    "각",
    "\u1100\u1161\u11a8",
    "क्षि",
    "漢",
    "❤\ufe0f",
    "\t",
    " ",
]


@given(st.lists(st.sampled_from(CLUSTERS), max_size=12).map("".join))
def test_a_cut_takes_no_cluster_apart(text: str) -> None:
    places, at = {0, len(text)}, 0
    for cluster in wcwidth.iter_graphemes(text):
        at += len(cluster)
        places.add(at)
    assert {place for place in range(len(text) + 1) if may_cut(text, place)} == places


def test_a_cluster_longer_than_the_room_is_cut_where_the_room_ends() -> None:
    assert cut_before("a" + "\u0301" * 50, 20) == 20
    assert cut_before("ab\u0301", 2) == 1


def test_columns_are_those_of_a_terminal() -> None:
    for text in ("abc", "漢字", "e\u0301", "❤\ufe0f", "naïve", "ｆｕｌｌ"):
        assert columns(text) == wcwidth.wcswidth(text)
