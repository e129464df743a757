"""A session as one JSON file: its turns, blocks, asks, answers and costs, and Claude's transcripts.

Lossless: an import makes a session that continues it, on another machine too. The format is our own and
versioned. `read_archive` trusts nothing in a file and states in one sentence why it refuses one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sessions.claude.wire import decode, is_too_deep
from sessions.errors import ImportRefused
from sessions.model import (
    Block,
    FormBody,
    Other,
    PermissionMode,
    ToolCall,
    foreign_parts,
    is_session_id,
)
from sessions.stored import StoredAsk, StoredTurn
from sessions.transcript_copies import is_name_beside
from sessions.uploads import is_upload_name

FORMAT = "claude-bridge-session"
VERSION = 1
MAX_ARCHIVE_BYTES = 256 * 2**20
MAX_TURNS = 100_000
_MAX_NUMBER = 1_000_000_000
_MAX_AMOUNT = 253_402_300_799_999  # the last millisecond of the year 9999


class ArchivedTurn(msgspec.Struct, frozen=True):
    """A turn and its blocks, in order."""

    turn: StoredTurn
    blocks: tuple[Block, ...]


class ArchivedFile(msgspec.Struct, frozen=True):
    """A file beside a transcript (a tool's output, a subagent), or an upload. In JSON `data` is Base64."""

    name: str
    data: bytes


class ArchivedConversation(msgspec.Struct, frozen=True):
    """One of Claude's transcripts, line by line as Claude wrote it, without damaged lines."""

    conversation_id: str
    lines: tuple[str, ...]
    files: tuple[ArchivedFile, ...] = ()


class SessionArchive(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `conversation_id` names the session's conversation at the time of the export.

    `uploads` are files that came with prompts, by their names below the session's directory of uploads.
    """

    format: str = FORMAT
    version: int = VERSION
    exported_ms: int
    session_id: str
    title: str
    project: str
    model: str
    mode: PermissionMode
    created_ms: int
    cost_usd: float
    list_price_usd: float = 0.0
    conversation_id: str
    last_prompt_uuid: str = ""
    work_directory_name: str = ""
    turns: tuple[ArchivedTurn, ...]
    asks: tuple[StoredAsk, ...]
    conversations: tuple[ArchivedConversation, ...]
    uploads: tuple[ArchivedFile, ...] = ()


def is_transcript_line(line: str) -> bool:
    """Whether `line` is one whole JSON object. A killed CLI or a full disk leaves torn lines in transcripts."""
    return "\n" not in line and isinstance(decode(line.encode())[0], Mapping)


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


_heads = msgspec.json.Decoder(_Head)
_archives = msgspec.json.Decoder(SessionArchive)


def write_archive(archive: SessionArchive) -> bytes:
    """Return the archive as JSON in UTF-8."""
    return msgspec.json.format(msgspec.json.encode(archive), indent=1)


def read_archive(data: bytes) -> SessionArchive:
    """Return the archive in `data`, checked. Raises `ImportRefused` with a sentence that names the fault."""
    if len(data) > MAX_ARCHIVE_BYTES:
        raise ImportRefused(f"The file is larger than {MAX_ARCHIVE_BYTES // 2**20} MB.")
    # The version before the rest: a file of another version need not decode at all.
    head = _head(data)
    if head.format != FORMAT:
        raise ImportRefused("This is not a session that the bridge exported (as JSON).")
    if head.version != VERSION:
        raise ImportRefused(
            f"The file has format version {head.version}; this bridge reads version {VERSION}. Update it first."
        )
    try:
        archive = _archives.decode(data)
    except (ValueError, RecursionError) as error:
        raise ImportRefused("The file is damaged: a part of it does not have the form of an export.") from error
    _check(archive)
    return archive


def _head(data: bytes) -> _Head:
    try:
        return _heads.decode(data)
    except (ValueError, RecursionError) as error:
        raise ImportRefused("The file is not a JSON export, or it is cut off.") from error


def _check(archive: SessionArchive) -> None:
    """Refuse ids that could become paths, parts that contradict each other, and impossible values."""
    # Ids become names of files and directories. Only a UUID leads to none but ours.
    ids = [archive.session_id, *(each.conversation_id for each in archive.conversations)]
    ids += [each.turn.id for each in archive.turns]
    may_be_empty = [archive.conversation_id, archive.last_prompt_uuid]
    for each in archive.turns:
        may_be_empty += [each.turn.conversation_id, each.turn.prompt_uuid, each.turn.last_uuid]
    if not all(map(is_session_id, (*ids, *filter(None, may_be_empty)))):
        raise ImportRefused("The file is damaged: it has an invalid id.")
    if len(archive.turns) > MAX_TURNS:
        raise ImportRefused(f"The session has more than {MAX_TURNS:,} turns.")
    if len({each.turn.id for each in archive.turns}) < len(archive.turns):
        raise ImportRefused("The file is damaged: two of its turns have the same id.")
    if len({each.conversation_id for each in archive.conversations}) < len(archive.conversations):
        raise ImportRefused("The file is damaged: two of its transcripts have the same id.")
    if not all(is_name_beside(file.name) for each in archive.conversations for file in each.files):
        raise ImportRefused("The file is damaged: it has a file name that Claude does not use.")
    names = [file.name for file in archive.uploads]
    if not all(map(is_upload_name, names)) or len(set(names)) < len(names):
        raise ImportRefused("The file is damaged: a file that came with a prompt has a name that cannot be.")
    if len({stored.ask.id for stored in archive.asks}) < len(archive.asks):
        raise ImportRefused("The file is damaged: two of its asks have the same id.")
    numbers = [each.turn.number for each in archive.turns]
    if numbers != sorted(set(numbers)):
        raise ImportRefused("The file is damaged: its turns are out of order.")
    if not all(1 <= number <= _MAX_NUMBER for number in numbers):
        raise ImportRefused("The file is damaged: a turn has an invalid number.")
    known = {each.turn.id for each in archive.turns}
    if not {name for name in _named_turns(archive) if name} <= known:
        raise ImportRefused("The file is damaged: it names a turn that is not in it.")
    # They are stored inside other values, which nests them deeper still.
    if any(is_too_deep(body) for body in _bodies(archive)):
        raise ImportRefused("The file is damaged: a part of it is nested too deeply.")
    for amount in _amounts(archive):
        if amount is not None and not 0 <= amount <= _MAX_AMOUNT:  # NaN is neither
            raise ImportRefused("The file is damaged: it has an impossible amount or time.")


def _named_turns(archive: SessionArchive) -> Iterator[str | None]:
    """Yield the id of every turn that another part of the archive refers to."""
    yield from (each.turn.alternative_of for each in archive.turns)
    yield from (stored.ask.turn_id for stored in archive.asks)


def _bodies(archive: SessionArchive) -> Iterator[Any]:
    """Yield every value in the archive whose shape the CLI decided, not we."""
    for each in archive.turns:
        for block in each.blocks:
            match block:
                case ToolCall():
                    yield block.input
                case Other():
                    yield block.body
                case _:
                    pass
    for stored in archive.asks:
        yield from foreign_parts(stored.ask.body)


def _amounts(archive: SessionArchive) -> Iterator[float | None]:
    """Yield every number of the archive that is stored or shown."""
    yield from (archive.exported_ms, archive.created_ms, archive.cost_usd)
    for each in archive.turns:
        turn, usage = each.turn, each.turn.usage
        yield from (turn.cost_usd, turn.queued_ms, turn.started_ms, turn.ended_ms, turn.duration_ms)
        yield from (turn.first_text_ms, usage.input_tokens, usage.output_tokens)
        yield from (usage.cache_read_tokens, usage.cache_write_tokens)
    for stored in archive.asks:
        yield from (stored.ask.host, stored.ask.opened_ms, stored.closed_ms)
        if isinstance(stored.ask.body, FormBody):
            for each_field in stored.ask.body.fields:
                yield from (each_field.least, each_field.most)
