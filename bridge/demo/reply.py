"""Decides the demo's answer to one request: a script's next message, or a canned answer. Pure.

A turn's script is cut into messages: each ends with its tool calls, the last with text. The conversation alone
tells which message is due. Only the counts of scripted errors come from outside.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace  # noqa: TID251
from typing import Any, assert_never

from bridge.demo.calls import Dependencies, tool_call
from bridge.demo.conversation import Conversation, ToolAnswer
from bridge.demo.sample_texts import SAMPLE_TEXTS
from bridge.demo.script import (
    GUIDE,
    Big,
    Break,
    Call,
    Digest,
    Exhibit,
    Gate,
    Lines,
    NewBlock,
    Pace,
    Refuse,
    Say,
    Step,
    Think,
    Together,
    Unknown,
    parse_script,
)


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Deltas of a text block; pieces in a row make one block. Lone surrogates are allowed."""

    deltas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThinkingPiece:
    """Deltas of a thinking block."""

    deltas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A whole tool call."""

    call_id: str
    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """The end of a block: the next piece begins a new one."""


Piece = TextPiece | ThinkingPiece | CallPiece | BlockEnd | Pace | Gate | Break


@dataclass(frozen=True, slots=True)
class Message:
    """An answer to stream. `ident` identifies the attempt; a repeated request gets the same `ident`."""

    ident: str
    model: str
    pieces: tuple[Piece, ...]
    calls_tools: bool
    input_tokens: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error in the API's form."""

    status: int
    kind: str
    text: str
    after_s: int | None


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_EXCERPT = 400
_GUIDE = f"```text\n{GUIDE}\n```"
_SUMMARY = """\
<analysis>
DEMO: the conversation was read.
</analysis>

<summary>
1. Primary Request and Intent:
   DEMO: this is the demo model's summary of the conversation so far.
2. Pending Tasks:
   None.
</summary>"""


def next_reply(conversation: Conversation, *, failures: int) -> Message | Refusal:
    """Return the answer. `failures` is the number of scripted failures of this step so far."""
    # The same request gets the same ids, also from a restarted demo; another try of a failed one does not.
    attempt = f"{conversation.key} {conversation.broken} {failures}"
    ident = hashlib.sha256(attempt.encode("utf-8", "replace")).hexdigest()[:20]
    steps = _due_steps(conversation)
    refusal = next((step for step in steps if isinstance(step, Refuse)), None)
    # Before any text: an HTTP error is the whole answer, wherever the script names it.
    if refusal and _still_fails(refusal.times, failures):
        kind = _KINDS.get(refusal.status, "api_error")
        return Refusal(refusal.status, kind, "DEMO: this error was asked for", refusal.after_s)
    pieces: list[Piece] = []
    for number, step in enumerate(steps):
        match step:
            case Break():
                if _still_fails(step.times, failures):
                    pieces.append(step)
            case _:
                pieces += _pieces(step, conversation, f"{ident}{number:02d}")
    return Message(
        ident=ident,
        model=conversation.model,
        pieces=tuple(_marked(pieces)),
        calls_tools=any(isinstance(piece, CallPiece) for piece in pieces),
        input_tokens=conversation.input_tokens,
    )


def _still_fails(times: int, failures: int) -> bool:
    return times == 0 or failures < times


def _due_steps(conversation: Conversation) -> Sequence[Step]:
    """Return the steps of the message that is due now."""
    # Requests of the CLI's own come first: a title or a summary carries the prompt along, and would run its
    # script again.
    if conversation.output_schema is not None:
        return [Say(json.dumps(_example(conversation.output_schema, "answer")))]
    if "Your task is to create a detailed summary" in conversation.prompt:
        return [Say(_SUMMARY)]
    if conversation.prompt.startswith("<task-notification>"):
        return [Say(_notification(conversation.prompt))]
    script = [
        replacement for step in parse_script(conversation.prompt) for replacement in _fitted(step, conversation)
    ]
    if not script:
        return [Say(_greeting(conversation.prompt))]
    messages = _messages(script)
    due = messages[conversation.calls_done] if conversation.calls_done < len(messages) else []
    report = [Say(_report(answer)) for answer in conversation.answers]
    return [*report, *_after_breaks(due, conversation.broken)] or [Say("done")]


def _messages(script: Sequence[Step]) -> list[list[Step]]:
    """Cut a script after its tool calls. A pace stays in force across a cut."""
    messages: list[list[Step]] = [[]]
    pace = Pace(0)
    for number, step in enumerate(script):
        messages[-1].append(step)
        if isinstance(step, Pace):
            pace = step
        together = isinstance(script[number + 1], Together) if number + 1 < len(script) else False
        if isinstance(step, Call) and not together:
            messages.append([pace] if pace.ms else [])
    return messages


