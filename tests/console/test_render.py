"""Printed and drawn text keeps its words; styles are ours only."""

import re

import pytest

from console import live, render
from console.asks import AskForm
from console.commands import GUIDE
from console.live import Growing
from console.printed import (
    AskSettled,
    AskShown,
    NoticeShown,
    OpenTool,
    PromptShown,
    Shown,
    TextShown,
    ThoughtShown,
    ToolShown,
    TurnOver,
)
from console.view import View, WaitingPrompt
from sessions import events as e
from sessions.events import PartialText
from sessions.model import (
    Activity,
    Allow,
    Ask,
    AskId,
    Blocker,
    Choice,
    GrowingKind,
    Lifecycle,
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    SessionId,
    Suggestion,
    TokenUsage,
    TurnId,
    TurnStatus,
)

EVIL = "evil \x1b[2J\x1b]0;t\x07\x9b1m\u202e"
STYLES = re.compile(r"\x1b\[[0-9;]*m")


def ask(body: PermissionBody | QuestionBody | PlanBody) -> Ask:
    return Ask(AskId("a"), None, 1, "r", 0, body)


PERMISSION = ask(
    PermissionBody("Bash", "t", {"command": f"rm x\n{EVIL}"}, EVIL, EVIL, EVIL, (Suggestion({}, EVIL),))
)
QUESTION = ask(QuestionBody("t", (Question(EVIL, EVIL, (Choice(EVIL, EVIL),)),), {}))


def plain(items: list[Shown], width: int = 80) -> str:
    return STYLES.sub("", render.render(items, width))


