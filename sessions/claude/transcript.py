"""Claude's own transcripts: where they are, and what they say as the same types that the stream has.

A transcript is one append-only file of JSON rows that form a graph: each row names its parent, a cut or a
regenerated answer leaves a branch behind, and the newest leaf is what the CLI would resume. Only that chain is
read. Plain file I/O, safe while a CLI writes; a large file blocks for a moment, so call this in a thread.
A rewind is a row that names the leaf to go back to. The CLI writes it up to a second late: if it is killed
before, the dropped answer is back.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from sessions.claude.errors import BadLaunch, TranscriptMissing
from sessions.claude.lines import AssistantBlocks, ToolResults, UserMessage
from sessions.claude.parse_message import SYNTHETIC_MODEL, content_blocks, flattened, tool_results
from sessions.claude.wire import Json, decode, flag_of, maybe_int, maybe_text, object_of, text_of

_LONGEST_NAME = 200
_EDGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """One message of the conversation. `at` is the CLI's ISO time in UTC; `line` what the stream said of it.

    A prompt is a `UserMessage` here, ours too: its uuid is the prompt's. `begins_turn`: a prompt, or the report
    of background work that Claude answers by itself.
    """

    uuid: str
    at: str
    line: UserMessage | AssistantBlocks | ToolResults
    begins_turn: bool = False


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation that has a transcript on this machine. `title` is empty if nobody gave it one."""

    conversation_id: str
    path: Path
    cwd: str
    title: str
    first_prompt: str
    size_bytes: int
    updated_at_ms: int


def config_directory(environment: Mapping[str, str]) -> Path:
    """Where a CLI with this environment keeps its files."""
    given = environment.get("CLAUDE_CONFIG_DIR")
    return Path(given) if given else Path(environment.get("HOME") or Path.home()) / ".claude"


def find_transcript(config: Path, conversation_id: str, cwd: Path | None = None) -> Path:
    """The transcript's file. With `cwd` it is looked for there first; it may lie under another directory.

    Raises `TranscriptMissing`, and `BadLaunch` for an id that is no UUID.
    """
    try:
        name = f"{UUID(conversation_id)}.jsonl"
    except ValueError as error:
        raise BadLaunch("The conversation's id", conversation_id) from error
    projects = config / "projects"
    if cwd is not None:
        for directory in _project_directories(projects, cwd):
            if (directory / name).is_file():
                return directory / name
    for path in projects.glob(f"*/{name}"):
        return path
    raise TranscriptMissing(conversation_id)


class Remains(StrEnum):
    """What is on disk of a conversation, and so how it can go on after its process was killed."""

    MESSAGES = "messages"
    """`Resume` works."""
    NOTHING = "nothing"
    """Killed within some 100 ms of its first prompt: `Resume` is refused, `Fresh` under the same id works."""
    NO_MESSAGES = "no_messages"
    """Named, then killed as early: the CLI refuses to resume it and calls the id taken. Take a new id."""


def remains(config: Path, conversation_id: str, cwd: Path | None = None) -> Remains:
    """How much of a conversation is on disk; to be asked before it is resumed. Raises `BadLaunch`."""
    try:
        path = find_transcript(config, conversation_id, cwd)
    except TranscriptMissing:
        return Remains.NOTHING
    with path.open("rb") as file:
        for raw in file:
            row, _ = decode(raw)
            if isinstance(row, Mapping) and _is_message(row):
                return Remains.MESSAGES
    return Remains.NO_MESSAGES


def rows(path: Path) -> Iterator[TranscriptRow]:
    """The chain of the newest leaf, oldest first, each message read from the file when it is asked for."""
    yield from _read(path, reversed(_chain(path)))


def newest_rows(path: Path) -> Iterator[TranscriptRow]:
    """The same, newest first."""
    yield from _read(path, _chain(path))


def stored_conversations(config: Path) -> list[StoredConversation]:
    """Every conversation in the CLI's directory, last written first. Reads the two ends of each file only."""
    found = (_stored(path) for path in (config / "projects").glob("*/*.jsonl"))
    return sorted((one for one in found if one is not None), key=lambda one: one.updated_at_ms, reverse=True)


# --- where ----------------------------------------------------------------------------------------------


def _project_directories(projects: Path, cwd: Path) -> Iterator[Path]:
    name = re.sub(r"[^a-zA-Z0-9]", "-", str(cwd.resolve()))
    if len(name) <= _LONGEST_NAME:
        yield projects / name
    else:
        # What follows the cut is a hash of the CLI's own; the conversation's id tells which of these it is.
        yield from projects.glob(f"{name[:_LONGEST_NAME]}-*")


