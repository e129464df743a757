"""Read files of a work directory for Discord: only from inside it, bounded in size, never secret ones.

Pictures of a turn go to the channel by themselves, other files when somebody asks for them.
"""

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import PurePosixPath

from api import Comparison, Core, GetFile, ReadTurnChanges, SessionInfo, TurnView
from api.access import Actor
from api.file_names import safe_name
from bot.bodies import File, Plain
from bot.errors import Refused
from bot.markdown.cards import escape_inline
from bot.pictures import Returned, TurnPictures, picture_kind
from bot.tool_lines import short_path
from bot.wording import counted, size
from sessions.errors import CheckpointRefused, FileRefused, FileTooLarge, NotAllowed
from sessions.model import Block, ToolOutput
from sessions.stored import StoredTurn
from workdirs.changes import ChangeKind

MAX_FILES = 9  # Discord takes ten; one is the diff
MAX_PICTURES = 4
_PICTURE_BYTES = 8 * 2**20  # Discord takes 10 MiB for each in a server without boosts
_ALL_PICTURES_BYTES = 20 * 2**20  # Discord takes 25 MiB in one request


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
    """Return the present content of the files that a turn wrote, and its changes as a diff.

    Changes that no tool reported, as those of Bash, count if there are checkpoints around the turn.
    """
    outputs = [block for block in turn.contents if isinstance(block, ToolOutput) and not block.is_error]
    names = files_of(turn.contents, info.work_directory_name)
    files: list[File] = []
    troubles: list[str] = []
    room = max_bytes
    diff = _diff(info.work_directory_name, outputs)
    if (compared := await _compared(core, actor, info, turn)) is not None:
        listed = {short_path(name, info.work_directory_name) for name in names}
        kept = [each for each in compared.changes if each.kind is not ChangeKind.DELETED]
        names += [each.path for each in kept if each.path not in listed]
        gone = [escape_inline(each.path, 80) for each in compared.changes if each.kind is ChangeKind.DELETED]
        troubles += [f"Deleted: {', '.join(gone[:10])}{' …' if len(gone) > 10 else ''}"] if gone else []
        # Checkpoints see the changes of commands, too; without their text, that of the tools stays.
        diff = (compared.diff or "").encode() or diff
    if diff:
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


async def _compared(core: Core, actor: Actor, info: SessionInfo, turn: TurnView) -> Comparison | None:
    wish = ReadTurnChanges(session_id=info.id, turn_id=turn.turn.id, with_diff=True)
    try:
        return await core.perform(actor, wish)
    except CheckpointRefused:
        return None  # no checkpoints around this turn


def files_of(contents: Iterable[Block], work_directory: str) -> list[str]:
    """Return the paths of the files that a turn wrote, and of its pictures; each once."""
    pictures, paths = TurnPictures(work_directory), dict[str, str]()
    for block in contents:
        pictures.add(block)
        if isinstance(block, ToolOutput) and not block.is_error:
            paths.update({short_path(path, work_directory): path for path in block.paths})
    for path in pictures.sure:
        paths.setdefault(short_path(path.removeprefix("./"), work_directory), path)
    return list(paths.values())


async def pictures_of(core: Core, actor: Actor, turn: StoredTurn, pictures: TurnPictures) -> Plain | None:
    """Return the post with the pictures of a turn, at most four; None if it has none that can be shown."""
    shown = _Pictures(core, actor, turn)
    for path in pictures.sure:
        await shown.add(path, in_files=True)
    for each in pictures.returned:
        await shown.add_returned(each)
    for path in pictures.named:
        # Last, and only if the file changed: a command may name a picture that was there before.
        await shown.add(path, turn.started_ms or 0)
    return shown.post()


class _Pictures:
    """The pictures of one turn's post, as far as they are read."""

    def __init__(self, core: Core, actor: Actor, turn: StoredTurn) -> None:
        self._core, self._actor, self._session_id = core, actor, turn.session_id
        self._files: list[File] = []
        self._contents = set[bytes]()
        self._paths = set[str]()
        self._more_in_files = self._more_returned = 0

    async def add(self, path: str, changed_since_ms: int = 0, *, in_files: bool = False) -> None:
        """Add the picture in a file of the project if it can be shown. `in_files`: *Files* has it too."""
        wish = GetFile(
            session_id=self._session_id,
            path=path,
            max_bytes=_PICTURE_BYTES,
            changed_since_ms=changed_since_ms,
        )
        if (file := await self._read(wish)) is not None:
            self._paths.add(path)
            self._more_in_files += not self._takes(file, file.name) and in_files

    async def add_returned(self, picture: Returned) -> None:
        """Add a picture that a tool returned, unless the file that it shows was added."""
        wish = GetFile(
            session_id=self._session_id,
            path=str(picture.number),
            max_bytes=_PICTURE_BYTES,
            returned_by=picture.tool_use_id,
        )
        if picture.path not in self._paths and (file := await self._read(wish)) is not None:
            self._more_returned += not self._takes(file, safe_name(picture.name))

    async def _read(self, wish: GetFile) -> File | None:
        try:
            file = await read_file(self._core, self._actor, wish)
        except (Refused, NotAllowed):
            return None  # not there, not in the project, or too large: the answer names it anyway
        return file if picture_kind(file.data) else None

    def _takes(self, file: File, name: str) -> bool:
        """Add `file` as `name`, unless it is shown already. Return False if there is no room."""
        if file.data in self._contents:
            return True
        room = _ALL_PICTURES_BYTES - sum(len(each.data) for each in self._files)
        if len(self._files) == MAX_PICTURES or len(file.data) > room:
            return False
        self._contents.add(file.data)
        shown = _with_ending(name, picture_kind(file.data))
        named = File(shown, file.data, f"Picture {name}")
        self._files.append(_renamed(named, {each.name for each in self._files}))
        return True

    def post(self) -> Plain | None:
        """Return the post; None without a picture."""
        if not self._files:
            return None
        facts = [escape_inline(each.name, 60) for each in self._files]
        if more := self._more_in_files:
            facts.append(f"{counted(more, 'more picture')} in *Files*")
        if more := self._more_returned:
            facts.append(f"{counted(more, 'more picture')} not shown")
        return Plain(f"-# {' · '.join(facts)}", files=tuple(self._files))


def _with_ending(name: str, kind: str) -> str:
    """Return `name` with an ending that makes Discord show a picture of this kind."""
    stem, _, ending = name.rpartition(".")
    # Discord goes by the ending: a picture with another one would be a mere file.
    same = {"jpeg": "jpg"}.get(ending.lower(), ending.lower()) == kind
    return name if same and stem else f"{stem or name}.{kind}"


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
