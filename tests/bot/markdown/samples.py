"""Markdown as Claude writes it and as nobody should, for the property tests."""

import re
from collections.abc import Sequence

from hypothesis import strategies as st

from bot.markdown.posts import Post


def _pieces(text: str, between: str = r"\s+") -> list[str]:
    return re.split(between, text.strip("\n"))


_ANY_WORDS = _pieces("""
plain word snake_case __init__ 2*3 5 * 4 a||b ~5 it's x<y https://x.y/a_b_(c) <https://e.org> <@123> <#9>
<t:17:R> <:wave:12> **bold** *it* _it_ ~~gone~~ ||hid|| `code` ``a`b`` ** * ` [ ] ( )
[l](https://x.y) [f](src/a.py)
![i](http://p/q.png) [a\\*`c`](https://x.y/(z)) \\* \\\\ \\_ @everyone <@&1> ... 👩\u200d👩\u200d👧 🇩🇪🇫🇷
e\u0301\u0301 漢字。仮名、 !x ***both*** **open *it ``` [^1] &amp; </b> <div>
<br> <kbd>K</kbd> &lt;b&gt; <!-- <!--c--> $x_1$ \\(a\\) $5 [a][r] [r] :ok: a:b:c
<b>x</b> <b> <sup>2</sup> <a <details> <summary>s</summary> \u202eabc\u202c
\x1b[31mred\x1b[0m \x00 \ud83d\ude00 \ud83d [https://a.com](https://b.com)
""")
_WHOLE_WORDS = _pieces("""
word, snake_case **bold** *it* _it_ ~~gone~~ ||hid|| `code` ``a`b`` [l](https://x.y/a_b) [f](src/a.py)
<b>bold</b> <kbd>K</kbd> <i>it</i> &lt;b&gt; $x_1 * y$ [a][r] :ok: a:b:c **注意：**请 **「A」**と $5
***both*** https://x.y/_z @everyone 5*4 a||b ** * ` __init__ \\* <@123> (**b**), *a*b `a*b` **b **c
""")
_LINES = (
    """
# Head|## Two ##|#### Deep **x**|---|***|- item|  - inner|    * deeper|1. one|2) two
- [ ] todo|- [x] done
> quote|> > deep|>>> x|```py|```|~~~|````md title|  ```sh|- ```js|$ ls -l|    indented|\tcode|===|-|1.|#
[^1]: note|-# small|````|\\
=====|-----|[r]: https://r.example/x|<details>|</details>
<table>|<tr><td>c</td>|</table> t|<table><td>x</table>
<ul>|<li>i</li></ul>|<h2>h</h2>|<pre>|</pre>|<hr>|<blockquote>q</blockquote>|<ol><li>
<!-- open|-->|$$|\\[|\\]|> [!NOTE]|Title
- > [!TIP] a|\\begin{align}|\\end{align}
""".strip("\n")
    .replace("\n", "|")
    .split("|")
)
_ROWS = (
    "a | b",
    "--|--",
    "| a | b |",
    "|---|:-:|",
    "| **x** | `y` |",
    "| [l](https://x.y) | |",
    "| " + "wide " * 14 + "| z |",
    "|",
)
_REPEATED = ("word ", "x", "**b** ", "`", "*", "_a ", "漢", "[", "[a](", "\\", "<", "😀", "|", "> ", "e\u0301")
_BLOCKS = (
    "```py\na = '**'\n\n```",
    "- **item** one\n  - `x`",
    "| a | **b** |\n|--|--|\n| `c` | d |",
    "> *q*",
    "# H *x*",
    "#### D **x**",
    "Title\n=====",
    "a | b\n--|--\n1 | 2",
    "> [!NOTE]\n> **n**",
    "[r]: https://r.example/x",
    "<table>\n<tr><th>a</th><th><b>b</b></th></tr>\n<tr><td>c</td></tr>\n</table>",
    "**two\nlines**",
)

_long = st.one_of(
    st.tuples(st.sampled_from((*_REPEATED, "~", "word. ")), st.integers(1, 700)).map(
        lambda pair: pair[0] * pair[1]
    ),
    st.integers(1, 1000).map(lambda size: "https://e.org/" + "a" * size),
    st.integers(1, 900).map(lambda size: f"[l](https://e.org/{'a' * size})"),
    st.sampled_from(_ANY_WORDS),
    st.just(" "),
)
_tangled = st.tuples(
    st.sampled_from(["", "- ", "> ", "  - ", "    1. ", " # "]), st.lists(_long, min_size=1, max_size=8)
).map(lambda pair: pair[0] + "".join(pair[1]))
_words = st.lists(st.sampled_from(_ANY_WORDS), min_size=1, max_size=12).map(" ".join)
_lines = st.one_of(
    _words,
    st.sampled_from(_LINES),
    st.tuples(st.sampled_from(_LINES), _words).map(" ".join),
    st.sampled_from(_ROWS),
    st.just(""),
    st.text(alphabet="ab *_`~|[]()<>#-\\\n\t1.:!é\u0301\u200d👧\r\x1b", max_size=30),
    _tangled,
)

anything = st.lists(_lines, min_size=1, max_size=25).map("\n".join)
"""Texts of every kind: well-formed, cut off, hostile."""

_paragraphs = st.lists(st.sampled_from(_WHOLE_WORDS), min_size=1, max_size=40).map(" ".join)
well_formed = st.lists(st.one_of(_paragraphs, st.sampled_from(_BLOCKS)), min_size=1, max_size=6).map(
    "\n\n".join
)
"""Paragraphs, lists, tables and fences as Claude writes them, a loose mark here and there."""


def put_together(posts: Sequence[Post]) -> str:
    """Undo what only the seams put there."""
    text = ""
    for post in posts:
        body = post.body.removeprefix(post.opened)
        text += post.joint + (body.removesuffix(post.closed) if post.closed else body)
    return text


def without_space(text: str) -> str:
    """Return `text` without what a post's ends may lose: blanks, and the sign that parts two adjacent marks."""
    return re.sub(r"[\s\u200b]+", "", text)