# --- the chain ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a row is in the file, its parent, and the row before it in the file."""

    start: int
    length: int
    parent: str | None
    before: str | None
    is_message: bool


def _chain(path: Path) -> list[_Place]:
    """The messages from the newest leaf up to the first, by place."""
    places: dict[str, _Place] = {}
    leaf: str | None = None
    before: str | None = None
    with path.open("rb") as file:
        start = 0
        for raw in file:
            row, _ = decode(raw)
            if isinstance(row, Mapping) and not flag_of(row, "isSidechain"):
                if uuid := text_of(row, "uuid"):
                    place = _Place(start, len(raw), _parent(row), before, _is_message(row))
                    places.setdefault(uuid, place)
                    before = uuid
                    leaf = uuid if place.is_message else leaf
                elif flag_of(row, "rewound"):
                    leaf = maybe_text(row, "leafUuid")
            start += len(raw)
    chain: list[_Place] = []
    walked: set[str] = set()
    while leaf in places and leaf not in walked:
        walked.add(leaf)
        here = places[leaf]
        if here.is_message:
            chain.append(here)
        # A parent that a full disk or a kill has swallowed: what was written before it is the next best.
        is_lost = here.parent is not None and here.parent not in places
        leaf = here.before if is_lost else here.parent
    return chain


def _is_message(row: Json) -> bool:
    return text_of(row, "type") in ("user", "assistant")


def _parent(row: Json) -> str | None:
    # A compaction begins a new root; its row says what came before it.
    return maybe_text(row, "parentUuid") or maybe_text(row, "logicalParentUuid")


def _read(path: Path, places: Iterator[_Place] | list[_Place]) -> Iterator[TranscriptRow]:
    with path.open("rb") as file:
        for place in places:
            file.seek(place.start)
            row, _ = decode(file.read(place.length))
            if isinstance(row, Mapping):
                begins_turn = bool(text_of(row, "promptSource")) and not flag_of(row, "isMeta")
                yield TranscriptRow(text_of(row, "uuid"), text_of(row, "timestamp"), _line(row), begins_turn)


def _line(row: Json) -> UserMessage | AssistantBlocks | ToolResults:
    message = object_of(row, "message")
    uuid = text_of(row, "uuid")
    if text_of(row, "type") == "assistant":
        model = text_of(message, "model")
        return AssistantBlocks(
            uuid=uuid,
            message_id=text_of(message, "id"),
            model=model,
            blocks=content_blocks(message),
            synthetic=model == SYNTHETIC_MODEL,
            error=maybe_text(row, "error"),
            api_error_status=maybe_int(row, "apiErrorStatus"),
            aborted=flag_of(row, "isAbortedMidStream"),
        )
    results = tool_results(row)
    if results:
        return ToolResults(results)
    synthetic = flag_of(row, "isMeta") or flag_of(row, "isCompactSummary")
    return UserMessage(uuid, flattened(message.get("content")), synthetic)


# --- a list of all --------------------------------------------------------------------------------------


def _stored(path: Path) -> StoredConversation | None:
    try:
        conversation_id = str(UUID(path.stem))
        status = path.stat()
        head, tail = _edges(path, status.st_size)
    except (ValueError, OSError):
        return None
    prompts = (row for row in head if text_of(row, "type") == "user" and not flag_of(row, "isMeta"))
    texts = (flattened(object_of(row, "message").get("content")) for row in prompts)
    first_prompt = next((text for text in texts if text), "")
    titles = [text_of(row, "customTitle") for row in (*head, *tail) if text_of(row, "type") == "custom-title"]
    return StoredConversation(
        conversation_id=conversation_id,
        path=path,
        cwd=next((cwd for row in head if (cwd := text_of(row, "cwd"))), ""),
        title=titles[-1] if titles else "",
        first_prompt=first_prompt[:500],
        size_bytes=status.st_size,
        updated_at_ms=status.st_mtime_ns // 1_000_000,
    )


def _edges(path: Path, size: int) -> tuple[list[Json], list[Json]]:
    """The whole rows of the file's first and last part; a row that the cut goes through is left out."""
    with path.open("rb") as file:
        head = file.read(_EDGE_BYTES)
        file.seek(max(len(head), size - _EDGE_BYTES))
        tail = file.read(_EDGE_BYTES)
    return _rows_of(head.split(b"\n")), _rows_of(tail.split(b"\n"))


def _rows_of(raws: list[bytes]) -> list[Json]:
    values = (decode(raw)[0] for raw in raws if raw)
    return [value for value in values if isinstance(value, Mapping)]
