"""Claude's inline Markdown → the same in Discord's dialect, for a text that may still be growing.

Answers for code spans, emphasis, links, mentions and escapes within one paragraph. What CommonMark reads as
plain text is escaped where Discord would read a mark. Leaves lines, lists and fences to `scanner`.

So that a growing text never changes what was settled, nothing reaches further than a fixed span: an opening
mark without its closing one within `SPAN` characters is text, whatever follows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from bot.markdown import links
from bot.markdown.emphasis import Neighbours, Run, flanks, is_bare
from bot.markdown.marks import (
    ATOM,
    CODE,
    CODE2,
    SPOILER,
    STAR,
    STRIKE,
    STRONG,
    UNDERSCORE,
    apart,
    closing,
    flattened,
)
from bot.markdown.seams import gap_before, outermost

SPAN = 1200  # characters of source from an opening mark to its closing one; for code to the end of that

_SHOWN_OPEN = 6  # of marks that nothing has closed yet, so many are shown closed

_TOKEN = re.compile(
    r"(?:\\[!-/:-@\[-`{-~])+|\\(?:[^\w\s]|\n|(?=\s)|\Z)|`+|!?\[(?!\[\[)|<(?=[h@#:/ait]|\Z)|https?://|\*+|_+|~~+|\|\|+|[~|]\Z|:(?=[\w+\-]{1,64}:)|\]\("
)
_FENCE_LIKE = re.compile("`{3,}")
_TICKS = re.compile("`+")
_ITALIC = re.compile(
    f"([{STAR}{UNDERSCORE}])([^{STAR}{UNDERSCORE}{closing(STAR)}{closing(UNDERSCORE)}]*)"
    f"[{closing(STAR)}{closing(UNDERSCORE)}]"
)
_PAIRED = {"~": STRIKE, "|": SPOILER}
# Around an emoji that its author meant. `app.ts:100:5` and `rows[a:b:c]` are none.
_BEFORE_EMOJI = "(*_~|>"
_AFTER_EMOJI = ").,;!?*_~|"
_TEXT_SIGNS = re.compile(r"[\\*_~|`\[\]<>#]|:(?=[\w+\-]{1,64}:)")


class End(Enum):
    """What follows the text that is rendered."""

    CLOSED = "the paragraph ends here"
    GROWING = "more may come: show what is open as if it were closed, hide what is half there"


@dataclass(frozen=True, slots=True)
class Inline:
    """`text` is marked (see `marks`); `settled` is how much of the source no further text can change.

    `whole` are the ranges of the source that hold together: links, code, what is emphasised.
    """

    text: str
    settled: int
    whole: Sequence[tuple[int, int]] = ()


def render(text: str, end: End, *, strong: bool = True) -> Inline:
    """Render one paragraph's `text`; without `strong`, bold marks vanish (the whole is bold already)."""
    if _TOKEN.search(text) is None:
        return Inline(text, len(text) if end is End.CLOSED else max(gap_before(text, len(text)), 0))
    return _Parser(text, end, strong=strong).run()


def bold(text: str, end: End = End.CLOSED) -> str:
    """Return `text` rendered (marked), all of it bold."""
    return f"{STRONG}{render(text, end, strong=False).text.strip()}{closing(STRONG)}"


