"""The meaning of lines for a session: a hand-made sequence for each rule."""

import pytest

from api.words.notices import notice_text
from sessions import events as e
from sessions.claude import lines as c
from sessions.draft import Draft
from sessions.interpreter import Moment, interpret
from sessions.model import (
    Activity,
    Blocker,
    Payer,
    PermissionMode,
    ToolCall,
    ToolOutput,
    TurnId,
    TurnStatus,
)
from sessions.state import Snapshot
from tests.sessions.interpreted import SENT, WORKS, blocks, ended, live, turn

IDLE = c.StateChanged(c.CliState.IDLE)
RUNNING = c.StateChanged(c.CliState.RUNNING)
NO_USAGE = c.Usage()


def result(*prompts: str, **fields: object) -> c.TurnResult:
    facts = {"subtype": "success", "is_error": False, "text": "", "terminal_reason": "completed", **fields}
    return c.TurnResult(
        uuid="r",
        cost_usd=0.25,
        duration_ms=5,
        num_turns=1,
        usage=NO_USAGE,
        prompt_uuids=tuple(f"uuid {name}" for name in prompts),
        **facts,  # type: ignore[arg-type]
    )


def said(text: str, parent: str | None = None) -> c.AssistantBlocks:
    return c.AssistantBlocks(f"row {text}", "m", "opus", (c.TextBlock(text),), parent)


def play(start: Snapshot, *lines: c.CliLine) -> Draft:
    """Everything that follows from the lines, each read in the state that the ones before it left."""
    draft = Draft(start, 10)
    for offset, line in enumerate(lines, start=1):
        draft.add_all(list(interpret(draft.snapshot, line, Moment(1, offset, 10))))
    return draft


def kinds(draft: Draft) -> list[str]:
    return [type(each.event).__name__ for each in draft.numbered]


def test_a_prompt_is_taken_answered_and_done() -> None:
    draft = play(
        SENT,
        c.PromptLifecycle("uuid a", "queued"),
        RUNNING,
        c.PromptLifecycle("uuid a", "started"),
        c.MessageStarted("m", "opus"),
        said("hello"),
        result("a"),
        c.PromptLifecycle("uuid a", "completed"),
        IDLE,
    )
    assert kinds(draft) == ["TurnStarted", "BlockAdded", "TurnEnded", "ActivityChanged"]
    assert (ended(draft), blocks(draft)) == ([("a", "done")], {"a": ["hello"]})
    assert draft.snapshot.is_idle
    assert draft.snapshot.last_uuid == "row hello"


def test_idle_before_the_prompt_is_read_ends_nothing() -> None:
    draft = play(SENT, IDLE)
    assert (kinds(draft), draft.snapshot.sent) == ([], SENT.sent)


@pytest.mark.parametrize("state", ["completed", "started"])
def test_a_prompt_that_claude_knows_as_done_ends_with_the_next_idle(state: str) -> None:
    draft = play(SENT, c.PromptEchoed("uuid a"), c.PromptLifecycle("uuid a", state), IDLE)
    assert ended(draft) == [("a", "done")]
    assert draft.snapshot.is_idle


def test_a_background_turn_is_one_of_its_own_and_the_prompt_behind_it_gets_its_own_answer() -> None:
    draft = play(
        SENT,
        RUNNING,
        c.MessageStarted("m1", "opus"),
        said("the task is done"),
        result(origin="task-notification"),
        c.PromptLifecycle("uuid a", "started"),
        c.PromptEchoed("uuid a"),
        c.MessageStarted("m2", "opus"),
        said("the answer"),
        result("a"),
        IDLE,
    )
    (background,) = [each.event for each in draft.numbered if isinstance(each.event, e.BackgroundTurnStarted)]
    assert ended(draft) == [(background.turn_id, "done"), ("a", "done")]
    assert blocks(draft) == {background.turn_id: ["the task is done"], "a": ["the answer"]}


