"""Hooks that stop a turn or speak to the person, with the real CLI: nothing of it passes silently."""

import json
from pathlib import Path
from typing import Any

import pytest

import api as c
from api.words.failures import ended_because
from bridge.demo.model import DemoModel
from sessions.model import AllowAlways, Note, TurnStatus
from tests.sessions.running_core import is_idle, reached, real_cli_core

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]

DEFER = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "defer"}}
# The event, what the hook prints, its exit code; how the turn ends, and words of the sentence or of a note.
HOOKS: list[tuple[str, Any, int, TurnStatus, str]] = [
    (
        "UserPromptSubmit",
        {"decision": "block", "reason": "policy"},
        0,
        TurnStatus.FAILED,
        "stopped this: policy.",
    ),
    ("UserPromptSubmit", "", 2, TurnStatus.FAILED, "A hook stopped this: because."),
    (
        "UserPromptSubmit",
        {"continue": False, "stopReason": "halt"},
        0,
        TurnStatus.FAILED,
        "stopped this: halt.",
    ),
    ("PreToolUse", {"continue": False, "stopReason": "halt"}, 0, TurnStatus.FAILED, "A hook stopped this."),
    ("PostToolUse", {"continue": False, "stopReason": "halt"}, 0, TurnStatus.FAILED, "A hook stopped this."),
    ("PreToolUse", DEFER, 0, TurnStatus.FAILED, "A hook put a tool call off."),
    ("Stop", {"continue": False, "stopReason": "enough"}, 0, TurnStatus.DONE, ""),
    ("Stop", {"systemMessage": "hello person"}, 0, TurnStatus.DONE, "Stop says: hello person"),
]


# A process of Claude each: the gate takes one row for each event and each way of saying no.
@pytest.mark.parametrize(
    "hooks",
    [
        pytest.param([HOOKS[0], HOOKS[1], HOOKS[4], HOOKS[5], HOOKS[7]], id="gate"),
        pytest.param(HOOKS, id="soak", marks=pytest.mark.soak),
    ],
)
async def test_a_hook_that_stops_a_turn_or_speaks_is_told(tmp_path: Path, hooks: list[Any]) -> None:
    async with DemoModel() as demo:
        script = tmp_path / "hook.sh"
        async with real_cli_core(tmp_path, demo) as core:
            for event, printed, code, status, words in hooks:
                text = printed if isinstance(printed, str) else json.dumps(printed)
                script.write_text(f"#!/bin/sh\necho because >&2\ncat <<'END'\n{text}\nEND\nexit {code}\n")
                script.chmod(0o755)
                hook = {"hooks": [{"type": "command", "command": str(script)}]}
                (core.claude / "settings.json").write_text(json.dumps({"hooks": {event: [hook]}}))
                session = await core.session(key=f"{event} {text}")
                turn_id = await core.say(session, "demo:bash date")
                seen = await reached(session, lambda each: bool(each.asks) or is_idle(each))
                for ask in seen.asks:
                    await session.answer(ask.id, AllowAlways(), by="ann")
                await reached(session, is_idle)
                view = await core.do(c.ReadTurn(session_id=session.id, turn_id=turn_id))
                notes = [each.text for each in view.contents if isinstance(each, Note)]
                told = [ended_because(view.turn), *notes]
                assert view.turn.status is status, (event, printed, told)
                assert any(words in each for each in told), (event, printed, told)
                assert str(tmp_path) not in str(view)
