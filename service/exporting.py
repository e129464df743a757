"""Reads a whole session from the database, for an archive or for people."""

import asyncio
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from sessions import rows
from sessions.archive import (
    ArchivedConversation,
    ArchivedFile,
    ArchivedTurn,
    SessionArchive,
    is_transcript_line,
    write_archive,
)
from sessions.model import ExportFormat, is_session_id
from sessions.session import Session
from sessions.stored import StoredTurn
from sessions.transcript_copies import files_beside
from sessions.uploads import read_uploads, uploads_of
from texts.redaction import Redactor

_PAGE = 200


async def export_session(
    session: Session, wanted: ExportFormat, redactor: Redactor, *, with_uploads: bool = True
) -> bytes:
    """Return the session as a file in the wanted format. May run during a turn; only whole blocks are in it.

    The files of its prompts are only in JSON, and only `with_uploads`.
    """
    # Only JSON has a place for files.
    archive = await build_archive(session, with_uploads=with_uploads and wanted is ExportFormat.JSON)
    if wanted is ExportFormat.PDF:
        from service.pdf_export import to_pdf

        return await to_pdf(archive, redactor.redact)
    # Rendering a long session takes seconds of CPU.
    return await asyncio.to_thread(_rendered, archive, wanted, redactor)


_TextFormat = Literal[ExportFormat.JSON, ExportFormat.MARKDOWN, ExportFormat.HTML]


def _rendered(archive: SessionArchive, wanted: _TextFormat, redactor: Redactor) -> bytes:
    match wanted:
        case ExportFormat.JSON:
            return write_archive(archive)
        case ExportFormat.MARKDOWN:
            from service.export_text import to_markdown

            return to_markdown(archive, redactor.redact).encode()
        case ExportFormat.HTML:
            from service.export_text import to_html

            return to_html(archive, redactor.redact).encode()


async def build_archive(session: Session, *, with_uploads: bool = False) -> SessionArchive:
    """Return everything that is stored of the session, oldest first."""
    db, snapshot = session.around.db, session.snapshot
    turns: list[ArchivedTurn] = []
    before: int | None = None
    # Newest first and below the last number: turns that begin meanwhile shift no page.
    while page := await rows.load_turns(db, session.id, before=before, limit=_PAGE):
        turns += [ArchivedTurn(_sound(turn), tuple(await rows.load_blocks(db, turn.id))) for turn in page]
        before = page[-1].number
    # A session can have several: /clear, for example, begins another one.
    used = {each.turn.conversation_id for each in turns if each.turn.conversation_id}
    names = sorted(used | ({snapshot.conversation_id} if snapshot.conversation_id else set()))
    return SessionArchive(
        exported_ms=session.around.clock.now_ms(),
        session_id=session.id,
        title=snapshot.title,
        project=snapshot.project,
        model=snapshot.model,
        mode=snapshot.mode,
        created_ms=snapshot.created_ms,
        cost_usd=snapshot.cost_usd,
        list_price_usd=snapshot.list_price_usd,
        conversation_id=snapshot.conversation_id,
        last_prompt_uuid=snapshot.last_prompt_uuid if is_session_id(snapshot.last_prompt_uuid) else "",
        work_directory_name=Path(snapshot.work_directory).name,
        turns=tuple(reversed(turns)),
        asks=tuple(await rows.load_asks(db, session.id)),
        conversations=await asyncio.to_thread(_transcripts, session, names),
        uploads=await asyncio.to_thread(_uploads, session) if with_uploads else (),
    )


def _uploads(session: Session) -> tuple[ArchivedFile, ...]:
    found = read_uploads(uploads_of(session.around.run_directory, session.id))
    return tuple(ArchivedFile(name, data) for name, data in found.items())


def _sound(turn: StoredTurn) -> StoredTurn:
    """Return the turn without invalid uuids: a damaged transcript can have one, and imports refuse it."""
    prompt, last = (uuid if is_session_id(uuid) else "" for uuid in (turn.prompt_uuid, turn.last_uuid))
    return replace(turn, prompt_uuid=prompt, last_uuid=last)


def _transcripts(session: Session, names: list[str]) -> tuple[ArchivedConversation, ...]:
    conversations, work_directory = session.around.conversations, Path(session.snapshot.work_directory)
    found: list[ArchivedConversation] = []
    for name in names:
        # Brought up to date first: the copy may lack the last turn.
        conversations.keep(name, work_directory)
        copy = conversations.copy(name)
        if copy.exists():
            lines = copy.read_bytes().decode("utf-8", "replace").split("\n")
            files = (ArchivedFile(each, path.read_bytes()) for each, path in files_beside(copy).items())
            found.append(ArchivedConversation(name, tuple(filter(is_transcript_line, lines)), tuple(files)))
    return tuple(found)
