"""Claude's transcripts beside our rows: found, copied as they grow, put back, and read back after a gap.

Claude deletes its own transcripts after a while; ours stay as long as retention says. Everything here is file
I/O and blocks: call it in a thread.
"""

import os
import re
import shutil
import threading
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sessions.claude.errors import ClaudeError, TranscriptMissing
from sessions.claude.lines import AssistantBlocks, ToolResults, UserMessage
from sessions.claude.registry import OpenElsewhere, open_conversations
from sessions.claude.saved_cost import saved_cost_usd
from sessions.claude.transcript import (
    Remains,
    StoredConversation,
    config_directory,
    find_transcript,
    newest_rows,
    remains,
    stored_conversations,
)
from sessions.content import block_of, tool_output
from sessions.model import Block, is_session_id

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block out of a transcript, with the uuid of its row."""

    block: Block
    uuid: str


@dataclass(frozen=True, slots=True)
class ReadTurn:
    """A prompt out of a transcript and what followed it."""

    prompt_uuid: str
    prompt: str
    blocks: tuple[ReadBlock, ...]


class Conversations:
    """Transcripts of one Claude configuration directory, and our copies of them in `copies`."""

    def __init__(self, environment: Mapping[str, str], copies: Path) -> None:
        self._config = config_directory(environment)
        self._copies = copies
        # Two threads that append to one copy would damage it.
        self._copying = threading.Lock()

    def transcript(self, conversation_id: str, work_directory: Path) -> Path | None:
        """Claude's own transcript of the conversation, if it has one."""
        try:
            return find_transcript(self._config, conversation_id, work_directory)
        except ClaudeError:
            return None

    def remains(self, conversation_id: str, work_directory: Path) -> Remains:
        """What Claude can take up of the conversation, after ours was given back if it had lost its own."""
        self.put_back(conversation_id, work_directory)
        return remains(self._config, conversation_id, work_directory)

    def saved_cost_usd(self, conversation_id: str, work_directory: Path) -> float:
        """The costs that a process which goes on with the conversation counts as its own from the start."""
        path = self.transcript(conversation_id, work_directory)
        return 0.0 if path is None else saved_cost_usd(path)

    def copy(self, conversation_id: str) -> Path:
        """Where our copy is or would be. Raises `TranscriptMissing` for an id that is no UUID."""
        if not is_session_id(conversation_id):
            raise TranscriptMissing(conversation_id)
        return self._copies / f"{conversation_id}.jsonl"

    def copied_bytes(self, conversation_id: str) -> int:
        """The size of our copy; 0 if there is none."""
        if not is_session_id(conversation_id):
            return 0
        copy = self.copy(conversation_id)
        return copy.stat().st_size if copy.exists() else 0

    def remove_copy(self, conversation_id: str) -> None:
        """Remove our copy, if there is one."""
        if is_session_id(conversation_id):
            self.copy(conversation_id).unlink(missing_ok=True)

    def keep(self, conversation_id: str, work_directory: Path) -> None:
        """Bring our copy up to date: append what has grown, or copy anew if it is another file."""
        source = self.transcript(conversation_id, work_directory)
        if source is None:
            return
        with self._copying:
            self._keep(source, conversation_id)

    def _keep(self, source: Path, conversation_id: str) -> None:
        self._copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self.copy(conversation_id)
        have = target.stat().st_size if target.exists() else 0
        if have > source.stat().st_size or not _same_beginning(source, target, have):
            have = 0
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if have == 0 else os.O_APPEND)
        with source.open("rb") as reader, os.fdopen(os.open(target, flags, 0o600), "wb") as writer:
            reader.seek(have)
            shutil.copyfileobj(reader, writer, _CHUNK_BYTES)

    def put_back(self, conversation_id: str, work_directory: Path) -> bool:
        """Give Claude its transcript back from our copy if it has lost it. False when there is no copy."""
        if self.transcript(conversation_id, work_directory) is not None:
            return True
        kept = self.copy(conversation_id)
        if not kept.exists():
            return False
        name = re.sub(r"[^a-zA-Z0-9]", "-", str(work_directory.resolve()))[:200]
        directory = self._config / "projects" / name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whole or not at all: a piece of it would be taken for Claude's own, and take the place of our copy.
        draft = directory / f"{conversation_id}.jsonl.tmp"
        try:
            shutil.copyfile(kept, draft)
            draft.rename(directory / f"{conversation_id}.jsonl")
        finally:
            draft.unlink(missing_ok=True)
        return True

    def read_back(
        self, conversation_id: str, work_directory: Path, prompt_uuid: str, known: Container[str] = ()
    ) -> list[ReadBlock]:
        """What Claude said and did in one turn, oldest first; empty if the transcript does not tell.

        The turn is the one of the prompt. Without a prompt (background work) it is the newest one that has a
        row of `known`.
        """
        path = self.transcript(conversation_id, work_directory)
        if path is None:
            return []
        found: list[ReadBlock] = []
        for row in newest_rows(path):
            match row.line:
                case AssistantBlocks(blocks=blocks, synthetic=False, error=None):
                    found.extend(ReadBlock(block_of(each, None), row.uuid) for each in reversed(blocks))
                case ToolResults(results=results):
                    found.extend(ReadBlock(tool_output(each), row.uuid) for each in reversed(results))
                case _:
                    pass
            is_ours = row.uuid == prompt_uuid or (
                not prompt_uuid and row.begins_turn and any(each.uuid in known for each in found)
            )
            if is_ours:
                return found[::-1]
            if row.begins_turn:
                found = []  # of a turn that came later
        return []

    def turns_after(self, conversation_id: str, work_directory: Path, prompt_uuid: str) -> list[ReadTurn]:
        """The turns after the one that `prompt_uuid` began, oldest first; with an empty uuid all of them."""
        path = self.transcript(conversation_id, work_directory)
        if path is None:
            return []
        turns: list[ReadTurn] = []
        blocks: list[ReadBlock] = []
        for row in newest_rows(path):
            match row.line:
                case AssistantBlocks(blocks=said):
                    blocks.extend(ReadBlock(block_of(each, None), row.uuid) for each in reversed(said))
                case ToolResults(results=results):
                    blocks.extend(ReadBlock(tool_output(each), row.uuid) for each in reversed(results))
                case UserMessage(uuid=uuid, text=text, synthetic=synthetic):
                    if uuid == prompt_uuid:
                        break
                    if not synthetic:
                        turns.append(ReadTurn(uuid, text, tuple(reversed(blocks))))
                        blocks = []
        return turns[::-1]

    def stored(self) -> list[StoredConversation]:
        """Every conversation that Claude keeps on this machine, last written first."""
        return stored_conversations(self._config)

    def write_copy(self, conversation_id: str, lines: Sequence[str]) -> None:
        """Keep a transcript that came from a file; waking gives it to Claude."""
        self._copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self.copy(conversation_id), flags, 0o600), "w", encoding="utf-8") as writer:
            writer.writelines(f"{line}\n" for line in lines)

    def open_elsewhere(self, conversation_id: str, own_pids: frozenset[int]) -> list[OpenElsewhere]:
        """Other living `claude` processes that have this conversation open."""
        return [
            each
            for each in open_conversations(self._config)
            if each.conversation_id == conversation_id and each.pid not in own_pids
        ]


def _same_beginning(source: Path, target: Path, length: int) -> bool:
    """Whether the first bytes of both are the same: a transcript only grows, unless it was replaced."""
    probe = min(length, 4096)
    with source.open("rb") as first, target.open("rb") if probe else source.open("rb") as second:
        return first.read(probe) == second.read(probe)
