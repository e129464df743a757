"""Claude's transcripts and our copies of them: find, copy, restore, cut, and read back after a gap.

Claude deletes its own transcripts after a while; our copies stay as long as retention says. Every function here
does file I/O and blocks: call it in a thread.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, assert_never

import msgspec

from sessions.claude.errors import ClaudeError
from sessions.claude.lines import AssistantBlocks, ToolResults, UserMessage
from sessions.claude.own_files import open_plainly
from sessions.claude.registry import OpenElsewhere, open_conversations
from sessions.claude.row_tree import RowTree
from sessions.claude.saved_cost import saved_cost_usd
from sessions.claude.transcript import (
    Remains,
    StoredConversation,
    config_directory,
    find_transcript,
    project_directory,
    remains,
    stored_conversations,
)
from sessions.claude.transcript_rows import (
    BackgroundReport,
    CommandOutput,
    Interrupted,
    OwnCommand,
    TranscriptRow,
    newest_rows,
)
from sessions.claude.wire import decode
from sessions.content import block_of, tool_output
from sessions.model import Block, Text, TurnKind, TurnStatus
from sessions.transcript_copies import TranscriptCopies


class ReadBlock(msgspec.Struct, frozen=True):
    """A block read from a transcript, with the uuid of its row."""

    block: Block
    uuid: str


class ReadTurn(msgspec.Struct, frozen=True):
    """A turn read from a transcript: a prompt and the blocks after it.

    `kind` is `elsewhere` for a prompt, `command` for one of Claude's own commands, and `background` (without a
    prompt) for Claude's words after background work had ended. `uuid` is the row that began the turn.
    """

    uuid: str
    prompt: str
    blocks: tuple[ReadBlock, ...]
    kind: TurnKind = TurnKind.ELSEWHERE
    status: TurnStatus = TurnStatus.DONE

    @property
    def prompt_uuid(self) -> str:
        """The uuid of the prompt; empty for background work."""
        return "" if self.kind is TurnKind.BACKGROUND else self.uuid

    @property
    def last_uuid(self) -> str:
        """The uuid of the turn's last row."""
        return self.blocks[-1].uuid if self.blocks else self.uuid


class RowPath(StrEnum):
    """The path of a transcript that a row lies on: it tells whether Claude's own fork finds the row."""

    LIVE = "live"
    """On the path that Claude would resume: its own fork finds the row."""
    DROPPED = "dropped"
    """On an abandoned path (after Regenerate, say) or before a compaction: only a cut of the file finds it."""


class BranchPoint(NamedTuple):
    """A row that a branch can continue after."""

    uuid: str
    path: RowPath


