"""Each piece of Claude's Markdown has its form in Discord."""

import pytest

from bot.markdown.answer import split_answer

FINISHED = {
    "headings": ("# A\n## B ##\n### C", "# A\n## B\n### C"),
    "deep headings are bold": ("#### Deep **one**", "**Deep one**"),
    "underscored bold": ("__bold__ and __Also this__.", "**bold** and **Also this**."),
    "names between underscores": (
        "__init__.py, pkg/__main__, __name__, __my_thing__.py and __bold__.",
        "\\_\\_init\\_\\_.py, pkg/\\_\\_main\\_\\_, \\_\\_name\\_\\_, \\_\\_my\\_thing\\_\\_.py and **bold**.",
    ),
    "half names of entities": ("&notify; &copy; &lt", "&notify; © &lt"),
    "blocks of HTML": (
        '<div align="center">\n<figure>Hello</figure>\n</div>\n\nUse a <div> here.',
        "Hello\n\n\nUse a <div> here.",
    ),
    "details in a line": (
        "<details><summary>A</summary>b<details><summary>C</summary>d</details></details>",
        "**A**b**C**d",
    ),
    "a folded alert": ("> [!tip]- Try it\n> now", "> **💡 Tip: Try it**\n> now"),
    "a pipe in code in a table": (
        "| a | b |\n|---|---|\n| `x|y` | z |\n| ``p || q`` | r |",
        "```\na       b\n------  -\nx|y     z\np || q  r\n```",
    ),
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
    "emoji in scripts without spaces": ("完成:tada:了（:+1:） 第:5:行", "完成:tada:了（:+1:） 第\\:5:行"),
    "emoji that are meant": (
        "Done :tada: (:+1:) **:white_check_mark:**",
        "Done :tada: (:+1:) **:white_check_mark:**",
    ),
    "nested bold is bold": ("**a **b** c**", "**a b c**"),
    "bold and italic": ("***both*** **b *i* b**", "***both*** **b *i* b**"),
    "bold after bold": (
        "**a****b** <b>c</b><b>d</b> __e__**f** **步骤：****备份**好",
        "**ab** **cd** **ef** **步骤：备份**好",
    ),
    "struck after struck": ("<s>a</s><s>b</s> <i>c</i><i>d</i>", "~~ab~~ *cd*"),
    "italic beside bold": ("**a***b* and *a***b**", "**a**\u200b*b* and *a*\u200b**b**"),
    "code after code": ("<kbd>a</kbd><kbd>b</kbd>", "`a`\u200b`b`"),
    "stars in stars": ("*a \\* b*", "_a \\* b_"),
    "a loose mark is text": ("**open and `tick", "\\*\\*open and \\`tick"),
    "or is no spoiler": ("a || b, c||d, ||hidden||", "a \\|\\| b, c\\|\\|d, ||hidden||"),
    "a mark that ends or begins beside a line's end": (
        "b <i>\nfoo\n</i>bar **\nx**",
        "b\n*foo*\nbar \\*\\*\nx\\*\\*",
    ),
    "bold over two lines": ("**two\nlines**", "**two**\n**lines**"),
    "three backticks in a line": ("``` x ```", "` x `"),
    "backticks in code": ("`` a`b ``", "`` a`b ``"),
    "bold in code in bold": ("**b `x**y` b**", "**b `x*\u200b*y` b**"),
    "address keeps its signs": ("**https://x.y/_a_b_**", "**https://x.y/_a_b_**"),
    "an address that a sentence of another script goes on behind": (
        "请访问 https://x.y/d。然后；见（https://x.y/a）「https://x.y/b」 https://x.y/中文",
        "请访问 <https://x.y/d>。然后；见（<https://x.y/a>）「<https://x.y/b>」 https://x.y/中文",
    ),
    "a bold address": (
        "**https://x.y/z**後 https://x.y**now** **https://x.y/a**",
        "**<https://x.y/z>**後 <https://x.y>**now** **https://x.y/a**",
    ),
    "a letter behind a link without a label": ("[](https://x.y)abc", "<https://x.y>abc"),
    "an address with a space": ("[a](<https://x.y/a b>)", "[a](<https://x.y/a%20b>)"),
    "an address behind a link": ("[a](https://x.y)https://x.y/b", "[a](https://x.y)https://x.y/b"),
    "links": ('[a *b*](https://x.y/z_(q) "t")', '[a *b*](https://x.y/z_(q) "t")'),
    "links to files": ("[app.py:1](src/app.py#L1)", "app.py:1 (src/app.py\\#L1)"),
    "links that name themselves": ("[src/a.py](src/a.py)", "src/a.py"),
    "fake links": ("[https://good.com](https://evil.com)", "https://good.com (https://evil.com)"),
    "images": (
        "![a cat](https://x.y/c.png) ![](https://x.y/d.png)",
        "[a cat](https://x.y/c.png) <https://x.y/d.png>",
    ),
    "mentions": ("<@1> <#2> <t:3:R> <a:b:4> </go now:5>", "<@1> <#2> <t:3:R> <a:b:4> </go now:5>"),
    "breaks": ("a<br>b<br/>c<BR />d", "a\nb\nc\nd"),
    "breaks in tables": ("| a<br>b |\n|---|\n| c<br/>d |", "```\na b\n---\nc d\n```"),
    "entities": (
        "&lt;div&gt; &amp;&nbsp;x &#42;y&#x2A; AT&T &unknown;",
        "\\<div\\> &\xa0x \\*y\\* AT&T &unknown;",
    ),
    "entities in code": ("`&lt;`", "`&lt;`"),
    "keys after a letter whose small form is two characters": ("İ <kbd>K</kbd> end", "İ `K` end"),
    "keys": ("Press <kbd>Ctrl</kbd>+<kbd>&lt;</kbd>", "Press `Ctrl`+`<`"),
    "details": (
        "<details>\n<summary>More *of* it</summary>\n\nText\n\n</details>\n\nend",
        "**More *of* it**\n\nText\n\nend",
    ),
    "a summary on lines of its own": (
        "<details>\n  <summary>\n    More\n  </summary>\n  Text\n</details>",
        "**More**\n\nText",
    ),
    "details on one line": ("<details><summary>More</summary>\n\nText</details>", "**More**\n\nText"),
    "comments": ("a<!-- b\nc -->d\n\n<!--\ne\n\n- f\n-->\ng", "ad\n\ng"),
    "a comment without an end is text": ("a\n\n<!-- b\n\nc", "a\n\n<!-- b\n\nc"),
    "tags that are marks": (
        "<b>a</b> <em>b</em> <strong><i>c</i></strong> <del>d</del>",
        "**a** *b* ***c*** ~~d~~",
    ),
    "tags that show nothing": ('<u>a</u> <p align="x">b</p> <b>c', "a b <b>c"),
    "raised and lowered": ("H<sub>2</sub>O x<sup>2n</sup> y<sup>Q</sup>", "H₂O x²ⁿ y^Q"),
    "links in tags": ('<a href="https://x.y?a=1&amp;b=2">l</a>', "[l](https://x.y?a=1&b=2)"),
    "fake links in tags": ('<a href="https://evil.example">good.de</a>', "good.de (https://evil.example)"),
    "pictures in tags": ('<img alt="cat" src="https://x.y/c.png"/>', "[cat](https://x.y/c.png)"),
    "types are no tags": ("Vec<T> and <App /> and a <b and c", "Vec<T> and <App /> and a <b and c"),
    "references": (
        '[docs][1], [ref][], [A B], ![pic][1]\n\n[1]: https://x.y/z "T"\n[REF]: <https://r.r>\n[a b]: https://s.s',
        '[docs](https://x.y/z "T"), [ref](<https://r.r>), [A B](https://s.s), [pic](https://x.y/z "T")',
    ),
    "references that are known before": ("[1]: https://x.y\n\nSee [docs][1].", "See [docs](https://x.y)."),
    "fake references": ("[good.de][1]\n\n[1]: https://evil.example", "good.de (https://evil.example)"),
    "references to nothing": ("a[i][j] and [x]", "a[i][j] and [x]"),
    "no reference": ("[1]: see the notes", "[1]: see the notes"),
    "headings by the line below": (
        "Title *x*\n=====\ntext\n\nSub\n---\ntext",
        "# Title *x*\ntext\n\n## Sub\ntext",
    ),
    "a line below a sentence": ("All done.\n---\nNext", "All done.\n———\nNext"),
    "tables without outer pipes": (
        "Results\na | **b**\n--|--:\n`x` | 22\n1 | 3\n\nend",
        "Results\n```\na   b\n-  --\nx  22\n1   3\n```\n\nend",
    ),
    "pipes in prose": ("use a | b here\nand c", "use a | b here\nand c"),
    "alerts": (
        "> [!WARNING]\n> Mind *this*\n\n> [!note] My title\n> x",
        "> **⚠️ Warning**\n> Mind *this*\n\n> **ℹ️ Note: My title**\n> x",
    ),
    "alerts of other tools": (
        "> [!danger] Mind\n> x\n\n> [!SUCCESS]+\n> y\n\n> [!Bug]",
        "> **🛑 Danger: Mind**\n> x\n\n> **✅ Success**\n> y\n\n> **🐞 Bug**",
    ),
    "an alert in a list": (
        "- > [!TIP]\n  > Use *it*\n- > b\n1. > [!note] Mine",
        "- **💡 Tip**\n> Use *it*\n- > b\n1. **ℹ️ Note: Mine**",
    ),
    "formulas of LaTeX": (
        "so\n\\begin{align*}\na_1 &= b_1\n\\end{align*}\nand \\begin{align}\n\\begin{it}",
        "so\n```latex\na_1 &= b_1\n```\nand \\begin{align}\n\\begin{it}",
    ),
    "badges": ("[![build](https://img.x/a.svg)](https://ci.x/r)", "[build](https://ci.x/r)"),
    "formulas": (
        r"$\alpha_1 * x$, \(a_b*c\), \[\frac{a}{b}\], $$x_1$$",
        r"`$\alpha_1 * x$`, `\(a_b*c\)`, `\[\frac{a}{b}\]`, `$$x_1$$`",
    ),
    "escaped brackets": (
        r"- \[x\] done, \[a-b\] and \[ -1, 1 \] but \[ x^2 \]",
        r"- \[x\] done, \[a-b\] and \[ -1, 1 \] but `\[ x^2 \]`",
    ),
    "formulas on lines of their own": (
        "$$\n\\sum_{i} x_i\n$$\nand\n\\[\nx^2\n\\]\nend",
        "```latex\n\\sum_{i} x_i\n```\nand\n```latex\nx^2\n```\nend",
    ),
    "prices": ("$5 and $10, $A and $B_C", "$5 and $10, $A and $B_C"),
    "html is text": ("<App>*x*</App>", "<App>*x*</App>"),
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
    "rows of a wide table that are too short or too long": (
        "| " + "a" * 50 + " | b | |\n|---|---|---|\n| 1 |\n| 2 | 3 |\n| 4 | 5 | 6 | 7 |",
        "\n\n".join(
            f"**{'a' * 50}**: {first}\n**b**: {second}"
            for first, second in (("1", "—"), ("2", "3"), ("4", "5\n6\n7"))
        ),
    ),
    "tables of 42 columns": (
        f"| a | b |\n|---|---|\n| {'x' * 20} | {'y' * 20} |",
        f"```\na{' ' * 21}b\n{'-' * 20}  {'-' * 20}\n{'x' * 20}  {'y' * 20}\n```",
    ),
    "tables with links": ("| a |\n|---|\n| [l](https://x.y) |", "**a**: [l](https://x.y)"),
    "no table": ("| a | b |\nc", "| a | b |\nc"),
    "tables of HTML": (
        "See:\n<table><tr><th>Name<th align=right>Size<tr><td><b>a</b> &amp; <code>b|c</code>\n<td>1\n</table>",
        "See:\n\n```\nName     Size\n-------  ----\na & b|c     1\n```",
    ),
    "cells over columns": (
        "<table>\n<tr><td>a<td>b<tr><td colspan='2'>d\n e<tr><td>f</table>",
        "```\na    b\n---  -\nd e\nf\n```",
    ),
    "a pipe in code in a table's head": (
        "| Name | `a|b` |\n| --- | --- |\n| 1 | 2 |\n\na | `b|c`\n--|--\n1 | 2",
        "```\nName  a|b\n----  ---\n1     2\n```\n\n```\na  b|c\n-  ---\n1  2\n```",
    ),
    "a wide table of HTML": (
        f"<TABLE><caption>Plan</caption><tr><th>What<th>Why<tr><td>{'x' * 30}<td>{'y' * 30}</TABLE> then",
        f"Plan\n\n**What**: {'x' * 30}\n**Why**: {'y' * 30}\n\nthen",
    ),
    "a table of HTML without cells or end": (
        "<table></table>\n<table>\n<tr><td>a",
        "<table></table>\n<table>\n<tr><td>a",
    ),
    "a table of HTML in code": ("```html\n<table><td>a</table>\n```", "```html\n<table><td>a</table>\n```"),
    "headings and rules of HTML": (
        '<h1>Title</h1>\n<h2 align="center">Sub <code>x</code> &amp; y</h2>\ntext\n<hr>\n<h3>not closed\nend',
        "# Title\n\n## Sub `x` & y\n\ntext\n\n———\n\n<h3>not closed\nend",
    ),
    "lists of HTML": (
        (
            "<ul>\n  <li>a <b>b</b></li>\n  <li>c\n    <ol><li>d</li><li>e</li></ol>\n  </li>\n</ul>\nend\n"
            "<dl><dt>Term</dt><dd>What</dd></dl>"
        ),
        "- a **b**\n- c\n  1. d\n  2. e\n\nend\n\n**Term**\n- What",
    ),
    "quotes and code of HTML": (
        (
            "<blockquote>\n<p>one</p>\n<p>two</p>\n</blockquote>\n"
            '<pre><code class="language-py">if a &lt; b:\n    <b>x</b>\n\n    y = List<T>()\n</code></pre>\nend'
        ),
        "> one\n> two\n\n```py\nif a < b:\n    x\n\n    y = List<T>()\n```\n\nend",
    ),
    "a list of HTML that does not end, or in code": (
        "`<ul>`\n```html\n<ul><li>x</li></ul>\n```\n<ul>\n<li>a",
        "`<ul>`\n```html\n<ul><li>x</li></ul>\n```\n<ul>\n<li>a",
    ),
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
    "a table of HTML is hidden until it ends": ("a\n<table>\n<tr><td>b</td>\n", "a"),
    "a list of HTML is hidden until it ends": ("a\n<ul>\n<li>b</li>\n", "a"),
    "a heading of HTML is hidden until it ends": ("a\n<h2>b", "a"),
    "half a heading of HTML is hidden": ("a\n<h2", "a"),
    "half a row is hidden": ("| a |\n|---|\n| b |\n| c", "```\na\n-\nb\n```"),
    "half a character is hidden": ("a\ud83d", "a"),
    "half a tag is hidden": ("a <kb", "a"),
    "an open key is closed": ("a <kbd>Ct", "a `Ct`"),
    "an open tag is closed": ("a <b>bo", "a **bo**"),
    "half an entity is hidden": ("a &am", "a"),
    "a comment is hidden": ("a <!-- b", "a"),
    "a comment over lines is hidden": ("a\n<!-- b\nc", "a"),
    "half a reference is hidden": ("see [the docs][1", "see"),
    "half a target of a reference is hidden": ("a\n[1]: https://x", "a"),
    "an open formula is code": ("so \\(x_1 +", "so `\\(x_1 +`"),
    "a heading before the line below it is text": ("Title", "Title"),
    "half an alert is hidden": ("> [!WAR", ""),
    "half an alert in a list is hidden": ("a\n- > [!WAR", "a"),
    "half a formula of LaTeX is hidden": ("a\n\\begin{al", "a"),
    "a head without outer pipes is text": ("a | b\n", "a | b"),
    "half a terminal sequence is hidden": ("a\x1b[3", "a"),
}


@pytest.mark.parametrize(("source", "shown"), GROWING.values(), ids=GROWING.keys())
def test_growing_text_shows_as(source: str, shown: str) -> None:
    assert split_answer(source, finished=False) == ((shown.strip(),) if shown else ())


def test_a_reference_that_a_sealed_post_uses_is_shown_with_its_target() -> None:
    text = "See [the docs][1].\n\n" + "word " * 80 + "\n\nand [more][2]\n\n[1]: https://x.y\n[2]: https://z.z"
    bodies = split_answer(text, finished=True, limit=300)
    assert bodies[0].startswith("See [the docs][1].")
    assert bodies[-1].endswith("and [more](https://z.z)\n\n[1]: https://x.y")


def test_a_post_that_a_target_makes_too_long_goes_on_in_the_next() -> None:
    text = "[a][1] " * 14 + "\n\n[1]: https://example.org/" + "x" * 40
    bodies = split_answer(text, finished=True, limit=300)
    assert all(len(body) <= 300 for body in bodies)
    assert "".join(bodies).count("](https://example.org/") == 14


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
