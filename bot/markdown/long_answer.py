"""An answer that is too long for posts: shown as its beginning, a line with the file, and its end.

The end stands in the channel because Claude asks its questions there; clients preview only a file's head.
The result depends on the text alone. Leaves the splitting to `answer.py`.
"""

import re
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from bot.markdown import lines
from bot.markdown.answer import AnswerSplitter
from bot.markdown.cleaning import clean
from bot.markdown.posts import Post

MOST_CHARS = 12_000
"""Most characters of one answer in posts."""
FILE_NAME = "answer.md"
_HEAD_CHARS = 9_000  # about five posts, which readers scroll through
_END_CHARS = 1_600
# Of all other lines, none begins or ends a fence, but an unquoted one ends the fence of a quote.
_MAY_FENCE = re.compile(r"^[^`~\n]{0,100}(?:`{3}|~{3}).*$", re.MULTILINE)
_UNQUOTED = re.compile(r"^(?! {0,3}>)(?!\Z)", re.MULTILINE)


class Attachment(msgspec.Struct, frozen=True):
    """A text file that goes with a post."""

    name: str
    text: str


class Rendered(msgspec.Struct, frozen=True):
    """The bodies of the posts of an answer, and the whole as a file with the post number `file_at`."""

    bodies: Sequence[str]
    file: Attachment | None = None
    file_at: int = 0


def is_too_long(posts: Sequence[Post], text: str, *, finished: bool) -> bool:
    """Return whether `text` is too long to be shown whole in `posts`."""
    # In a growing text only sealed posts count: they stay, so the result never changes back to False.
    counted = posts if finished else posts[:-1]
    return min(len(text), sum(len(post.body) for post in counted)) > MOST_CHARS


def head_of(posts: Sequence[Post]) -> tuple[str, ...]:
    """Return the bodies of the first `posts`, which stay when an answer becomes too long."""
    bodies, chars = [posts[0].body], len(posts[0].body)
    for post in posts[1:]:
        chars += len(post.body)
        if chars > _HEAD_CHARS:
            break
        bodies.append(post.body)
    return tuple(bodies)


def render_long(head: Sequence[str], text: str, *, finished: bool) -> Rendered:
    """Return the first posts, the line on the file, and the end of `text`."""
    end = _end_of(text, finished=finished)
    if not finished:
        so_far = f"{len(text) // 1000 * 1000:,} characters so far"
        line = f"-# A long answer: {so_far}. The whole will follow as a file; the end is below."
        return Rendered((*head, line, *end))
    whole = clean(text)
    size = f"{len(whole):,} characters in {whole.count(chr(10)) + 1:,} lines"
    line = f"-# A long answer: {size}. The whole is in the file; its end is below."
    return Rendered((*head, line, *end), Attachment(FILE_NAME, whole), len(head))


def _end_of(text: str, *, finished: bool) -> tuple[str, ...]:
    begin = _beginning_of_end(text)
    splitter = AnswerSplitter()
    # The end may begin inside a fence: without its opening line, code would be read as Markdown.
    splitter.feed(_open_fence(text[:begin]) + text[begin:])
    return tuple(post.body for post in splitter.posts(finished=finished)[-2:])


def _beginning_of_end(text: str) -> int:
    """Return the start of the shown end of `text`: at a paragraph, else at a line or word if there is one."""
    at = max(0, len(text) - _END_CHARS)
    for seam in ("\n\n", "\n", " "):
        found = text.find(seam, at, at + _END_CHARS // 2)
        if found >= 0:
            return found + len(seam)
    return at


def _open_fence(text: str) -> str:
    """Return the line that opens the fence in which `text` ends; empty if it ends outside a fence."""
    fence: lines.Fence | None = None
    is_quoted, since = False, 0
    for found in _MAY_FENCE.finditer(text):
        if is_quoted and _UNQUOTED.search(text, since, found.start()):
            fence, is_quoted = None, False
        since = found.end() + 1
        quoted, content = lines.unquoted(found[0])
        if fence is not None and is_quoted and not quoted:
            fence = None
        if fence is None:
            fence, is_quoted = _fence_of(content), quoted
        # In a fence outside of quotes, `>` is code.
        elif lines.ends_fence(content if is_quoted else found[0], fence.run):
            fence = None
        is_quoted = is_quoted and fence is not None
    if fence is None or (is_quoted and _UNQUOTED.search(text, since)):
        return ""
    return f"{'> ' * is_quoted}{' ' * fence.indent}{fence.run}{fence.language}\n"


def _fence_of(line: str) -> lines.Fence | None:
    """Return the fence that `line` opens, also as the first line of a list's item."""
    kind = lines.read(line)
    if isinstance(kind, lines.Item):
        inner = lines.read(kind.content)
        return replace(inner, indent=kind.width) if isinstance(inner, lines.Fence) else None
    return kind if isinstance(kind, lines.Fence) else None
