"""Text that nobody vouches for shows as it is, on one line, within its limit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.markdown.cards import code_block, diff_block, escape_inline, one_line, todo_line
from tests.bot.markdown.samples import anything

ESCAPED = {
    "marks": ("**b** `c` ~~d~~ ||e|| _f_", "\\*\\*b\\*\\* \\`c\\` \\~\\~d\\~\\~ \\|\\|e\\|\\| \\_f\\_"),
    "lines": ("a\n\n> b\r\nc", "a \\> b c"),
    "mentions": ("@everyone <@1>", "@\u200beveryone \\<@\u200b1\\>"),
    "links": ("[a](https://b.c)", "\\[a\\]\\(https:\u200b//b.c\\)"),
    "blocks": ("- a", "\\- a"),
    "numbers": ("12. a", "12\\. a"),
    "headings": ("# a", "\\# a"),
    "order": ("a\u202egpj.exe", "agpj.exe"),
    "piles": ("a" + "\u0301" * 90, "a" + "\u0301" * 4),
    "names": ("src/app.py", "src/app.py"),
    "emoji": (":100: a:100:5 12:30:45", "\\:100: a\\:100:5 12\\:30:45"),
}


@pytest.mark.parametrize(("text", "shown"), ESCAPED.values(), ids=ESCAPED.keys())
def test_a_name_shows_as_it_is(text: str, shown: str) -> None:
    assert escape_inline(text, 200) == shown


@given(anything, st.integers(1, 120))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    for line in (one_line(text, limit), escape_inline(text, limit)):
        assert len(line) <= limit
        assert len(line.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_`~|<>\[\]]", escape_inline(text, limit))


@given(anything, st.integers(100, 2000))
def test_a_code_block_is_one_fence_within_its_limit(text: str, limit: int) -> None:
    for block in (code_block(text, "sh", limit), diff_block(text, limit)):
        assert len(block) <= limit
        assert block.count("```") == 2
        assert block.endswith("\n```")
        block.encode()


def test_what_somebody_approves_shows_what_is_hidden() -> None:
    assert code_block("rm \u202ex\x1b[8m\u200b", "sh", 200) == "```sh\nrm \\u202ex\\u001b[8m\\u200b\n```"


def test_a_long_code_block_says_what_is_missing() -> None:
    block = code_block("\n".join("line" for _ in range(1000)), "evil\nx", 200)
    assert block.startswith("```\nline\n")
    assert re.search(r"\n… \d+ more lines\n```\Z", block)


def test_a_diff_keeps_names_and_changes() -> None:
    patch = "diff --git a/x b/x\nindex 12ab..34cd 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+```b\n"
    assert diff_block(patch, 500) == "```diff\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+`\u200b`\u200b`b\n```"


def test_progress_is_one_quiet_line() -> None:
    assert todo_line(3, 7, "Write *the* tests") == "-# ☐ 3/7 · Write \\*the\\* tests"
    assert todo_line(7, 7, "") == "-# ☑ 7/7"
