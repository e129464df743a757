"""A `claude` in memory for `fake_backend`: the lines of the stream, the control protocol, a conversation.

Its lines have the shapes of the scripted CLI's. What a prompt makes it do stands in its first word:

    gate NAME     says half, then waits until `open_gate(NAME)`
    ask           asks for permission, and says what was decided
    crash         dies, the first time that this conversation comes to it
    tool NAME X   calls a tool of the bridge with the JSON X, and says the answer
    background    starts work that goes on after the turn; `finish_background` ends it
    anything else is answered at once
"""

import itertools
import json
import uuid
from collections.abc import Callable, Generator, Mapping
from typing import Any

from backends.base import LaunchSpec
from tests.fakes.memory_conversations import Conversation, Message

Row = dict[str, Any]
Turn = Generator[Callable[[], bool], None, None]


class Interrupted(Exception):
    """Thrown into a turn."""


class MemoryClaude:
    """Things that outlive every process: the conversations, open gates, crashes that have happened."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.gates: set[str] = set()
        self.crashed: set[str] = set()
        self.living: list[MemoryCli] = []
        self.started: list[str] = []
        self.told: list[tuple[str, Row]] = []
        self.taken = 0
        self.offered: tuple[str, ...] = ()  # the slash commands that a new process names
        self.numbers = itertools.count(2)

    def start(
        self, spec: LaunchSpec, write: Callable[[bytes], None], leave: Callable[[int], None]
    ) -> "MemoryCli":
        cli = MemoryCli(self, spec, write, leave)
        self.living.append(cli)
        return cli

    def open_gate(self, name: str) -> None:
        self.gates.add(name)
        for each in list(self.living):
            each.advance()

    def of_session(self, session_id: str) -> "MemoryCli | None":
        return next((each for each in self.living if each.spec.session_id == session_id), None)


class MemoryCli:
    """One process. `take` is called with each line; everything is printed before it returns."""

    def __init__(
        self,
        claude: MemoryClaude,
        spec: LaunchSpec,
        write: Callable[[bytes], None],
        leave: Callable[[int], None],
    ) -> None:
        self.claude = claude
        self.spec = spec
        self._write = write
        self._leave = leave
        self.mode = "default"
        self.state = "idle"
        self.queue: list[Row] = []
        self.turn: Turn | None = None
        self.wait: Callable[[], bool] | None = None
        self.running: str = ""
        self.asks: dict[str, Row] = {}
        self.calls: set[str] = set()
        self.answers: dict[str, Row] = {}
        self.tasks: list[str] = []
        self.finished: list[str] = []
        self.gone = False
        self.model = self._flag("--model") or "claude-opus-5-5"
        self.cost = 0.0
        self.conversation = self._conversation()
        prompts = [each for each in self.conversation.messages if each.kind == "prompt"]
        cut = prompts and prompts[-1].uuid not in self.conversation.done
        if cut and spec.environment.get("CLAUDE_CODE_RESUME_INTERRUPTED_TURN"):
            self.conversation.cut(self.conversation.index(prompts[-1].uuid))
            self._queue({"uuid": prompts[-1].uuid, "message": {"role": "user", "content": prompts[-1].text}})
            self.advance()

    def _flag(self, name: str) -> str:
        argv = self.spec.argv
        return argv[argv.index(name) + 1] if name in argv else ""

    def _conversation(self) -> Conversation:
        known, own, parent = self.claude.conversations, self._flag("--session-id"), self._flag("--resume")
        if not parent:
            assert own not in known or not known[own].messages, "Session ID is already in use"
            self.conversation_id = own
            return known.setdefault(own, Conversation())
        source = known[parent]
        self.cost = source.saved_cost
        at = self._flag("--resume-session-at")
        length = source.index(at) + 1 if at else len(source.messages)
        if "--fork-session" in self.spec.argv:
            self.conversation_id = own
            known[own] = Conversation(source.messages[:length], set(source.done))
            return known[own]
        self.conversation_id = parent
        source.cut(length)
        return source

    # --- output -------------------------------------------------------------------------------------------

    def ended(self) -> None:
        self.gone = True
        if self in self.claude.living:
            self.claude.living.remove(self)

    def raw(self, body: Mapping[str, Any]) -> None:
        self._write(json.dumps(body).encode() + b"\n")

    def line(self, kind: str, **fields: Any) -> None:
        self.raw({"type": kind, "uuid": str(uuid.uuid4()), **fields, "session_id": self.conversation_id})

    def say(self, subtype: str, **fields: Any) -> None:
        self.line("system", subtype=subtype, **fields)

    def event(self, kind: str, **fields: Any) -> None:
        self.line("stream_event", event={"type": kind, **fields}, parent_tool_use_id=None)

    def lifecycle(self, ident: str, state: str) -> None:
        self.line("command_lifecycle", command_uuid=ident, state=state)

    def set_state(self, state: str) -> None:
        if state != self.state or state == "idle":
            self.state = state
            self.say("session_state_changed", state=state)

    def respond(self, request_id: str, response: Row, **extra: Any) -> None:
        body = {"subtype": "success", "request_id": request_id, "response": response, **extra}
        self.raw({"type": "control_response", "response": body})

    def result(self, text: str, *, reason: str = "completed", prompts: list[str]) -> None:
        self.cost += 0.25
        failed = reason != "completed"
        facts: Row = {
            "subtype": "error_during_execution" if failed else "success",
            "is_error": failed,
            "terminal_reason": reason,
            "duration_ms": 1,
            "num_turns": 1,
            "total_cost_usd": self.cost,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        if not failed:
            facts["result"] = text
        if prompts:
            facts["user_message_uuids"] = prompts
        else:
            facts["origin"] = {"kind": "task-notification"}
        self.line("result", **facts)

    # --- input --------------------------------------------------------------------------------------------

    def take(self, line: bytes) -> None:
        if self.gone or not line:
            return
        body = json.loads(line)
        match body["type"]:
            case "user":
                self._take_prompt(body)
            case "control_request":
                self._take_control(body["request_id"], body["request"])
            case "control_response":
                self._take_answer(body["response"])
        self.advance()

    def _take_prompt(self, line: Row) -> None:
        ident = line["uuid"]
        if ident == self.running:
            # What the real CLI says of a prompt that it goes on with already.
            self._echo(line)
            self.lifecycle(ident, "completed")
            return
        if any(ident == each["uuid"] for each in self.queue):
            return
        if ident in self.conversation.done:
            self._echo(line)
            self.lifecycle(ident, "completed")
            if self.turn is None:
                self.set_state("idle")
            return
        if (cut := self.conversation.index(ident)) >= 0:
            self.conversation.cut(cut)
        self._queue(line)

    def _queue(self, line: Row) -> None:
        if self.turn is None:
            self.set_state("running")
        self.queue.append(line)
        self.lifecycle(line["uuid"], "queued")

    def _echo(self, line: Row) -> None:
        self.line("user", message=line["message"], uuid=line["uuid"], isReplay=True, parent_tool_use_id=None)

    def _take_answer(self, response: Row) -> None:
        if "mcp_response" in response["response"]:
            # Every answer counts, also one to a call that nobody waits for.
            self.claude.told.append((response["request_id"], response["response"]["mcp_response"]))
            self.calls.discard(response["request_id"])
            self.raw({"type": "control_response", "response": response})
            self.answers[response["request_id"]] = response["response"]
            return
        if self.asks.pop(response["request_id"], None) is not None:
            self.raw({"type": "control_response", "response": response})
            self.answers[response["request_id"]] = response["response"]
            self.set_state("requires_action" if self.asks else "running")

    def _take_control(self, ident: str, request: Row) -> None:
        match request["subtype"]:
            case "initialize":
                commands = [{"name": name} for name in self.claude.offered]
                facts = {
                    "commands": commands,
                    "current_permission_mode": self.mode,
                    "session_state": self.state,
                }
                self.respond(ident, facts, pending_permission_requests=list(self.asks.values()))
            case "interrupt":
                for request_id in list(self.asks):
                    del self.asks[request_id]
                    self.raw({"type": "control_cancel_request", "request_id": request_id})
                self.respond(ident, {"still_queued": []})
                if self.turn is not None:
                    self.advance(Interrupted())
            case "cancel_async_message":
                # A prompt begins here as soon as it is read: there is none to take back.
                self.respond(ident, {"cancelled": False})
            case "set_model":
                self.model = request["model"]
                self.respond(ident, {"model": self.model})
            case "set_permission_mode":
                self.mode = request["mode"]
                self.respond(ident, {"mode": self.mode})
                self.say("status", status=None, permissionMode=self.mode)
            case "rewind_conversation":
                assert self.turn is None, "rewound while a turn runs"
                self.respond(ident, self.conversation.rewind(request["target_message_uuid"]))
            case "get_context_usage":
                self.respond(ident, {"categories": [], "totalTokens": 1000, "maxTokens": 1000000})
            case "side_question":
                answer = "Beside the conversation: a summary."
                self.respond(ident, {"response": answer, "synthetic": False})
            case "end_session":
                self.respond(ident, {})
                self.conversation.saved_cost = self.cost
                self._leave(0)

    # --- turns --------------------------------------------------------------------------------------------

    def finish_background(self) -> None:
        """The oldest background task is done; Claude speaks of it when it is idle."""
        self.finished.append(self.tasks.pop(0))
        self.advance()

    def advance(self, thrown: Interrupted | None = None) -> None:
        while not self.gone:
            try:
                if self.turn is None:
                    if not self._next_turn():
                        return
                elif thrown is not None:
                    error, thrown = thrown, None
                    self.wait = self.turn.throw(error)
                elif self.wait is None or self.wait():
                    self.wait = next(self.turn)
                else:
                    return
            except StopIteration:
                self.turn, self.wait, self.running = None, None, ""
                if not self.queue and not self.gone:
                    self.set_state("idle")

    def _next_turn(self) -> bool:
        if self.queue:
            self.turn = self._answer(self.queue.pop(0))
        elif self.finished:
            self.turn = self._notify(self.finished.pop(0))
        else:
            return False
        return True

    def _answer(self, line: Row) -> Turn:
        ident, content = line["uuid"], line["message"]["content"]
        text = content if isinstance(content, str) else content[-1]["text"]
        self.running = ident
        self.claude.started.append(text)
        self.set_state("running")
        self.lifecycle(ident, "started")
        self._begin()
        self.conversation.messages.append(Message(ident, "prompt", text))
        self._echo(line)
        reason = "completed"
        said = f"answer to {text}"
        try:
            yield from self._do(text)
            self._speak(said)
        except Interrupted:
            reason = "aborted_streaming"
            self._speak(f"half an answer to {text}")
        if self.gone:
            return
        self.conversation.done.add(ident)
        self.result(said, reason=reason, prompts=[ident])
        self.lifecycle(ident, "completed")

    def _do(self, text: str) -> Turn:
        word, _, name = text.partition(" ")
        match word:
            case "gate":
                yield lambda: name in self.claude.gates
            case "ask":
                request_id = str(uuid.uuid4())
                request = {
                    "subtype": "can_use_tool",
                    "tool_name": "Bash",
                    "input": {"command": "x"},
                    "tool_use_id": f"toolu_{request_id}",
                }
                ask = {"type": "control_request", "request_id": request_id, "request": request}
                self.asks[request_id] = ask
                self.set_state("requires_action")
                self.raw(ask)
                yield lambda: request_id in self.answers
                self._speak(f"decided: {self.answers[request_id]['behavior']}")
            case "tool":
                tool, _, arguments = name.partition(" ")
                yield from self.call_tool(tool, json.loads(arguments or "{}"))
            case "crash":
                if name not in self.claude.crashed:
                    self.claude.crashed.add(name)
                    self._leave(-9)
                    yield lambda: False
            case "background":
                self.tasks.append(f"{name} {uuid.uuid4()}")
                self.say("background_tasks_changed", tasks=[{"task_id": each} for each in self.tasks])

    def call_tool(self, name: str, arguments: Any) -> Turn:
        number, tool_use_id = next(self.claude.numbers), f"toolu_{uuid.uuid4()}"
        params = {"name": name, "arguments": arguments, "_meta": {"claudecode/toolUseId": tool_use_id}}
        request_id = self.message(method="tools/call", params=params, id=number)
        self.calls.add(request_id)
        try:
            yield lambda: request_id in self.answers
        except Interrupted:
            self.message(method="notifications/cancelled", params={"requestId": number})
            raise
        result = self.answers[request_id]["mcp_response"]["result"]
        self._speak(("refused: " if result.get("isError") else "told: ") + result["content"][0]["text"])

    def message(self, **message: Any) -> str:
        """Send a message to the bridge's server; return the id of the request."""
        request_id = str(uuid.uuid4())
        body = {"subtype": "mcp_message", "server_name": "bridge", "message": {"jsonrpc": "2.0", **message}}
        self.raw({"type": "control_request", "request_id": request_id, "request": body})
        return request_id

    def _notify(self, name: str) -> Turn:
        self.say("background_tasks_changed", tasks=[{"task_id": each} for each in self.tasks])
        self.set_state("running")
        self._begin()
        self.conversation.messages.append(Message(str(uuid.uuid4()), "notice", name))
        self._speak(f"{name} is done")
        self.result("", prompts=[])
        yield lambda: True

    def _begin(self) -> None:
        facts = {"tools": [], "slash_commands": ["compact"], "cwd": "/", "claude_code_version": "2.1.332"}
        self.say("init", model=self.model, permissionMode=self.mode, **facts)

    def _speak(self, text: str) -> None:
        message_id, ident = f"msg_{uuid.uuid4()}", str(uuid.uuid4())
        head = {"id": message_id, "type": "message", "role": "assistant", "model": self.model}
        self.event("message_start", message={**head, "content": []})
        self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        self.event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        self.conversation.messages.append(Message(ident, "answer", text))
        body: Row = {**head, "content": [{"type": "text", "text": text}], "stop_reason": None, "usage": {}}
        self.line("assistant", message=body, uuid=ident, parent_tool_use_id=None)
        self.event("content_block_stop", index=0)
        self.event("message_stop")
