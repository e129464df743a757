"""A unified diff as files and lines; text inside of it never becomes a header."""

import difflib

from hypothesis import given
from hypothesis import strategies as st

from web.pages.diff import LineKind, parse_diff, shown

_DIFF = """diff --git a b.txt b.txt
index 1..2 100644
--- a b.txt
+++ b.txt\t
@@ -1,3 +1,3 @@ def f():
 same
--- looks like a header
+++ so does this
 last
\\ No newline at end of file
diff --git new new
new file mode 100644
--- /dev/null
+++ new
@@ -0,0 +1 @@
+<b>
diff --git p.png p.png
Binary files p.png and /dev/null differ
"""


def test_headers_end_and_hunks_are_counted() -> None:
    first, new, picture = parse_diff(_DIFF)
    assert [(line.kind, line.number, line.text) for line in first.lines] == [
        (LineKind.PLACE, 1, "def f():"),
        (LineKind.SAME, 1, "same"),
        (LineKind.REMOVED, 2, "-- looks like a header"),
        (LineKind.ADDED, 2, "++ so does this"),
        (LineKind.SAME, 3, "last"),
    ]
    assert (new.path, [line.text for line in new.lines]) == ("new", ["", "<b>"])
    assert (picture.path, picture.note) == ("p.png", "A file that is not text.")
    assert "&lt;b&gt;" in shown([first, new, picture])
    assert "<b>" not in shown([first, new, picture])


_LINES = st.lists(
    st.sampled_from(["a", "- b", "+ c", "@@ -1 +1 @@", "diff --git x x", "--- x", ""]), max_size=12
)


@given(_LINES, _LINES)
def test_both_sides_can_be_read_back(old: list[str], new: list[str]) -> None:
    """The lines of a diff with full context are the file before and after."""
    count = len(old) + len(new)
    lines = difflib.unified_diff(old, new, "x", "x", n=count, lineterm="")
    found = parse_diff("\n".join(["diff --git x x", *lines]))
    after = (
        [line.text for line in found[0].lines if line.kind in (LineKind.SAME, LineKind.ADDED)] if found else new
    )
    before = (
        [line.text for line in found[0].lines if line.kind in (LineKind.SAME, LineKind.REMOVED)]
        if found
        else old
    )
    assert (before, after) == (old, new)


def test_a_long_diff_is_cut_with_a_word() -> None:
    lines = "\n".join(["diff --git x x", "--- x", "+++ x", "@@ -0,0 +1,4000 @@", *["+line"] * 4000])
    html = shown(parse_diff(lines))
    assert "1,001 lines more" in html
    assert html.count("<tr") == 2_999  # the hunk begins at the first line, so its place is not named
