"""The lines that the scripted CLI prints, and its entry in the register of live sessions."""

# pathlib would be a good part of the start-up time
# ruff: noqa: PTH103, PTH105, PTH109, PTH123

from __future__ import annotations

import os

from tests.fakes.scripted import quick_json as json
from tests.fakes.scripted.transcript import Transcript
from tests.fakes.scripted.words import Row, new_uuid, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Printer:
    """Prints lines for `ScriptedCli`, which sets these fields before the first one."""

    config: str
    cost: float
    failed: bool
    model: str
    running: list[str]
    state: str
    transcript: Transcript

    def line(self, kind: str, **fields: Any) -> None:
        body = {"type": kind, **fields, "session_id": self.transcript.session_id}
        body.setdefault("uuid", new_uuid())
        write_all(json.dumps(body).encode() + b"\n")

    def say(self, subtype: str, **fields: Any) -> None:
        self.line("system", subtype=subtype, **fields)

    def set_state(self, state: str) -> None:
        if state != self.state or state == "idle":
            self.say("session_state_changed", state=state)
        self.state = state
        self.register()

    def lifecycle(self, ident: str, state: str) -> None:
        self.line("command_lifecycle", command_uuid=ident, state=state)

    def event(self, kind: str, **fields: Any) -> None:
        self.line("stream_event", event={"type": kind, **fields}, parent_tool_use_id=None)

    def respond(
        self, request_id: str, response: Row | None, error: str = "", code: str = "", **extra: Any
    ) -> None:
        body: Row = {"subtype": "error" if error else "success", "request_id": request_id}
        body.update({"error": error, "error_code": code} if error else {"response": response, **extra})
        write_all(json.dumps({"type": "control_response", "response": body}).encode() + b"\n")

    def result(self, subtype: str, text: str, *, is_error: bool = False, **fields: Any) -> None:
        self.failed = is_error
        self.cost += 0.001
        usage = {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        }
        models = {
            self.model: {"inputTokens": 10, "outputTokens": 5, "costUSD": self.cost, "contextWindow": 1000000}
        }
        body: Row = {
            "is_error": is_error,
            "duration_ms": 1,
            "duration_api_ms": 1,
            "num_turns": 1,
            "stop_reason": "end_turn",
        }
        body.update(
            total_cost_usd=self.cost,
            usage=usage,
            modelUsage=models,
            permission_denials=[],
            api_error_status=None,
        )
        if subtype == "success":
            body["result"] = text
        if self.running:
            body["user_message_uuids"] = list(self.running)
        self.line("result", subtype=subtype, **{"terminal_reason": "completed", **body, **fields})

    def register(self) -> None:
        """The CLI's own register of live sessions, as far as anybody reads it."""
        status = {"running": "busy", "idle": "idle", "requires_action": "waiting"}[self.state]
        with open("/proc/self/stat") as file:
            start = file.read().rpartition(")")[2].split()[19]
        entry = {"pid": os.getpid(), "sessionId": self.transcript.session_id, "cwd": os.getcwd()}
        os.makedirs(f"{self.config}/sessions", exist_ok=True)
        path = f"{self.config}/sessions/{os.getpid()}.json"
        with open(f"{path}.tmp", "w") as file:
            file.write(json.dumps({**entry, "procStart": start, "status": status}))
        os.replace(f"{path}.tmp", path)
