"""Bold is what its author meant as bold, in any script, and stays so while the text grows."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.markdown.answer import split_answer
from tests.bot.markdown.dialect import loose_marks

MEANT = {
    "Chinese, a colon": "**注意：**请先备份",
    "Chinese, brackets": "**「A」**と**「B」**",
    "Chinese, quoted": "他说**“你好”**然后走了",
    "Chinese, in brackets": "请看**（附录）**好",
    "Chinese, code": "**C++**语言和**C#**语言",
    "Japanese, a full stop": "**重要。**次に進みます",
    "Korean, quoted": '**"인용"**은 **(참고)**입니다',
    "Thai": "**หมายเหตุ:**โปรดอ่าน",
    "Hindi": "**नोट:**पढ़ें",
    "Arabic": "**ملاحظة:**اقرأ",
    "Russian": "**Внимание:**сделай",
    "Latin, a full stop": "**Step 1.**Do it",
    "Latin, brackets": "see**(this)**now",
    "Latin, an emoji": "**Done ✅**Next",
    "Latin, quoted": 'say "**A**" and "**B**" or **"C"**s',
    "struck": "~~删除。~~追加 and ~~gone.~~Here",
    "italic": "*注意：*请看*「重点」*吗",
    "underscores": "__注意：__请",
}


@pytest.mark.parametrize("text", MEANT.values(), ids=MEANT.keys())
def test_what_is_meant_as_a_mark_is_one(text: str) -> None:
    (body,) = split_answer(text, finished=True)
    assert body == text.replace("__", "**")
    assert not loose_marks(body)


_words = st.sampled_from(
    [
        "注意：",
        "「A」",
        "请先备份",
        "Step 1.",
        "Do",
        "인용",
        "“你好”",
        "(x)",
        "C++",
        "✅",
        "और",
        "a",
        "ไทย",
        '"q"',
        "重要。",
    ]
)
_marked = st.tuples(
    st.sampled_from(["**", "**", "~~", "`"]), st.lists(_words, min_size=1, max_size=3).map("".join)
).map(lambda pair: f"{pair[0]}{pair[1]}{pair[0]}")
# Between two marked pieces stands a word: without one even a reader cannot say which marks belong together.
_pairs = st.tuples(_marked, st.sampled_from(["和", " und ", "と", "는", ", ", "。", "the"])).map("".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(_pairs, min_size=1, max_size=6).map("".join), st.data())
def test_nothing_flips_while_a_marked_text_grows(text: str, data: st.DataObject) -> None:
    final = looks(split_answer(text, finished=True))
    at = 0
    while at < len(text):
        at += data.draw(st.integers(1, 4))
        growing = looks(split_answer(text[:at], finished=False))
        assert growing == final[: len(growing)], text[:at]


def looks(bodies: Sequence[str]) -> list[tuple[str, str]]:
    """Each character that a reader sees, with the marks that it has. Space at the end is not seen."""
    shown: list[tuple[str, str]] = []
    marks = ""
    for part in re.findall(r"\*\*|~~|`|\\\\.|.", "".join(bodies).rstrip(), re.DOTALL):
        if part in ("**", "~~", "`"):
            marks = marks.replace(part, "") if part in marks else marks + part
        elif part != "\u200b":
            shown.append((part[-1], "".join(sorted(marks))))
    while shown and shown[-1][0].isspace():
        shown.pop()
    return shown