def test_the_result_of_background_work_does_not_end_the_prompt_that_took_over() -> None:
    """The prompt is taken while the background turn's last words are still on their way."""
    draft = play(
        SENT,
        said("the task is done"),
        c.PromptLifecycle("uuid a", "started"),
        result(origin="task-notification"),
        said("the answer"),
        result("a"),
        IDLE,
    )
    assert ended(draft)[-1] == ("a", "done")
    assert blocks(draft)["a"] == ["the answer"]


def test_a_cut_turn_that_claude_goes_on_with_before_it_reads_the_prompt_again_is_no_background_turn() -> None:
    """Measured: resumed, the CLI goes on at once; the prompt that comes then is echoed and called completed."""
    cut = live(running=turn("a"), activity=Activity.WORKING)
    again = play(cut)
    again.add(e.TurnSent(TurnId("a"), 2))
    assert again.snapshot.sent is not None
    draft = play(
        again.snapshot,
        said("the answer"),
        c.PromptEchoed("uuid a"),
        c.PromptLifecycle("uuid a", "completed"),
        said("its end"),
        result("a"),
        IDLE,
    )
    assert blocks(draft) == {"a": ["the answer", "its end"]}
    assert ended(draft) == [("a", "done")]


def test_reading_a_line_again_names_the_same_background_turn() -> None:
    first, second = (play(live(), said("x")), play(live(), said("x")))
    assert first.numbered == second.numbered


def test_an_interrupted_turn_keeps_what_was_said() -> None:
    aborted = result(subtype="error_during_execution", is_error=True, terminal_reason="aborted_streaming")
    draft = play(WORKS, said("half"), aborted, IDLE)
    assert ended(draft) == [("a", "interrupted")]
    assert blocks(draft) == {"a": ["half"]}
    assert "Noticed" not in kinds(draft)


