"""The seeds of mutants: lines that the real CLI printed, a transcript, a file that an export wrote."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from sessions.archive import ArchivedConversation, ArchivedTurn, SessionArchive, write_archive
from sessions.model import (
    AllowSession,
    Ask,
    AskId,
    AskStatus,
    Attachment,
    Note,
    Other,
    PermissionBody,
    PermissionMode,
    SessionId,
    Suggestion,
    Text,
    Thinking,
    TokenUsage,
    ToolCall,
    ToolOutput,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.stored import StoredAsk, StoredTurn
from tests.sessions.claude.record_samples import SAMPLES

SESSION = SessionId("01890000-0000-7000-8000-000000000001")
WORK = "/home/demo/work"
CONVERSATION = "11111111-1111-4111-8111-111111111111"


@cache
def streams() -> Sequence[tuple[bytes, ...]]:
    """Recorded conversations with the CLI, line by line."""
    return [_lines(path.read_bytes()) for path in sorted((SAMPLES / "streams").glob("*.ndjson"))]


@cache
def samples() -> Sequence[bytes]:
    """One line of every kind, those made by hand for what cannot be recorded among them."""
    named = (SAMPLES / "recorded.ndjson", SAMPLES / "by_hand.ndjson")
    return [line for path in named for line in _lines(path.read_bytes())]


def _lines(data: bytes) -> tuple[bytes, ...]:
    return tuple(line for line in data.split(b"\n") if line)


def _row(number: int, kind: str, content: object, **fields: Any) -> str:
    message: dict[str, Any] = {"role": kind, "content": content}
    if kind == "assistant":
        message.update(id=f"msg_{number}", model="claude-opus-5-5")
    row = {
        "parentUuid": _row_id(number - 1) if number > 1 else None,
        "isSidechain": False,
        "type": kind,
        "message": message,
        "uuid": _row_id(number),
        "timestamp": "2026-11-21T07:00:00.000Z",
        "cwd": WORK,
        "sessionId": CONVERSATION,
    }
    return json.dumps({**row, **fields})


def _row_id(number: int) -> str:
    return f"22222222-2222-4222-8222-{number:012d}"


@cache
def transcript() -> tuple[str, ...]:
    """A conversation on disk, in the shape of the CLI's rows."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "echo hi"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "hi"}
    return (
        json.dumps({"type": "mode", "mode": "default", "sessionId": CONVERSATION}),
        _row(1, "user", "say hi"),
        _row(2, "assistant", [{"type": "thinking", "thinking": "hm", "signature": "x"}]),
        _row(3, "assistant", [use]),
        _row(4, "user", [result], toolUseResult={"stdout": "hi"}),
        _row(5, "assistant", [{"type": "text", "text": "It said hi\u2028twice."}]),
        json.dumps({"type": "custom-title", "customTitle": "Greetings", "sessionId": CONVERSATION}),
        _row(6, "user", "again"),
        _row(7, "assistant", [{"type": "text", "text": "hi"}]),
        json.dumps({"type": "last-prompt", "leafUuid": _row_id(7), "sessionId": CONVERSATION}),
    )


@cache
def archive() -> bytes:
    """An export with everything that one can hold."""
    first, second = (_turn(number) for number in (1, 2))
    permission = PermissionBody(
        "Bash", "toolu_1", {"command": "echo hi"}, suggestions=(Suggestion({"type": "setMode"}, "Switch"),)
    )
    ask = Ask(AskId("44444444-4444-4444-8444-444444444444"), first.id, 1, "r", 5, permission)
    blocks = (
        Thinking("hm"),
        ToolCall("toolu_1", "Bash", {"command": "echo hi"}),
        ToolOutput("toolu_1", "hi", paths=("a.txt",), patch="+hi"),
        Text("It said hi."),
        Note("compacted", "Compacted."),
        Other("server_tool_use", {"type": "server_tool_use", "input": {}}),
    )
    return write_archive(
        SessionArchive(
            exported_ms=9,
            session_id=SESSION,
            title="Greetings",
            project="",
            model="claude-opus-5-5",
            mode=PermissionMode.DEFAULT,
            created_ms=1,
            cost_usd=0.5,
            conversation_id=CONVERSATION,
            last_prompt_uuid=second.prompt_uuid,
            work_directory_name="work",
            turns=(ArchivedTurn(first, blocks), ArchivedTurn(second, (Text("hi"),))),
            asks=(StoredAsk(ask, SESSION, AskStatus.DECIDED, AllowSession(), "ann", 6),),
            conversations=(ArchivedConversation(CONVERSATION, transcript()),),
        )
    )


def _turn(number: int) -> StoredTurn:
    return StoredTurn(
        id=TurnId(f"33333333-3333-4333-8333-{number:012d}"),
        session_id=SESSION,
        number=number,
        kind=TurnKind.PROMPT,
        status=TurnStatus.DONE,
        author_id="discord:1",
        prompt="say hi" if number == 1 else "again",
        prompt_uuid=_row_id(1 if number == 1 else 6),
        attachments=(Attachment("in/a.png", "a.png", "image/png", 10),) if number == 1 else (),
        conversation_id=CONVERSATION,
        last_uuid=_row_id(5 if number == 1 else 7),
        alternative_of=TurnId("33333333-3333-4333-8333-000000000001") if number == 2 else None,
        reason="",
        cost_usd=0.25,
        usage=TokenUsage(1, 2, 3, 4),
        queued_ms=2,
        started_ms=3,
        ended_ms=4,
        duration_ms=1,
        first_text_ms=1,
        origin=f"discord:{number}",
    )


@cache
def bodies() -> Sequence[Any]:
    """The samples and the transcript as values, to borrow parts from; nobody changes them."""
    return [*map(json.loads, samples()), *map(json.loads, transcript())]
