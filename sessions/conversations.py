"""Claude's transcripts beside our rows: found, copied as they grow, put back, and read back after a gap.

Claude deletes its own transcripts after a while; ours stay as long as retention says. Everything here is file
I/O and blocks: call it in a thread.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sessions.claude.errors import ClaudeError, TranscriptMissing
from sessions.claude.lines import AssistantBlocks, ToolResults, UserMessage
from sessions.claude.registry import OpenElsewhere, open_conversations
from sessions.claude.transcript import config_directory, find_transcript, newest_rows
from sessions.content import block_of, tool_output
from sessions.model import Block, is_session_id

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block out of a transcript, with the uuid of its row."""

    block: Block
    uuid: str


class Conversations:
    """Transcripts of one Claude configuration directory, and our copies of them in `copies`."""

    def __init__(self, environment: Mapping[str, str], copies: Path) -> None:
        self._config = config_directory(environment)
        self._copies = copies

    def transcript(self, conversation_id: str, work_directory: Path) -> Path | None:
        """Claude's own transcript of the conversation, if it has one."""
        try:
            return find_transcript(self._config, conversation_id, work_directory)
        except ClaudeError:
            return None

    def copy(self, conversation_id: str) -> Path:
        """Where our copy is or would be. Raises `TranscriptMissing` for an id that is no UUID."""
        if not is_session_id(conversation_id):
            raise TranscriptMissing(conversation_id)
        return self._copies / f"{conversation_id}.jsonl"

    def keep(self, conversation_id: str, work_directory: Path) -> None:
        """Bring our copy up to date: append what has grown, or copy anew if it is another file."""
        source = self.transcript(conversation_id, work_directory)
        if source is None:
            return
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
        shutil.copyfile(kept, directory / f"{conversation_id}.jsonl")
        return True

    def read_back(self, conversation_id: str, work_directory: Path, prompt_uuid: str) -> list[ReadBlock]:
        """What Claude said and did after the prompt, oldest first; empty if the transcript does not tell."""
        path = self.transcript(conversation_id, work_directory)
        if path is None:
            return []
        found: list[ReadBlock] = []
        for row in newest_rows(path):
            match row.line:
                case AssistantBlocks(blocks=blocks):
                    found.extend(ReadBlock(block_of(each, None), row.uuid) for each in reversed(blocks))
                case ToolResults(results=results):
                    found.extend(ReadBlock(tool_output(each), row.uuid) for each in reversed(results))
                case UserMessage(uuid=uuid):
                    if uuid == prompt_uuid:
                        return found[::-1]
        return []

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
