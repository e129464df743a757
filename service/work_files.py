"""Uploads, and files of a work directory. No link is followed: Claude's tools may make links at any time.

This module stays here until work directories have a package of their own.
"""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from msgspec.structs import replace

import machine
from api.file_names import safe_name
from api.files import MOST_BYTES, GetFile, PutFile
from service.picture_fitting import fit
from sessions.errors import FileRefused, FileTooLarge
from sessions.model import Attachment
from sessions.session import Session
from sessions.uploads import DIRECTORY, IN_PROJECT, make_uploads, uploads_of

T = TypeVar("T")

_CHUNK = 1 << 18
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_HIDDEN = (".git",)


# --- in -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UploadPlace:
    """Uploads lie below `directory` in `root`, which exists. The modes are of what is made there."""

    root: Path
    directory: str
    directory_mode: int = 0o700
    file_mode: int = 0o600


def upload_place(session: Session) -> UploadPlace:
    """Return the place for a session's uploads. Raises `OSError`."""
    uploads = uploads_of(session.around.run_directory, session.id)
    if session.run is not None and not uploads.is_dir():
        # The process is from an earlier version: its rules deny this directory, which each launch makes.
        return UploadPlace(Path(session.snapshot.work_directory), IN_PROJECT, 0o755, 0o644)
    make_uploads(uploads)
    return UploadPlace(uploads.parent, uploads.name)


async def put_upload(session: Session, wish: PutFile, content: AsyncIterable[bytes]) -> Attachment:
    """Store an upload of the session, as a picture for Claude if it can be. Raises like `put_file`."""
    place = await _in_thread(wish, upload_place, session)
    stored = await put_file(place, wish, content)
    return await fit(stored, place.root / stored.path)


async def put_file(place: UploadPlace, wish: PutFile, content: AsyncIterable[bytes]) -> Attachment:
    """Store `content` as an upload. Raises the errors of `PutFile` and of `content`."""
    if safe_name(wish.name) != wish.name or safe_name(wish.folder) != wish.folder:
        raise FileRefused(safe_name(wish.name), "has a name that cannot be stored.")
    most = min(wish.max_bytes, MOST_BYTES)
    size = 0
    with ExitStack() as opened:
        part: _Part | None = None
        async for chunk in content:
            size += len(chunk)
            if size > most:
                raise FileTooLarge(wish.name, most)
            if part is None:  # not earlier: if no content ever comes, no directory must be left behind
                part = await _in_thread(wish, _Part, place, wish, opened)
            await _in_thread(wish, part.write, chunk)
        if part is None:
            part = await _in_thread(wish, _Part, place, wish, opened)
        await _in_thread(wish, part.keep)
    return Attachment(f"{place.directory}/{wish.folder}/{wish.name}", wish.name, wish.media_type, size)


async def _in_thread(wish: PutFile, step: Callable[..., T], *arguments: Any) -> T:
    try:
        return await asyncio.to_thread(step, *arguments)
    except OSError as error:
        raise FileRefused(wish.name, "could not be stored on the bot's machine.") from error


class _Part:
    """A file that is written beside its final place.

    Closing `opened` closes everything and removes a file that was not kept. Methods block and raise `OSError`.
    """

    def __init__(self, place: UploadPlace, wish: PutFile, opened: ExitStack) -> None:
        self._name = wish.name
        self._part = f".{wish.name}.part"
        # Each directory is opened inside the one before and through no link: a path could be swapped meanwhile.
        directory = os.open(place.root.resolve(), _DIRECTORY)
        opened.callback(os.close, directory)
        for each in (place.directory, wish.folder):
            with suppress(FileExistsError):
                os.mkdir(each, place.directory_mode, dir_fd=directory)
            directory = os.open(each, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            opened.callback(os.close, directory)
        self._directory = directory
        self._remove()
        descriptor = os.open(self._part, _NEW_FILE, place.file_mode, dir_fd=directory)
        opened.callback(self._remove)
        self._stream = opened.enter_context(os.fdopen(descriptor, "wb", buffering=0))

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[self._stream.write(view) :]

    def keep(self) -> None:
        """Give the file its final name."""
        os.replace(self._part, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._part, dir_fd=self._directory)


# --- out ------------------------------------------------------------------------------------------------


def file_place(session: Session, wish: GetFile) -> tuple[Path, GetFile]:
    """Return the directory that holds the wished file, and the wish as seen from there. Blocks."""
    if wish.returned_by:
        from sessions.returned_pictures import returned_name, returned_of  # few tools return pictures
        from texts.whole_numbers import LARGEST, whole_number

        number = whole_number(wish.path, LARGEST) or 0
        returned = returned_of(session.around.run_directory, session.id)
        return returned, replace(wish, path=returned_name(wish.returned_by, number))
    work_directory = Path(session.snapshot.work_directory)
    uploads = uploads_of(session.around.run_directory, session.id)
    for absolute in (uploads, Path(os.path.realpath(uploads))):
        # Claude is told the uploads by their absolute paths, and links them so.
        if PurePosixPath(wish.path).is_relative_to(absolute) and wish.path != str(absolute):
            return uploads, replace(wish, path=str(PurePosixPath(wish.path).relative_to(absolute)))
    first, _, rest = wish.path.partition("/")
    if first == DIRECTORY and rest and not (work_directory / first).exists() and uploads.is_dir():
        return uploads, replace(wish, path=rest)
    return work_directory, wish


async def get_file(root: Path, wish: GetFile) -> AsyncGenerator[bytes, None]:
    """Yield the content of a file below `root`, a work directory. Raises the errors of `GetFile` at once."""
    descriptor = await asyncio.to_thread(_opened, root, wish)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        left = min(wish.max_bytes, MOST_BYTES)
        # The file may grow meanwhile, so reading stops at the size that was checked.
        while left and (piece := await asyncio.to_thread(stream.read, min(left, _CHUNK))):
            left -= len(piece)
            yield piece


def _opened(root: Path, wish: GetFile) -> int:
    """Open the file and return its descriptor; the caller closes it. Blocks."""
    name = PurePosixPath(wish.path).name
    # One sentence for every reason: it must not tell which files exist elsewhere on the machine.
    nothing = FileRefused(name, "is not there, or is not given out.")
    try:
        real = Path(os.path.realpath(root / wish.path))
        if not _given_out(root, real):
            raise nothing
        descriptor = os.open(real, _TO_READ)
    except (OSError, ValueError):
        raise nothing from None
    # Checked on the open file: a path may change between a check and the opening.
    facts = os.fstat(descriptor)
    is_old = facts.st_mtime_ns < wish.changed_since_ms * 1_000_000
    refusal = nothing if is_old or not _given_out(root, machine.this().path_of(descriptor)) else None
    refusal = refusal or _unfit(name, facts, min(wish.max_bytes, MOST_BYTES))
    if refusal is not None:
        os.close(descriptor)
        raise refusal
    return descriptor


def _unfit(name: str, facts: os.stat_result, most: int) -> FileRefused | None:
    if not stat.S_ISREG(facts.st_mode):
        return FileRefused(name, "is not a file.")
    return FileTooLarge(name, most, facts.st_size) if facts.st_size > most else None


def _given_out(root: Path, real: Path) -> bool:
    """Whether `real` (without links) is in the work directory and is not secret."""
    try:
        inside = real.relative_to(root.resolve())
    except ValueError:
        return False
    return not any(part in _HIDDEN or part.startswith(".env") for part in inside.parts)
