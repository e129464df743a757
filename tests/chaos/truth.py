"""The events of the raw logs, worked out without the session's own interpreter or state.

Only `sessions.claude.parse` is shared with the bridge: it says what a line is. What follows from a line is
decided here a second time, in the simplest way, so that a mistake there is not repeated here.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sessions.claude import lines as c
from sessions.claude.parse import parse
from tests.chaos.history import HostLogs

_LONGEST_OUTPUT = 100_000


@dataclass(frozen=True, slots=True)
class LoggedBlock:
    """A block as a line printed it: the line's uuid, what it says, and the prompt that was being worked on."""

    uuid: str
    said: str
    prompt_uuid: str | None


@dataclass(frozen=True, slots=True)
class LoggedAsk:
    host: int
    request_id: str
    tool_use_id: str


@dataclass(slots=True)
class LoggedHost:
    """One host by its logs. `tokens` are its input lines: offset, and what acknowledges them."""

    number: int
    end: int = 0
    started: Counter[str] = field(default_factory=Counter)
    echoed: Counter[str] = field(default_factory=Counter)
    tokens: list[tuple[int, str]] = field(default_factory=list)
    broken_inputs: int = 0
    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    answer_echoes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(slots=True)
class Truth:
    """One session by its logs, over all of its hosts."""

    hosts: list[LoggedHost] = field(default_factory=list)
    blocks: list[LoggedBlock] = field(default_factory=list)
    asks: list[LoggedAsk] = field(default_factory=list)
    results: list[tuple[int, c.TurnResult]] = field(default_factory=list)
    tool_errors: dict[str, bool] = field(default_factory=dict)

    def done_on(self, prompt_uuid: str) -> list[int]:
        """The hosts whose log holds a result of this prompt."""
        return [host for host, result in self.results if prompt_uuid in result.prompt_uuids]


def truth_of(hosts: Sequence[HostLogs]) -> Truth:
    """Read the logs of a session's hosts, oldest first."""
    truth = Truth()
    for logs in hosts:
        host = LoggedHost(logs.number)
        _read_inputs(host, logs)
        reader = _Reader(truth, host)
        for end, raw in logs.lines():
            line = parse(raw)
            for each in (line, *line.recovered) if isinstance(line, c.Unrecognized) else (line,):
                reader.take(each)
            host.end = end
        truth.hosts.append(host)
    return truth


class _Reader:
    def __init__(self, truth: Truth, host: LoggedHost) -> None:
        self._truth = truth
        self._host = host
        self._prompt: str | None = None

    def take(self, line: c.CliLine) -> None:
        match line:
            case c.PromptLifecycle(prompt_uuid=prompt, state="started"):
                self._host.started[prompt] += 1
                self._prompt = prompt
            case c.PromptEchoed(prompt_uuid=prompt):
                self._host.echoed[prompt] += 1
            case c.AssistantBlocks(error=None):
                for block in line.blocks:
                    self._block(_uuid(line.uuid, line.parent), _said(block, line.parent))
            case c.ToolResults():
                for each in line.results:
                    self._truth.tool_errors[each.tool_use_id] = each.is_error
                    self._block(_uuid(each.uuid, each.parent), _said_by_tool(each))
            case c.TurnResult():
                self._truth.results.append((self._host.number, line))
                self._prompt = None
            case c.PermissionAsked() | c.QuestionAsked() | c.PlanAsked():
                self._ask(line)
            case c.ControlSucceeded():
                for asked in line.pending_asks:
                    self._ask(asked)
            case c.AnswerEchoed():
                self._host.answer_echoes[line.request_id].append(line.behavior)
            case _:
                pass

    def _block(self, uuid: str, said: Mapping[str, Any]) -> None:
        self._truth.blocks.append(LoggedBlock(uuid, canonical(said), self._prompt))

    def _ask(self, line: c.AskLine) -> None:
        ask = LoggedAsk(self._host.number, line.request_id, getattr(line, "tool_use_id", ""))
        if ask not in self._truth.asks:
            self._truth.asks.append(ask)


def canonical(said: Mapping[str, Any]) -> str:
    """Return a block for comparing, without empty fields and those that only we have."""
    kept = {key: value for key, value in said.items() if key not in ("paths", "patch") and value is not None}
    return json.dumps(kept, sort_keys=True)


def _uuid(uuid: str, parent: str | None) -> str:
    return uuid if parent is None else ""


def _said(block: c.ContentBlock, parent: str | None) -> dict[str, Any]:
    match block:
        case c.TextBlock(text):
            return {"type": "text", "text": text, "parent": parent}
        case c.ThinkingBlock(text):
            return {"type": "thinking", "text": text, "parent": parent}
        case c.ToolUseBlock(ident, name, given):
            return {"type": "tool_call", "tool_use_id": ident, "name": name, "input": given, "parent": parent}
        case c.OtherBlock(kind, body):
            return {"type": "other", "kind": kind, "body": body}


def _said_by_tool(result: c.ToolResult) -> dict[str, Any]:
    text = result.text
    if len(text) > _LONGEST_OUTPUT:
        text = f"{text[:_LONGEST_OUTPUT]}\n… ({len(text) - _LONGEST_OUTPUT:,} more characters)"
    return {
        "type": "tool_output",
        "tool_use_id": result.tool_use_id,
        "text": text,
        "is_error": result.is_error,
        "pictures": result.images,
        "parent": result.parent,
    }


def _read_inputs(host: LoggedHost, logs: HostLogs) -> None:
    for start, raw in logs.inputs():
        try:
            line = json.loads(raw) if raw.endswith(b"\n") else None
        except ValueError:
            line = None
        if not isinstance(line, dict):
            host.broken_inputs += 1
            continue
        match line.get("type"):
            case "user":
                token = str(line.get("uuid"))
            case "control_response":
                token = str(line["response"]["request_id"])
                answer = line["response"].get("response") or {}
                host.answers[token].append(str(answer.get("behavior")))
            case _:
                token = str(line.get("request_id"))
        host.tokens.append((start, token))
