"""Short texts for cards and quiet lines: names, commands, diffs, tool calls, todo lists.

Answers for untrusted text: it shows as it is and never as formatting, a mention or a second line.
Leaves Claude's answers to `answer`, and the cards themselves to the view.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from bot.markdown.cleaning import clean
from bot.markdown.graphemes import cut_before
from texts.unseen import spelled

_ELLIPSIS = "…"
# Discord pings nobody from a card; without this the text would still look like a mention.
_NO_PING = "\u200b"
_SIGNS = re.compile(r"[\\*_~|`\[\]()<>#:](?:(?<!:)|(?=[\w+\-]{1,64}:))")
_BLOCK_START = re.compile(r"\A(\d{0,9})([-+.)])")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|discord)://|\bwww\.")
_EVERYONE = re.compile(r"@(?=everyone|here)|@(?=[!&]?\d)")
_COMBINING = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
# Piles of combining marks cover the lines above and below.
_STACKED = re.compile(f"({_COMBINING}{{4}}){_COMBINING}+")
_TICKS = re.compile("`{3,}")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+\-.#]{1,20}\Z")
_DIFF_NOISE = re.compile(
    r"(?:index [0-9a-f]+\.\.|similarity index |diff --git |(?:new|deleted) file mode |(?:old|new) mode )"
)


def one_line(text: str, limit: int) -> str:
    """Return `text` as one line of at most `limit` code points, cut with an ellipsis; for places without
    Markdown.

    Line ends become spaces. Control characters, marks that reorder or hide text, and piles of combining marks
    are removed.
    """
    # Before the cut: removed characters must not count.
    text = _STACKED.sub(r"\1", clean(text))
    return shortened(" ".join(text.split()), limit)


def shortened(text: str, limit: int) -> str:
    """Return `text` cut to `limit` code points between two characters, an ellipsis at the cut. `limit` is
    at least 1.
    """
    if len(text) <= limit:
        return text
    return text[: cut_before(text, limit - 1)].rstrip() + _ELLIPSIS if limit > 1 else _ELLIPSIS


def is_shortened(text: str, limit: int) -> bool:
    """Say whether `escape_inline` leaves a part of `text` out."""
    return len(escape_inline(text, 8 * len(text) + 1)) > limit


def escape_inline(text: str, limit: int) -> str:
    """Return `text` as one line for Markdown, at most `limit` code points: no formatting, mention, link or
    new line.

    For untrusted names and titles. The result may be empty.
    """
    line = one_line(text, limit)
    escaped = _escaped(line)
    # The line is cut, not its escaped form: that could end between a backslash and its sign.
    while len(escaped) > limit:
        line = shortened(line, len(line) - max(1, (len(escaped) - limit) // 2)) if len(line) > 1 else ""
        escaped = _escaped(line)
    return escaped


def told_apart(texts: Sequence[str], limit: int) -> list[str]:
    """Return each of `texts` as one line of at most `limit` code points, so that no two look the same.

    Texts that are equal up to the cut lose their beginning instead of their end. `limit` is at least 20.
    """
    whole = [one_line(text, 10_000) for text in texts]
    cut = [shortened(text, limit) for text in whole]
    alike: dict[str, list[str]] = defaultdict(list)
    for text, its in zip(whole, cut, strict=True):
        alike[its].append(text)
    differ = {its: _first_difference(each, limit) for its, each in alike.items() if len(each) > 1}
    shown = set[str]()
    lines: list[str] = []
    for number, (text, its) in enumerate(zip(whole, cut, strict=True), 1):
        line = its
        if its in differ:
            # A label that people choose by must show where it differs from the others.
            line = shortened(_ELLIPSIS + text[max(0, differ[its] - limit // 4) :].lstrip(), limit)
        lines.append(line if line not in shown else shortened(f"{number}. {line}", limit))
        shown.add(lines[-1])
    return lines


def _first_difference(texts: Sequence[str], otherwise: int) -> int:
    """Return the first place at which not all of `texts` have the same sign."""
    signs = enumerate(zip(*texts, strict=False))
    return next((at for at, each in signs if len(set(each)) > 1), otherwise)


def code_block(text: str, language: str, limit: int) -> str:
    """Return `text` in a fence, at most `limit` code points, cut with a line that says how much is missing.

    For text that a person must approve: characters that reorder or hide text are spelled out, as `\\u202e`.
    `limit` is at least 100.
    """
    text = spelled(text.replace("\r\n", "\n")).strip("\n")
    return _fenced(text.split("\n"), language if _LANGUAGE.match(language) else "", limit)


def diff_block(patch: str, limit: int) -> str:
    """Return a unified `patch` as a diff that a phone shows, at most `limit` code points; `limit` is at
    least 100.

    Git's lines on modes and object names are removed; the file names and the changes stay.
    """
    lines = [line for line in patch.strip("\n").split("\n") if not _DIFF_NOISE.match(line)]
    return code_block("\n".join(lines), "diff", limit)


def todo_line(done: int, total: int, current: str, *, limit: int = 150) -> str:
    """Return the progress line of a todo list: `-# ☑ 3/7 · Write the tests`."""
    mark = "☑" if done >= total > 0 else "☐"
    line = f"-# {mark} {done}/{total}"
    current = escape_inline(current, max(limit - len(line) - 3, 1))
    return f"{line} · {current}" if current else line


def _escaped(line: str) -> str:
    line = _BLOCK_START.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", line))
    # An address in a name would be clickable.
    line = _ADDRESS.sub(lambda found: re.sub("[:.]", lambda sign: sign[0] + _NO_PING, found[0]), line)
    return _EVERYONE.sub("@" + _NO_PING, line)


def _fenced(lines: list[str], language: str, limit: int) -> str:
    # Three backticks would end the fence, and what follows them would be formatted.
    broken = [_TICKS.sub(lambda run: _NO_PING.join(run[0]), line) for line in lines]
    opening, closing = f"```{language}\n", "\n```"
    room = limit - len(opening) - len(closing)
    body = "\n".join(broken)
    if not body.strip():
        body = " "
    if len(body) > room:
        body = _first_lines(broken, room)
    return opening + body + closing


def _first_lines(lines: list[str], room: int) -> str:
    """Return as many whole lines as fit, or the beginning of the first, and a line that counts the rest."""
    room -= len("… 1,000,000 more lines") + 1
    kept: list[str] = []
    for line in lines:
        if len(line) + 1 > room:
            break
        kept.append(line)
        room -= len(line) + 1
    missing = len(lines) - len(kept)
    if room > 40 and missing and len(lines[len(kept)]) > room:
        kept.append(shortened(lines[len(kept)], room))
        missing -= 1
    if missing:
        kept.append(f"{_ELLIPSIS} {missing:,} more line{'s' * (missing > 1)}")
    return "\n".join(kept)
