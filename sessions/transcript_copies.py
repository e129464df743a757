"""Our copies of Claude's transcripts, each with the files beside it: long outputs of tools, and subagents.

Claude keeps a conversation as `ID.jsonl`, with long outputs and subagents in the directory `ID/`. A copy has
the same two parts. Everything here is file I/O and blocks: call it in a thread.

Claude's tools can write where Claude keeps its own, and plant links there, so no link below that directory is
followed: not to read, or a link would bring other files into our copy and back; and not to write.
"""

import os
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from sessions.claude.errors import TranscriptMissing
from sessions.claude.own_files import open_plainly
from sessions.model import is_session_id
from workdirs.model import FilePath
from workdirs.paths import WorkTree

_CHUNK_BYTES = 1 << 20
_BESIDE = ("tool-results", "subagents")
_DEEPEST = 4
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# `O_NONBLOCK`: a FIFO that a tool planted there fails at once, where opening it would wait for a reader.
_OVERWRITTEN = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class TranscriptCopies:
    """The copies in `directory`, by conversation id, which must be a UUID."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Two threads that append to one copy would damage it.
        self._copying = threading.Lock()

    def path(self, conversation_id: str) -> Path:
        """Return the path of the copy; it may not exist. Raises `TranscriptMissing` if the id is no UUID."""
        if not is_session_id(conversation_id):
            raise TranscriptMissing(conversation_id)
        return self._directory / f"{conversation_id}.jsonl"

    def size(self, conversation_id: str) -> int:
        """Return the size of the copy in bytes, with the files beside it; 0 if there is no copy."""
        if not is_session_id(conversation_id):
            return 0
        copy = self.path(conversation_id)
        own = copy.stat().st_size if copy.exists() else 0
        return own + sum(path.stat().st_size for path in files_beside(copy).values())

    def remove(self, conversation_id: str) -> None:
        """Remove the copy, if there is one."""
        if is_session_id(conversation_id):
            copy = self.path(conversation_id)
            copy.unlink(missing_ok=True)
            shutil.rmtree(copy.with_suffix(""), ignore_errors=True)

    def keep(self, source: Path, conversation_id: str) -> None:
        """Bring the copy up to date with `source`: append new bytes, or copy it again if it was replaced."""
        with self._copying:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = self.path(conversation_id)
            _keep_growing(source, target)
            _copy_beside(source, target)

    def give(self, conversation_id: str, target: Path) -> bool:
        """Write the copy to `target`, whole or not at all. False if there is no copy."""
        kept = self.path(conversation_id)
        if not kept.exists():
            return False
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Files beside it first: as soon as the transcript exists, it counts as complete.
        _copy_beside(kept, target)
        # Rename at the end: a partial file would pass for Claude's own and then overwrite our copy.
        draft = f"{target.name}.{secrets.token_hex(8)}.tmp"
        with WorkTree(target.parent) as place:
            descriptor = os.open(draft, _NEW_FILE, 0o600, dir_fd=place.descriptor)
            try:
                with kept.open("rb") as reader, os.fdopen(descriptor, "wb") as writer:
                    shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
                os.rename(draft, target.name, src_dir_fd=place.descriptor, dst_dir_fd=place.descriptor)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=place.descriptor)
                raise
        return True

    def write(
        self, conversation_id: str, lines: Iterable[str], files: Mapping[str, bytes] | None = None
    ) -> None:
        """Make a copy from `lines` and from `files`, which are named as by `files_beside`."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = self.path(conversation_id)
        for name, data in (files or {}).items():
            if is_name_beside(name):
                _write_private(copy.with_suffix("") / name, data)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(copy, flags, 0o600), "w", encoding="utf-8") as writer:
            writer.writelines(f"{line}\n" for line in lines)


def files_beside(transcript: Path) -> dict[str, Path]:
    """Return the files beside a transcript, by their names relative to its directory. Links are left out."""
    directory = transcript.with_suffix("")
    if directory.is_symlink():
        return {}
    found = (path for each in _BESIDE for path in _regular_files(directory / each, _DEEPEST))
    return {str(PurePosixPath(path.relative_to(directory))): path for path in found}


def is_name_beside(name: str) -> bool:
    """Whether `name` has the form that `files_beside` returns: a plain path below a known directory."""
    parts = name.split("/")
    plain = all(part not in ("", ".", "..") and "\0" not in part and len(part) < 256 for part in parts)
    return plain and parts[0] in _BESIDE and 2 <= len(parts) <= _DEEPEST


def _regular_files(directory: Path, levels: int) -> Iterator[Path]:
    if levels == 0 or directory.is_symlink() or not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            yield from _regular_files(path, levels - 1)
        elif path.is_file() and not path.is_symlink():
            yield path


def _keep_growing(source: Path, target: Path) -> None:
    have = target.stat().st_size if target.exists() else 0
    # A copy that was cut off is shorter, and goes on from there. A longer or different one is of another file.
    if have > source.stat().st_size or not _same_beginning(source, target, have):
        have = 0
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if have == 0 else os.O_APPEND)
    with open_plainly(source) as reader, os.fdopen(os.open(target, flags, 0o600), "wb") as writer:
        reader.seek(have)
        shutil.copyfileobj(reader, writer, _CHUNK_BYTES)


def _copy_beside(source: Path, target: Path) -> None:
    """Copy the files beside `source` that are new or have another size to beside `target`."""
    names = files_beside(source)
    if not names:
        return
    with WorkTree(source.parent) as read, WorkTree(target.parent) as written:
        for name in names:
            there = FilePath(os.fsencode(f"{source.stem}/{name}"))
            copy = FilePath(os.fsencode(f"{target.stem}/{name}"))
            found, known = read.stat(there), written.stat(copy)
            # These files are written once, or only grow: one of the same size is the same.
            if found is None or (known is not None and known.st_size == found.st_size):
                continue
            with os.fdopen(read.open_file(there), "rb") as reader:
                directory, last = written.parent(copy, create=True)
                descriptor = os.open(last, _OVERWRITTEN, 0o600, dir_fd=directory)
                with os.fdopen(descriptor, "wb") as writer:
                    shutil.copyfileobj(reader, writer, _CHUNK_BYTES)


def _write_private(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writer:
        writer.write(data)


def _same_beginning(source: Path, target: Path, length: int) -> bool:
    """Whether both begin with the same bytes. A transcript only grows, so if not, it was replaced."""
    probe = min(length, 4096)
    with open_plainly(source) as first, target.open("rb") if probe else open_plainly(source) as second:
        return first.read(probe) == second.read(probe)
