"""The tree of a transcript's rows, and the path to one of them.

A transcript is one append-only file of JSON rows. Each row names its parent. A cut or a regenerated answer
leaves a branch behind, and the CLI resumes at the newest leaf. A rewind is a row that names the leaf to return
to. The CLI writes that row up to a second late: if it is killed before, the dropped answer is back.

Parallel tool calls are branches too: each call of a message hangs on the call before it, each result on its own
call, and the next answer on the result that came last. All of them belong to the path, as the CLI reads it.

Plain file I/O, safe while a CLI writes; a large file blocks for a moment, so call this in a thread.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sessions.claude.own_files import open_plainly, whole_lines
from sessions.claude.wire import Json, decode, flag_of, maybe_text, object_of, objects_of, text_of

LOCAL_COMMAND = "local_command"
"""The subtype of a `system` row with one of the CLI's own commands, or with such a command's output."""


class Place(msgspec.Struct, frozen=True):
    """A row in the file, its parent, and the row before it in the file.

    `is_shown`: the row is a message or a command. `is_root`: Claude reads no row before it. `message_id` is set
    for Claude's messages, `answers` (ids of tool calls) and `call` (the row of that call) for tool results.
    """

    uuid: str
    start: int
    length: int
    parent: str | None
    before: str | None
    is_shown: bool
    is_root: bool = False
    message_id: str = ""
    call: str = ""
    answers: frozenset[str] = frozenset()


@dataclass(slots=True)
class RowTree:
    """The rows of one file that have an id, without those of subagents. `newest` is the leaf to resume."""

    places: dict[str, Place] = field(default_factory=dict)
    newest: str | None = None

    @classmethod
    def read(cls, path: Path) -> "RowTree":
        """Return the tree of the file at `path`. Damaged rows are left out. Raises `OSError`."""
        tree = cls()
        before: str | None = None
        with open_plainly(path) as file:
            start = 0
            for raw in whole_lines(file):
                row, _ = decode(raw)
                # Rows of subagents hang on nothing here: as the newest leaf they would cut off the
                # conversation.
                if isinstance(row, Mapping) and not flag_of(row, "isSidechain"):
                    before = tree._add(row, start, len(raw), before)
                start += len(raw)
        return tree

    def path_to(self, uuid: str | None, *, beyond_compaction: bool = True) -> list[Place]:
        """Return the rows from the first one to `uuid`, oldest first; empty if `uuid` is unknown.

        Without `beyond_compaction`, the path begins at the last compaction, as when Claude itself resumes.
        """
        line = list(self._ancestors(uuid, beyond_compaction=beyond_compaction))[::-1]
        return _in_order(line, self._beside(line))

    def _add(self, row: Json, start: int, length: int, before: str | None) -> str | None:
        uuid = text_of(row, "uuid")
        if not uuid:
            if flag_of(row, "rewound"):
                self.newest = maybe_text(row, "leafUuid")
            return before
        place = _place(uuid, row, start, length, before)
        # The first row of an id counts: a repeated one would stand behind its children.
        self.places.setdefault(uuid, place)
        if place.is_shown:
            self.newest = uuid
        return uuid

    def _ancestors(self, uuid: str | None, *, beyond_compaction: bool) -> Iterator[Place]:
        # Damaged or forged files can have circles.
        walked: set[str] = set()
        while uuid in self.places and uuid not in walked:
            walked.add(uuid)
            here = self.places[uuid]
            yield here
            if here.is_root and not beyond_compaction:
                return
            # A full disk or a kill can lose the parent. Then use the row before this one in the file.
            is_lost = here.parent is not None and here.parent not in self.places
            uuid = here.before if is_lost else here.parent

    def _beside(self, line: list[Place]) -> Iterator[Place]:
        """Yield the parallel calls of the messages in `line`, and the results of those calls.

        A call's parent is the call before it. Rows of another answer can have the same message id, if the
        service answers an equal request equally. Their parent is another prompt, so they are left out.
        """
        known = {each.uuid for each in line}
        messages = {each.message_id for each in line if each.message_id}
        others = [each for each in self.places.values() if each.uuid not in known]
        calls: list[Place] = []
        for each in others:
            if each.message_id in messages and each.parent in known:
                known.add(each.uuid)
                calls.append(each)
        yield from calls
        answered = {answer for each in line for answer in each.answers}
        asked = {each.uuid for each in (*line, *calls) if each.message_id}
        for each in others:
            if each.call in asked and not each.answers <= answered:
                answered |= each.answers
                yield each


def _place(uuid: str, row: Json, start: int, length: int, before: str | None) -> Place:
    # A compaction begins a new root. Its row names the row before it as `logicalParentUuid`.
    parent = maybe_text(row, "parentUuid") or maybe_text(row, "logicalParentUuid")
    kind, message = text_of(row, "type"), object_of(row, "message")
    answers = frozenset(_answered(message)) if kind == "user" else frozenset[str]()
    return Place(
        uuid,
        start,
        length,
        parent,
        before,
        is_shown=is_message(row) or text_of(row, "subtype") == LOCAL_COMMAND,
        is_root=maybe_text(row, "parentUuid") is None,
        message_id=text_of(message, "id") if kind == "assistant" else "",
        call=(maybe_text(row, "sourceToolAssistantUUID") or parent or "") if answers else "",
        answers=answers,
    )


def _answered(message: Json) -> Iterator[str]:
    for block in objects_of(message, "content"):
        if text_of(block, "type") == "tool_result":
            yield text_of(block, "tool_use_id")


def is_message(row: Json) -> bool:
    """Whether a row is a message of the conversation: of a person, of Claude or of a tool."""
    return text_of(row, "type") in ("user", "assistant")


def _in_order(line: list[Place], beside: Iterable[Place]) -> list[Place]:
    """Return `line` in its own order, with each place of `beside` inserted where it stands in the file."""
    ordered: list[tuple[int, Place]] = []
    reached = 0
    for place in line:
        reached = max(reached, place.start)
        ordered.append((reached, place))
    ordered += [(place.start, place) for place in beside]
    return [place for _, place in sorted(ordered, key=lambda each: each[0])]
