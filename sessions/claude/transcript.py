"""Find and list Claude's own transcripts, and check how much is in them.

`transcript_rows.py` reads their rows. Plain file I/O, safe while a CLI writes; call it in a thread.
"""

import re
import stat
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import msgspec

from sessions.claude.errors import BadLaunch, TranscriptMissing
from sessions.claude.lines import UserMessage
from sessions.claude.own_files import open_plainly, whole_lines
from sessions.claude.row_tree import is_message
from sessions.claude.transcript_rows import line_of
from sessions.claude.wire import Json, decode, text_of

_LONGEST_NAME = 200
_EDGE_BYTES = 256 * 1024


class StoredConversation(msgspec.Struct, frozen=True):
    """A conversation with a transcript on this machine. `title` is a person's, else Claude's, else empty."""

    conversation_id: str
    path: Path
    cwd: str
    title: str
    first_prompt: str
    size_bytes: int
    updated_at_ms: int


def config_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory where a CLI with this environment keeps its files."""
    given = environment.get("CLAUDE_CONFIG_DIR")
    return Path(given) if given else Path(environment.get("HOME") or Path.home()) / ".claude"


def find_transcript(config: Path, conversation_id: str, cwd: Path | None = None) -> Path:
    """Return the path of the transcript. The place for `cwd` is searched first, then those of all directories.

    Raises `TranscriptMissing`, and `BadLaunch` if the id is no UUID.
    """
    try:
        name = f"{UUID(conversation_id)}.jsonl"
    except ValueError as error:
        raise BadLaunch("The conversation's id", conversation_id) from error
    projects = config / "projects"
    # A resumed conversation stays in its first file, also when the CLI runs in another directory.
    if cwd is not None:
        for directory in _project_directories(projects, cwd):
            if _is_plain_file(directory / name):
                return directory / name
    for path in projects.glob(f"*/{name}"):
        if _is_plain_file(path):
            return path
    raise TranscriptMissing(conversation_id)


def project_directory(config: Path, cwd: Path) -> Path:
    """Return the directory in which a CLI that runs in `cwd` writes its transcripts."""
    # As the CLI names it. Several paths can share a name: hence the id, never the directory, tells
    # conversations apart.
    name = re.sub(r"[^a-zA-Z0-9]", "-", str(cwd.resolve()))
    return config / "projects" / (name if len(name) <= _LONGEST_NAME else _cut_name(name, str(cwd.resolve())))


def _cut_name(name: str, cwd: str) -> str:
    """Return a long name as the CLI cuts it: with a hash of the path, h·31 + c in 32 bits, in base 36."""
    number = 0
    for unit in memoryview(cwd.encode("utf-16-le")).cast("H"):
        number = (number * 31 + unit) & 0xFFFFFFFF
    number = abs(number - (1 << 32) if number >= 1 << 31 else number)
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"{name[:_LONGEST_NAME]}-{digits}"


def _is_plain_file(path: Path) -> bool:
    """Whether there is a regular file. A link counts not: Claude's tools could make one to a foreign file."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


class Remains(StrEnum):
    """The part of a conversation that is on disk. It decides how to continue after a kill."""

    MESSAGES = "messages"
    """`Resume` works."""
    NOTHING = "nothing"
    """Killed within some 100 ms of its first prompt. `Resume` is refused; `Fresh` under the same id works."""
    NO_MESSAGES = "no_messages"
    """Named, then killed as early. The CLI refuses to resume it and calls the id taken: use a new id."""


def remains(config: Path, conversation_id: str, cwd: Path | None = None) -> Remains:
    """Return how much of a conversation is on disk. Call it before resuming. Raises `BadLaunch`, `OSError`."""
    try:
        path = find_transcript(config, conversation_id, cwd)
    except TranscriptMissing:
        return Remains.NOTHING
    with open_plainly(path) as file:
        for raw in whole_lines(file):
            row, _ = decode(raw)
            if isinstance(row, Mapping) and is_message(row):
                return Remains.MESSAGES
    return Remains.NO_MESSAGES


def stored_conversations(config: Path) -> list[StoredConversation]:
    """Return all conversations in the CLI's directory, last written first. Reads only the ends of each file."""
    paths = (path for path in (config / "projects").glob("*/*.jsonl") if _is_plain_file(path))
    found = (_stored(path) for path in paths)
    return sorted((one for one in found if one is not None), key=lambda one: one.updated_at_ms, reverse=True)


# --- where ----------------------------------------------------------------------------------------------


def _project_directories(projects: Path, cwd: Path) -> Iterator[Path]:
    name = re.sub(r"[^a-zA-Z0-9]", "-", str(cwd.resolve()))
    if len(name) <= _LONGEST_NAME:
        yield projects / name
    else:
        # The CLI appends its own hash to a cut name. The conversation's id finds the right one of these.
        yield from projects.glob(f"{name[:_LONGEST_NAME]}-*")


# --- a list of all --------------------------------------------------------------------------------------


def _stored(path: Path) -> StoredConversation | None:
    try:
        conversation_id = str(UUID(path.stem))
        status = path.stat()
        head, tail = _edges(path, status.st_size)
    except (ValueError, OSError):
        return None
    said = (line_of(row) for row in head if text_of(row, "type") == "user")
    prompts = (line.text for line in said if isinstance(line, UserMessage) and not line.synthetic)
    first_prompt = next((text for text in prompts if text), "")
    edges = (*head, *tail)
    by_person = [text_of(row, "customTitle") for row in edges if text_of(row, "type") == "custom-title"]
    by_claude = [text_of(row, "aiTitle") for row in edges if text_of(row, "type") == "ai-title"]
    return StoredConversation(
        conversation_id=conversation_id,
        path=path,
        cwd=next((cwd for row in head if (cwd := text_of(row, "cwd"))), ""),
        title=next((title for title in (*reversed(by_person), *reversed(by_claude)) if title), ""),
        first_prompt=first_prompt[:500],
        size_bytes=status.st_size,
        updated_at_ms=status.st_mtime_ns // 1_000_000,
    )


def _edges(path: Path, size: int) -> tuple[list[Json], list[Json]]:
    """Return the complete rows of the file's first and last part. Rows cut at the edge are left out."""
    with open_plainly(path) as file:
        head = file.read(_EDGE_BYTES)
        # Not before the end of the head: a small file's rows would count twice.
        file.seek(max(len(head), size - _EDGE_BYTES))
        tail = file.read(_EDGE_BYTES)
    return _rows_of(head.split(b"\n")), _rows_of(tail.split(b"\n"))


def _rows_of(raws: list[bytes]) -> list[Json]:
    values = (decode(raw)[0] for raw in raws if raw)
    return [value for value in values if isinstance(value, Mapping)]
