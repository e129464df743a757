"""What each piece of Claude's Markdown becomes in Discord."""

import pytest

from bot.markdown.answer import split_answer

FINISHED = {
    "headings": ("# A\n## B ##\n### C", "# A\n## B\n### C"),
    "deep headings are bold": ("#### Deep **one**", "**Deep one**"),
    "underscored bold": ("__bold__ and __init__.py", "**bold** and **init**.py"),
    "names keep their underscores": ("snake_case and _private", "snake_case and \\_private"),
    "products are no emphasis": ("2*3 and 4*5 and 6 * 7", "2\\*3 and 4\\*5 and 6 * 7"),
    "powers are no bold": ("x**2 + y**2 and 2**n", "x\\*\\*2 + y\\*\\*2 and 2\\*\\*n"),
    "paths are no bold": ("src/**/*.ts and lib/**/*.js", "src/\\*\\*/\\*.ts and lib/\\*\\*/\\*.js"),
    "arguments are no bold": ("f(**a) and g(**b)", "f(\\*\\*a) and g(\\*\\*b)"),
    "functions of products": ("f*(x)*g", "f\\*(x)\\*g"),
    "places in files are no emoji": (
        "src/app.ts:100:5 and rows[a:b:c]",
        "src/app.ts\\:100:5 and rows[a\\:b:c]",
    ),
    "colons in a row are no emoji": ("a:b:c:d 12:30:45 ::1:2::", "a\\:b\\:c:d 12\\:30:45 :\\:1\\:2::"),
    "emoji that are meant": (
        "Done :tada: (:+1:) **:white_check_mark:**",
        "Done :tada: (:+1:) **:white_check_mark:**",
    ),
    "nested bold is bold": ("**a **b** c**", "**a b c**"),
    "bold and italic": ("***both*** **b *i* b**", "***both*** **b *i* b**"),
    "stars in stars": ("*a \\* b*", "_a \\* b_"),
    "a loose mark is text": ("**open and `tick", "\\*\\*open and \\`tick"),
    "or is no spoiler": ("a || b, c||d, ||hidden||", "a \\|\\| b, c\\|\\|d, ||hidden||"),
    "bold over two lines": ("**two\nlines**", "**two**\n**lines**"),
    "three backticks in a line": ("``` x ```", "` x `"),
    "backticks in code": ("`` a`b ``", "`` a`b ``"),
    "bold in code in bold": ("**b `x**y` b**", "**b `x*\u200b*y` b**"),
    "address keeps its signs": ("**https://x.y/_a_b_**", "**https://x.y/_a_b_**"),
    "links": ('[a *b*](https://x.y/z_(q) "t")', '[a *b*](https://x.y/z_(q) "t")'),
    "links to files": ("[app.py:1](src/app.py#L1)", "app.py:1 (src/app.py\\#L1)"),
    "links that name themselves": ("[src/a.py](src/a.py)", "src/a.py"),
    "fake links": ("[https://good.com](https://evil.com)", "https://good.com (https://evil.com)"),
    "images": (
        "![a cat](https://x.y/c.png) ![](https://x.y/d.png)",
        "[a cat](https://x.y/c.png) https://x.y/d.png",
    ),
    "mentions": ("<@1> <#2> <t:3:R> <a:b:4> </go now:5>", "<@1> <#2> <t:3:R> <a:b:4> </go now:5>"),
    "html is text": ("<div>*x*</div>", "<div>*x*</div>"),
    "lists": ("* a\n    * b\n+ c\n2) d", "- a\n  - b\n- c\n2. d"),
    "tasks": ("- [ ] a\n- [x] b", "- ☐ a\n- ☑ b"),
    "rules": ("a\n\n---\n\nb\n***", "a\n\n———\n\nb\n———"),
    "quotes": ("> a\n>\n> b\n>> c", "> a\n\n> b\n> c"),
    "prompts are no quotes": (">>> x = 1", "\\>>> x = 1"),
    "footnotes": ("a[^1]\n\n[^1]: note", "a[^1]\n\n[^1]: note"),
    "hard breaks": ("a\\\nb", "a\nb"),
    "tildes": ("~~~py\nx\n~~~", "```py\nx\n```"),
    "longer fences": ("````md\n```py\nx\n```\n````", "```md\n``\u200b`py\nx\n``\u200b`\n```"),
    "fences in lists": ("- a\n  ```py\n  if x:\n      y\n  ```\n- b", "- a\n```py\nif x:\n    y\n```\n- b"),
    "fences in quotes": ("> ```\n> x\n> ```\n> y", "```\nx\n```\n> y"),
    "what a fence says besides": ('```py title="a.py"\nx\n```', '-# title="a.py"\n```py\nx\n```'),
    "an open fence is closed": ("```py\nx", "```py\nx\n```"),
    "indented code": ("a\n\n    x\n\n      y\n\nb", "a\n\n```\nx\n\n  y\n```\n\nb"),
    "narrow tables": ("| a | b |\n|---|--:|\n| `x` | **22** |", "```\na   b\n-  --\nx  22\n```"),
    "wide characters in tables": ("|a|b|\n|-|-|\n|漢字|x|", "```\na     b\n----  -\n漢字  x\n```"),
    "wide tables": (
        f"| a | b |\n|---|---|\n| {'x' * 20} | {'y' * 21} |\n| 1 | |",
        f"**a**: {'x' * 20}\n**b**: {'y' * 21}\n\n**a**: 1\n**b**: —",
    ),
    "tables of 42 columns": (
        f"| a | b |\n|---|---|\n| {'x' * 20} | {'y' * 20} |",
        f"```\na{' ' * 21}b\n{'-' * 20}  {'-' * 20}\n{'x' * 20}  {'y' * 20}\n```",
    ),
    "tables with links": ("| a |\n|---|\n| [l](https://x.y) |", "**a**: [l](https://x.y)"),
    "no table": ("| a | b |\nc", "| a | b |\nc"),
    "terminal colours": ("\x1b[31mred\x1b[0m", "red"),
    "halves of a character": ("\ud83d\ude00 \ud83d", "😀 \ufffd"),
}


