"""Reads a Messages API request: the running prompt, the progress of its turn, the tools' results. Pure.

The demo stores no conversation: it reads everything from the request, so that it can be restarted in the
middle of a turn.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The result of one tool call of the turn's last message."""

    tool: str
    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """The parsed form of one request.

    `prompt` is the text of the newest prompt, or empty. Counted since that prompt, `calls_done` is the number
    of assistant messages with tool calls, `broken` the number of answers that were cut and continued.
    `answers` are the newest results.
    `tools` are the names that may be called at once, `deferred` those that must be
    loaded first. `key` is equal for retries of the same step and differs otherwise.
    """

    model: str
    prompt: str
    calls_done: int
    broken: int
    answers: tuple[ToolAnswer, ...]
    tools: frozenset[str]
    deferred: bool
    cwd: str
    plan_file: str
    output_schema: Mapping[str, Any] | None
    input_tokens: int
    key: str
    stream: bool


@dataclass(frozen=True, slots=True)
class _Block:
    index: int
    role: str
    body: Mapping[str, Any]


# An unclosed reminder runs to the end of the text; otherwise each further opening tag would search the rest.
_REMINDER = re.compile(r"<system-reminder>.*?(?:(</system-reminder>)|\Z)", re.DOTALL)
_NOTIFICATION = re.compile(r"<task-notification>.*?(?:(</task-notification>)|\Z)", re.DOTALL)
_CWD = re.compile(r"Primary working directory: ([^\n]+)")
_WORD = re.compile(r"[^\s\"'`]+")
_PLANS = "/plans/"
# The CLI's hidden prompt after a stream that broke. From 2.1.332 on it stands inside a reminder.
_RESUMPTION = re.compile(r"\s*(?:<system-reminder>\s*)?Your response above was cut off mid-stream\. Resume")
# The CLI itself puts these texts into user messages; they are not prompts.
_NOT_A_PROMPT = (
    "[Request interrupted by user",
    "<local-command-",
    "<command-name>",
    "Tool loaded.",
    "This session is being continued from a previous conversation",
    "Continue from where you left off",
    "Your response above was cut off mid-stream",
    "Your response was cut off because",
    "[Your previous response",
)


def read_conversation(body: Mapping[str, Any]) -> Conversation:
    """Parse a request body. Raises `KeyError`, `TypeError` or `ValueError` if it is invalid."""
    blocks = list(_blocks(body["messages"]))
    at, prompt = _newest_prompt(blocks)
    since = blocks[at + 1 :]
    calls = {block.index for block in since if block.body.get("type") == "tool_use"}
    everything = json.dumps([body["messages"], body.get("system", "")])
    metadata = body.get("metadata") or {}
    tools = body.get("tools") or []
    return Conversation(
        model=str(body["model"]),
        prompt=prompt,
        calls_done=len(calls),
        broken=sum(bool(_RESUMPTION.match(_raw_text(block))) for block in since),
        answers=tuple(_last_answers(since)),
        tools=frozenset(str(tool.get("name")) for tool in tools),
        # A CLI with this tool leaves rare tools out of its requests until they are searched for.
        deferred=any(tool.get("name") == "ToolSearch" for tool in tools),
        cwd=_last(_CWD.findall, body) or ".",
        plan_file=_last(_plan_files, body),
        output_schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
        input_tokens=len(everything) // 4,
        key=json.dumps([metadata.get("user_id"), at, prompt, len(calls)]),
        stream=bool(body.get("stream")),
    )


def _blocks(messages: list[Mapping[str, Any]]) -> Iterator[_Block]:
    for index, message in enumerate(messages):
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        yield from (_Block(index, str(message["role"]), part) for part in parts)


def _newest_prompt(blocks: list[_Block]) -> tuple[int, str]:
    """Return the index and the text of the newest prompt; (-1, "") if there is none.

    A background task's notification counts as a prompt unless it came with tool results or a real prompt.
    """
    answered = {block.index for block in blocks if block.body.get("type") == "tool_result"}
    at = next((n for n in reversed(range(len(blocks))) if _prompt_text(blocks[n])), -1)
    newest = blocks[at].index if at >= 0 else -1
    for n in reversed(range(at + 1, len(blocks))):
        block = blocks[n]
        notification = _NOTIFICATION.search(str(block.body.get("text", "")))
        if notification and notification[1] and block.role == "user" and block.index not in answered | {newest}:
            return n, notification[0]
    return at, _prompt_text(blocks[at]) if at >= 0 else ""


def _raw_text(block: _Block) -> str:
    """Return the text of a user's block; empty for all other blocks."""
    return str(block.body["text"]) if block.role == "user" and block.body.get("type") == "text" else ""


def _prompt_text(block: _Block) -> str:
    text = _REMINDER.sub(lambda found: "" if found[1] else found[0], _raw_text(block)).strip()
    return "" if text.startswith(_NOT_A_PROMPT) else text


def _last_answers(since: list[_Block]) -> Iterator[ToolAnswer]:
    names = {block.body["id"]: block.body["name"] for block in since if block.body.get("type") == "tool_use"}
    last = max((block.index for block in since if block.role == "assistant"), default=-1)
    for block in since:
        if block.index > last and block.body.get("type") == "tool_result":
            name = str(names.get(block.body["tool_use_id"], "the tool"))
            yield ToolAnswer(name, flatten(block.body.get("content")), bool(block.body.get("is_error")))


def flatten(content: object) -> str:
    """Return all text in a `content` field: a string, or a list of blocks with text or content of their own."""
    if isinstance(content, list):
        return "\n".join(
            str(part["text"]) if "text" in part else flatten(part.get("content")) for part in content
        )
    return "" if content is None else str(content)


def _last(find: Callable[[str], list[str]], body: Mapping[str, Any]) -> str:
    texts = [flatten(body.get("system")), *(flatten(message["content"]) for message in body["messages"])]
    return next((found[-1] for text in reversed(texts) if (found := find(text))), "")


def _plan_files(text: str) -> list[str]:
    """Yield the absolute paths in `text` that lead to a Markdown file below a directory `plans`."""
    paths = []
    for word in _WORD.findall(text) if _PLANS in text else ():
        start = word.find("/")
        plans = word.find(_PLANS, start + 1)
        end = word.rfind(".md") + len(".md")
        if plans > start and end > plans + len(_PLANS) + len(".md"):
            paths.append(word[start:end])
    return paths
