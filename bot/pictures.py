"""Which pictures of a work directory belong to a turn, and whether bytes are a picture. Pure.

`outgoing_files.py` reads them, through the checks of the core.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from api.words.tools import tool_label
from bot.markdown.links import masked_at
from bot.tool_lines import is_picture_name, short_path
from sessions.model import Block, Text, ToolCall, ToolOutput

_CODE = re.compile(
    r"^ {0,3}(`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)|`[^`\n]*`", re.MULTILINE | re.DOTALL
)
_REFERENCE = re.compile(r"^ {0,3}\[[^\[\]\n]{1,100}\]:[ \t]{0,20}(<[^<>\n]{1,900}>|\S{1,900})", re.MULTILINE)
_TAG = re.compile(
    r"<img\b[^<>]{0,400}?\bsrc\s{0,3}=\s{0,3}(?:\"([^\"<>]{1,900})\"|'([^'<>]{1,900})')", re.IGNORECASE
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_MENTION = re.compile(r"[\w./~+@-]{1,200}\.(?:png|jpe?g|gif|webp)(?![\w/])", re.IGNORECASE)
_UPLOAD = re.compile(r"(?:^|/)(?:uploads|\.attachments)/\d{5,20}/")
"""A file that came with a message: the channel shows it already, above the answer."""
_PROTECTED = re.compile(r"(?:^|/)\.(?:git(?:/|$)|env)")
_ONLY_LISTS = frozenset({"Read", "Grep", "Glob", "LS", "ToolSearch", "WebFetch", "WebSearch", "TodoWrite"})
_MOST_READ = 8_000
_MOST_NAMES = 40
_MOST_RETURNED = 4
"""The core keeps at most so many pictures of one result."""
# By content: a name alone would post any file under the name of a picture.
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))


def picture_kind(data: bytes) -> str:
    """Return the ending for the picture in `data`, such as `png`; empty if Discord would not show it."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), "")


def linked_pictures(text: str) -> Iterator[str]:
    """Yield the paths of pictures on this machine that `text` links, for example `![chart](chart.png)`."""
    # An address in code is an example, no picture of the answer.
    bare = _CODE.sub(" ", text)
    targets: list[tuple[int, str]] = []
    at = bare.find("[")
    while at >= 0:
        if (link := masked_at(bare, at)) is not None:
            targets.append((at, link.target))
        at = bare.find("[", at + 1)
    targets += [(found.start(), found[1]) for found in _REFERENCE.finditer(bare)]
    targets += [(found.start(), found[1] or found[2]) for found in _TAG.finditer(bare)]
    for _, target in sorted(targets):
        if path := _local_path(target):
            yield path


def _local_path(target: str) -> str:
    """Return the path of a link's target; empty if it is an address or no picture."""
    path = target.strip().removeprefix("<").removesuffix(">").removeprefix("file://")
    # Discord would fetch it from elsewhere, and the answer shows its address already.
    if _SCHEME.match(path):
        return ""
    path = unquote(re.split(r"[?#]", path, maxsplit=1)[0])
    return path if is_picture_name(path) and "\0" not in path else ""


@dataclass(frozen=True, slots=True)
class Returned:
    """Picture `number` of a call's result. `name` is for people; `path` is the file that it shows, if any."""

    tool_use_id: str
    number: int
    name: str
    path: str = ""


class TurnPictures:
    """The names of a turn's pictures, collected block by block.

    `sure`: linked by the answer, written or read by a tool. `named`: a command or the answer has the name; the
    picture belongs to the turn only if the file changed since the turn began. `returned`: tools returned them.
    """

    def __init__(self, work_directory: str = "") -> None:
        self._work_directory = work_directory
        self._calls: dict[str, ToolCall] = {}
        self._linked: dict[str, str] = {}  # the short path → the path to read
        self._used: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self.returned: list[Returned] = []

    @property
    def sure(self) -> list[str]:
        """Pictures that belong to the turn, those that the answer links first."""
        return list({**self._linked, **self._used}.values())[:_MOST_NAMES]

    @property
    def named(self) -> list[str]:
        """Further names that may be pictures of the turn."""
        known = {**self._linked, **self._used}
        return [path for short, path in self._named.items() if short not in known][:_MOST_NAMES]

    @property
    def may_be_some(self) -> bool:
        """Whether the turn may have pictures to show."""
        return bool(self._linked or self._used or self._named or self.returned)

    def add(self, block: Block) -> None:
        """Read the next block of the turn."""
        match block:
            case Text(parent=None):
                self._note(self._linked, linked_pictures(block.text))
                self._note(self._named, _named_in(block.text))
            case ToolCall():
                self._calls[block.tool_use_id] = block
            case ToolOutput(is_error=False):
                self._add_output(block)
            case _:
                pass

    def _add_output(self, output: ToolOutput) -> None:
        self._note(self._used, filter(is_picture_name, output.paths))
        call = self._calls.get(output.tool_use_id)
        if call is None:
            return
        if call.name == "Read":
            path = call.input.get("file_path")
            if isinstance(path, str) and is_picture_name(path) and not _UPLOAD.search(path):
                self._note(self._used, [path])
                if not _PROTECTED.search(
                    path
                ):  # a file outside of the project is not given out, its picture is
                    self._note_returned(output, PurePosixPath(path).stem, path)
        elif call.name not in _ONLY_LISTS:
            self._note_returned(output, tool_label(call.name).split(" ")[-1])
            command = call.input.get("command")
            words = command if isinstance(command, str) else ""
            self._note(self._named, _named_in(f"{words[:_MOST_READ]}\n{output.text[-_MOST_READ:]}"))

    def _note_returned(self, output: ToolOutput, name: str, path: str = "") -> None:
        for number in range(min(output.pictures, _MOST_RETURNED)):
            if len(self.returned) < _MOST_NAMES:
                self.returned.append(Returned(output.tool_use_id, number, name, path))

    def _note(self, names: dict[str, str], paths: Iterable[str]) -> None:
        for path in paths:
            if len(names) < _MOST_NAMES:
                short = short_path(path.removeprefix("./"), self._work_directory)
                names.setdefault(short, path)


def _named_in(text: str) -> Iterator[str]:
    for found in _MENTION.finditer(text[-_MOST_READ:]):
        if not found[0].startswith(("//", "-")):  # the rest of an address, or an option of a command
            yield found[0]
