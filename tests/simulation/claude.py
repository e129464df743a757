"""A `claude` that takes its time: `tests/fakes/memory_cli.py` with streamed text, tools, retries, torn lines.

What a prompt makes it do stands in its first word; everything else follows from the seed. It does one thing at
a time and may die between any two. Every text that it says ends in a digest that occurs nowhere else.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.base import LaunchSpec
from sessions.conversations import ReadBlock
from sessions.model import Block, Text, ToolCall, ToolOutput
from tests.fakes.memory_cli import (
    Interrupted,
    MemoryClaude,
    MemoryCli,
    Row,
    Turn,
)
from tests.fakes.memory_conversations import MemoryConversations, Message

if TYPE_CHECKING:
    from tests.simulation.world import World

WORDS = (
    "say",
    "say",
    "say",
    "long",
    "tool",
    "ask",
    "ask",
    "retry",
    "fail",
    "crash",
    "background",
    "slow",
    "mute",
)


@dataclass(frozen=True)
class _Said(Message):
    """A row of the transcript with the block that it holds."""

    block: Block | None = None


class SimulatedClaude(MemoryClaude):
    """Things that outlive every process."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world
        self.texts = 0

    def start(
        self, spec: LaunchSpec, write: Callable[[bytes], None], leave: Callable[[int], None]
    ) -> "SimulatedCli":
        cli = SimulatedCli(self, spec, write, leave)
        self.living.append(cli)
        return cli

    def digest(self) -> str:
        self.texts += 1
        return hashlib.sha256(f"{self.world.seed} {self.texts}".encode()).hexdigest()


