"""Convert Claude's inline Markdown to Discord's dialect, for a text that may still be growing.

Answers for code spans, emphasis, links, mentions and escapes within one paragraph. Text that is plain to
CommonMark is escaped where Discord would read a mark. Leaves lines, lists and fences to `scanner`.

Further text must never change the settled part of a growing text, so every mark has a fixed span: an opening
mark without its closing one within `SPAN` characters is text, whatever follows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from bot.markdown import formulas, links, references, tags
from bot.markdown.emphasis import Run, Runs, flanks, is_bare, is_unspaced, needs_more
from bot.markdown.marks import ATOM, STRONG, beside, closing, flattened
from bot.markdown.references import Target
from bot.markdown.reserved_names import may_become_reserved_name, reserved_name
from bot.markdown.seams import gap_before, gap_outside
from bot.markdown.spelling import atom, code_span, escaped, link, unmistakable

SPAN = 1200  # characters of source from an opening mark to its closing one; of code, its closing one included

# The first character is matched by itself, so that the search skips plain text fast.
_TOKEN = re.compile(
    r"[\\`!\[\]<h*_~|:&$]"
    r"(?:(?<=`)`*|(?<=\*)\**|(?<=_)_*|(?<=~)(?:~+|\Z)|(?<=\|)(?:\|+|\Z)|(?<=h)ttps?://"
    r"|(?<=\[)(?!\[\[)|(?<=!)\[(?!\[\[)|(?<=\])\(|(?<=:)(?=[\w+\-]{1,64}:)|(?<=\$)(?=\S)"
    r"|(?<=<)(?=[A-Za-z@#:/!]|\Z)|(?<=&)(?=[#A-Za-z]|\Z)"
    r"|(?<=\\)(?:[(\[]|[!-'*-/:-@\\-`{-~](?:\\[!-'*-/:-@\\-`{-~])*|[^\w\s]|\n|(?=\s)|\Z))"
)
_TICKS = re.compile("`+")
_PAIRED = "~|"
# The neighbours of an emoji that is meant as one. `app.ts:100:5` and `rows[a:b:c]` have no emoji.
_BEFORE_EMOJI = "(*_~|>（「『【"
_AFTER_EMOJI = ").,;!?*_~|）」』】。，！？、"


class End(Enum):
    """The end of the rendered text: final, or more may follow."""

    CLOSED = "the paragraph ends here"
    GROWING = "more may come: show what is open as if it were closed, hide what is half there"


class Inline(msgspec.Struct, frozen=True):
    """Rendered text. `text` is marked (see `marks`). Further text cannot change the first `settled` characters
    of the source.

    `whole` are the source ranges that must not be divided: links, code, emphasised text.
    """

    text: str
    settled: int
    whole: Sequence[tuple[int, int]] = ()


class Manner(msgspec.Struct, frozen=True):
    """Options of rendering. Without `strong`, bold marks are removed: the whole text is bold already.

    `targets` are the known references; uses of unknown ones are kept (see `references`).
    """

    strong: bool = True
    targets: Mapping[str, Target] = msgspec.field(default_factory=dict)


USUAL = Manner()
_IN_BOLD = Manner(strong=False)


def render(text: str, end: End, manner: Manner = USUAL) -> Inline:
    """Render one paragraph's `text`."""
    if _TOKEN.search(text) is None:
        return Inline(text, len(text) if end is End.CLOSED else max(gap_before(text, len(text)), 0))
    return _Parser(text, end, manner).run()


def on_one_line(text: str, end: End = End.CLOSED, manner: Manner = USUAL) -> str:
    """Return `text` rendered (marked) as one line: line breaks become spaces."""
    return render(text, end, manner).text.replace("\n", " ")


def bold(text: str, end: End = End.CLOSED) -> str:
    """Return `text` rendered (marked) on one line, all of it bold."""
    return f"{STRONG}{on_one_line(text, end, _IN_BOLD).strip()}{closing(STRONG)}"