class Conversations:
    """Transcripts of one Claude configuration directory, and our copies of them in `copies`."""

    def __init__(self, environment: Mapping[str, str], copies: Path) -> None:
        self._config = config_directory(environment)
        self._copies = TranscriptCopies(copies)

    # --- files ------------------------------------------------------------------------------------------

    def transcript(self, conversation_id: str, work_directory: Path) -> Path | None:
        """Return the path of Claude's own transcript of the conversation, or None."""
        try:
            return find_transcript(self._config, conversation_id, work_directory)
        except ClaudeError:
            return None

    def remains(self, conversation_id: str, work_directory: Path) -> Remains:
        """Return what Claude can resume of the conversation. A transcript that it lost is restored first."""
        self.put_back(conversation_id, work_directory)
        return remains(self._config, conversation_id, work_directory)

    def saved_cost_usd(self, conversation_id: str, work_directory: Path) -> float:
        """Return the saved costs that a process resuming the conversation counts as its own."""
        path = self.transcript(conversation_id, work_directory)
        return 0.0 if path is None else saved_cost_usd(path)

    def copy(self, conversation_id: str) -> Path:
        """Return the path of our copy, existing or not. Raises `TranscriptMissing` if the id is no UUID."""
        return self._copies.path(conversation_id)

    def copied_bytes(self, conversation_id: str) -> int:
        """Return the size of our copy in bytes; 0 without a copy."""
        return self._copies.size(conversation_id)

    def remove_copy(self, conversation_id: str) -> None:
        """Remove our copy. No error if it does not exist."""
        self._copies.remove(conversation_id)

    def keep(self, conversation_id: str, work_directory: Path) -> None:
        """Bring our copy up to date: append the new rows, or copy everything if it is another file."""
        source = self.transcript(conversation_id, work_directory)
        if source is not None:
            self._copies.keep(source, conversation_id)

    def put_back(self, conversation_id: str, work_directory: Path) -> bool:
        """Restore Claude's transcript from our copy if Claude has lost it. False if both are missing."""
        if self.transcript(conversation_id, work_directory) is not None:
            return True
        return self._copies.give(conversation_id, self.own_place(conversation_id, work_directory))

    def own_place(self, conversation_id: str, work_directory: Path) -> Path:
        """Return the path where Claude looks first for the transcript of a conversation in `work_directory`."""
        return project_directory(self._config, work_directory) / f"{conversation_id}.jsonl"

    def write_copy(
        self, conversation_id: str, lines: Iterable[str], files: Mapping[str, bytes] | None = None
    ) -> None:
        """Write our copy of an imported transcript. The session gives it to Claude when it wakes."""
        self._copies.write(conversation_id, lines, files)

    # --- branches ---------------------------------------------------------------------------------------

    def branch_point(
        self, conversation_id: str, work_directory: Path, wanted: Sequence[str]
    ) -> BranchPoint | None:
        """Return the first uuid of `wanted` that has a row in the transcript, or None."""
        if not self.put_back(conversation_id, work_directory):
            return None
        path = self.transcript(conversation_id, work_directory)
        if path is None:
            return None
        tree = RowTree.read(path)
        # The CLI's own fork finds only rows on the path that it would resume (measured).
        live = {place.uuid for place in tree.path_to(tree.newest, beyond_compaction=False)}
        for uuid in wanted:
            if uuid in tree.places:
                return BranchPoint(uuid, RowPath.LIVE if uuid in live else RowPath.DROPPED)
        return None

    def cut_copy(self, conversation_id: str, work_directory: Path, uuid: str, new_id: str) -> None:
        """Write our copy of conversation `new_id`: the rows of another conversation up to row `uuid`.

        The session gives the copy to Claude when it wakes. Raises `OSError`, and `TranscriptMissing` if
        `new_id` is no UUID.
        """
        path = self.transcript(conversation_id, work_directory)
        if path is not None:
            self._copies.write(new_id, _renamed_rows(path, uuid, new_id))

    # --- reading ----------------------------------------------------------------------------------------

    def read_back(
        self, conversation_id: str, work_directory: Path, prompt_uuid: str, known: Container[str] = ()
    ) -> list[ReadBlock]:
        """Return the blocks of one turn, oldest first; empty if the transcript does not have the turn.

        The turn is the one of the prompt. Without a prompt (background work), it is the newest turn with a
        row in `known`.
        """
        path = self.transcript(conversation_id, work_directory)
        if path is None:
            return []
        found: list[ReadBlock] = []
        for row in newest_rows(path):
            if not isinstance(row.line, CommandOutput):
                found.extend(_blocks_backwards(row))
            is_ours = row.uuid == prompt_uuid or (
                not prompt_uuid and row.begins_turn and any(each.uuid in known for each in found)
            )
            if is_ours:
                return found[::-1]
            if row.begins_turn:
                found = []  # these blocks belong to a later turn
        return []

    def turns_after(
        self, conversation_id: str, work_directory: Path, known: Container[str] = ()
    ) -> list[ReadTurn]:
        """Return the turns after the newest row in `known`, oldest first; all turns if no row is known.

        `known` has the uuids of prompts and of the last rows of turns.
        """
        path = self.transcript(conversation_id, work_directory)
        return [] if path is None else list(_turns_backwards(newest_rows(path), known))[::-1]

    def stored(self) -> list[StoredConversation]:
        """Return every conversation that Claude keeps on this machine, last written first."""
        return stored_conversations(self._config)

    def open_elsewhere(self, conversation_id: str, own_pids: frozenset[int]) -> list[OpenElsewhere]:
        """Return the other living `claude` processes that have this conversation open."""
        return [
            each
            for each in open_conversations(self._config)
            if each.conversation_id == conversation_id and each.pid not in own_pids
        ]


def _renamed_rows(path: Path, uuid: str, new_id: str) -> Iterator[str]:
    """Yield the rows on the path to `uuid`, as rows of conversation `new_id`."""
    with open_plainly(path) as file:
        for place in RowTree.read(path).path_to(uuid):
            file.seek(place.start)
            row, _ = decode(file.read(place.length))
            yield msgspec.json.encode({**row, "sessionId": new_id}).decode()


def _turns_backwards(newest_first: Iterator[TranscriptRow], known: Container[str]) -> Iterator[ReadTurn]:
    blocks: list[ReadBlock] = []
    status = TurnStatus.DONE
    for row in newest_first:
        # Rows are read newest first, so all before the first known one are known.
        if row.uuid in known:
            return
        match row.line:
            case Interrupted():
                status = TurnStatus.INTERRUPTED
                continue
            # The CLI writes an error of the API into the transcript as an answer of Claude.
            case AssistantBlocks(error=str()):
                status = TurnStatus.FAILED
                continue
            case UserMessage(text=text, synthetic=False):
                kind, prompt = TurnKind.ELSEWHERE, text
            case OwnCommand(text=text):
                kind, prompt = TurnKind.COMMAND, text
            case BackgroundReport():
                kind, prompt = TurnKind.BACKGROUND, ""
            case _:
                blocks.extend(_blocks_backwards(row))
                continue
        yield ReadTurn(row.uuid, prompt, tuple(reversed(blocks)), kind, status)
        blocks, status = [], TurnStatus.DONE


def _blocks_backwards(row: TranscriptRow) -> Iterator[ReadBlock]:
    """Yield the blocks that a row adds to its turn, last one first."""
    match row.line:
        # Without parents: a transcript has the main thread only, and subagents have files of their own.
        case AssistantBlocks(blocks=blocks, synthetic=False, error=None):
            yield from (ReadBlock(block_of(each, None), row.uuid) for each in reversed(blocks))
        case ToolResults(results=results):
            yield from (ReadBlock(tool_output(each), row.uuid) for each in reversed(results))
        case CommandOutput(text=text):
            yield ReadBlock(Text(text or "(nothing printed)"), row.uuid)
        case AssistantBlocks() | UserMessage() | OwnCommand() | BackgroundReport() | Interrupted():
            pass
        case _:
            assert_never(row.line)
