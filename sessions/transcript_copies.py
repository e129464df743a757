"""Our copies of Claude's transcripts, each with the files beside it: long outputs of tools, and subagents.

Claude keeps a conversation as `ID.jsonl` and writes what is long or separate into the directory `ID/`. A copy
has the same two parts. Everything here is file I/O and blocks: call it in a thread.
"""

import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from sessions.claude.errors import TranscriptMissing
from sessions.model import is_session_id

_CHUNK_BYTES = 1 << 20
_BESIDE = ("tool-results", "subagents")
_DEEPEST = 4


class TranscriptCopies:
    """Copies in `directory`, by conversation. An id that is no UUID has none."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Two threads that append to one copy would damage it.
        self._copying = threading.Lock()

    def path(self, conversation_id: str) -> Path:
        """Where the copy is or would be. Raises `TranscriptMissing` for an id that is no UUID."""
        if not is_session_id(conversation_id):
            raise TranscriptMissing(conversation_id)
        return self._directory / f"{conversation_id}.jsonl"

    def size(self, conversation_id: str) -> int:
        """Bytes that the copy takes, with the files beside it; 0 if there is none."""
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
        """Bring the copy up to date with `source`: append what has grown, or copy anew another file."""
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
        # The files beside it come first: a transcript that is there counts as complete.
        _copy_beside(kept, target)
        # A piece of it would be taken for Claude's own, and take the place of our copy.
        draft = target.with_name(f"{target.name}.tmp")
        try:
            shutil.copyfile(kept, draft)
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)
        return True

    def write(
        self, conversation_id: str, lines: Iterable[str], files: Mapping[str, bytes] | None = None
    ) -> None:
        """Make a copy from `lines` and the files beside it, named as `files_beside` does."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = self.path(conversation_id)
        for name, data in (files or {}).items():
            if is_name_beside(name):
                _write_private(copy.with_suffix("") / name, data)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(copy, flags, 0o600), "w", encoding="utf-8") as writer:
            writer.writelines(f"{line}\n" for line in lines)


def files_beside(transcript: Path) -> dict[str, Path]:
    """The files that belong to a transcript, by their names relative to its directory; links are left out."""
    directory = transcript.with_suffix("")
    found = (path for each in _BESIDE for path in _regular_files(directory / each, _DEEPEST))
    return {str(PurePosixPath(path.relative_to(directory))): path for path in found}


def is_name_beside(name: str) -> bool:
    """Whether `name` is one that `files_beside` gives: a plain path below one of the known directories."""
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
    if have > source.stat().st_size or not _same_beginning(source, target, have):
        have = 0
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if have == 0 else os.O_APPEND)
    with source.open("rb") as reader, os.fdopen(os.open(target, flags, 0o600), "wb") as writer:
        reader.seek(have)
        shutil.copyfileobj(reader, writer, _CHUNK_BYTES)


def _copy_beside(source: Path, target: Path) -> None:
    """Copy the files beside `source` that are new or have another size to beside `target`."""
    for name, path in files_beside(source).items():
        copy = target.with_suffix("") / name
        if not copy.exists() or copy.stat().st_size != path.stat().st_size:
            _write_private(copy, path.read_bytes())


def _write_private(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writer:
        writer.write(data)


def _same_beginning(source: Path, target: Path, length: int) -> bool:
    """Whether the first bytes of both are the same: a transcript only grows, unless it was replaced."""
    probe = min(length, 4096)
    with source.open("rb") as first, target.open("rb") if probe else source.open("rb") as second:
        return first.read(probe) == second.read(probe)