def _after_breaks(due: Sequence[Step], broken: int) -> Sequence[Step]:
    """Return the rest of a message that was broken by SSE errors and is continued."""
    breaks = [n for n, step in enumerate(due) if isinstance(step, Break) and step.how == "sse-error"]
    if not broken or not breaks:
        return due
    return due[breaks[min(broken, len(breaks)) - 1] + 1 :]


def _fitted(step: Step, conversation: Conversation) -> Iterator[Step]:
    """Fit a step to what this request allows: load deferred tools first, write the list without a tool."""
    match step:
        case Call(verb="todo") if not conversation.tools & {"TodoWrite", "TaskCreate"}:
            yield Say("a list of things to do:\n\n- [x] start\n- [ ] go on\n- [ ] finish")
        case Call(verb="enter-plan") if conversation.deferred:
            yield Call(
                "tool", ("ToolSearch", '{"query": "select:EnterPlanMode,ExitPlanMode", "max_results": 5}')
            )
            yield step
        case _:
            yield step


def _pieces(step: Step, conversation: Conversation, call_id: str) -> Iterator[Piece]:
    match step:
        case Say() | Lines() | Big() | Exhibit() | Digest() | Unknown():
            yield TextPiece(_deltas(step, conversation.prompt))
        case Think(text=text):
            yield ThinkingPiece(_words(text))
        case NewBlock():
            yield BlockEnd()
        case Call():
            around = Dependencies(conversation.cwd, conversation.plan_file, conversation.tools)
            tool, arguments = tool_call(step, around)
            yield CallPiece(f"toolu_demo{call_id}", tool, arguments)
        case Pace() | Gate() | Break():
            yield step
        case Together() | Refuse():
            pass
        case _:
            assert_never(step)


def _deltas(step: Say | Lines | Big | Exhibit | Digest | Unknown, prompt: str) -> tuple[str, ...]:
    match step:
        case Say(text=text):
            return _words(text)
        case Lines(count=count):
            return tuple(f"DEMO line {n} of {count}\n" for n in range(1, count + 1))
        case Big(megabytes=megabytes):
            # 64 KiB each: 13,107 words of five characters, and the line end.
            return (f"{'DEMO ' * 13107}\n",) * (16 * megabytes)
        case Exhibit(name=name):
            return SAMPLE_TEXTS[name]
        case Digest():
            digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
            return (f"the prompt has {len(prompt)} characters, SHA-256 {digest}",)
        case Unknown(word=word):
            return _words(f"demo:{word} is no directive. There are:\n\n{_GUIDE}")
        case _:
            assert_never(step)


def _marked(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Begin each text block with DEMO and part its pieces by an empty line."""
    begun = False
    for piece in pieces:
        if isinstance(piece, TextPiece):
            yield replace(piece, deltas=("\n\n" if begun else "DEMO: ", *piece.deltas))
            begun = True
        else:
            begun = begun and isinstance(piece, Pace | Gate | Break)
            yield piece


def _words(text: str) -> tuple[str, ...]:
    """Cut `text` into deltas of a word each, or into about 400 longer ones."""
    words = re.findall(r"\A\s+|\S+\s*", text) or [text]
    stride = len(words) // 400 + 1
    return tuple("".join(words[n : n + stride]) for n in range(0, len(words), stride))


def _report(answer: ToolAnswer) -> str:
    said = answer.text.strip()
    short = said if len(said) <= _EXCERPT else f"{said[:_EXCERPT]}…"
    verb = "failed" if answer.is_error else "answered"
    return f"{answer.tool} {verb}: {short or '(nothing)'}"


def _notification(prompt: str) -> str:
    summary, closed, _ = prompt.partition("<summary>")[2].partition("</summary>")
    return f"background work has ended: {summary.strip() if closed else 'no summary'}"


def _greeting(prompt: str) -> str:
    asked = prompt if len(prompt) <= _EXCERPT else f"{prompt[:_EXCERPT]}…"
    return (
        f"you said: {asked}\n\n"
        "I am the built-in demo model, not Claude: I need no account and know nothing. I do what directives in "
        f"a prompt say; try `demo:long 20`, or `demo:bash ls demo:text done`:\n\n{_GUIDE}"
    )


def _example(schema: Mapping[str, Any], name: str) -> object:
    """Return a small value that fits a JSON schema; covers the schemas of the CLI's side requests."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {key: _example(value, key) for key, value in schema.get("properties", {}).items()}
        case "array":
            return [_example(schema["items"], name)] if schema.get("minItems") else []
        case "boolean":
            return False
        case "integer" | "number":
            return 0
        case _:
            return f"DEMO {name}"
