"""The CLI gets one line of valid JSON for any text; and its answers are read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.claude import answers, control
from sessions.claude.errors import BadLaunch
from sessions.claude.lines import (
    CliState,
    ControlSucceeded,
    PermissionAsked,
)
from sessions.claude.parse import parse
from tests.sessions.claude.record_samples import SAMPLES

RULE = {
    "type": "addRules",
    "rules": [{"toolName": "Bash"}],
    "behavior": "allow",
    "destination": "localSettings",
}
MODE = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}
CALL = {"command": "ls"}
QUESTIONS = {"questions": [{"question": "Which?"}]}
PLAN = {"plan": "# Plan"}

# Any code point, lone surrogates too.
TEXT = st.text(st.characters(codec=None, exclude_categories=()))

WITH_TEXT: list[Callable[[str], bytes]] = [
    lambda text: control.user_message("u", text),
    lambda text: control.user_message("u", text, [control.Image("image/png", text.encode("utf-8", "replace"))]),
    lambda text: control.set_model("r", text),
    lambda text: control.cancel_async_message("r", text),
    control.interrupt,
    lambda text: answers.deny("r", text),
    lambda text: answers.revise_plan("r", text),
    lambda text: answers.answer_question("r", QUESTIONS, {text: text}),
    lambda text: answers.allow("r", {text: [text]}),
]


@given(st.sampled_from(WITH_TEXT), TEXT)
def test_any_text_becomes_one_line_of_json(build: Callable[[str], bytes], text: str) -> None:
    line = build(text)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line.decode("utf-8"))


def test_text_arrives_as_it_was_but_for_half_characters() -> None:
    body = json.loads(control.user_message("u", "a\u2028b\nc\ud83d\N{GRINNING FACE}\0"))
    assert body["message"]["content"] == "a\u2028b\nc\ufffd\N{GRINNING FACE}\0"


def test_a_prompt_is_text_waits_its_turn_and_keeps_its_uuid() -> None:
    body = json.loads(control.user_message("the-uuid", "/x @/etc/passwd"))
    assert body["uuid"] == "the-uuid"
    assert body["priority"] == "later"
    assert body["client_composed"] is True


def test_images_come_before_the_text_and_an_empty_text_is_left_out() -> None:
    image = control.Image("image/png", b"\x89PNG")
    content = json.loads(control.user_message("u", "look", [image]))["message"]["content"]
    assert [part["type"] for part in content] == ["image", "text"]
    assert content[0]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    assert len(json.loads(control.user_message("u", "", [image]))["message"]["content"]) == 1


def test_a_command_is_not_client_composed() -> None:
    body = json.loads(control.command_message("u", "compact", "keep the plan"))
    assert body["message"]["content"] == "/compact keep the plan"
    assert "client_composed" not in body
    assert json.loads(control.command_message("u", "plugin:do-it"))["message"]["content"] == "/plugin:do-it"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("", ""),
        ("a b", ""),
        ("/x", ""),
        ("x\n", ""),
        ("../x", ""),
        ("compact", "@/etc/passwd"),
        ("x" * 101, ""),
    ],
)
def test_a_command_that_could_do_something_else_is_refused(name: str, arguments: str) -> None:
    with pytest.raises(BadLaunch):
        control.command_message("u", name, arguments)


@pytest.mark.parametrize(
    ("line", "request_body"),
    [
        (control.initialize("r"), {"subtype": "initialize"}),
        (control.interrupt("r"), {"subtype": "interrupt", "cancel_queued": False}),
        (control.set_model("r", "opus"), {"subtype": "set_model", "model": "opus"}),
        (control.set_permission_mode("r", "plan"), {"subtype": "set_permission_mode", "mode": "plan"}),
        (control.set_permission_mode("r", "manual"), {"subtype": "set_permission_mode", "mode": "default"}),
        (
            control.apply_permissions("r", allow=["Bash(ls *)"], directories=["/tmp/x"]),
            {
                "subtype": "apply_flag_settings",
                "settings": {"permissions": {"allow": ["Bash(ls *)"], "additionalDirectories": ["/tmp/x"]}},
            },
        ),
        (control.get_context_usage("r"), {"subtype": "get_context_usage", "detail": "summary"}),
        (
            control.rewind_conversation("r", target_uuid="a", last_user_uuid="b"),
            {"subtype": "rewind_conversation", "target_message_uuid": "a", "last_seen_user_message_uuid": "b"},
        ),
        (
            control.rewind_files("r", prompt_uuid="a", dry_run=True),
            {"subtype": "rewind_files", "user_message_id": "a", "dry_run": True},
        ),
        (control.cancel_async_message("r", "a"), {"subtype": "cancel_async_message", "message_uuid": "a"}),
        (control.end_session("r"), {"subtype": "end_session"}),
    ],
)
def test_a_control_request_has_its_fields(line: bytes, request_body: dict[str, Any]) -> None:
    assert json.loads(line) == {"type": "control_request", "request_id": "r", "request": request_body}


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (answers.allow("r", CALL), {"behavior": "allow", "updatedInput": CALL}),
        (
            answers.allow("r", CALL, [RULE]),
            {
                "behavior": "allow",
                "updatedInput": CALL,
                "updatedPermissions": [{**RULE, "destination": "session"}],
            },
        ),
        (answers.deny("r", "not now"), {"behavior": "deny", "message": "not now"}),
        (answers.deny("r", " "), {"behavior": "deny", "message": answers.DENY_DEFAULT}),
        (
            answers.answer_question("r", QUESTIONS, {"Which?": ["A", "B"]}),
            {"behavior": "allow", "updatedInput": {**QUESTIONS, "answers": {"Which?": "A, B"}}},
        ),
        (answers.approve_plan("r", PLAN), {"behavior": "allow", "updatedInput": PLAN}),
        (
            answers.approve_plan("r", PLAN, accept_edits=True),
            {"behavior": "allow", "updatedInput": PLAN, "updatedPermissions": [MODE]},
        ),
        (answers.revise_plan("r", "smaller"), {"behavior": "deny", "message": "smaller"}),
    ],
)
def test_an_answer_says_what_was_decided(line: bytes, body: dict[str, Any]) -> None:
    response = {"subtype": "success", "request_id": "r", "response": body}
    assert json.loads(line) == {"type": "control_response", "response": response}


# --- answers of the CLI, as recorded -----------------------------------------------------------------------


def recorded(scenario: str) -> list[ControlSucceeded]:
    raws = (SAMPLES / "streams" / f"{scenario}.ndjson").read_bytes().split(b"\n")[:-1]
    return [line for line in map(parse, raws) if isinstance(line, ControlSucceeded)]


def test_initialize_says_who_the_cli_is_and_what_it_can_do() -> None:
    first, second = (
        control.initialize_reply(line) for line in recorded("answers_and_tools") if "pid" in line.response
    )
    assert first.pid > 0
    assert (first.state, second.state) == (CliState.IDLE, CliState.REQUIRES_ACTION)
    assert first.permission_mode == "default"
    assert first.cli_version.startswith("2.")
    assert first.models[0].value == "default"
    assert all(command.name for command in first.commands)
    assert first.pending_asks == ()
    assert [type(ask) for ask in second.pending_asks] == [PermissionAsked]


def test_a_state_that_is_not_known_counts_as_running() -> None:
    assert control.initialize_reply(ControlSucceeded("r", {"session_state": "new"})).state is CliState.RUNNING


def test_context_usage_is_read() -> None:
    usage = next(control.context_usage(line) for line in recorded("controls") if "totalTokens" in line.response)
    assert 0 < usage.used_tokens < usage.max_tokens == 1_000_000


def test_rewinds_say_what_came_of_them() -> None:
    outcomes = [control.rewind_outcome(line) for line in recorded("controls") if "rewound" in line.response]
    refused, done = outcomes
    assert refused == control.NotRewound(control.RewindRefusal.TARGET_NOT_FOUND, "target not found")
    assert isinstance(done, control.Rewound)
    assert done.prompt_text == "demo:text last"
    assert done.preceding_uuid


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        ("stale_target", control.RewindRefusal.STALE_TARGET),
        ("turn_running", control.RewindRefusal.TURN_RUNNING),
        ("brand_new", control.RewindRefusal.OTHER),
    ],
)
def test_a_refused_rewind_has_its_reason(reason: str, refusal: control.RewindRefusal) -> None:
    line = ControlSucceeded("r", {"rewound": False, "reason": reason, "error": "e"})
    assert control.rewind_outcome(line) == control.NotRewound(refusal, "e")


def test_a_dry_run_lists_the_files_that_would_be_put_back() -> None:
    outcome = next(control.files_outcome(line) for line in recorded("controls") if "canRewind" in line.response)
    assert outcome == control.FilesRewound(("/home/demo/work/file.txt",), 1, 1)
    assert control.files_outcome(
        ControlSucceeded("r", {"canRewind": False, "error": "none"})
    ) == control.FilesKept("none")
