"""Conversations in memory: the transcripts of `memory_cli`, and the port through which the core reads them."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sessions.claude.locate import Cli
from sessions.claude.stream import StreamDriver, StreamOptions
from sessions.claude.transcript import Remains
from sessions.conversations import BranchPoint, Conversations, ReadBlock, ReadTurn, RowPath
from sessions.model import Text

if TYPE_CHECKING:
    from tests.fakes.memory_cli import MemoryClaude


@dataclass(frozen=True)
class Message:
    """One row of a conversation: a prompt (its uuid is the prompt's), a notice of work done, or an answer."""

    uuid: str
    kind: str
    text: str


@dataclass
class Conversation:
    """A transcript. `done` are the prompts whose turn has ended, `branches` the rewound ones."""

    messages: list[Message] = field(default_factory=list)
    branches: list[Message] = field(default_factory=list, kw_only=True)
    done: set[str] = field(default_factory=set)
    saved_cost: float = field(default=0.0, kw_only=True)

    def index(self, ident: str) -> int:
        return next((n for n, each in enumerate(self.messages) if each.uuid == ident), -1)

    def cut(self, length: int) -> None:
        """Forget what comes after the first `length` messages; the file keeps it as a branch."""
        self.branches += self.messages[length:]
        del self.messages[length:]
        self.done &= {each.uuid for each in self.messages}

    def rewind(self, target: str) -> dict[str, Any]:
        """Cut before the prompt `target`, and return the answer to the control request."""
        at = self.index(target)
        if at < 0:
            return {"rewound": False, "reason": "target_not_found"}
        self.cut(at)
        return {"rewound": True, "targetMessageUuid": target, "prefillText": "", "precedingAssistantUuid": None}

    def prompts(self) -> list[str]:
        return [each.text for each in self.messages if each.kind == "prompt"]


class MemoryConversations(Conversations):
    """The files of `sessions.conversations`, from memory."""

    def __init__(self, claude: "MemoryClaude") -> None:
        super().__init__({"HOME": "/nonexistent"}, Path("/nonexistent"))
        self._claude = claude

    def remains(self, conversation_id: str, work_directory: Path) -> Remains:
        known = self._claude.conversations.get(conversation_id)
        return Remains.MESSAGES if known is not None and known.messages else Remains.NOTHING

    def saved_cost_usd(self, conversation_id: str, work_directory: Path) -> float:
        return self._claude.conversations[conversation_id].saved_cost

    def keep(self, conversation_id: str, work_directory: Path) -> None:
        return

    def read_back(
        self, conversation_id: str, work_directory: Path, prompt_uuid: str, known: Container[str] = ()
    ) -> list[ReadBlock]:
        conversation = self._claude.conversations.get(conversation_id)
        found: list[ReadBlock] = []
        for each in reversed(conversation.messages if conversation is not None else []):
            if each.kind == "answer":
                found.append(ReadBlock(Text(each.text), each.uuid))
            elif each.uuid == prompt_uuid or (not prompt_uuid and any(block.uuid in known for block in found)):
                return found[::-1]
            else:
                found = []
        return []

    def branch_point(
        self, conversation_id: str, work_directory: Path, wanted: Sequence[str]
    ) -> BranchPoint | None:
        conversation = self._claude.conversations.get(conversation_id)
        there = {each.uuid for each in conversation.messages} if conversation is not None else set()
        found = next((uuid for uuid in wanted if uuid in there), None)
        return BranchPoint(found, RowPath.LIVE) if found is not None else None

    def turns_after(
        self, conversation_id: str, work_directory: Path, known: Container[str] = ()
    ) -> list[ReadTurn]:
        return []

    def open_elsewhere(self, conversation_id: str, own_pids: frozenset[int]) -> list[Any]:
        return []


def memory_driver() -> StreamDriver:
    """The real driver, with a CLI that need not be looked for."""
    driver = StreamDriver(StreamOptions("", {}))
    driver._cli = Cli(("/bin/sh",), "2.1.332")
    return driver
