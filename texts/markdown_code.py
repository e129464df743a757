"""Code in Markdown: fences and spans that the code inside cannot end.

Source: CommonMark 0.31.2, sections 4.5 (fenced code blocks) and 6.1 (code spans).
"""

import re

_BACKTICKS = re.compile("`+")


def fence_around(text: str) -> str:
    """Return a fence for `text`: backticks, one more than its longest run has, and at least three."""
    return "`" * max(3, _longest_run(text) + 1)


def code_span(text: str) -> str:
    """Return `text` as code within a line. Line breaks become blanks; an empty text stays empty."""
    line = " ".join(text.splitlines())
    if not line:
        return ""
    # A reader takes the shortest run of the right length as the end, and one blank off both sides.
    mark = "`" * (_longest_run(line) + 1)
    pad = " " if line[0] in "` " or line[-1] in "` " else ""
    return f"{mark}{pad}{line}{pad}{mark}"


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
