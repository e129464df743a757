"""Files of a work directory on their way to Discord: checked to lie in it, bounded in size, no secret ones."""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import machine
from api import TurnView
from bot.attachments import safe_name
from bot.bodies import File
from bot.errors import Refused
from bot.markdown.cards import escape_inline
from bot.wording import size
from sessions.model import ToolOutput

MAX_FILES = 9
_HIDDEN = (".git",)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What can be sent, and a sentence for each file that cannot."""

    files: tuple[File, ...]
    troubles: tuple[str, ...]


def read_file(root: Path, name: str, max_bytes: int) -> File:
    """The file `name` (relative to the work directory `root`, or absolute in it). Blocks.

    Raises `Refused`, in words without a path of the machine.
    """
    shown = escape_inline(PurePosixPath(name).name, 80)
    # One sentence, whatever the reason: nobody is to learn from it what there is elsewhere on the machine.
    nothing = Refused(f"“{shown}” is not there, or is not given out.")
    try:
        real = Path(os.path.realpath(root / name))
        if _given_out(root, real) is None:
            raise nothing
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        raise nothing from None
    try:
        # Asked of the open file: a path may be changed between a check and the opening.
        if _given_out(root, machine.this().path_of(descriptor)) is None:
            raise nothing
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise Refused(f"“{shown}” is not a file.")
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise Refused(f"“{shown}” is too large for Discord ({size(facts.st_size)}).")
    return File(safe_name(PurePosixPath(name).name), data)


def _given_out(root: Path, real: Path) -> Path | None:
    """`real` (without links) relative to the work directory; None if it lies elsewhere, or is secret."""
    try:
        inside = real.relative_to(root.resolve())
    except ValueError:
        return None
    return None if any(part in _HIDDEN or part.startswith(".env") for part in inside.parts) else inside


def written_files(root: Path, turn: TurnView, max_bytes: int) -> Bundle:
    """The files that a turn wrote as they are now, and what it changed as a diff. Blocks."""
    outputs = [block for block in turn.blocks if isinstance(block, ToolOutput) and not block.is_error]
    names = list(dict.fromkeys(path for output in outputs for path in output.paths))
    files: list[File] = []
    troubles: list[str] = []
    room = max_bytes
    if diff := _diff(root, outputs):
        files.append(File("changes.diff", diff[:room], "What Claude changed"))
        room -= len(files[0].data)
    for name in names[:MAX_FILES]:
        try:
            file = read_file(root, name, room)
        except Refused as error:
            troubles.append(str(error))
            continue
        files.append(_renamed(file, {each.name for each in files}))
        room -= len(file.data)
    if len(names) > MAX_FILES:
        troubles.append(f"{len(names) - MAX_FILES} more files are left out; /files get gives each.")
    return Bundle(tuple(files), tuple(troubles))


def _diff(root: Path, outputs: Sequence[ToolOutput]) -> bytes:
    parts = [
        f"--- {_inside(root, path)}\n+++ {_inside(root, path)}\n{output.patch}\n"
        for output in outputs
        if output.patch
        for path in output.paths[:1]
    ]
    return "".join(parts).encode(errors="replace")


def _inside(root: Path, path: str) -> str:
    try:
        return str(Path(path).relative_to(root))
    except ValueError:
        return PurePosixPath(path).name


def _renamed(file: File, taken: Iterable[str]) -> File:
    stem, dot, suffix = file.name.rpartition(".")
    name, number = file.name, 2
    while name in set(taken):
        name = f"{stem}-{number}.{suffix}" if dot else f"{file.name}-{number}"
        number += 1
    return File(name, file.data, file.description)
