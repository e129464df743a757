"""The demo model's directive language, in which a prompt scripts the demo. Pure: text in, steps out.

A directive is `demo:WORD` at the start of the prompt or after white space; its argument runs to the next
directive or the end of the line. An argument in braces, `{…}`, may hold line ends and further directives
(for a subagent's prompt); the outer braces go. Text outside of directives is ignored. `GUIDE` lists the words.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from texts.whole_numbers import whole_number

# The demo makes a reply as a whole before it sends it, so a mistyped digit must not take all memory.
_MOST_LINES = 1_000_000
_MOST_MEGABYTES = 10_000
_SLOWEST_MS = 3_600_000
_LONGEST_AFTER_S = 86_400
_MOST_TIMES = 1_000_000

GUIDE = """\
demo:text WORDS             say WORDS
demo:long [LINES]           LINES numbered lines, one delta each (100)
demo:big [MB]               MB megabytes of text in one block (8)
demo:thinking [WORDS]       think first
demo:table / demo:code      a Markdown table / a code block
demo:unicode                U+2028, a split emoji and a lone surrogate
demo:digest                 length and SHA-256 of the prompt
demo:block                  begin a new text block
demo:slow [MS]              from here on wait MS milliseconds before each delta (50); 0 ends it
demo:gate NAME              wait here until somebody releases NAME
demo:bash COMMAND           run COMMAND with the Bash tool
demo:background COMMAND     the same in the background
demo:read PATH              read a file
demo:write PATH TEXT        write a file
demo:edit PATH {OLD} {NEW}  read a file, then replace OLD by NEW
demo:ask-question [WORDS]   ask a question with options
demo:plan [WORDS]           write a plan and ask for its approval
demo:todo                   keep a list of things to do
demo:subagent PROMPT        start a subagent and wait for it
demo:tool NAME JSON         call any tool
demo:and                    the next tool call goes into the same message
demo:error WHAT [after=S] [times=N]
                            WHAT: an HTTP status (401, 429, 500, 529 …), drop or sse-error;
                            after: the retry-after header in seconds; times: how often (always)"""


@dataclass(frozen=True, slots=True)
class Say:
    """Say a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Write `count` numbered lines."""

    count: int


@dataclass(frozen=True, slots=True)
class Big:
    """Write `megabytes` megabytes of text in one block."""

    megabytes: int


@dataclass(frozen=True, slots=True)
class Think:
    """Think a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A fixed piece of text: `table`, `code` or `unicode`."""

    name: str


@dataclass(frozen=True, slots=True)
class Digest:
    """Tell length and hash of the prompt."""


@dataclass(frozen=True, slots=True)
class NewBlock:
    """Begin a new text block."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Wait `ms` milliseconds before each delta that follows."""

    ms: int


@dataclass(frozen=True, slots=True)
class Gate:
    """Wait until somebody opens the gate of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. `verb` is the directive's word; `arguments` are not yet the tool's input."""

    verb: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Together:
    """Put the previous and the next call into one message."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the request with an HTTP error. `times` 0 means always; `after_s` is the retry-after header."""

    status: int
    after_s: int | None
    times: int


@dataclass(frozen=True, slots=True)
class Break:
    """End the stream here: by a cut connection or by an SSE `error` event. `times` 0 means always."""

    how: Literal["drop", "sse-error"]
    times: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word that is not a directive; the answer says so."""

    word: str


Step = (
    Say
    | Lines
    | Big
    | Think
    | Exhibit
    | Digest
    | NewBlock
    | Pace
    | Gate
    | Call
    | Together
    | Refuse
    | Break
    | Unknown
)

_DIRECTIVE = re.compile(r"(?:(?<=\s)|^)demo:([a-z][a-z-]*)")
# Possessive quantifiers and lookbehinds: each run of space is scanned once, so matching takes linear time.
_STOP = re.compile(r"(?<!\s)\s++demo:[a-z]|(?<![ \t])[ \t]*+\r?\n|(?<!\s)\s*+\Z")


def parse_script(prompt: str) -> tuple[Step, ...]:
    """Return the steps that `prompt` asks for, in order; empty if it has no directive."""
    return tuple(step for word, argument in _directives(prompt) for step in _steps(word, argument))


def _directives(prompt: str) -> Iterator[tuple[str, str]]:
    position = 0
    while match := _DIRECTIVE.search(prompt, position):
        position = _argument_end(prompt, match.end())
        yield match[1], prompt[match.end() : position].strip()


def _argument_end(text: str, start: int) -> int:
    """Return the end of the argument that begins at `start`; skips a `{…}` after white space as a whole."""
    position = start
    while position < len(text):
        if text[position] == "{" and text[position - 1].isspace() and (end := _closing_brace(text, position)):
            position = end
        elif _STOP.match(text, position):
            return position
        else:
            position += 1
    return position


def _closing_brace(text: str, start: int) -> int:
    """Return the position after the brace that closes the one at `start`, or 0 if it is never closed."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return 0


