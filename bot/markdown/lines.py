"""The kinds of Markdown lines, each line judged by itself.

Answers for one line without its line end. `scanner` decides its meaning in its place (in a fence, in a list).
"""

import re

import msgspec

# A longer fence, heading, rule or table row is text: after so many characters a line's kind is known.
LONGEST = 2000
# A longer line cannot become a heading by the line below it, or a table's head without a leading pipe.
LONGEST_HEAD = 200

# Not `>>> `: that is Python's prompt, and Discord would quote all of the message behind it.
_QUOTE = re.compile(r" {0,3}>(?!>> )[ \t]?(?:>[ \t]?){0,20}")
_ITEM = re.compile(r"(?P<indent>[ \t]*)(?P<mark>[-*+]|\d{1,9}[.)])(?:(?P<space>[ \t]{1,4})(?=[^ \t])|[ \t]*\Z)")
_TASK = re.compile(r"\[(?P<done>[ xX])\][ \t]+(?=\S)")
_FENCE = re.compile(r"`{3,}|~{3,}")
_HEADING = re.compile(r"(#{1,6})[ \t]")
_RULE = re.compile(r"(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})\Z")
# Possessive loops, here and elsewhere: the text may be hostile, and each pattern must take linear time.
_DELIMITER = re.compile(r"\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+\Z")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+\-.#]{1,20}\Z")
# The tags of the blocks that `html_blocks` reads.
_BLOCK_TAG = r"(?i:table|h[1-6]|hr|ul|ol|dl|pre|blockquote)"
# Beginnings of lines of any kind so far, and of lines whose kind only the whole line tells.
_HALF = re.compile(
    r"(?:\d{1,9}[.)]?)?[-+*_#>|`~=.)\s\[\]xX]*\Z|\||`{3}|~{3}"
    r"|\$\$?\Z|\\\[?\Z|\\b[a-z]{0,4}(?:\{[A-Za-z]{0,9}\*?\}?[ \t]*)?\Z"
    rf"|<(?:!-|!?\Z|(?i:t|ta|tab|tabl|h)\Z|{_BLOCK_TAG}(?:\Z|[ \t>/]))"
    r"|\[!?[A-Za-z]{0,12}\]?\Z|\[(?!\^)[^\[\]]{1,100}\]:"
)
_KNOWN_WHOLE = re.compile(
    rf"[ ]{{0,3}}#{{1,6}}[ \t]|>>>|[ ]{{0,3}}\t|[ ]{{4}}"
    rf"|[ ]{{0,3}}(?:<!|<{_BLOCK_TAG}[ \t>/]|\[[^\[\]]{{1,100}}\]:)"
)
FORMULA_END = "\\]"
_FORMULA = {"$$": "$$", "\\[": FORMULA_END}
_ENVIRONMENTS = "align|alignat|aligned|array|cases|equation|eqnarray|gather|multline|split|[bpvBV]?matrix"
_ENVIRONMENT = re.compile(rf"\\begin(\{{(?:{_ENVIRONMENTS})\*?\}})[ \t]*\Z")
_UNDERLINE = re.compile(r"(?:(=)=*|--+)[ \t]*\Z")
_SENTENCE_ENDS = (".", "!", "?", ":", ";", ",", "。", "！", "？", "：")
_ALERT_SIGNS = {
    "note": "ℹ️", "tip": "💡", "important": "❗", "warning": "⚠️", "caution": "🛑",
    # Other tools have these too.
    "info": "ℹ️", "hint": "💡", "attention": "⚠️", "danger": "🛑", "error": "🛑", "failure": "❌", "bug": "🐞",
    "success": "✅", "question": "❓", "example": "📝", "quote": "💬", "todo": "☐", "summary": "📋",
}  # fmt: skip
_ALERT = re.compile(rf"\[!({'|'.join(_ALERT_SIGNS)})\][ \t]*([^\n]{{0,200}})\Z", re.IGNORECASE)
_ALERT_BEGINS = re.compile(r"[ ]{0,3}>[ \t>]{0,20}(?:\Z|\[(?:\Z|!))")
_DETAILS = re.compile(r"</?details(?:\s[^<>]{0,100})?>[ \t]*", re.IGNORECASE)


class Blank(msgspec.Struct, frozen=True):
    """Nothing but space."""


class Fence(msgspec.Struct, frozen=True):
    """The beginning of a fenced code block; `note` is the rest of its info string after the language."""

    run: str
    indent: int
    language: str
    note: str


class Heading(msgspec.Struct, frozen=True):
    """A heading of `level` 1 to 6."""

    level: int
    text: str


class Rule(msgspec.Struct, frozen=True):
    """A horizontal rule."""


class TableRow(msgspec.Struct, frozen=True):
    """A line that may belong to a table: it begins with a pipe."""

    text: str


class Item(msgspec.Struct, frozen=True):
    """The beginning of a list's item; `width` is the indentation that its further lines have."""

    indent: int
    width: int
    mark: str
    content: str


class Text(msgspec.Struct, frozen=True):
    """Any other line, without its indentation."""

    indent: int
    text: str


Line = Blank | Fence | Heading | Rule | TableRow | Item | Text


def unquoted(line: str) -> tuple[bool, str]:
    """Return whether `line` is quoted, and the line without its quote signs."""
    quote = _QUOTE.match(line)
    return (True, line[quote.end() :]) if quote else (False, line)


