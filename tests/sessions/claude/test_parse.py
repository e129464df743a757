"""Every kind of line that the CLI prints becomes its meaning, and its facts are read."""

import json
import math
import timeit
from base64 import b64decode

import pytest

from sessions.claude.lines import (
    CliLine,
    CliState,
    ControlSucceeded,
    ConversationReset,
    Initialized,
    PermissionAsked,
    PromptEchoed,
    QuestionAsked,
    RateLimit,
    TaskChanged,
    ToolResult,
    ToolResults,
    TurnResult,
)
from sessions.claude.parse import parse
from tests.sessions.claude.record_samples import SAMPLES
from tests.sessions.claude.sample_lines import BY_KIND, KINDS, LINES


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_line_has_samples_and_becomes_its_type(kind: str) -> None:
    assert BY_KIND.get(kind), "no sample: run record_samples, or write one by hand"
    assert {type(parse(line)) for line in BY_KIND[kind]} == {KINDS[kind]}


def test_every_sample_is_of_a_kind_in_the_table() -> None:
    assert BY_KIND.keys() == KINDS.keys()


def of_kind(kind: str, /, **facts: object) -> CliLine:
    """The first sample of a kind whose parsed form has these attributes."""
    for line in map(parse, BY_KIND[kind]):
        if all(getattr(line, name) == value for name, value in facts.items()):
            return line
    raise AssertionError(f"no {kind} with {facts}")


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("system/init", {"model": "claude-opus-5-5", "permission_mode": "default", "cwd": "/home/demo/work"}),
        ("system/session_state_changed", {"state": CliState.REQUIRES_ACTION}),
        ("system/session_state_changed", {"state": CliState.IDLE}),
        ("system/status", {"status": "requesting"}),
        ("system/status", {"status": "compacting"}),
        ("system/status", {"status": None, "compact_result": "success"}),
        ("system/status", {"permission_mode": "dontAsk"}),
        ("stream_event/message_stop", {"abandoned_from": 1}),
        ("stream_event/content_block_start", {"kind": "tool_use", "tool_name": "Bash"}),
        ("stream_event/message_delta", {"stop_reason": "tool_use"}),
        ("stream_event/text_delta", {"kind": "text", "text": "DEMO: "}),
        ("stream_event/thinking_delta", {"kind": "thinking"}),
        ("assistant/text", {"aborted": True}),
        ("assistant/synthetic", {"synthetic": True, "api_error_status": 400}),
        ("assistant/synthetic", {"error": "rate_limit", "api_error_status": 429}),
        ("user", {"text": "[Request interrupted by user]", "synthetic": False}),
        ("user", {"synthetic": True}),
        ("tool_progress", {"tool_name": "Bash", "elapsed_s": 30.0, "parent": None}),
        ("result/success", {"is_error": True, "api_error_status": 400, "terminal_reason": "api_error"}),
        ("result/success", {"is_error": False, "terminal_reason": "completed", "context_window": 1_000_000}),
        ("result/success", {"origin": "task-notification", "prompt_uuids": ()}),
        ("result/success", {"local_command": "clear", "cost_usd": 0.0}),
        (
            "result/error_during_execution",
            {"is_error": True, "terminal_reason": "aborted_streaming", "text": ""},
        ),
        ("result/error_during_execution", {"terminal_reason": "aborted_tools"}),
        ("system/api_retry", {"attempt": 1, "status": 529, "error": "overloaded"}),
        ("system/api_retry", {"status": None, "error": "unknown"}),
        ("system/model_fallback", {"fallback_model": "claude-haiku-5-5"}),
        ("system/compact_boundary", {"trigger": "auto", "tokens_before": 99024, "tokens_after": 2617}),
        ("system/task_notification", {"status": "completed", "phase": "notification"}),
        ("system/task_updated", {"status": "completed", "phase": "updated"}),
        ("system/session_title_changed", {"title": "a title"}),
        ("control_request/can_use_tool", {"tool_name": "Bash", "agent_id": None}),
        ("control_request/can_use_tool/ExitPlanMode", {}),
        ("control_response/echo/deny", {"behavior": "deny", "message": "not now"}),
        ("control_response/error", {"error_code": "unsupported_request"}),
        (
            "rate_limit_event",
            {"status": "rejected", "kind": "seven_day", "resets_ms": 1795191116000, "utilization": None},
        ),
        ("rate_limit_event", {"status": "allowed_warning", "utilization": 0.93}),
        ("conversation_reset", {"trigger": "clear"}),
        ("command_lifecycle/cancelled", {"state": "cancelled"}),
    ],
)
def test_what_a_line_says_is_read(kind: str, facts: dict[str, object]) -> None:
    of_kind(kind, **facts)


def test_an_ask_of_a_subagent_names_the_agent_whose_task_was_started() -> None:
    asks = [
        ask
        for line in BY_KIND["control_request/can_use_tool"]
        if isinstance(ask := parse(line), PermissionAsked)
    ]
    started = [task for line in BY_KIND["system/task_started"] if isinstance(task := parse(line), TaskChanged)]
    agents = {ask.agent_id for ask in asks if ask.agent_id}
    assert agents
    assert agents <= {task.task_id for task in started}


