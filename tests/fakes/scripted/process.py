"""The scripted CLI's process: input lines, control requests, the queue, one turn at a time."""

# pathlib would be a good part of the start-up time
# ruff: noqa: PTH108, PTH109, PTH111

from __future__ import annotations

import os
import select

from tests.fakes.scripted import quick_json as json
from tests.fakes.scripted.printer import Printer
from tests.fakes.scripted.reply import Reply
from tests.fakes.scripted.transcript import Transcript
from tests.fakes.scripted.words import (
    MODEL,
    TOOLS,
    VERSION,
    Interrupted,
    Row,
    Turn,
    Wait,
    fail,
    new_uuid,
    rule_content,
    signal,
    write_all,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import NoReturn


class ScriptedCli(Printer):
    """One process: reads lines, runs one turn at a time, serves control requests all the while."""

    def __init__(self, flags: dict[str, str]) -> None:
        self.config = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude")
        self.flags = flags
        self.model = flags.get("--model", MODEL)
        self.mode = {"manual": "default"}.get(mode := flags.get("--permission-mode", "default"), mode)
        self.transcript = self._open_transcript()
        self.resumed = {row["uuid"] for row in self.transcript.chain} | self.transcript.done
        self.state = "idle"
        self.queue: list[Row] = []
        self.turn: Turn | None = None
        self.wait: Wait | None = None
        self.running: list[str] = []
        self.asks: dict[str, Row] = {}
        self.answers: dict[str, Row] = {}
        self.allowed: set[str] = set()
        self.tasks: dict[str, tuple[Popen[bytes], str]] = {}
        self.children: list[Popen[bytes]] = []
        self.cost = self.transcript.saved_cost
        self.failed = False
        self.ending = False
        self.eof = False

    def _open_transcript(self) -> Transcript:
        ident = self.flags.get("--session-id", "")
        parent = self.flags.get("--resume", "")
        if not parent:
            transcript = Transcript(self.config, ident or new_uuid())
            if transcript.existed:
                fail(f"Error: Session ID {ident} is already in use.")
            return transcript
        source = Transcript(self.config, parent)
        if not source.existed:
            self.transcript, self.cost, self.running = source, 0.0, []
            text = f"No conversation found with session ID: {parent}"
            self.result("error_during_execution", "", is_error=True, errors=[text])
            fail(text)
        at = self.flags.get("--resume-session-at")
        rows = source.index(at) + 1 if at else len(source.chain)
        if "--fork-session" in self.flags:
            fork = Transcript(self.config, ident or new_uuid())
            fork.saved_cost = source.saved_cost
            for row in source.chain[:rows]:
                fork.append({**row, "sessionId": fork.session_id})
            fork.append({"type": "scripted-done", "uuids": sorted(source.done)})
            return fork
        if rows < len(source.chain):
            source.keep(rows)
        return source

    def leave(self, code: int) -> NoReturn:
        if self.transcript.existed or self.transcript.chain:
            try:  # noqa: SIM105 (contextlib is slow to load)
                self.transcript.append({"type": "cost-state", "totalCostUSD": self.cost})
            except OSError:
                pass
        for child in self.children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
        try:  # noqa: SIM105
            os.unlink(f"{self.config}/sessions/{os.getpid()}.json")
        except OSError:
            pass
        os._exit(code)

    # --- input --------------------------------------------------------------------------------------------

    def take(self, raw: bytes) -> None:
        if not raw.strip():
            return
        try:
            line = json.loads(raw)
        except ValueError:
            fail(f"Error parsing streaming input line (type=unknown, {len(raw)} chars): SyntaxError")
        match line.get("type"):
            case "user":
                self.take_prompt(line)
            case "control_request":
                self.take_control(line["request_id"], line["request"])
            case "control_response":
                self.take_answer(line["response"])

    def take_prompt(self, line: Row) -> None:
        if (line.get("message") or {}).get("role") != "user":
            fail("Error: Expected message role 'user', got 'undefined'")
        ident = line.setdefault("uuid", new_uuid())
        if ident in self.running:
            self.echo(line)
            if ident in self.resumed:
                self.lifecycle(ident, "completed")
            return
        if any(ident == queued["uuid"] for queued in self.queue):
            return
        if ident in self.transcript.done:
            self.echo(line)
            if ident in self.resumed:
                self.lifecycle(ident, "completed")
            if self.turn is None:
                self.set_state("idle")
            return
        if (cut := self.transcript.index(ident)) >= 0:
            self.transcript.keep(cut)
        if self.turn is None:
            self.set_state("running")
        self.queue.append(line)
        self.lifecycle(ident, "queued")
        if line.get("priority") == "now" and self.turn is not None:
            self.interrupt()

    def echo(self, line: Row) -> None:
        if "--replay-user-messages" in self.flags:
            self.line(
                "user", message=line["message"], parent_tool_use_id=None, uuid=line["uuid"], isReplay=True
            )

    def take_answer(self, response: Row) -> None:
        ask = self.asks.pop(response["request_id"], None)
        if ask is None:
            return
        if "--replay-user-messages" in self.flags:
            write_all(json.dumps({"type": "control_response", "response": response}).encode() + b"\n")
        failure = {
            "behavior": "deny",
            "message": f"Tool permission request failed: Error: {response.get('error')}",
        }
        self.answers[response["request_id"]] = response.get("response") or failure
        self.set_state("requires_action" if self.asks else "running")

    def take_control(self, ident: str, request: Row) -> None:
        match request["subtype"]:
            case "initialize":
                facts = {"commands": [], "agents": [], "models": [], "account": {}, "pid": os.getpid()}
                facts.update(
                    current_permission_mode=self.mode, session_state=self.state, claude_code_version=VERSION
                )
                self.respond(ident, facts, pending_permission_requests=self.listed_asks())
            case "interrupt":
                self.cancel_asks()
                self.respond(ident, {"still_queued": [line["uuid"] for line in self.queue]})
                self.interrupt()
            case "set_model":
                self.model = request.get("model") or MODEL
                text = f"<local-command-stdout>Set model to `{self.model}`</local-command-stdout>"
                self.echo({"uuid": new_uuid(), "message": {"role": "user", "content": text}})
                self.respond(ident, {"model": self.model})
            case "set_permission_mode":
                self.set_mode(ident, request["mode"])
            case "apply_flag_settings":
                rules = request["settings"]["permissions"]["allow"]
                self.allowed = {rule_content(rule) for rule in rules}
                self.respond(ident, None)
            case "rewind_conversation":
                self.respond(ident, self.rewind(request))
            case "cancel_async_message":
                self.cancel(ident, request["message_uuid"])
            case "generate_session_title":
                self.respond(ident, {"title": f"About: {request['description'].split()[-1]}"})
            case "side_question":
                said = f"About this: {request['question'][:40]}"
                self.respond(ident, {"response": said, "synthetic": False})
            case "get_context_usage":
                self.respond(
                    ident, {"categories": [], "totalTokens": 1000, "maxTokens": 1000000, "percentage": 0}
                )
            case "end_session":
                self.respond(ident, None)
                self.leave(1 if self.failed else 0)
            case other:
                sentence = f"Unsupported control request subtype: {other}"
                self.respond(ident, None, error=sentence, code="unsupported_request")

    def set_mode(self, ident: str, mode: str) -> None:
        if mode == "bypassPermissions" and "--dangerously-skip-permissions" not in self.flags:
            self.respond(ident, None, error="not launched with bypass", code="bypass_not_launched")
            return
        self.mode = mode
        self.respond(ident, {"mode": mode})
        self.say("status", status=None, permissionMode=mode)

    def rewind(self, request: Row) -> Row:
        prompts = self.transcript.prompts()
        target = next((row for row in prompts if row["uuid"] == request["target_message_uuid"]), None)
        refusal = None
        if target is None:
            refusal = "target_not_found"
        elif self.turn is not None:
            refusal = "turn_running"
        elif prompts[-1]["uuid"] != request["last_seen_user_message_uuid"]:
            refusal = "unseen_later_turn"
        if refusal or target is None:
            words = str(refusal).replace("_", " ")
            return {
                "rewound": False,
                "prefillText": None,
                "precedingAssistantUuid": None,
                "error": words,
                "reason": refusal,
            }
        at = self.transcript.index(target["uuid"])
        before = self.transcript.chain[at - 1]["uuid"] if at else None
        self.transcript.keep(at)
        facts = {"prefillText": target["message"]["content"], "precedingAssistantUuid": before}
        return {"rewound": True, "targetMessageUuid": target["uuid"], **facts}

    def cancel(self, ident: str, prompt: str) -> None:
        kept = [line for line in self.queue if line["uuid"] != prompt]
        found = len(kept) < len(self.queue)
        self.queue = kept
        if found:
            self.lifecycle(prompt, "cancelled")
        self.respond(ident, {"cancelled": True, "message_uuid": prompt} if found else {"cancelled": False})

    # --- turns --------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Cut the running turn, if there is one."""
        self.cancel_asks()
        if self.turn is not None:
            self.advance(Interrupted())

    def listed_asks(self) -> list[Row]:
        """The open asks that the real CLI lists: those of MCP servers are not among them."""
        return [ask for ask in self.asks.values() if ask["request"]["subtype"] == "can_use_tool"]

    def cancel_asks(self) -> None:
        for request_id in list(self.asks):
            del self.asks[request_id]
            write_all(json.dumps({"type": "control_cancel_request", "request_id": request_id}).encode() + b"\n")

    def advance(self, thrown: Interrupted | None = None) -> None:
        """Run the turn on until it has to wait, then the next ones."""
        while True:
            try:
                if self.turn is None:
                    if not self.next_turn():
                        return
                elif thrown is not None:
                    error, thrown = thrown, None
                    self.wait = self.turn.throw(error)
                elif self.wait is None or self.wait[0]():
                    self.wait = next(self.turn)
                else:
                    return
            except StopIteration:
                self.turn, self.wait, self.running = None, None, []
                if not self.queue:
                    self.set_state("idle")

    def next_turn(self) -> bool:
        if self.queue:
            merged, self.queue = self.queue, []
            self.turn = self.run_turn(merged)
        elif finished := [name for name, (child, _) in self.tasks.items() if child.poll() is not None]:
            self.turn = self.run_notification(finished[0])
        else:
            return False
        return True

    def run_turn(self, lines: list[Row]) -> Turn:
        self.running = [line["uuid"] for line in lines]
        self.set_state("running")
        for ident in self.running:
            self.lifecycle(ident, "started")
        self.begin()
        for line in lines:
            self.transcript.add("user", line["uuid"], line["message"], promptSource="sdk")
        text = "\n".join(self.prompt_text(line) for line in lines)
        reply = Reply(self, text, lines)
        outcome = "completed"
        try:
            yield from reply.run()
        except Interrupted:
            reply.cut()
        if self.failed:
            outcome = "cancelled"
        self.transcript.append({"type": "scripted-done", "uuids": list(self.running)})
        for ident in self.running:
            self.lifecycle(ident, outcome)

    def run_notification(self, name: str) -> Turn:
        child, call_id = self.tasks.pop(name)
        status = "completed" if child.returncode == 0 else "failed"
        self.say("task_updated", task_id=name, patch={"status": status})
        self.say(
            "task_notification", task_id=name, tool_use_id=call_id, status=status, summary="Background command"
        )
        self.say("background_tasks_changed", tasks=[{"task_id": other} for other in self.tasks])
        self.set_state("running")
        self.begin()
        report = f"<task-notification><task-id>{name}</task-id></task-notification>"
        message: Row = {"role": "user", "content": report}
        self.transcript.add(
            "user", new_uuid(), message, promptSource="sdk", origin={"kind": "task-notification"}
        )
        reply = Reply(self, f"demo:text background work has ended: {status}", [])
        try:
            yield from reply.run()
        except Interrupted:
            reply.cut()

    def begin(self) -> None:
        facts = {
            "tools": TOOLS,
            "mcp_servers": [],
            "slash_commands": ["compact"],
            "apiKeySource": "ANTHROPIC_API_KEY",
        }
        self.say(
            "init",
            cwd=os.getcwd(),
            model=self.model,
            permissionMode=self.mode,
            claude_code_version=VERSION,
            **facts,
            capabilities=[],
        )

    @staticmethod
    def prompt_text(line: Row) -> str:
        content = line["message"]["content"]
        if isinstance(content, str):
            return content
        # The bridge's notes are not the person's words: a session's title in one may have `demo:` words.
        texts = [part.get("text", "") for part in content]
        return "\n".join(text for text in texts if not text.startswith("<bridge-note>"))

    # --- the loop -----------------------------------------------------------------------------------------

    def run(self) -> NoReturn:
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        self.register()
        buffer = bytearray()
        while True:
            self.advance()
            if self.eof and self.turn is None:
                self.leave(1 if self.failed else 0)
            looks = (self.wait is not None and self.wait[1]) or (self.turn is None and bool(self.tasks))
            readable, _, _ = select.select([wake] if self.eof else [0, wake], [], [], 0.005 if looks else None)
            if wake in readable:
                os.read(wake, 512)
                if self.ending:
                    self.interrupt()
                    self.leave(0)
            if 0 in readable:
                self.read(buffer)

    def read(self, buffer: bytearray) -> None:
        data = os.read(0, 1 << 20)
        if not data:
            self.eof = True
            for request_id in list(self.asks):
                sentence = "AbortError: Tool permission stream closed before response received"
                self.take_answer({"request_id": request_id, "error": sentence})
        buffer += data
        if b"\n" in data:
            *lines, rest = bytes(buffer).split(b"\n")
            buffer[:] = rest
            for line in lines:
                self.take(line)
                self.advance()
