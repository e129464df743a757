"""Translate the rows of a transcript into the types of the stream, and a few that only a transcript has.

In a transcript, people's prompts, the CLI's own commands and their output, and reports of background work are
all rows of type `user`. Tags in their text distinguish them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from sessions.claude.lines import AssistantBlocks, ToolResults, UserMessage
from sessions.claude.own_files import open_plainly
from sessions.claude.parse_message import SYNTHETIC_MODEL, content_blocks, flattened, tool_results
from sessions.claude.row_tree import Place, RowTree
from sessions.claude.wire import Json, decode, flag_of, maybe_int, maybe_text, object_of, text_of


class OwnCommand(msgspec.Struct, frozen=True):
    """A person's command to the CLI itself, as typed: `/model opus`, or `! ls` for a shell."""

    uuid: str
    text: str


class CommandOutput(msgspec.Struct, frozen=True):
    """The output of one of the CLI's own commands, without colours."""

    uuid: str
    text: str


class BackgroundReport(msgspec.Struct, frozen=True):
    """A report that background work has ended. Claude answers it without a prompt."""

    uuid: str
    text: str


class Interrupted(msgspec.Struct, frozen=True):
    """A person interrupted the turn here."""

    uuid: str


TranscriptLine = (
    UserMessage | AssistantBlocks | ToolResults | OwnCommand | CommandOutput | BackgroundReport | Interrupted
)


class TranscriptRow(msgspec.Struct, frozen=True):
    """One row of the conversation. `at` is the CLI's ISO time in UTC, `line` the row as a type of the stream.

    Any prompt, including ours, is a `UserMessage` here with the prompt's uuid. `begins_turn`: the row is a
    prompt, a command, or a report of background work that Claude answers without a prompt.
    """

    uuid: str
    at: str
    line: TranscriptLine
    begins_turn: bool = False


def rows(path: Path) -> Iterator[TranscriptRow]:
    """Yield the rows on the path to the newest leaf, oldest first. Each row is read from the file on demand."""
    yield from _read(path, _shown(path))


def newest_rows(path: Path) -> Iterator[TranscriptRow]:
    """Yield the rows of `rows`, newest first."""
    yield from _read(path, _shown(path)[::-1])


def line_of(row: Json) -> TranscriptLine:
    """Return the meaning of a row, which is a message or one of the CLI's own commands."""
    message, uuid = object_of(row, "message"), text_of(row, "uuid")
    match text_of(row, "type"):
        case "assistant":
            return _assistant(uuid, row, message)
        case "system":
            return _tagged(uuid, text_of(row, "content")) or UserMessage(uuid, "", synthetic=True)
    if results := tool_results(row):
        return ToolResults(results)
    # We put a note for Claude before some prompts. It is no part of the person's text.
    text = _OUR_NOTE.sub("", flattened(message.get("content")))
    if flag_of(row, "isMeta") or flag_of(row, "isCompactSummary"):
        return UserMessage(uuid, text, synthetic=True)
    # Before the tags: a person may type `<bash-input>`, and it is only text then.
    if _is_typed(row):
        return UserMessage(uuid, text, synthetic=False)
    return _tagged(uuid, text) or UserMessage(uuid, text, synthetic=False)


def _shown(path: Path) -> list[Place]:
    tree = RowTree.read(path)
    return [place for place in tree.path_to(tree.newest) if place.is_shown]


def _read(path: Path, places: Sequence[Place]) -> Iterator[TranscriptRow]:
    with open_plainly(path) as file:
        for place in places:
            # Read anew: a transcript of hundreds of megabytes does not fit into memory whole.
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

_OUR_NOTE = re.compile(r"\A<bridge-note>.*?</bridge-note>\n?", re.DOTALL)
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_INTERRUPTED = ("[Request interrupted by user]", "[Request interrupted by user for tool use]")
_OUTPUTS = ("local-command-stdout", "local-command-stderr", "bash-stdout", "bash-stderr")


def _is_typed(row: Json) -> bool:
    """Whether a person typed the row, according to the CLI: then its tags are part of the person's text."""
    return text_of(row, "promptSource") not in ("", "system")


def _tagged(uuid: str, text: str) -> TranscriptLine | None:
    """Return the meaning of a text from its first tag; None without a known tag."""
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
    """Return the text between the first `<tag>` and the last `</tag>`; to the end if a cut lost the latter."""
    _, opening, rest = text.partition(f"<{tag}>")
    inner, closing, _ = rest.rpartition(f"</{tag}>")
    return (inner if closing else rest).strip() if opening else ""