def heading_text(level: int, text: str, end: End) -> str:
    """Return a heading (marked). Discord has three levels; a deeper heading becomes a bold line."""
    if not text.strip("#"):
        return "\\" + "#" * level
    return bold(text, end) if level > 3 else "#" * level + " " + on_one_line(text, end)


@dataclass(slots=True)
class _Parser:
    text: str
    end: End
    manner: Manner
    parts: list[str] = field(default_factory=list)
    whole: list[tuple[int, int]] = field(default_factory=list)  # source ranges that must not be divided
    runs: Runs = field(init=False)
    live: int = -1  # start of the first part that later text may change; -1 for none
    read: int = 0  # end of the read part: the text after it is not known yet
    ticks: dict[int, list[int]] | None = None

    def __post_init__(self) -> None:
        self.runs = Runs(SPAN, self.whole, strong=self.manner.strong)

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
        """Take one token; return where to go on, or -1 to hide the rest."""
        match token[0][0]:
            case "*" | "_" | "~" | "|":
                after = self._emphasis(token)
            case "`":
                after = self._code(token)
            case "[" | "!":
                after = self._link(token)
            case "]":  # not a link that we keep whole: escaped, so that Discord shows no link either
                self.parts.append("]\\(")
                after = token.end()
            case "h":
                after = self._address(token)
            case "\\":
                after = self._formula(token) if token[0][1:] in ("(", "[") else self._escape(token)
            case ":":
                after = self._colon(token)
            case "<":
                after = self._angle(token)
            case "$":
                after = self._formula(token)
            case _:
                after = self._entity(token)
        return after

    def _keep(self, start: int, end: int, shown: str) -> int:
        """Show the indivisible source from `start` to `end` as `shown`; return where to go on."""
        self.whole.append((start, end))
        self.parts.append(shown)
        return end

    def _wait(self, start: int, so_far: str = "") -> bool:
        """Note that later text may change the meaning of the text from `start` on.

        If the text still grows, show `so_far` in its place, and return True.
        """
        self._alive(start)
        if self.end is End.GROWING:
            self.parts.append(so_far)
            return True
        return False

    def _escape(self, token: re.Match[str]) -> int:
        if len(token[0]) == 1:  # a backslash before a space, or at the very end
            if token.end() == len(self.text) and self._wait(token.start()):
                return -1
            shown = "\\\\"
        elif token[0][1] == "\n":  # a hard line break
            shown = "\n"
        else:
            # CommonMark escapes ASCII punctuation only; Discord takes the backslash of any sign.
            shown = token[0] if token[0][1].isascii() else "\\" + token[0]
        return self._keep(token.start(), token.end(), shown)

    def _code(self, token: re.Match[str]) -> int:
        start, count = token.end(), len(token[0])
        close = self._closing_ticks(token)
        if close < 0 and len(self.text) - token.start() <= SPAN:
            content = self.text[start:].rstrip("`").rstrip()
            if self._wait(token.start(), code_span(content) if content.strip() else ""):
                return -1
        if close < 0:
            self.parts.append("\\`" * count)
            return start
        return self._keep(token.start(), close + count, code_span(self.text[start:close]))

    def _closing_ticks(self, opening: re.Match[str]) -> int:
        """Return the place of the next run of equally many backticks if it ends within the span; else -1."""
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
        start = token.start()
        found = links.masked_at(self.text, start)
        if found is not None:
            return self._keep(start, found.end, self._linked(found))
        use = references.use_at(self.text, start + len(token[0]) - 1)
        target = self.manner.targets.get(use.name) if use is not None else None
        if use is not None and target is not None:
            leads = links.Masked(use.label, target.address, target.title, use.end)
            return self._keep(start, use.end, self._linked(leads))
        half = links.may_become_masked(self.text, start) or references.may_become_use(self.text, start)
        if half and self._wait(start):
            return -1
        if use is None:
            self.parts.append(token[0])
            return token.end()
        name = f"[{escaped(use.written)}]" if use.written is not None else ""
        return self._keep(start, use.end, atom(f"{token[0]}{self._label(use.label)}]{name}"))

    def _linked(self, leads: links.Masked) -> str:
        leads = leads.without_image()
        return link(self._label(leads.label), leads)

    def _label(self, label: str) -> str:
        return render(label, End.CLOSED).text if "[" not in label else escaped(label)

    def _angle(self, token: re.Match[str]) -> int:
        text, start = self.text, token.start()
        found = links.angle_at(text, start)
        if found:
            return self._keep(start, start + len(found), atom(found))
        comment = tags.end_of_comment(text, start)
        if comment >= 0:
            return self._keep(start, comment, "")
        tag = tags.tag_at(text, start)
        if tag is not None:
            return self._tag(token, tag)
        if (links.may_become_angle(text, start) or tags.may_become_tag(text, start)) and self._wait(start):
            return -1
        self.parts.append("<")
        return token.end()

    def _tag(self, token: re.Match[str], tag: tags.Tag) -> int:
        text, start = self.text, token.start()
        if tag.name in tags.MARK_TAGS:
            char, opens = tags.MARK_TAGS[tag.name], not tag.closes
            run = Run(start, char, 1, len(self.parts), opens, tag.closes, 1, tag=text[start : tag.end])
            self.parts.append("")
            self.runs.add(run)
            return tag.end
        if tag.name == "br":
            return self._keep(start, tag.end, "\n")
        # `lines` reads the opening tags at the beginning of a line.
        if tag.name == "details" and (tag.closes or tags.closing_tag(text, tag.end, "details") >= 0):
            return self._keep(start, tag.end, "")
        if tag.name == "img" and (source := tag.attributes.get("src")):
            leads = links.Masked(tag.attributes.get("alt", ""), source, "", tag.end)
            return self._keep(start, tag.end, self._linked(leads))
        close = tags.closing_tag(text, tag.end, tag.name) if tag.has_content() else -1
        if close >= 0:
            shown = self._content(tag, text[tag.end : close])
            return self._keep(start, close + len(f"</{tag.name}>"), shown)
        if tag.has_content() and len(text) - start <= SPAN:
            begun = tags.open_code(tag, text[tag.end :])
            if self._wait(start, code_span(begun) if begun else ""):
                return -1
        self.parts.append(text[start : tag.end])
        return tag.end

    def _content(self, tag: tags.Tag, content: str) -> str:
        if tag.name in ("sup", "sub"):
            shown = render(content, End.CLOSED).text
            return tags.raised(shown) if tag.name == "sup" else tags.lowered(shown)
        if tag.name == "a":
            address = tag.attributes.get("href", "")
            image = tags.tag_at(content.strip(), 0)
            label = image.attributes.get("alt", "") if image is not None and image.name == "img" else content
            leads = links.Masked(label.replace("\n", " "), address, "", 0)
            return self._linked(leads) if address else self._label(label)
        content = tags.decoded(content).strip()
        return code_span(content) if content else ""

    def _entity(self, token: re.Match[str]) -> int:
        shown, end = tags.entity_at(self.text, token.start())
        if end > token.start():
            return self._keep(token.start(), end, escaped(shown))
        if tags.may_become_entity(self.text, token.start()) and self._wait(token.start()):
            return -1
        self.parts.append("&")
        return token.end()

    def _formula(self, token: re.Match[str]) -> int:
        text, start = self.text, token.start()
        end = formulas.formula_end(text, start)
        if end >= 0:
            return self._keep(start, end, code_span(text[start:end]))
        if formulas.may_become_formula(text, start):
            if formulas.begins_one(text, start):
                if self._wait(start, code_span(text[start:].rstrip())):
                    return -1
            elif token[0] != "$" and self._wait(start):
                return -1
            self._alive(start)
        if token[0] == "$":
            self.parts.append("$")
            return token.end()
        return self._escape(token)

    def _address(self, token: re.Match[str]) -> int:
        found = links.address_at(self.text, token.start())
        end = token.start() + len(found)
        follows = links.read_on(self.text, end)
        if end + follows == len(self.text):
            self._alive(token.start())
        # With what Discord reads on: a cut there would change where the address ends.
        self.whole.append((token.start(), end + follows))
        return self._keep(token.start(), end, atom(f"<{found}>" if follows else found))

    def _colon(self, token: re.Match[str]) -> int:
        """Take the first colon of `:name:`. Discord shows it as an emoji if it knows the name."""
        before = self.text[token.start() - 1] if token.start() else " "
        end = self.text.index(":", token.end()) + 1
        name = self.text[token.end() : end - 1]
        if before.isspace() or before in _BEFORE_EMOJI or (is_unspaced(before) and not name.isdecimal()):
            if end == len(self.text) and self._wait(token.start()):
                return -1
            after = self.text[end] if end < len(self.text) else " "
            if after.isspace() or after in _AFTER_EMOJI or is_unspaced(after):
                return self._keep(token.start(), end, self.text[token.start() : end])
        self.parts.append("\\:")
        return token.end()

    def _emphasis(self, token: re.Match[str]) -> int:
        text, start, end = self.text, token.start(), token.end()
        char, count = text[start], end - start
        if end == len(text) and self._wait(start):
            return -1
        if count == 1 and char in _PAIRED:
            self.parts.append(char)
            return end
        if char == "_" and count == 2 and not (start and text[start - 1].isalnum()):
            if (name := reserved_name(text, start)) is not None:
                return self._keep(start, name, escaped(text[start:name]))
            if may_become_reserved_name(text, start) and self._wait(start):
                return -1
        before = text[start - 1] if start else " "
        after = text[end] if end < len(text) else " "
        if end + 1 == len(text) and needs_more(before, after) and self._wait(start):
            return -1
        opens, closes = flanks(text, start, end) if char not in _PAIRED or count == 2 else (False, False)
        if count == 4 and opens and closes and self.runs.has_double(char, start):
            # `**a****b**`: one mark ends and the next one begins, though CommonMark reads four signs as text.
            self.parts.append("")
            self.runs.add(Run(start, char, 2, len(self.parts) - 1, opens=False, closes=True, left=2))
            start, count, closes = start + 2, 2, False
        run = Run(start, char, count, len(self.parts), opens, closes, count)
        run.bare = (count == 1 and is_bare(char, before, after)) or self._follows_address(token)
        self.parts.append("")
        self.runs.add(run)
        return end

    def _follows_address(self, token: re.Match[str]) -> bool:
        """Say whether Discord would read the mark as a part of the address before it."""
        start, end = self.whole[-1] if self.whole else (0, 0)
        is_bracketed = bool(self.parts) and self.parts[-1].startswith(f"{ATOM}<")
        return end == token.start() and self.text.startswith("http", start) and not is_bracketed

    def _alive(self, at: int) -> None:
        self.live = at if self.live < 0 else min(self.live, at)

    def _result(self) -> Inline:
        pending = self.runs.pending(self.read)
        if pending:
            self._alive(pending[0].at)
        ends = ""
        if self.end is End.GROWING and pending:
            last = next((slot for slot in range(len(self.parts) - 1, -1, -1) if self.parts[slot].strip()), -1)
            ends = self.runs.close(pending, last)
        for run in self.runs.all:
            self.parts[run.slot] = run.spelled()
        text = "".join(self.parts)
        text = text.rstrip() + ends if ends else text
        text = beside(unmistakable(beside(flattened(text) if self.runs.nested else text)))
        return Inline(text, len(self.text) if self.end is End.CLOSED else self._settled(), self.whole)

    def _settled(self) -> int:
        """Return the last gap between words before the first open part, and outside all indivisible ranges."""
        return gap_outside(self.text, len(self.text) if self.live < 0 else self.live, self.whole)