@pytest.mark.parametrize(
    "item",
    [
        PromptShown(EVIL),
        TextShown(f"# {EVIL}\n[{EVIL}](http://{EVIL})\n`{EVIL}`\n```\n{EVIL}\n```\n- {EVIL}"),
        ThoughtShown(EVIL),
        ToolShown(OpenTool("t", "Bash", "words"), False, "out"),
        NoticeShown(EVIL, is_trouble=True),
        AskShown(PERMISSION),
        AskShown(QUESTION),
        AskShown(ask(PlanBody("t", EVIL, {}))),
        AskSettled(PERMISSION, Allow(), EVIL),
        AskSettled(PERMISSION, None, cause=EVIL),
        TurnOver(e.TurnEnded(TurnId("t"), TurnStatus.FAILED, EVIL)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_no_control_sequence_but_our_styles_is_printed(item: Shown) -> None:
    text = plain([item])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), repr(text)
    assert all(line == line.rstrip() for line in text.split("\n"))


def test_markdown_keeps_claudes_line_breaks_and_shows_where_links_lead() -> None:
    text = plain([TextShown("one\ntwo\n\n# Head\nsee [here](http://example.org/x)\n\n- a\n- b\n")])
    assert "\none\ntwo\n" in text
    assert "here (http://example.org/x)" in text
    assert "\nHead\n" in text
    assert " • a\n • b\n" in text


def test_very_long_text_is_printed_in_part_and_says_so() -> None:
    text = plain([TextShown("first " + "x" * 5_000_000 + " last")], 200)
    assert len(text) < 450_000
    assert "characters are not shown here" in text
    assert "first" in text
    assert "last" in text


def test_a_tool_is_one_line_however_much_it_says() -> None:
    tool = ToolShown(OpenTool("t", "Bash", "w " * 200), True, "o " * 200)
    assert len(plain([tool]).splitlines()) == 1


def test_who_allows_something_sees_all_of_it_or_that_it_is_not_all() -> None:
    command = "\n".join(f"line {n}" for n in range(100))
    text = plain([AskShown(ask(PermissionBody("Bash", "t", {"command": command})))])
    assert "line 59" in text
    assert "40 more lines that are not shown" in text


def test_the_end_of_a_turn_tells_time_cost_and_tokens() -> None:
    ended = e.TurnEnded(
        TurnId("t"), TurnStatus.DONE, cost_usd=0.0123, duration_ms=4210, usage=TokenUsage(1000, 234)
    )
    assert plain([TurnOver(ended)]) == "\n── done · 4.2 s · $0.0123 · 1,234 tokens\n"


def test_the_guide_names_every_command() -> None:
    text = STYLES.sub("", render.render_guide(GUIDE, 100))
    assert all(usage in text for usage in GUIDE)


# --- what changes -----------------------------------------------------------------------------------------


def piece(
    key: str, start: int, text: str, *, kind: GrowingKind = GrowingKind.TEXT, void: bool = False
) -> PartialText:
    return PartialText(SessionId("s"), 0, TurnId("t"), key, kind, start, text, void)


def test_text_grows_begins_anew_and_is_dropped() -> None:
    blocks = live.grown((), piece("a", 0, "one"))
    blocks = live.grown(blocks, piece("a", 3, " two"))
    blocks = live.grown(blocks, piece("b", 0, "hm", kind=GrowingKind.THINKING))
    assert blocks == (Growing("a", GrowingKind.TEXT, "one two"), Growing("b", GrowingKind.THINKING, "hm"))
    assert live.without_first(blocks, GrowingKind.TEXT) == blocks[1:]
    assert live.without_first(blocks[1:], GrowingKind.TEXT) == blocks[1:]
    assert live.grown(blocks, piece("a", 0, "again"))[0].text == "again"
    assert live.grown(blocks, piece("", 0, "", void=True)) == ()


def drawn(view: View, blocks: tuple[Growing, ...] = (), size: tuple[int, int] = (40, 20)) -> list[str]:
    return "".join(text for _, text in live.activity_lines(view, blocks, size, 0)).split("\n")


def test_growing_text_shows_its_end_wrapped_to_the_terminal() -> None:
    lines = drawn(
        View("s"), (Growing("a", GrowingKind.TEXT, "\n".join(f"line {n} " + "漢" * 30 for n in range(50))),)
    )
    assert len(lines) == 8
    assert lines[-1].endswith("漢")
    assert "line 49" in lines[-2]


def test_megabytes_of_growing_text_cost_no_more_than_the_screen() -> None:
    lines = drawn(View("s"), (Growing("a", GrowingKind.TEXT, "x" * 50_000_000),))
    assert [len(line) for line in lines] == [39] * 8


def test_running_tools_and_waiting_prompts_are_shown_and_nothing_of_others_drives_the_screen() -> None:
    prompts = tuple(WaitingPrompt(TurnId(str(n)), f"{EVIL} {n}") for n in range(6))
    view = View("s", tools=(OpenTool("t", "Bash", EVIL, nested=True),), waiting=prompts)
    lines = drawn(view, (Growing("a", GrowingKind.TEXT, EVIL),), (80, 24))
    assert lines[0] == "evil "
    assert "Bash evil" in lines[1]
    assert lines[2:] == [*(f"  {n}. evil {n - 1}  (waits)" for n in range(1, 5)), "  … and 2 more prompts wait"]


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View("s", lifecycle=Lifecycle.PARKED), "○ asleep"),
        (View("s", lifecycle=Lifecycle.FAILED), "! failed"),
        (View("s", lifecycle=Lifecycle.LIVE), "○ ready"),
        (View("s", lifecycle=Lifecycle.LIVE, running=TurnId("t"), running_since_ms=1000), "● working 5 s"),
        (
            View("s", lifecycle=Lifecycle.LIVE, activity=Activity.BLOCKED, blocker=Blocker.AUTH),
            "! Claude is not logged in",
        ),
        (View("s", lifecycle=Lifecycle.LIVE, asks=(PERMISSION,)), "? your answer is needed"),
    ],
)
def test_the_last_line_says_the_state(view: View, words: str) -> None:
    line = "".join(text for _, text in live.status_line(view, "", 6_500, is_demo=True))
    assert line.startswith(f" DEMO  {words}")


def test_options_are_numbered_and_the_question_stands_above() -> None:
    text = "".join(part for _, part in live.option_lines(AskForm(QUESTION), 80))
    assert text.startswith("  evil\n ❯ 1. evil")
    assert "type an answer of your own" in text
    text = "".join(part for _, part in live.option_lines(AskForm(PERMISSION).moved(1), 80))
    assert " ❯ 2. Allow for session" in text
    assert "   4. Deny  type what Claude" in text