def read(line: str) -> Line:
    """Return the kind of `line`. Pass the line without its quote signs."""
    bare = line.lstrip(" \t")
    indent = _columns(line[: len(line) - len(bare)]) if bare != line else 0
    if bare[:1] == "<" and (details := _DETAILS.match(bare)):
        bare = bare[details.end() :]
    if not bare:
        return Blank()
    # One character tells the kind of most lines: trying every pattern on each made rendering much slower.
    first = bare[0]
    if len(line) <= LONGEST and first in "`~#|-*_$\\":
        special = _special(bare, indent)
        if special is not None:
            return special
    if first in "-*+" or first.isdecimal():
        item = _ITEM.match(line)
        if item is not None:
            return _item(item, line, indent)
    return Text(indent, bare)


def is_half(line: str) -> bool:
    """Say whether the beginning `line` of a longer line is too short to be shown: its kind is open."""
    content = _content(unquoted(line)[1])
    return _HALF.match(content) is not None or _ALERT_BEGINS.match(content) is not None


def is_certain(line: str) -> bool:
    """Say whether the beginning `line` of a longer line determines its kind, so that the rest is plain text."""
    bare = unquoted(line)[1]
    if len(bare) <= LONGEST_HEAD and _ITEM.match(bare) is None:
        return False
    content = _content(bare)
    if len(content) > LONGEST:
        return True
    if len(content) <= LONGEST_HEAD and _ALERT_BEGINS.match(content):
        return False
    return _HALF.match(content) is None and _KNOWN_WHOLE.match(bare) is None


def _content(line: str) -> str:
    item = _ITEM.match(line)
    return line[item.end() :] if item else line.lstrip(" \t")


def is_delimiter(line: str) -> bool:
    """Say whether `line` is the row of dashes under a table's head."""
    return "-" in line and len(line) <= LONGEST and _DELIMITER.match(line.strip()) is not None


def row_of(kind: Line, line: str, *, pipes: bool) -> str | None:
    """Return the row that `line` adds to a table, or None. With `pipes`, each row begins with one."""
    if isinstance(kind, TableRow):
        return kind.text
    is_row = isinstance(kind, Text) and not pipes and "|" in kind.text and len(line) <= LONGEST
    return kind.text if isinstance(kind, Text) and is_row else None


def heading_of(text: Text, line: str) -> Heading | None:
    """Return the heading that `line` makes of the line `text` before it.

    A sentence above dashes is not a heading, though CommonMark makes it one: people mean a rule there.
    """
    found = _UNDERLINE.match(line.lstrip(" "))
    if found is None or (not found[1] and text.text.rstrip().endswith(_SENTENCE_ENDS)):
        return None
    return Heading(1 if found[1] else 2, text.text)


def alert(content: str) -> str:
    """Return the title of the alert that `content`, the first line of a quote, begins; "" for no alert."""
    found = _ALERT.match(content)
    if found is None:
        return ""
    kind = found[1].lower()
    title = found[2].lstrip("+-").strip()
    return f"{_ALERT_SIGNS[kind]} {kind.capitalize()}" + (f": {title}" if title else "")


def alert_in_item(content: str) -> str:
    """Return the title of the alert that begins a list's item; "" for no alert, and in a very long line."""
    quoted, inner = unquoted(content)
    return alert(inner) if quoted and len(content) <= LONGEST_HEAD else ""


def ends_fence(line: str, run: str) -> bool:
    """Say whether `line` ends the fence that `run` began."""
    text = line.strip(" \t")
    if text[:1] != run[0]:
        return False
    if run[0] == "\\":
        return text == run
    return len(line) <= LONGEST and len(text) >= len(run) and not text.strip(run[0])


def may_end_fence(line: str, run: str) -> bool:
    """Say whether the beginning `line` of a longer line may be the end of the fence that `run` began."""
    text = line.strip(" \t")
    return run.startswith(text) or not text.strip(run[0])


def _special(bare: str, indent: int) -> Line | None:
    if bare[0] in "`~":
        run = _FENCE.match(bare)
        # A run of backticks with another one behind it is code within a line.
        if run and not (bare[0] == "`" and "`" in bare[run.end() :]):
            return _fence(run[0], bare[run.end() :].strip(" \t"), indent)
    elif bare[0] == "#":
        level = _HEADING.match(bare)
        if level:
            return Heading(len(level[1]), _without_closing_signs(bare[level.end() :].strip(" \t")))
    elif bare[0] == "|":
        return TableRow(bare)
    elif bare[0] in "-*_" and _RULE.match(bare):
        return Rule()
    elif bare[0] in "$\\" and (formula := _FORMULA.get(bare.rstrip(" \t"))):
        return Fence(formula, indent, "latex", "")
    elif bare[0] == "\\" and (environment := _ENVIRONMENT.match(bare)):
        return Fence(f"\\end{environment[1]}", indent, "latex", "")
    return None


def _fence(run: str, info: str, indent: int) -> Fence:
    language, _, note = info.partition(" ")
    if _LANGUAGE.match(language) is None:
        language, note = "", info
    return Fence(run, indent, language, note.strip())


def _without_closing_signs(heading: str) -> str:
    text = heading.rstrip("#")
    # In `# About C#` the sign belongs to the name.
    return text.rstrip(" \t") if text[-1:] in ("", " ", "\t") else heading


def _item(found: re.Match[str], line: str, indent: int) -> Item:
    content = line[found.end() :]
    mark = "-" if found["mark"] in "-*+" else found["mark"].replace(")", ".")
    width = indent + len(found["mark"]) + len(found["space"] or " ")
    task = _TASK.match(content)
    if task is not None:
        content = ("☐ " if task["done"] == " " else "☑ ") + content[task.end() :]
    return Item(indent, width, mark, content)


def _columns(space: str) -> int:
    return len(space.expandtabs(4))
