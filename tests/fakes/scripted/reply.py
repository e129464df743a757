"""The scripted CLI's reply to one prompt: API messages of blocks, tool calls between them, a result."""

# pathlib would be a good part of the start-up time
# ruff: noqa: PTH123

from __future__ import annotations

import binascii
import os
import time
from _collections_abc import Generator

from tests.fakes.scripted import quick_json as json
from tests.fakes.scripted.commands import run_command, spawn
from tests.fakes.scripted.faults import at_gate, fault
from tests.fakes.scripted.words import (
    ERRORS,
    HARMLESS,
    SCREENSHOT_TOOL,
    SERVER_TOOL,
    Interrupted,
    Row,
    Turn,
    Wait,
    new_uuid,
    now,
    number,
    parse,
    pieces,
    tool_input,
    write_all,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.fakes.scripted.process import ScriptedCli


class Reply:
    """The reply to one prompt: API messages of blocks, tool calls between them, a result."""

    def __init__(self, cli: ScriptedCli, prompt: str, lines: list[Row]) -> None:
        self.cli = cli
        self.prompt = prompt
        self.lines = lines
        self.steps = parse(prompt) or [("demo:text", f"you said: {prompt[:200]}")]
        self.pace_s = 0.0
        self.message_id = ""
        self.index = 0
        self.text: str | None = None
        self.report = ""
        self.last_text = ""
        self.in_tool = False
        self.refused = False
        self.call_id = ""

    def run(self) -> Turn:
        cli = self.cli
        cli.say("status", status="requesting")
        for number_of_step, (word, argument) in enumerate(self.steps):
            if word == "demo:error":
                if (yield from self.error(argument)):
                    return
            elif word in (
                "demo:bash",
                "demo:background",
                "demo:read",
                "demo:write",
                "demo:screenshot",
                "demo:ask-question",
                "demo:elicit",
                "demo:plan",
            ):
                yield from self.call(word, argument)
                more = number_of_step + 1 < len(self.steps)
                cli.say("status", status="requesting")
                if not more:
                    yield from self.say("")
            elif word == "cli:usage-limit":
                return self.usage_limit()
            elif word.startswith("cli:"):
                yield from fault(word[4:], argument)
            else:
                yield from self.content(word, argument)
        self.end_message("end_turn")
        cli.result("success", self.last_text)

    def content(self, word: str, argument: str) -> Turn:
        match word:
            case "demo:long":
                count = number(argument, 100)
                for n in range(1, count + 1):
                    yield from self.say(f"DEMO line {n} of {count}\n", line=n)
            case "demo:big":
                yield from self.say("DEMO " * (number(argument, 8) * 209716))
            case "demo:unicode":
                yield from self.say("before\u2028after\u2029end, smile \U0001f600 whole, half \ud83d alone")
            case "demo:digest":
                import hashlib

                digest = hashlib.sha256(self.prompt.encode("utf-8", "surrogatepass")).hexdigest()
                yield from self.say(f"the prompt has {len(self.prompt)} characters, SHA-256 {digest}")
            case "demo:thinking":
                self.end_block()
                self.block("thinking", {"type": "thinking", "thinking": argument, "signature": "REVNTw=="})
            case "demo:block":
                self.end_block()
            case "demo:slow":
                self.pace_s = number(argument, 50) / 1000
            case "demo:gate":
                self.begin_message()
                gates = os.environ.get("SCRIPTED_GATES") or f"{self.cli.config}/gates"
                yield from at_gate(f"{gates}/{argument}")
            case _:
                yield from self.say(argument)

    def say(self, text: str, *, line: int = 0) -> Turn:
        self.begin_message()
        if self.text is None:
            self.text = ""
            self.cli.event("content_block_start", index=self.index, content_block={"type": "text", "text": ""})
            text, self.report = f"DEMO: {self.report}" + ("\n\n" if self.report and text else "") + text, ""
        elif line <= 1:
            text = f"\n\n{text}"
        for piece in pieces(text) if not line and len(text) < 10000 else [text]:
            if self.pace_s:
                deadline = time.monotonic() + self.pace_s
                yield (lambda until=deadline: time.monotonic() >= until), True  # type: ignore[misc]  # a bound default
            self.text += piece
            self.cli.event("content_block_delta", index=self.index, delta={"type": "text_delta", "text": piece})

    def begin_message(self) -> None:
        if self.message_id:
            return
        for line in self.lines:
            self.cli.echo(line)
        self.lines = []
        self.message_id = f"msg_{new_uuid()}"
        self.index = 0
        usage = {"input_tokens": 10, "output_tokens": 1}
        head = {"id": self.message_id, "type": "message", "role": "assistant", "model": self.cli.model}
        self.cli.event("message_start", message={**head, "content": [], "stop_reason": None, "usage": usage})

    def end_message(self, stop_reason: str) -> None:
        self.begin_message()
        self.end_block()
        self.cli.event("message_delta", delta={"stop_reason": stop_reason}, usage={"output_tokens": 5})
        self.cli.event("message_stop")
        self.message_id = ""

    def end_block(self) -> None:
        if self.text is not None:
            self.last_text, self.text = self.text, None
            self.assistant({"type": "text", "text": self.last_text})
            self.cli.event("content_block_stop", index=self.index)
            self.index += 1

    def block(self, kind: str, body: Row) -> None:
        """A block that comes at once: thinking or a tool call."""
        self.begin_message()
        empty = {**body, "thinking": ""} if kind == "thinking" else {**body, "input": {}}
        delta = {"type": "thinking_delta", "thinking": body.get("thinking")}
        if kind == "tool_use":
            delta = {"type": "input_json_delta", "partial_json": json.dumps(body["input"])}
        self.cli.event("content_block_start", index=self.index, content_block=empty)
        self.cli.event("content_block_delta", index=self.index, delta=delta)
        self.assistant(body)
        self.cli.event("content_block_stop", index=self.index)
        self.index += 1

    def assistant(self, block: Row, **fields: Any) -> None:
        ident = new_uuid()
        head = {"id": self.message_id, "type": "message", "role": "assistant", "model": self.cli.model}
        message = {
            **head,
            "content": [block],
            "stop_reason": None,
            "usage": {"input_tokens": 10, "output_tokens": 1},
        }
        message.update(fields.pop("message", {}))
        self.cli.transcript.add("assistant", ident, message)
        self.cli.line(
            "assistant", message=message, parent_tool_use_id=None, uuid=ident, timestamp=now(), **fields
        )

    def cut(self) -> None:
        """End an interrupted turn: what was said stays, and the result says how it ended."""
        words = (
            "[Request interrupted by user for tool use]" if self.in_tool else "[Request interrupted by user]"
        )
        if self.in_tool and not self.refused:
            self.cli.set_state("running")
            self.tool_result("The user doesn't want to proceed with this tool use.", is_error=True)
        if self.text is not None:
            self.assistant({"type": "text", "text": self.text}, aborted=True)
        self.user([{"type": "text", "text": words}])
        if self.message_id:
            self.cli.event("content_block_stop", index=self.index)
            self.cli.event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 1})
            self.cli.event("message_stop")
        reason = "aborted_tools" if self.in_tool else "aborted_streaming"
        self.cli.result(
            "error_during_execution",
            "",
            is_error=True,
            errors=[words],
            terminal_reason=reason,
            stop_reason=None,
        )

    def user(self, content: list[Row], **fields: Any) -> None:
        ident = new_uuid()
        message = {"role": "user", "content": content}
        self.cli.transcript.add("user", ident, message)
        self.cli.line("user", message=message, parent_tool_use_id=None, uuid=ident, timestamp=now(), **fields)

    # --- tools --------------------------------------------------------------------------------------------

    def call(self, word: str, argument: str) -> Turn:
        self.end_block()
        self.call_id = call_id = f"toolu_{new_uuid()}"
        name, body = tool_input(word, argument)
        self.block("tool_use", {"type": "tool_use", "id": call_id, "name": name, "input": body})
        self.end_message("tool_use")
        self.in_tool = True
        answer: Row = {"behavior": "allow", "updatedInput": body}
        if self.must_ask(name, body):
            request_id = self.ask(name, body, call_id)
            yield (lambda: request_id in self.cli.answers), False
            answer = self.cli.answers.pop(request_id)
        if word == "demo:elicit":
            request_id = self.request({"subtype": "elicitation", **json.loads(argument)})
            yield (lambda: request_id in self.cli.answers), False
            text, is_error = f"the person said {json.dumps(self.cli.answers.pop(request_id))}", False
        elif answer.get("behavior") == "allow":
            self.remember(answer)
            text, is_error = yield from self.execute(word, answer.get("updatedInput") or body, call_id)
        else:
            text, is_error = str(answer.get("message", "denied")), True
        picture = str(body.get("file") or body.get("file_path", ""))
        self.tool_result(text, is_error=is_error, picture=picture if picture.endswith(".png") else "")
        if answer.get("interrupt"):
            self.refused = True
            raise Interrupted
        self.in_tool = False
        self.report = f"{name} {'failed' if is_error else 'answered'}: {text[:400].strip() or '(nothing)'}"

    def tool_result(self, text: str, *, is_error: bool, picture: str = "") -> None:
        content: Any = text
        if picture and not is_error:
            with open(picture, "rb") as file:
                data = binascii.b2a_base64(file.read(), newline=False).decode()
            source = {"type": "base64", "media_type": "image/png", "data": data}
            content = [{"type": "image", "source": source}]
        self.user(
            [{"type": "tool_result", "tool_use_id": self.call_id, "content": content, "is_error": is_error}]
        )

    def must_ask(self, name: str, body: Row) -> bool:
        if name in ("AskUserQuestion", "ExitPlanMode"):
            return True
        if name in ("Read", SERVER_TOOL, SCREENSHOT_TOOL) or self.cli.mode == "bypassPermissions":
            return False
        if name == "Write":
            return self.cli.mode != "acceptEdits" and "Write" not in self.cli.allowed
        command = str(body["command"])
        ruled = any(command.startswith(rule) for rule in self.cli.allowed)
        return not ruled and command.split(maxsplit=1)[0] not in HARMLESS

    def ask(self, name: str, body: Row, call_id: str) -> str:
        rule = {"toolName": name, **({"ruleContent": f"{body['command']} *"} if name == "Bash" else {})}
        suggestions = [
            {"type": "addRules", "rules": [rule], "behavior": "allow", "destination": "localSettings"}
        ]
        facts = {"tool_name": name, "display_name": name, "input": body, "tool_use_id": call_id}
        request: Row = {"subtype": "can_use_tool", **facts, "permission_suggestions": suggestions}
        if name == "AskUserQuestion":
            request["requires_user_interaction"] = True
        return self.request(request)

    def request(self, request: Row) -> str:
        request_id = new_uuid()
        self.cli.asks[request_id] = {"type": "control_request", "request_id": request_id, "request": request}
        self.cli.set_state("requires_action")
        write_all(json.dumps(self.cli.asks[request_id]).encode() + b"\n")
        return request_id

    def remember(self, answer: Row) -> None:
        for update in answer.get("updatedPermissions") or []:
            if update["type"] == "setMode":
                self.cli.mode = update["mode"]
                self.cli.say("status", status=None, permissionMode=self.cli.mode)
            elif update["type"] == "addRules":
                for rule in update["rules"]:
                    content = str(rule.get("ruleContent", rule["toolName"]))
                    self.cli.allowed.add(content.removesuffix("*").strip())

    def execute(self, word: str, body: Row, call_id: str) -> Generator[Wait, None, tuple[str, bool]]:
        match word:
            case "demo:bash":
                return (yield from run_command(str(body["command"]), self.cli.children))
            case "demo:background":
                task = f"b{os.urandom(4).hex()}"
                self.cli.tasks[task] = (spawn(str(body["command"]), None, self.cli.children), call_id)
                self.cli.say("background_tasks_changed", tasks=[{"task_id": name} for name in self.cli.tasks])
                self.cli.say("task_started", task_id=task, tool_use_id=call_id, description="command")
                return f"Command running in background with ID: {task}.", False
            case "demo:write":
                with open(body["file_path"], "w") as file:
                    file.write(body["content"])
                return f"File created successfully at: {body['file_path']}", False
            case "demo:screenshot":
                return "", False
            case "demo:read":
                try:
                    if body["file_path"].endswith(".png"):
                        return "", not os.access(body["file_path"], os.R_OK)
                    with open(body["file_path"]) as file:
                        return file.read(), False
                except OSError as error:
                    return str(error), True
            case "demo:ask-question":
                return f"Your questions have been answered: {json.dumps(body.get('answers'))}", False
            case _:
                return "User has approved your plan.", False

    # --- failures -----------------------------------------------------------------------------------------

    def error(self, argument: str) -> Generator[Wait, None, bool]:
        """Fail as asked; whether the turn has ended by it."""
        what, _, rest = argument.partition(" ")
        import re  # only errors need it

        facts = dict(re.findall(r"(after|times)=(\d+)", rest))
        limit = 0 if what == "400" else int(os.environ.get("CLAUDE_CODE_MAX_RETRIES", "3"))
        times = int(facts.get("times", 0)) or limit + 1
        status = int(what) if what.isdigit() else None
        name = ERRORS.get(status or 0, "unknown")
        self.end_broken_message()
        for attempt in range(1, min(times, limit) + 1):
            fields = {"attempt": attempt, "max_retries": limit, "retry_delay_ms": 5, "error_status": status}
            self.cli.say("api_retry", **fields, error=name)
            deadline = time.monotonic() + 0.005
            yield (lambda until=deadline: time.monotonic() >= until), True  # type: ignore[misc]  # a bound default
        if times > limit:
            self.give_up(name, status, f"API Error: {what} DEMO: this error was asked for")
            return True
        return False

    def end_broken_message(self) -> None:
        if self.message_id:
            if self.text is not None:
                self.cli.event("content_block_stop", index=self.index)
            self.cli.event("message_stop")
            # The retry says it again.
            self.report, self.text, self.message_id = (self.text or "").removeprefix("DEMO: "), None, ""

    def give_up(self, error: str, status: int | None, sentence: str) -> None:
        for line in self.lines:
            self.cli.echo(line)
        block = {"type": "text", "text": sentence}
        facts = {"is_api_error_message": True, "api_error_status": status}
        self.assistant(block, message={"model": "<synthetic>", "id": new_uuid()}, error=error, **facts)
        reason = {"terminal_reason": "api_error", "api_error_status": status, "stop_reason": "stop_sequence"}
        self.cli.result("success", sentence, is_error=True, **reason)

    def usage_limit(self) -> None:
        info = {
            "status": "rejected",
            "resetsAt": int(time.time()) + 3600,
            "rateLimitType": "five_hour",
            "utilization": 1.0,
        }
        self.cli.line("rate_limit_event", rate_limit_info=info)
        self.give_up("rate_limit", 429, "You have hit your usage limit.")
