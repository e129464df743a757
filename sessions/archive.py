"""A session as one JSON file: everything that was said, asked, answered and spent, and Claude's transcript.

Lossless: an import makes a session that goes on from it, on another machine too. The format is our own and
versioned; `read_archive` trusts nothing in a file, and says in a sentence what is wrong with one.
"""

import msgspec

from sessions.errors import ImportRefused
from sessions.model import Block, PermissionMode, is_session_id
from sessions.rows import StoredAsk, StoredTurn

FORMAT = "claude-bridge-session"
VERSION = 1
MAX_ARCHIVE_BYTES = 256 * 2**20
MAX_TURNS = 100_000


class ArchivedTurn(msgspec.Struct, frozen=True):
    """A turn and its blocks, in order."""

    turn: StoredTurn
    blocks: tuple[Block, ...]


class ArchivedConversation(msgspec.Struct, frozen=True):
    """One of Claude's transcripts, line by line as Claude wrote it."""

    conversation_id: str
    lines: tuple[str, ...]


class SessionArchive(msgspec.Struct, frozen=True, kw_only=True):
    """The file. `conversation_id` names the transcript that the session was on when it was exported."""

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
    conversation_id: str
    last_prompt_uuid: str = ""
    work_directory_name: str = ""
    turns: tuple[ArchivedTurn, ...]
    asks: tuple[StoredAsk, ...]
    conversations: tuple[ArchivedConversation, ...]


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


_heads = msgspec.json.Decoder(_Head)
_archives = msgspec.json.Decoder(SessionArchive)


def write_archive(archive: SessionArchive) -> bytes:
    """The archive as JSON in UTF-8."""
    return msgspec.json.format(msgspec.json.encode(archive), indent=1)


def read_archive(data: bytes) -> SessionArchive:
    """The archive in `data`, checked. Raises `ImportRefused`; the sentence says what is wrong."""
    if len(data) > MAX_ARCHIVE_BYTES:
        raise ImportRefused(f"The file is larger than {MAX_ARCHIVE_BYTES // 2**20} MB.")
    head = _head(data)
    if head.format != FORMAT:
        raise ImportRefused("This is not a session that the bridge exported (as JSON).")
    if head.version != VERSION:
        raise ImportRefused(
            f"The file has format version {head.version}; this bridge reads version {VERSION}. Update it first."
        )
    try:
        archive = _archives.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImportRefused("The file is damaged: a part of it is not as an export writes it.") from error
    _check(archive)
    return archive


def _head(data: bytes) -> _Head:
    try:
        return _heads.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImportRefused("The file is no JSON export, or it is cut off.") from error


def _check(archive: SessionArchive) -> None:
    """Refuse ids that could become paths, and what does not belong together."""
    ids = [archive.session_id, *(each.conversation_id for each in archive.conversations)]
    ids += [each.turn.id for each in archive.turns]
    if archive.conversation_id:
        ids.append(archive.conversation_id)
    if not all(is_session_id(each) for each in ids):
        raise ImportRefused("The file is damaged: an id in it is not one.")
    if len(archive.turns) > MAX_TURNS:
        raise ImportRefused(f"The session has more than {MAX_TURNS:,} turns.")
    numbers = [each.turn.number for each in archive.turns]
    if numbers != sorted(set(numbers)):
        raise ImportRefused("The file is damaged: its turns are out of order.")