@dataclass(slots=True)
class _Parser:
    text: str
    end: End
    strong: bool = True
    parts: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    open_runs: dict[str, list[Run]] = field(default_factory=lambda: {"*": [], "_": [], "~": [], "|": []})
    whole: list[tuple[int, int]] = field(default_factory=list)  # source ranges that hold together
    live: int = -1  # where the first thing begins that later text may explain; -1: nothing
    read: int = 0  # up to where the text is read: what comes after may yet be anything
    nested: bool = False  # more than one pair of marks: one may stand in another
    ticks: dict[int, list[int]] | None = None

    def run(self) -> Inline:
        at = 0
        while at >= 0:
            token = _TOKEN.search(self.text, at)
            if token is None:
                self.parts.append(self.text[at:])
                self.read = len(self.text)
                break
            if token.start() > at:
                self.parts.append(self.text[at : token.start()])
            self.read = token.start()
            at = self._token(token)
        return self._result()

    def _token(self, token: re.Match[str]) -> int:
        """Take one token; return where to go on, or -1 to show nothing of the rest."""
        match token[0][0]:
            case "\\":
                after = self._escape(token)
            case "`":
                after = self._code(token)
            case "[" | "!":
                after = self._link(token)
            case "]":  # of no link that we keep whole, so Discord must not find one either
                self.parts.append("]\\(")
                after = token.end()
            case "<":
                after = self._angle(token)
            case "h":
                after = self._address(token)
            case ":":
                after = self._colon(token)
            case _:
                after = self._emphasis(token)
        return after

    def _escape(self, token: re.Match[str]) -> int:
        if len(token[0]) == 1:  # a backslash before a space, or at the very end
            if token.end() == len(self.text):
                self._alive(token.start())
                if self.end is End.GROWING:
                    return -1
            self.parts.append("\\\\")
        elif token[0][1] == "\n":  # a hard line break
            self.parts.append("\n")
        else:
            # CommonMark escapes ASCII punctuation only; Discord takes the backslash of any sign.
            self.parts.append(token[0] if token[0][1].isascii() else "\\" + token[0])
        self.whole.append((token.start(), token.end()))
        return token.end()

    def _code(self, token: re.Match[str]) -> int:
        start, count = token.end(), len(token[0])
        close = self._closing_ticks(token)
        if close < 0 and len(self.text) - token.start() <= SPAN:
            self._alive(token.start())
            if self.end is End.GROWING:
                content = self.text[start:].rstrip("`").rstrip()
                self.parts.append(_code_span(content) if content.strip() else "")
                return -1
        if close < 0:
            self.parts.append("\\`" * count)
            return start
        self.whole.append((token.start(), close + count))
        self.parts.append(_code_span(self.text[start:close]))
        return close + count

    def _closing_ticks(self, opening: re.Match[str]) -> int:
        """Return where the next run of as many backticks begins, if it ends within the span; else -1."""
        if self.ticks is None:
            self.ticks = {}
            for run in reversed(list(_TICKS.finditer(self.text))):
                self.ticks.setdefault(len(run[0]), []).append(run.start())
        count = len(opening[0])
        places = self.ticks.get(count, [])
        while places and places[-1] < opening.end():
            places.pop()
        return places[-1] if places and places[-1] + count - opening.start() <= SPAN else -1

    def _link(self, token: re.Match[str]) -> int:
        found = links.masked_at(self.text, token.start())
        if found is not None:
            self.whole.append((token.start(), found.end))
            self.parts.append(self._link_text(found))
            return found.end
        if links.may_become_masked(self.text, token.start()):
            self._alive(token.start())
            if self.end is End.GROWING:
                return -1
        self.parts.append(token[0])
        return token.end()

    def _link_text(self, link: links.Masked) -> str:
        label = render(link.label, End.CLOSED).text if "[" not in link.label else escaped(link.label)
        if link.is_honest():
            return f"{ATOM}[{label}]({link.target}{link.title}){closing(ATOM)}"
        target = f"{ATOM}{link.target}{closing(ATOM)}" if link.is_address() else escaped(link.target)
        if not link.label.strip() or link.label.strip("`") == link.target:
            return target + link.title
        return f"{label} ({target}{link.title})"

    def _angle(self, token: re.Match[str]) -> int:
        found = links.angle_at(self.text, token.start())
        if found:
            self.whole.append((token.start(), token.start() + len(found)))
            self.parts.append(f"{ATOM}{found}{closing(ATOM)}")
            return token.start() + len(found)
        if links.may_become_angle(self.text, token.start()):
            self._alive(token.start())
            if self.end is End.GROWING:
                return -1
        self.parts.append("<")
        return token.end()

    def _address(self, token: re.Match[str]) -> int:
        found = links.address_at(self.text, token.start())
        self.parts.append(f"{ATOM}{found}{closing(ATOM)}")
        self.whole.append((token.start(), token.start() + len(found)))
        return token.start() + len(found)

    def _colon(self, token: re.Match[str]) -> int:
        """Take the first colon of `:name:`, which Discord shows as an emoji if it knows the name."""
        before = self.text[token.start() - 1] if token.start() else " "
        end = self.text.index(":", token.end()) + 1
        if not (before.isspace() or before in _BEFORE_EMOJI):
            self.parts.append("\\:")
            return token.end()
        if end == len(self.text):
            self._alive(token.start())
            if self.end is End.GROWING:
                return -1
        after = self.text[end] if end < len(self.text) else " "
        if after.isspace() or after in _AFTER_EMOJI:
            self.parts.append(self.text[token.start() : end])
            self.whole.append((token.start(), end))
            return end
        self.parts.append("\\:")
        return token.end()

    def _emphasis(self, token: re.Match[str]) -> int:
        text, char, count = self.text, token[0][0], len(token[0])
        if self.end is End.GROWING and token.end() == len(text):
            self._alive(token.start())
            return -1
        if count == 1 and char in _PAIRED:
            self.parts.append(char)
            return token.end()
        before = text[token.start() - 1] if token.start() else " "
        after = text[token.end()] if token.end() < len(text) else " "
        beside = Neighbours(
            before,
            after,
            text[token.start() - 2 : token.start() - 1] or " ",
            text[token.end() + 1 : token.end() + 2] or " ",
        )
        if beside.needs_outer_after and token.end() + 1 == len(text):
            self._alive(token.start())
            if self.end is End.GROWING:
                return -1
        opens, closes = flanks(char, count, beside)
        run = Run(token.start(), char, count, len(self.parts), opens, closes, count)
        run.bare = (count == 1 and is_bare(char, before, after)) or self._follows_address(token)
        if token.end() == len(text):
            self._alive(token.start())
        if char in _PAIRED and count != 2:
            run.opens = run.closes = False
        self.parts.append("")
        self.runs.append(run)
        if run.closes:
            self._match(run)
        if run.left and run.opens:
            self.open_runs[char].append(run)
        return token.end()

    def _follows_address(self, token: re.Match[str]) -> bool:
        """Say whether Discord reads on into the mark as a part of the address before it."""
        start, end = self.whole[-1] if self.whole else (0, 0)
        return end == token.start() and self.text.startswith("http", start)

    def _match(self, closer: Run) -> None:
        openers = self.open_runs[closer.char]
        while closer.left and openers and closer.at - openers[-1].at <= SPAN:
            opener = openers[-1]
            either = (opener.opens and opener.closes) or (closer.opens and closer.closes)
            if either and (opener.count + closer.count) % 3 == 0 and closer.count % 3:
                return
            used = 2 if opener.left >= 2 and closer.left >= 2 else 1
            mark = self._mark(closer.char, used)
            opener.after = mark + opener.after
            closer.before += closing(mark) if mark else ""
            opener.left -= used
            closer.left -= used
            self.nested = self.nested or bool(self.whole)
            self.whole.append((opener.at, closer.at + closer.count))
            for others in self.open_runs.values():
                while others and others[-1].at > opener.at:
                    others.pop()
            if not opener.left:
                openers.pop()

    def _mark(self, char: str, used: int) -> str:
        if char in _PAIRED:
            return _PAIRED[char]
        if used == 2:
            return STRONG if self.strong else ""
        return STAR if char == "*" else UNDERSCORE

    def _alive(self, at: int) -> None:
        self.live = at if self.live < 0 else min(self.live, at)

    def _result(self) -> Inline:
        pending = sorted((run for runs in self.open_runs.values() for run in runs), key=lambda run: run.at)
        pending = [run for run in pending if self.read - run.at <= SPAN]
        if pending:
            self._alive(pending[0].at)
        ends = self._close(pending) if self.end is End.GROWING else ""
        for run in self.runs:
            self.parts[run.slot] = run.spelled()
        if self.end is End.CLOSED:
            return Inline(self._joined(""), len(self.text), self.whole)
        return Inline(self._joined(ends), self._settled(), self.whole)

    def _joined(self, ends: str) -> str:
        text = "".join(self.parts)
        text = text.rstrip() + ends if ends else text
        text = flattened(text) if self.nested else text
        return _ITALIC.sub(_unmistakable, text) if STAR in text or UNDERSCORE in text else text

    def _close(self, pending: list[Run]) -> str:
        """Make marks of what is open, so that a growing text shows no loose ones; return what closes them."""
        ends = ""
        last = next((slot for slot in range(len(self.parts) - 1, -1, -1) if self.parts[slot].strip()), -1)
        for run in reversed(pending[-_SHOWN_OPEN:]):
            empty = not ends and last < run.slot
            if run.left > 3 or empty:
                run.left = 0 if empty else run.left
                continue
            self.nested = True
            for used in (2, 1) if run.left == 3 else (run.left,):
                mark = self._mark(run.char, used)
                run.after = mark + run.after
                ends += closing(mark) if mark else ""
            run.left = 0
        return ends

    def _settled(self) -> int:
        """Return the last gap between words before which nothing is open, outside all that holds together."""
        bound = len(self.text) if self.live < 0 else self.live
        outer = outermost(self.whole)
        while True:
            place = gap_before(self.text, bound)
            while outer and outer[-1][0] >= place:
                outer.pop()
            if place <= 0 or not outer or outer[-1][1] <= place:
                return max(place, 0)
            bound = outer[-1][0]