class SimulatedCli(MemoryCli):
    """One process."""

    claude: SimulatedClaude

    def __init__(
        self,
        claude: SimulatedClaude,
        spec: LaunchSpec,
        write: Callable[[bytes], None],
        leave: Callable[[int], None],
    ) -> None:
        self.world = claude.world
        self._rest = b""
        self._call = ""
        self._spoken: set[str] = set()
        self._last_text = ""
        super().__init__(claude, spec, write, leave)

    # --- output: a line may be in the log only in part for a while, and for ever if the process dies then -----

    def raw(self, body: Mapping[str, Any]) -> None:
        self._finish_line()
        data = json.dumps(body).encode() + b"\n"
        chance = self.world.chance
        if chance.random() < self.world.plan.torn_lines:
            cut = chance.randrange(len(data))
            data, self._rest = data[:cut], data[cut:]
            self.world.later(chance.random() * 0.3, self._finish_line)
        self._write(data)

    def _finish_line(self) -> None:
        if self._rest and not self.gone:
            rest, self._rest = self._rest, b""
            self._write(rest)

    # --- time -----------------------------------------------------------------------------------------------

    def _pause(self, at_most_s: float) -> Callable[[], bool]:
        seconds = self.world.chance.random() * at_most_s * self.world.plan.slowness
        due = self.world.loop.time() + seconds

        def go_on() -> None:
            if not self.gone:
                self.advance()

        self.world.later(seconds + 1e-6, go_on)
        return lambda: self.world.loop.time() >= due

    # --- input ----------------------------------------------------------------------------------------------

    def _take_control(self, ident: str, request: Row) -> None:
        if request["subtype"] == "cancel_async_message":
            target = request["message_uuid"]
            waiting = [each for each in self.queue if each["uuid"] == target]
            for each in waiting:
                self.queue.remove(each)
                self.lifecycle(target, "cancelled")
            self.respond(ident, {"cancelled": bool(waiting)})
            return
        super()._take_control(ident, request)

    # --- turns ----------------------------------------------------------------------------------------------

    def _answer(self, line: Row) -> Turn:
        ident, content = line["uuid"], line["message"]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        self.running = ident
        self.claude.started.append(text)
        self.set_state("running")
        self.lifecycle(ident, "started")
        self._begin_turn()
        self.conversation.messages.append(Message(ident, "prompt", text))
        self._echo(line)
        self._call = ""
        reason = "completed"
        try:
            yield self._pause(0.5)
            reason = yield from self._work(text.partition(" ")[0])
        except Interrupted:
            reason = "aborted_streaming"
            if self._call:
                self._give_result("The user doesn't want to proceed with this tool use.", is_error=True)
                reason = "aborted_tools"
        if self.gone:
            return
        self.conversation.done.add(ident)
        self.result("", reason=reason, prompts=[ident])
        self.lifecycle(ident, "completed")

    def _begin_turn(self) -> None:
        self._begin()
        self._spoken, self._last_text = set(), ""

    def line(self, kind: str, **fields: Any) -> None:
        if kind == "result":  # it says of the turn what the turn was
            fields["num_turns"] = len(self._spoken)
            if "result" in fields:
                fields["result"] = self._last_text
        super().line(kind, **fields)

    def _work(self, word: str) -> Generator[Callable[[], bool], None, str]:
        """Do what the prompt says; returns how the turn ended."""
        match word:
            case "tool" | "ask":
                yield from self._stream(2)
                yield from self._use_tool(asks=word == "ask")
            case "retry":
                yield from self._stream(3, breaks_off=True)
                self.say(
                    "api_retry",
                    attempt=1,
                    max_retries=10,
                    retry_delay_ms=500,
                    error_status=529,
                    error="overloaded",
                )
                yield self._pause(5)
            case "crash":
                yield from self._stream(2)
                yield self._pause(1)
                if self.running not in self.claude.crashed:
                    self.claude.crashed.add(self.running)
                    self._leave(-9)
                    yield lambda: False
            case "background":
                self.tasks.append(str(uuid.uuid4()))
                self.say("background_tasks_changed", tasks=[{"task_id": each} for each in self.tasks])
                self.world.later(self.world.chance.random() * 20, self._background_is_done)
            case "slow":
                yield self._pause(40)
            case "mute":
                return "completed"
        yield from self._stream(self.world.chance.randrange(1, 40 if word == "long" else 5))
        if word == "fail":
            return "api_error"
        return "completed"

    def _background_is_done(self) -> None:
        if self.tasks and not self.gone:
            self.finish_background()

    def _notify(self, name: str) -> Turn:
        self.say("background_tasks_changed", tasks=[{"task_id": each} for each in self.tasks])
        self.set_state("running")
        self._begin_turn()
        self.conversation.messages.append(Message(str(uuid.uuid4()), "notice", name))
        try:
            yield from self._stream(2)
        except Interrupted:
            self.result("", reason="aborted_streaming", prompts=[])
            return
        self.result("", prompts=[])

    def _stream(self, pieces: int, *, breaks_off: bool = False) -> Turn:
        """Say a text piece by piece; interrupted, what was said so far is what was said."""
        message_id, said = f"msg_{uuid.uuid4()}", ""
        head: Row = {"id": message_id, "type": "message", "role": "assistant", "model": self.model}
        self.event("message_start", message={**head, "content": []})
        self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        digest = self.claude.digest()
        try:
            for number in range(pieces):
                yield self._pause(1)
                piece = f"word{number} " * self.world.chance.choice((1, 3, 40))
                said += piece
                self.event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
            if breaks_off:
                return
            said += digest
            self.event("content_block_delta", index=0, delta={"type": "text_delta", "text": digest})
            yield self._pause(0.1)
        except Interrupted:
            if said:
                self._end_text(head, said)
            raise
        self._end_text(head, said)

    def _end_text(self, head: Row, said: str) -> None:
        self._speak_block(head, {"type": "text", "text": said}, Text(said))
        self.event("content_block_stop", index=0)
        self.event("message_stop")

    def _speak_block(self, head: Row, content: Row, block: Block) -> None:
        ident = str(uuid.uuid4())
        body: Row = {**head, "content": [content], "stop_reason": None, "usage": {}}
        self.conversation.messages.append(_Said(ident, "answer", "", block))
        self._spoken.add(head["id"])
        self._last_text = block.text if isinstance(block, Text) else self._last_text
        self.line("assistant", message=body, uuid=ident, parent_tool_use_id=None)

    # --- tools ----------------------------------------------------------------------------------------------

    def _use_tool(self, *, asks: bool) -> Turn:
        self._call = call = f"toolu_{uuid.uuid4()}"
        given = {"command": f"echo {call[-6:]}"}
        head: Row = {"id": f"msg_{uuid.uuid4()}", "type": "message", "role": "assistant", "model": self.model}
        self.event("message_start", message={**head, "content": []})
        content = {"type": "tool_use", "id": call, "name": "Bash", "input": given}
        self._speak_block(head, content, ToolCall(call, "Bash", given))
        self.event("message_stop")
        allowed = True
        if asks:
            request_id = str(uuid.uuid4())
            request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": given, "tool_use_id": call}
            self.asks[request_id] = {"type": "control_request", "request_id": request_id, "request": request}
            self.set_state("requires_action")
            self.raw(self.asks[request_id])
            yield lambda: request_id in self.answers
            allowed = self.answers[request_id]["behavior"] == "allow"
        yield self._pause(2)
        self._give_result("done" if allowed else "denied", is_error=not allowed)

    def _give_result(self, text: str, *, is_error: bool) -> None:
        call, self._call = self._call, ""
        ident = str(uuid.uuid4())
        content = [{"type": "tool_result", "tool_use_id": call, "content": text, "is_error": is_error}]
        self.conversation.messages.append(_Said(ident, "answer", "", ToolOutput(call, text, is_error)))
        message = {"role": "user", "content": content}
        self.line("user", message=message, uuid=ident, parent_tool_use_id=None)


class SimulatedConversations(MemoryConversations):
    """Transcripts with every block."""

    def read_back(
        self, conversation_id: str, work_directory: Path, prompt_uuid: str, known: Container[str] = ()
    ) -> list[ReadBlock]:
        conversation = self._claude.conversations.get(conversation_id)
        found: list[ReadBlock] = []
        for row in reversed(conversation.messages if conversation is not None else []):
            if isinstance(row, _Said) and row.block is not None:
                found.append(ReadBlock(row.block, row.uuid))
            elif row.uuid == prompt_uuid or (not prompt_uuid and any(each.uuid in known for each in found)):
                return found[::-1]
            else:
                found = []  # of a turn that came later
        return []