@pytest.mark.parametrize(("source", "shown"), FINISHED.values(), ids=FINISHED.keys())
def test_finished_text_shows_as(source: str, shown: str) -> None:
    assert split_answer(source, finished=True) == (shown,)


GROWING = {
    "open bold is closed": ("a **b", "a **b**"),
    "open bold and italic are closed inside out": ("**a *b", "**a *b***"),
    "a mark with nothing after it is hidden": ("a **", "a "),
    "half a mark is hidden": ("**a*", "**a**"),
    "open code is closed": ("a `b c", "a `b c`"),
    "half a link is hidden": ("see [the do", "see"),
    "half a target is hidden": ("see [docs](https://x.", "see"),
    "half a mention is hidden": ("hi <@12", "hi"),
    "a backslash is hidden": ("a \\", "a"),
    "an open fence is closed": ("```py\nx = 1", "```py\nx = 1\n```"),
    "half the end of a fence is hidden": ("```py\nx\n``", "```py\nx\n```"),
    "half a fence is hidden": ("a\n``", "a"),
    "half a list sign is hidden": ("a\n1.", "a"),
    "the head of a table is hidden": ("a\n| b | c", "a"),
    "half a row is hidden": ("| a |\n|---|\n| b |\n| c", "```\na\n-\nb\n```"),
    "half a character is hidden": ("a\ud83d", "a"),
    "half a terminal sequence is hidden": ("a\x1b[3", "a"),
}


@pytest.mark.parametrize(("source", "shown"), GROWING.values(), ids=GROWING.keys())
def test_growing_text_shows_as(source: str, shown: str) -> None:
    assert split_answer(source, finished=False) == (shown.strip(),)


def test_a_fence_goes_on_in_the_next_post_with_its_language() -> None:
    code = "\n".join(f"line {number}" for number in range(60))
    first, *others = split_answer(f"Look:\n```py\n{code}\n```\nDone.", finished=True, limit=300)
    assert first.endswith("\n```")
    assert all(body.startswith("```py\n") for body in others)
    assert others[-1].endswith("\n```\nDone.")


def test_a_post_ends_at_a_paragraph_rather_than_inside_one() -> None:
    text = "word " * 25 + "\n\n" + "more " * 25
    assert split_answer(text, finished=True, limit=200) == (("word " * 25).strip(), ("more " * 25).strip())


def test_a_heading_is_not_the_last_line_of_a_post() -> None:
    text = "word " * 30 + "\n## Head\n" + "more " * 20
    assert split_answer(text, finished=True, limit=200)[1].startswith("## Head\nmore")


def test_bold_that_is_cut_is_bold_in_both_posts() -> None:
    first, second, *_ = split_answer("**" + "word " * 60 + "end**", finished=True, limit=200)
    assert first.startswith("**word")
    assert first.endswith("word**")
    assert second.startswith("**word")


def test_a_fence_that_fits_one_post_is_not_split() -> None:
    code = "```py\n" + "\n".join(f"x = {number}" for number in range(20)) + "\n```"
    assert split_answer("word " * 24 + "\n" + code, finished=True, limit=200) == (("word " * 24).strip(), code)


def test_a_long_table_is_shown_before_it_ends() -> None:
    table = "| name | value |\n|---|---|\n" + "| something | somewhat |\n" * 200
    assert len(split_answer(table, finished=False)) > 1
