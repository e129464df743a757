"""Read files of a work directory for Discord: only from inside it, bounded in size, never secret ones."""

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import PurePosixPath

from api import Core, GetFile, SessionInfo, TurnView
from api.access import Actor
from api.file_names import safe_name
from bot.bodies import File
from bot.errors import Refused
from bot.markdown.cards import escape_inline
from bot.tool_lines import short_path
from bot.wording import size
from sessions.errors import FileRefused, FileTooLarge
from sessions.model import ToolOutput

MAX_FILES = 9


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files to send, and a sentence for each file that cannot be sent."""

    files: tuple[File, ...]
    troubles: tuple[str, ...]


async def read_file(core: Core, actor: Actor, wish: GetFile) -> File:
    """Return the file of `wish`. Raises `NotAllowed`, and `Refused` in words without a path of the machine."""
    shown = escape_inline(PurePosixPath(wish.path).name, 80)
    try:
        async with aclosing(core.get_file(actor, wish)) as pieces:
            data = b"".join([piece async for piece in pieces])
    except FileTooLarge as error:
        raise Refused(f"“{shown}” is too large for Discord ({size(error.size)}).") from error
    except FileRefused as error:
        raise Refused(f"“{shown}” {error.reason}") from error
    return File(safe_name(PurePosixPath(wish.path).name), data)


async def written_files(core: Core, actor: Actor, info: SessionInfo, turn: TurnView, max_bytes: int) -> Bundle:
    """Return the present content of the files that a turn wrote, and its changes as a diff."""
    outputs = [block for block in turn.contents if isinstance(block, ToolOutput) and not block.is_error]
    names = list(dict.fromkeys(path for output in outputs for path in output.paths))
    files: list[File] = []
    troubles: list[str] = []
    room = max_bytes
    if diff := _diff(info.work_directory_name, outputs):
        files.append(File("changes.diff", diff[:room], "What Claude changed"))
        room -= len(files[0].data)
    for name in names[:MAX_FILES]:
        try:
            file = await read_file(core, actor, GetFile(session_id=info.id, path=name, max_bytes=room))
        except Refused as error:
            troubles.append(str(error))
            continue
        files.append(_renamed(file, {each.name for each in files}))
        room -= len(file.data)
    if len(names) > MAX_FILES:
        troubles.append(f"{len(names) - MAX_FILES} more files are left out; /files get gives each.")
    return Bundle(tuple(files), tuple(troubles))


def _diff(work_directory: str, outputs: Sequence[ToolOutput]) -> bytes:
    parts = [
        f"--- {name}\n+++ {name}\n{output.patch}\n"
        for output in outputs
        if output.patch
        for name in (short_path(path, work_directory) for path in output.paths[:1])
    ]
    return "".join(parts).encode(errors="replace")


def _renamed(file: File, taken: Iterable[str]) -> File:
    stem, dot, suffix = file.name.rpartition(".")
    name, number = file.name, 2
    while name in set(taken):
        name = f"{stem}-{number}.{suffix}" if dot else f"{file.name}-{number}"
        number += 1
    return File(name, file.data, file.description)