def _bare(argument: str) -> str:
    if argument.startswith("{") and _closing_brace(argument, 0) == len(argument):
        return argument[1:-1]
    return argument


def _steps(word: str, argument: str) -> tuple[Step, ...]:
    if word in _SIMPLE:
        return (_SIMPLE[word](_bare(argument)),)
    if word in ("write", "tool"):
        first, _, rest = argument.partition(" ")
        # A JSON object keeps its braces; only the text of `write` may be quoted with braces.
        return (Call(word, (first, _bare(rest.strip()) if word == "write" else rest.strip())),)
    if word == "edit":
        path, _, rest = argument.partition(" ")
        old, new = _two_braced(rest.strip())
        # The CLI refuses to edit a file that Claude has not read.
        return (Call("read", (path,)), Call("edit", (path, old, new)))
    if word == "plan":
        words = _bare(argument) or "Look around, change one file, check it."
        return (Call("enter-plan"), Call("plan-file", (words,)), Call("exit-plan", (words,)))
    if word == "error":
        return (_error(argument),)
    return (Unknown(word),)


def _two_braced(text: str) -> tuple[str, str]:
    if text.startswith("{") and (end := _closing_brace(text, 0)):
        return text[1 : end - 1], _bare(text[end:].strip())
    old, _, new = text.partition(" ")
    return old, new


def _error(argument: str) -> Step:
    what, _, rest = argument.partition(" ")
    facts = dict(re.findall(r"(after|times)=(\d+)", rest))
    times = _number(facts.get("times", ""), 0, _MOST_TIMES)
    if what == "drop":
        return Break("drop", times)
    if what == "sse-error":
        return Break("sse-error", times)
    if re.fullmatch(r"[45]\d\d", what):
        after = _number(facts["after"], 0, _LONGEST_AFTER_S) if "after" in facts else None
        return Refuse(int(what), after, times)
    return Unknown(f"error {what}".strip())


def _number(argument: str, default: int, most: int) -> int:
    match = re.match(r"\d+", argument)
    if match is None:
        return default
    number = whole_number(match[0], most)
    return most if number is None else number


_SIMPLE: dict[str, Callable[[str], Step]] = {
    "text": Say,
    "long": lambda argument: Lines(_number(argument, 100, _MOST_LINES)),
    "big": lambda argument: Big(_number(argument, 8, _MOST_MEGABYTES)),
    "thinking": lambda argument: Think(argument or "Weighing the options of a demo."),
    "table": lambda _: Exhibit("table"),
    "code": lambda _: Exhibit("code"),
    "unicode": lambda _: Exhibit("unicode"),
    "digest": lambda _: Digest(),
    "block": lambda _: NewBlock(),
    "slow": lambda argument: Pace(_number(argument, 50, _SLOWEST_MS)),
    "gate": Gate,
    "and": lambda _: Together(),
    "bash": lambda argument: Call("bash", (argument or "echo DEMO",)),
    "background": lambda argument: Call("background", (argument or "sleep 1; echo DEMO",)),
    "read": lambda argument: Call("read", (argument,)),
    "ask-question": lambda argument: Call("ask-question", (argument or "Which way shall the demo go?",)),
    "todo": lambda _: Call("todo"),
    "subagent": lambda argument: Call("subagent", (argument or "demo:text the subagent was here",)),
}
