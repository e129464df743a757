"""Makes the content of a shared page: a conversation without secrets, paths of the machine, and ids. Pure."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import api as c
from api.words.tools import relative, telling_field, tool_label
from sessions.model import Block, Note, Other, Text, Thinking, ToolCall, ToolOutput, TurnKind, TurnStatus
from sessions.rows.transcript import WholeTurn
from texts.redaction import MARK, Redactor
from texts.unseen import as_seen

PATH_MARK, ID_MARK = "[path]", "[id]"
_MOST_TOOL_CHARS = 4_000
# Prompts that Claude never answered.
_HIDDEN = (TurnStatus.QUEUED, TurnStatus.WITHDRAWN)
_REST_OF_PATH = r"(?:/[^\s\"'`<>|:;,)\]}\\]*)?"
# Homes of people on Linux and macOS, whoever runs the bridge.
_HOMES = rf"(?<![\w.])/(?:root(?![\w.-])|(?:home|Users)/[^\s\"'`<>|:;,)/]+){_REST_OF_PATH}"
_MENTIONS = r"<(?:@[!&]?|#)\d{5,20}>"


@dataclass
class Cleaner:
    """Removes everything from texts that strangers must not read, and counts it.

    `places` are absolute paths of the machine. Paths in the work directory, which is called `directory`, become
    relative. `ids` are those of the session, its people and its channel. `words` are the maker's own.
    """

    redactor: Redactor
    places: Iterable[str]
    directory: str
    ids: Iterable[str]
    words: Iterable[str]
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = [rf"{re.escape(each.rstrip('/'))}(?![\w.-]){_REST_OF_PATH}" for each in _long(self.places, 3)]
        ids = [rf"(?<![\w-]){re.escape(each)}(?![\w-])" for each in _long(self.ids, 5)]
        words = [re.escape(each) for each in _long(self.words, 1)]
        self._paths = re.compile("|".join([*places, _HOMES]))
        self._ids = re.compile("|".join([*ids, _MENTIONS]))
        self._words = re.compile("|".join(words), re.IGNORECASE) if words else None

    def clean(self, text: str) -> str:
        """Return `text` with marks in place of everything that strangers must not read."""
        # First of all: an invisible character within a secret, a path or an id would hide it from the patterns
        # below.
        text = relative(as_seen(text), self.directory)
        if self._words is not None:
            text = self._count("words", *self._words.subn(MARK, text))
        # `redact` does not tell how many it replaced, so the marks are counted.
        before = text.count(MARK)
        text = self.redactor.redact(text)
        text = self._count("secrets", text, text.count(MARK) - before)
        text = self._count("paths", *self._paths.subn(PATH_MARK, text))
        return self._count("ids", *self._ids.subn(ID_MARK, text))

    def _count(self, kind: str, text: str, count: int) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + count
        return text

    @property
    def taken_out(self) -> c.TakenOut:
        """The counts of pieces taken out so far, by kind."""
        return c.TakenOut(**self.counts)


def _long(values: Iterable[str], least: int) -> list[str]:
    """Return values of at least `least` characters, longest first: one may be the beginning of another."""
    return sorted({each.strip() for each in values if len(each.strip()) >= least}, key=len, reverse=True)


def make_document(
    title: str, turns: Sequence[WholeTurn], options: c.ShareOptions, cleaner: Cleaner, made_ms: int
) -> c.SharedDocument:
    """Return the page of `turns`, oldest first. Waiting and withdrawn prompts are left out."""
    shown = [each for each in turns if each.turn.status not in _HIDDEN]
    if options.until_turn is not None:
        shown = [each for each in shown if each.turn.number <= options.until_turn]
    names = _names(shown)
    made = tuple(_turn(each, names[each.turn.author_id], options, cleaner) for each in shown)
    return c.SharedDocument(cleaner.clean(title), made_ms, made)


def _names(turns: Iterable[WholeTurn]) -> dict[str, str]:
    """Return a name for each author: nobody learns who they are, but who said the same is one."""
    authors = list(dict.fromkeys(each.turn.author_id for each in turns))
    people = [each for each in authors if each]
    several = len(people) > 1
    # Numbered in the order of their first turn: a page shows that two prompts are of one person, and not of
    # whom.
    names = {each: f"Person {number}" if several else "Prompt" for number, each in enumerate(people, start=1)}
    return {**names, "": "Prompt"}


def _turn(whole: WholeTurn, author: str, options: c.ShareOptions, cleaner: Cleaner) -> c.SharedTurn:
    turn = whole.turn
    parts = (_part(each.block, options, cleaner) for each in whole.blocks)
    return c.SharedTurn(
        author="Background work" if turn.kind is TurnKind.BACKGROUND else author,
        prompt=cleaner.clean(turn.prompt),
        at_ms=turn.started_ms or turn.queued_ms,
        parts=tuple(part for part in parts if part is not None),
        files=tuple(cleaner.clean(each.name) for each in turn.attachments) if options.file_names else (),
    )


def _part(block: Block, options: c.ShareOptions, cleaner: Cleaner) -> c.SharedPart | None:
    match block:
        case Text():
            return c.SharedPart(c.PartKind.TEXT, cleaner.clean(block.text))
        case Thinking():
            wanted = options.thinking and block.text
            return c.SharedPart(c.PartKind.THINKING, cleaner.clean(block.text)) if wanted else None
        case ToolCall():
            if not options.tools:
                return None
            told = str(block.input.get(telling_field(block.name, block.input), ""))
            label = f"{tool_label(block.name)} {' '.join(told.split())[:200]}".rstrip()
            # Not escaped to ASCII: an escaped word would get past the maker's own words.
            body = json.dumps(block.input, ensure_ascii=False, indent=1)
            return c.SharedPart(c.PartKind.TOOL, _cut(cleaner.clean(body)), cleaner.clean(label))
        case ToolOutput():
            if not options.tools:
                return None
            text = _cut(cleaner.clean(block.shown))
            return c.SharedPart(c.PartKind.RESULT, text, failed=block.is_error)
        case Note():
            return c.SharedPart(c.PartKind.NOTE, cleaner.clean(block.text))
        case Other():
            # Nobody knows what a block of an unknown kind holds.
            return None
        case _:
            assert_never(block)


def _cut(text: str) -> str:
    # After cleaning: a cut secret would not be recognized.
    if len(text) <= _MOST_TOOL_CHARS:
        return text
    return f"{text[:_MOST_TOOL_CHARS]}\n… ({len(text) - _MOST_TOOL_CHARS:,} more characters)"