def test_an_ask_carries_what_always_could_mean() -> None:
    ask = of_kind("control_request/can_use_tool", agent_id=None)
    assert isinstance(ask, PermissionAsked)
    assert [suggestion.kind for suggestion in ask.suggestions] == ["addRules", "addDirectories", "setMode"]
    assert ask.suggestions[0].body["rules"] == [{"toolName": "Bash", "ruleContent": "touch one *"}]


def test_a_second_initialize_returns_the_asks_that_are_open() -> None:
    answers = [parse(line) for line in BY_KIND["control_response/initialize"]]
    pending = [ask for answer in answers if isinstance(answer, ControlSucceeded) for ask in answer.pending_asks]
    asked = of_kind("control_request/can_use_tool", agent_id=None)
    assert asked in pending


def test_after_clear_the_conversation_is_the_one_that_results_name() -> None:
    lines = [parse(line) for line in (SAMPLES / "streams" / "commands.ndjson").read_bytes().split(b"\n")[:-1]]
    at = next(i for i, line in enumerate(lines) if isinstance(line, ConversationReset))
    before = {
        line.conversation_id for line in lines[:at] if isinstance(line, TurnResult | Initialized | PromptEchoed)
    }
    after = {
        line.conversation_id for line in lines[at:] if isinstance(line, TurnResult | Initialized | PromptEchoed)
    }
    assert len(before) == len(after) == 1
    assert before.isdisjoint(after)


def test_a_question_has_its_options() -> None:
    ask = of_kind("control_request/can_use_tool/AskUserQuestion")
    assert isinstance(ask, QuestionAsked)
    assert ask.questions[0].text == "Which way shall the demo go?"
    assert [option.label for option in ask.questions[0].options]


def test_a_tool_result_has_its_text_its_images_and_its_detail() -> None:
    results = [result for line in BY_KIND["user/tool_result"] for result in _results(parse(line))]
    (pictured,) = {result.pictures for result in results if result.images == 1}
    assert [b64decode(data)[:4] for data in pictured] == [b"\x89PNG"]
    assert any(result.is_error and result.text == "not now" for result in results)
    assert any(result.detail for result in results)


def _results(line: CliLine) -> tuple[ToolResult, ...]:
    assert isinstance(line, ToolResults)
    return line.results


def test_numbers_that_are_none_count_as_missing() -> None:
    line = parse(b'{"type":"result","duration_ms":1e999,"num_turns":"3","total_cost_usd":NaN,"ttft_ms":true}')
    assert isinstance(line, TurnResult)
    assert (line.duration_ms, line.num_turns, line.cost_usd, line.first_token_ms) == (0, 0, 0.0, None)


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 10**400, 1e300])
def test_numbers_beyond_what_anything_is_counted_in_count_as_missing(number: float) -> None:
    body = {"type": "result", "duration_ms": number, "total_cost_usd": number, "ttft_ms": number}
    line = parse(json.dumps(body).encode())
    assert isinstance(line, TurnResult)
    assert (line.duration_ms, line.cost_usd, line.first_token_ms) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("1795978300", 1_795_978_300_000),
        ("1795978300.5", 1_795_978_300_500),
        ("1795978300123", 1_795_978_300_123),
        ('"1795978300"', 1_795_978_300_000),
        ('"2026-11-29T18:51:40Z"', 1_795_978_300_000),
        ('"2026-11-29T18:51:40"', 1_795_978_300_000),
        ('"2026-11-29T19:51:40+01:00"', 1_795_978_300_000),
        ("253402300799", 253_402_300_799),
        ("253402300800000", None),
        ("-1", None),
        ('"tomorrow"', None),
        ("null", None),
    ],
)
def test_the_time_of_a_limit_is_read_however_it_is_written(at: str, expected: int | None) -> None:
    line = parse(
        b'{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":%s}}' % at.encode()
    )
    assert isinstance(line, RateLimit)
    assert line.resets_ms == expected


def test_the_structured_form_is_given_to_a_lone_result_only() -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "text", "text": "a"}, {"type": "x"}],
    }
    for results, detail in (([result], {"x": 1}), ([result, result], None)):
        body = {"type": "user", "message": {"content": results}, "tool_use_result": {"x": 1}}
        found = _results(parse(json.dumps(body).encode()))
        assert [one.detail for one in found] == [detail] * len(results)
        assert found[0].text == "a"


def test_unknown_fields_change_nothing() -> None:
    for line in LINES:
        body = json.loads(line)
        more = {**body, "brand_new": {"a": [1]}, "another": None}
        assert parse(json.dumps(more).encode()) == parse(line)


def test_the_order_of_keys_changes_nothing() -> None:
    for line in LINES:
        turned = json.dumps(dict(reversed(json.loads(line).items()))).encode()
        assert parse(turned) == parse(line)


@pytest.mark.bench
def test_a_text_delta_costs_less_than_half_of_what_json_does() -> None:
    line = BY_KIND["stream_event/text_delta"][0]
    ours = theirs = math.inf
    for _ in range(50):  # in turns, and short: what else the machine does hits both alike, and not every time
        ours = min(ours, timeit.timeit(lambda: parse(line), number=500))
        theirs = min(theirs, timeit.timeit(lambda: json.loads(line), number=500))
    assert ours < theirs / 2
