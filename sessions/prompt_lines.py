"""The line that hands a stored prompt to the CLI, its pictures and its context included."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sessions import rows
from sessions.driver import ImageFile
from sessions.model import Attachment, TurnId
from sessions.moving import note_of_move
from sessions.pictures import is_seen
from sessions.session_port import SessionPort
from sessions.stored import StoredContext
from sessions.uploads import note_of_uploads, path_of, uploads_of

NOTE_BEGINS, NOTE_ENDS = "<bridge-note>", "</bridge-note>"


async def prompt_line(session: SessionPort, turn_id: TurnId, context: StoredContext | None = None) -> bytes:
    """Return the line for the prompt of `turn_id`. A missing picture is left out; the prompt has its name.

    `context` precedes the prompt; by default the stored one of the turn.
    """
    turn = await rows.load_turn(session.around.db, turn_id)
    snapshot = session.snapshot
    uploads = uploads_of(session.around.run_directory, session.id)
    work_directory = Path(snapshot.work_directory)
    paths = {each: path_of(each, uploads, work_directory) for each in turn.attachments if is_seen(each)}
    images = await asyncio.to_thread(_read_images, paths)
    uploaded = await asyncio.to_thread(note_of_uploads, uploads)
    moved = note_of_move(snapshot.moved_from, snapshot.work_directory, snapshot.keeps_out_of)
    # Also after the context of this prompt is stored: a process that gets the prompt again gets its context.
    known = context or await rows.load_context(session.around.db, turn_id)
    note = _note([moved, uploaded, known.text if known is not None else ""])
    return session.around.driver.prompt(turn.prompt_uuid, turn.prompt, turn.kind, images, note)


def _note(parts: Sequence[str]) -> str:
    """Join our texts to one note, which nothing in them can end."""
    text = "\n\n".join(part for part in parts if part)
    # A file or a title in it could end the note early, and go on as if the person had written it.
    return f"{NOTE_BEGINS}{text.replace('</bridge-note', '</ bridge-note')}{NOTE_ENDS}" if text else ""


def _read_images(paths: Mapping[Attachment, Path | None]) -> list[ImageFile]:
    images: list[ImageFile] = []
    for file, path in paths.items():
        # A tool may have put a link in the place of a file: it must not lead to another file's content.
        if path is not None and not path.is_symlink():
            with suppress(OSError):
                images.append(ImageFile(file.media_type, path.read_bytes()))
    return images
