"""What the rows of a transcript say, as the types that the stream has, and a few that only a transcript has.

In a transcript people's prompts, the CLI's own commands with what they printed, and reports of background work
are all rows of type `user`; tags in their text tell them apart.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sessions.claude.lines import AssistantBlocks, ToolResults, UserMessage
from sessions.claude.parse_message import SYNTHETIC_MODEL, content_blocks, flattened, tool_results
from sessions.claude.row_tree import Place, RowTree
from sessions.claude.wire import Json, decode, flag_of, maybe_int, maybe_text, object_of, text_of


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command that a person gave to the CLI itself, as it was typed: `/model opus`, or `! ls` for a shell."""

    uuid: str
    text: str


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What one of the CLI's own commands printed, without colours."""

    uuid: str
    text: str


@dataclass(frozen=True, slots=True)
class BackgroundReport:
    """Background work has ended; Claude answers by itself."""

    uuid: str
    text: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody interrupted the turn here."""

    uuid: str


TranscriptLine = (
    UserMessage | AssistantBlocks | ToolResults | OwnCommand | CommandOutput | BackgroundReport | Interrupted
)


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """One row of the conversation. `at` is the CLI's ISO time in UTC; `line` what the stream said of it.

    A prompt is a `UserMessage` here, ours too: its uuid is the prompt's. `begins_turn`: a prompt, a command, or
    the report of background work that Claude answers by itself.
    """

    uuid: str
    at: str
    line: TranscriptLine
    begins_turn: bool = False


def rows(path: Path) -> Iterator[TranscriptRow]:
    """The path to the newest leaf, oldest first, each row read from the file when it is asked for."""
    yield from _read(path, _shown(path))


def newest_rows(path: Path) -> Iterator[TranscriptRow]:
    """The same, newest first."""
    yield from _read(path, _shown(path)[::-1])


def line_of(row: Json) -> TranscriptLine:
    """What a row says; the row is a message or one of the CLI's own commands."""
    message, uuid = object_of(row, "message"), text_of(row, "uuid")
    match text_of(row, "type"):
        case "assistant":
            return _assistant(uuid, row, message)
        case "system":
            return _tagged(uuid, text_of(row, "content")) or UserMessage(uuid, "", synthetic=True)
    if results := tool_results(row):
        return ToolResults(results)
    # A note that we put before the prompt is Claude's to read, not the person's.
    text = _OUR_NOTE.sub("", flattened(message.get("content")))
    if flag_of(row, "isMeta") or flag_of(row, "isCompactSummary"):
        return UserMessage(uuid, text, synthetic=True)
    if _is_typed(row):
        return UserMessage(uuid, text, synthetic=False)
    return _tagged(uuid, text) or UserMessage(uuid, text, synthetic=False)


def _shown(path: Path) -> list[Place]:
    tree = RowTree.read(path)
    return [place for place in tree.path_to(tree.newest) if place.is_shown]


def _read(path: Path, places: Sequence[Place]) -> Iterator[TranscriptRow]:
    with path.open("rb") as file:
        for place in places:
            file.seek(place.start)
            row, _ = decode(file.read(place.length))
            if isinstance(row, Mapping):
                line = line_of(row)
                begins = isinstance(line, OwnCommand | BackgroundReport)
                begins = begins or (bool(text_of(row, "promptSource")) and not flag_of(row, "isMeta"))
                yield TranscriptRow(place.uuid, text_of(row, "timestamp"), line, begins)


def _assistant(uuid: str, row: Json, message: Json) -> AssistantBlocks:
    model = text_of(message, "model")
    return AssistantBlocks(
        uuid=uuid,
        message_id=text_of(message, "id"),
        model=model,
        blocks=content_blocks(message),
        synthetic=model == SYNTHETIC_MODEL,
        error=maybe_text(row, "error"),
        api_error_status=maybe_int(row, "apiErrorStatus"),
        aborted=flag_of(row, "isAbortedMidStream"),
    )


# --- rows that only look like prompts ----------------------------------------------------------------------

_OUR_NOTE = re.compile(r"\A<bridge-note>[^<]*</bridge-note>\n?")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_INTERRUPTED = ("[Request interrupted by user]", "[Request interrupted by user for tool use]")
_OUTPUTS = ("local-command-stdout", "local-command-stderr", "bash-stdout", "bash-stderr")


def _is_typed(row: Json) -> bool:
    """Whether the CLI says that a person wrote it: then tags in it are the person's own."""
    return text_of(row, "promptSource") not in ("", "system")


def _tagged(uuid: str, text: str) -> TranscriptLine | None:
    """The meaning of a text by the tag that it begins with; None if it has no tag that we know."""
    if text in _INTERRUPTED:
        return Interrupted(uuid)
    opening = re.match(r"<([a-z-]+)>", text)
    match opening[1] if opening else "":
        case "command-name" | "command-message":
            name = _inside(text, "command-name") or _inside(text, "command-message")
            return OwnCommand(uuid, f"/{name.removeprefix('/')} {_inside(text, 'command-args')}".rstrip())
        case "bash-input":
            return OwnCommand(uuid, f"! {_inside(text, 'bash-input')}")
        case "user-memory-input":
            return OwnCommand(uuid, f"# {_inside(text, 'user-memory-input')}")
        case "task-notification":
            return BackgroundReport(uuid, _inside(text, "summary"))
        case "local-command-caveat":
            return UserMessage(uuid, text, synthetic=True)
        case tag if tag in _OUTPUTS:
            printed = (_COLOURS.sub("", _inside(text, each)) for each in _OUTPUTS)
            return CommandOutput(uuid, "\n".join(filter(None, printed)))
        case _:
            return None


def _inside(text: str, tag: str) -> str:
    """What stands between the first `<tag>` and the last `</tag>`; a cut text may lack its end."""
    _, opening, rest = text.partition(f"<{tag}>")
    inner, closing, _ = rest.rpartition(f"</{tag}>")
    return (inner if closing else rest).strip() if opening else ""