FAILURES = {
    "login": (result("a", is_error=True, terminal_reason="api_error", api_error_status=401), "login"),
    "overload": (result("a", is_error=True, terminal_reason="api_error", api_error_status=529), "overloaded"),
    "no network": (result("a", is_error=True, terminal_reason="api_error"), "connection"),
    "too long": (result("a", is_error=True, terminal_reason="prompt_too_long"), "context_full"),
    "something": (result("a", is_error=True, text="API Error: org-123 at api.host"), "turn_failed"),
    "model": (result("a", is_error=True, terminal_reason="api_error", api_error_status=404), "model_unknown"),
    "steps": (result("a", is_error=True, terminal_reason="max_turns", subtype="error_max_turns"), "turn_limit"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_turn_says_why_in_our_words(case: str) -> None:
    line, topic = FAILURES[case]
    draft = play(WORKS, line)
    (notice,) = [each.event for each in draft.numbered if isinstance(each.event, e.Noticed)]
    assert (ended(draft), notice.topic) == ([("a", "failed")], topic)
    assert "API Error" not in notice.text


def test_a_retry_blocks_until_a_new_message_starts() -> None:
    retry = c.ApiRetry(1, 10, 600, 529, "overloaded")
    draft = play(WORKS, c.MessageStarted("m1", "opus"), retry)
    assert (draft.snapshot.activity, draft.snapshot.blocker) == (Activity.BLOCKED, Blocker.RETRYING)
    again = play(draft.snapshot, RUNNING, c.MessageStarted("m2", "opus"))
    assert (again.snapshot.activity, again.snapshot.blocker) == (Activity.WORKING, None)


ASK = c.PermissionAsked("q1", "tool1", "Bash", {"command": "x"})


def test_an_ask_opens_once_and_is_withdrawn_when_claude_cancels_it() -> None:
    draft = play(WORKS, ASK, c.StateChanged(c.CliState.REQUIRES_ACTION), ASK)
    assert kinds(draft) == ["AskOpened", "ActivityChanged"]
    assert draft.snapshot.activity is Activity.ASKING
    gone = play(draft.snapshot, c.AskCancelled("q1"), RUNNING)
    assert (gone.snapshot.asks, gone.snapshot.activity) == ((), Activity.WORKING)


def test_an_answer_given_elsewhere_closes_the_ask() -> None:
    draft = play(WORKS, ASK, c.AnswerEchoed("q1", "allow"))
    assert draft.snapshot.asks == ()
    assert kinds(draft)[-1] == "AskWithdrawn"


def test_asks_of_other_kinds_carry_what_is_needed_to_answer_them() -> None:
    question = c.Question("Which way?", "Way", (c.QuestionOption("Left", "that way"),))
    draft = play(
        WORKS,
        c.QuestionAsked("q1", "tool1", (question,), {"questions": []}),
        c.PlanAsked("q2", "tool2", "# Plan", {"plan": "# Plan"}),
    )
    asks = [each.event.ask for each in draft.numbered if isinstance(each.event, e.AskOpened)]
    assert [(type(ask.body).__name__, ask.turn_id) for ask in asks] == [
        ("QuestionBody", "a"),
        ("PlanBody", "a"),
    ]


def test_a_usage_limit_blocks_until_its_time_and_outlasts_idle() -> None:
    rejected = c.RateLimit("rejected", "five_hour", 2_000_000, 1.0)
    failed = result("a", is_error=True, terminal_reason="api_error", api_error_status=429)
    draft = play(WORKS, rejected, failed, IDLE)
    assert ended(draft) == []
    (waits,) = draft.snapshot.queue
    assert (waits.turn_id, draft.snapshot.unanswered) == ("a", "uuid a")
    assert waits.prompt_uuid not in ("", "uuid a"), "the CLI takes a prompt that it has had for done"
    assert (draft.snapshot.blocker, draft.snapshot.limit_until_ms) == (Blocker.USAGE_LIMIT, 2_000_000)
    assert not draft.snapshot.is_idle


def test_a_turn_that_a_usage_limit_cuts_ends_and_a_prompt_to_go_on_waits_first() -> None:
    rejected = c.RateLimit("rejected", "five_hour", 2_000_000, 1.0)
    failed = result("a", is_error=True, terminal_reason="api_error", api_error_status=429)
    draft = play(WORKS, said("half"), rejected, failed, IDLE)
    assert ended(draft) == [("a", "failed")]
    (queued,) = [each.event for each in draft.numbered if isinstance(each.event, e.TurnQueued)]
    assert (queued.prompt, queued.origin, queued.front) == ("Continue.", "limit:a", True)
    assert [each.turn_id for each in draft.snapshot.queue] == [queued.turn_id]


@pytest.mark.parametrize("kind", ["seven_day_opus", ""])
def test_a_limit_that_does_not_hold_for_the_model_lets_the_turn_fail(kind: str) -> None:
    """Else the prompt would be sent again and again."""
    limit = c.RateLimit("rejected", kind, None, 1.0)
    failed = result("a", is_error=True, terminal_reason="api_error", api_error_status=429)
    draft = play(WORKS, limit, failed, IDLE)
    assert ended(draft) == [("a", "failed")]
    assert draft.snapshot.queue == ()


def test_a_usage_warning_blocks_nothing() -> None:
    draft = play(WORKS, c.RateLimit("allowed_warning", "seven_day", 2_000_000, 0.93))
    (notice,) = [each.event for each in draft.numbered]
    assert isinstance(notice, e.Noticed)
    assert (notice.topic, notice_text(notice)) == (
        "usage_warning",
        "93 % of the account's weekly limit is used.",
    )
    assert draft.snapshot.limit_until_ms == 0


def test_a_result_that_names_no_prompt_ends_what_runs() -> None:
    assert ended(play(WORKS, result())) == [("a", "done")]
    assert ended(play(live(), result())) == []


def test_a_result_for_a_prompt_that_never_said_it_started_ends_it() -> None:
    assert ended(play(SENT, result("a"))) == [("a", "done")]


def test_one_of_claudes_own_commands_answers_in_its_result() -> None:
    draft = play(WORKS, result("a", text="Compacted.", local_command="compact"))
    assert blocks(draft) == {"a": ["Compacted."]}


def test_costs_are_differences_of_the_running_total() -> None:
    draft = play(live(running=turn("a"), process_cost_usd=0.125), result("a"))
    (over,) = [each.event for each in draft.numbered if isinstance(each.event, e.TurnEnded)]
    assert (over.cost_usd, over.process_cost_usd) == (0.125, 0.25)
    assert draft.snapshot.cost_usd == 0.125


def test_after_a_cleared_conversation_the_running_total_begins_anew() -> None:
    draft = play(live(running=turn("a"), process_cost_usd=0.2), c.ConversationReset("c2", "clear"), result("a"))
    assert draft.snapshot.cost_usd == 0.25


def test_tools_and_their_results_are_blocks_in_order() -> None:
    call = c.AssistantBlocks("u1", "m", "opus", (c.ToolUseBlock("t1", "Write", {"file_path": "x"}),))
    detail = {"filePath": "x", "structuredPatch": [{"oldStart": 1, "oldLines": 1, "lines": ["-a", "+b"]}]}
    done = c.ToolResults((c.ToolResult("u2", "t1", "ok", is_error=False, detail=detail),))
    draft = play(WORKS, call, done)
    added = [each.event for each in draft.numbered if isinstance(each.event, e.BlockAdded)]
    assert [(each.ordinal, each.uuid) for each in added] == [(0, "u1"), (1, "u2")]
    assert isinstance(added[0].block, ToolCall)
    assert isinstance(added[1].block, ToolOutput)
    assert (added[1].block.paths, added[1].block.patch) == (("x",), "@@ -1,1 +0,0 @@\n-a\n+b")


def test_a_subagents_rows_are_no_place_to_cut_the_conversation() -> None:
    draft = play(WORKS, said("main"), said("sub", parent="t1"))
    assert draft.snapshot.running is not None
    assert draft.snapshot.running.last_uuid == "row main"


def test_the_apis_own_words_are_not_shown() -> None:
    line = c.AssistantBlocks("u", "m", "<synthetic>", (c.TextBlock("API Error: 500"),), error="server_error")
    draft = play(WORKS, line)
    assert kinds(draft) == ["RequestFailed"]
    assert blocks(draft) == {}


def test_what_the_conversation_says_of_itself_is_noted_once() -> None:
    begun = c.Initialized("conv", "/x", "opus", "plan", (), ("compact",), "2.1", ())
    draft = play(WORKS, begun, begun)
    assert kinds(draft) == ["ConversationChanged", "ModelChanged", "ModeChanged", "CommandsListed"]
    assert (draft.snapshot.mode, draft.snapshot.commands) == (PermissionMode.PLAN, ("compact",))


def test_a_turn_that_no_api_key_pays_costs_list_price() -> None:
    def begun(source: str) -> c.Initialized:
        return c.Initialized("conv", "/x", "opus", "default", (), (), "2.1", (), api_key_source=source)

    start = live(running=turn("a"))
    for source, listed in [("none", 0.25), ("ANTHROPIC_API_KEY", 0.0), ("", 0.0)]:
        after = play(start, begun(source), result("a")).snapshot
        assert (after.cost_usd, after.list_price_usd) == (0.25, listed)
    by_login = play(start, begun("none")).snapshot
    assert play(by_login, begun("none"), begun("")).snapshot.payer is Payer.LOGIN
    assert play(by_login, begun("apiKeyHelper")).snapshot.payer is Payer.KEY


def test_background_tasks_are_noted_when_they_change() -> None:
    draft = play(WORKS, c.BackgroundTasks(("t1",)), c.BackgroundTasks(("t1",)), c.BackgroundTasks(()))
    assert kinds(draft) == ["BackgroundTasksChanged", "BackgroundTasksChanged"]
    assert draft.snapshot.background_tasks == ()


def test_statuses_cover_every_end() -> None:
    cancelled = play(SENT, c.PromptLifecycle("uuid a", "cancelled"))
    assert ended(cancelled) == [("a", TurnStatus.WITHDRAWN)]