def _unmistakable(italic: re.Match[str]) -> str:
    """Write what is italic with the sign that is not in it: Discord takes any for its end, even in code."""
    mark, inner = italic[1], italic[2]
    if ("*" if mark == STAR else "_") not in inner:
        return italic[0]
    if "*" not in inner:
        return STAR + inner + closing(STAR)
    if "_" not in inner:
        return UNDERSCORE + inner + apart(inner[-1:]) + closing(UNDERSCORE)
    return inner


def escaped(text: str) -> str:
    """Return `text` so that Discord shows it as it is: every sign that could be a mark escaped."""
    return _TEXT_SIGNS.sub(r"\\\g<0>", text)


def _code_span(content: str) -> str:
    """Return a code span that Discord shows as `content`; three backticks would be a fence there."""
    content = _FENCE_LIKE.sub(lambda run: "\u200b".join(run[0]), content.replace("\n", " "))
    runs = {len(run[0]) for run in _TICKS.finditer(content)}
    if {1, 2} <= runs:
        content = content.replace("``", "`\u200b`")
    mark = CODE2 if 1 in runs else CODE
    pad_left, pad_right = " " * content.startswith("`"), " " * content.endswith("`")
    return f"{mark}{pad_left}{content}{pad_right}{closing(mark)}"
