"""Makes an empty directory in the workspace for files that come back from a backup.

A note is written before the directory, and deleted once a row names it. So a start finds the empty directories
of restores that were cut before their row.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath

from sessions.errors import BackupRefused
from sessions.work_directory import DEFAULT_PROJECT
from storage.files import make_directory, write_whole

NOTES = "directory-*"
"""The names of notes in the directory of what comes in."""


@asynccontextmanager
async def new_project(workspace_root: Path, incoming: Path, wanted: str, origin: str) -> AsyncIterator[str]:
    """Make the project whose empty directory takes the files, if it is missing, and yield its name.

    `wanted` is the choice of a person. Without one it is the project `origin` if that is empty or missing, else
    the first free name beside it. No file of anybody is ever overwritten. The directory goes again on an error,
    if it is still empty. Raises `BackupRefused`.
    """
    # Into an empty directory only: over existing files, each difference would need an answer.
    name = await asyncio.to_thread(_free_name, workspace_root, wanted, origin)
    note = incoming / NOTES.replace("*", secrets.token_hex(8))
    try:
        await asyncio.to_thread(_make, workspace_root, name, note)
        yield name
    except BaseException:
        # Shielded from a second cancel: an empty directory that stays would keep the name taken.
        await asyncio.shield(asyncio.to_thread(_undo, workspace_root, note))
        raise
    await asyncio.to_thread(note.unlink, missing_ok=True)


def sweep_unused(workspace_root: Path, incoming: Path) -> None:
    """Remove the empty directories that cut restores left; for the start. Blocks."""
    for note in incoming.glob(NOTES):
        _undo(workspace_root, note)


def _make(workspace_root: Path, name: str, note: Path) -> None:
    directory = workspace_root / name
    if directory.is_dir():
        return  # it was there before, so nobody may remove it
    make_directory(note.parent)
    try:
        write_whole(note, name.encode())
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupRefused(f"the project's directory was not made: {error.strerror}") from error


def _undo(workspace_root: Path, note: Path) -> None:
    with suppress(OSError):  # no note, no directory, or one with files
        (workspace_root / note.read_text(encoding="utf-8")).rmdir()
    with suppress(OSError):  # the next start tries again
        note.unlink(missing_ok=True)


def _free_name(workspace_root: Path, wanted: str, origin: str) -> str:
    name = wanted or origin or DEFAULT_PROJECT
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or any(each in ("..", ".") or each[:1] == "." for each in parts):
        raise BackupRefused("the name of the project is not one that a project can have")
    number, free = 1, name
    while not _is_free(workspace_root, free):
        if wanted:
            raise BackupRefused(f"the project {wanted} has files already; name another one, or none")
        number += 1
        free = f"{name}-restored" if number == 2 else f"{name}-restored-{number - 1}"
    return free


def _is_free(workspace_root: Path, name: str) -> bool:
    place = workspace_root / name
    # A link may lead out of the workspace.
    if place.is_symlink():
        return False
    try:
        return not any(place.iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False
