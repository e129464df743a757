"""Turns laid out over posts: limits, stability and restarts, for any content."""

import itertools
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.bodies import Button, Plain, PostWish, Select
from bot.discord_bodies import MAX_CONTENT
from bot.plan import Create, Edit, Remove, plan
from bot.render import Setting, TurnFace, render_queued, render_turn
from bot.rows import PostRow
from bot.turn_flow import LaidAsk, LaidPost, TurnFlow
from sessions.events import PartialText
from sessions.model import (
    Ask,
    AskId,
    AskStatus,
    Block,
    GrowingKind,
    Note,
    Other,
    PermissionBody,
    SessionId,
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

SESSION = SessionId("00000000-0000-4000-8000-000000000000")
TURN = TurnId("00000000-0000-4000-8000-000000000001")
SETTING = Setting(SESSION, 1, "", "claude-opus-4-5", "shop")
HOSTILE = [
    "@everyone ",
    "```",
    "`" * 400,
    "\u202e",
    "[x](http://a)",
    "é\u0301" * 50,
    "\x1b[31m",
    "|a|b|\n",
    "\ud800",
]
texts = st.lists(
    st.one_of(st.text(max_size=300), st.sampled_from(HOSTILE), st.just("word " * 120)), max_size=25
).map("".join)
names = st.one_of(
    st.sampled_from(["Bash", "Read", "Edit", "Grep", "Task", "mcp__a__b"]), st.text(min_size=1, max_size=60)
)


def stored(status: TurnStatus = TurnStatus.RUNNING, **more: object) -> StoredTurn:
    facts: dict[str, object] = {
        "id": TURN,
        "session_id": SESSION,
        "number": 1,
        "kind": TurnKind.PROMPT,
        "status": status,
        "author_id": "discord:1",
        "prompt": "ask",
        "prompt_uuid": "",
        "attachments": (),
        "conversation_id": "",
        "last_uuid": "",
        "alternative_of": None,
        "reason": "",
        "cost_usd": 0.01,
        "usage": TokenUsage(),
        "queued_ms": 0,
        "started_ms": 0,
        "ended_ms": 1_000,
        "duration_ms": 1_000,
        "first_text_ms": None,
        "origin": "discord:message:1",
    }
    return StoredTurn(**{**facts, **more})  # type: ignore[arg-type]  # the fields by name


def partial(text: str, start: int = 0, key: str = "m/0", kind: GrowingKind = GrowingKind.TEXT) -> PartialText:
    return PartialText(SESSION, 0, TURN, key, kind, start, text)


def ask_of(tool_use_id: str, status: str = "open") -> StoredAsk:
    body = PermissionBody("Bash", tool_use_id, {"command": "ls"})
    ask = Ask(AskId(f"ask-{tool_use_id}"), TURN, 1, "r", 0, body)
    return StoredAsk(ask, SESSION, AskStatus(status), None, "", None)


@st.composite
def blocks(draw: st.DrawFn) -> list[Block]:
    made: list[Block] = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.integers(0, 5))
        match kind:
            case 0 | 1:
                made.append(Text(draw(texts)))
            case 2:
                made.append(Thinking(draw(texts)))
            case 3:
                made.append(
                    ToolCall(f"t{number}", draw(names), {"command": draw(texts), "file_path": draw(texts)})
                )
            case 4:
                made.append(ToolOutput(f"t{number - 1}", draw(texts), is_error=draw(st.booleans())))
            case _:
                made.append(Note("n", draw(texts)) if draw(st.booleans()) else Other(draw(texts), {}))
    return made


def flow_of(content: Sequence[Block]) -> TurnFlow:
    flow = TurnFlow("shop")
    for block in content:
        flow.add(block)
    return flow


def contents(flow: TurnFlow, *, over: bool = True) -> list[str]:
    return [each.text for each in flow.lay_out({}, over=over) if isinstance(each, LaidPost)]


@settings(deadline=None, max_examples=80)
@given(blocks(), st.sampled_from(list(TurnStatus)), texts, texts)
def test_every_post_is_within_discords_limits(
    content: list[Block], status: TurnStatus, reason: str, prompt: str
) -> None:
    calls = [block.tool_use_id for block in content if isinstance(block, ToolCall)]
    asks = {f"ask-{each}": ask_of(each) for each in calls[::2]}
    turn = stored(status, reason=reason, prompt=prompt, origin="discord:interaction:1")
    face = TurnFace(turn, flow_of(content), asks, waiting=reason, alternatives=("a", TURN, "b"))
    wishes = render_turn(face, SETTING)
    assert len({(wish.subject, wish.ordinal) for wish in wishes}) == len(wishes)
    for wish in wishes:
        assert wish.shown
        if isinstance(wish.body, Plain):
            assert 0 < len(wish.body.content) <= MAX_CONTENT
            assert wish.body.content.strip()
        assert len(wish.body.rows) <= 5
        buttons = [part for row in wish.body.rows if not isinstance(row, Select) for part in row]
        keys = [part.control.key for part in buttons if isinstance(part, Button)]
        assert len(set(keys)) == len(keys)
    queued = render_queued([turn] * 12, 2, reason, SETTING).body
    assert isinstance(queued, Plain)
    assert len(queued.content) <= MAX_CONTENT


@settings(deadline=None, max_examples=60)
@given(blocks(), texts, st.lists(st.integers(1, 400), max_size=30))
def test_a_full_post_never_changes_while_text_grows(content: list[Block], text: str, cuts: list[int]) -> None:
    flow, at = flow_of(content), 0
    before: list[str] = contents(flow, over=False)
    closed = len(before)
    for size in cuts:
        if not text[at:]:
            break
        assert flow.grow(partial(text[at : at + size], at))
        at += size
        now = contents(flow, over=False)
        assert now[: max(0, len(before) - 1)] == before[: max(0, len(before) - 1)]
        before = now
    assert len(before) >= closed


@settings(deadline=None, max_examples=60)
@given(blocks(), st.lists(st.integers(1, 50), max_size=20))
def test_a_restart_lays_out_the_same(content: list[Block], cuts: list[int]) -> None:
    live = TurnFlow("shop")
    for number, block in enumerate(content):
        if isinstance(block, Text | Thinking) and block.text:
            at, kind = 0, GrowingKind.TEXT if isinstance(block, Text) else GrowingKind.THINKING
            for size in cuts:
                if block.text[at : at + size]:
                    live.grow(partial(block.text[at : at + size], at, f"m/{number}", kind))
                    live.lay_out({}, over=False)
                at += size
        live.add(block)
    assert live.lay_out({}, over=True) == flow_of(content).lay_out({}, over=True)


QUIET: list[tuple[TurnStatus, dict[str, object]]] = [
    (TurnStatus.RUNNING, {}),
    (TurnStatus.RUNNING, {"asks": {"ask-t5": ask_of("t5")}}),
    (TurnStatus.RUNNING, {"waiting": "The usage limit is reached."}),
    (TurnStatus.DONE, {}),
    (TurnStatus.INTERRUPTED, {}),
    (TurnStatus.DONE, {"replaced": True}),
]


@pytest.mark.parametrize("with_todo", [False, True])
@pytest.mark.parametrize(("status", "facts"), QUIET)
def test_no_quiet_line_stands_right_below_another(
    status: TurnStatus, facts: dict[str, object], with_todo: bool
) -> None:
    steps: list[Block] = [ToolCall(f"t{n}", "Read", {"file_path": f"/w/{n}"}) for n in range(6)]
    todo = ToolCall("t9", "TodoWrite", {"todos": [{"content": "One", "status": "in_progress"}]})
    content = [Thinking("I look"), *steps[:3], Text("words"), *([todo] if with_todo else []), *steps[3:]]
    face = TurnFace(stored(status), flow_of(content), **facts)  # type: ignore[arg-type]  # the fields by name
    for wish in render_turn(face, SETTING):
        lines = wish.body.content.split("\n") if isinstance(wish.body, Plain) else []
        pairs = itertools.pairwise(lines)
        assert not [pair for pair in pairs if all(line.startswith("-# ") for line in pair)], lines


@pytest.mark.parametrize(
    ("origin", "heading"),
    [
        ("discord:message:1", ""),
        ("discord:interaction:1", ""),
        ("discord:menu:1", "> ask\n"),
        ("terminal:1", "> ask\n"),
    ],
)
def test_a_prompt_is_quoted_only_where_nothing_shows_it_yet(origin: str, heading: str) -> None:
    face = TurnFace(stored(TurnStatus.DONE, origin=origin), flow_of([Text("Words.")]))
    body = render_turn(face, SETTING)[0].body
    assert isinstance(body, Plain)
    assert body.content.startswith(f"{heading}Words.")


def test_pieces_that_overlap_or_come_twice_are_taken_once() -> None:
    flow = TurnFlow()
    assert flow.grow(partial("Hello"))
    assert flow.grow(partial("lo, wo", 3))
    assert flow.grow(partial("wo", 7))
    assert flow.grow(partial("rld", 9))
    assert contents(flow) == ["Hello, world"]


def test_a_hole_is_noticed_and_a_new_beginning_taken() -> None:
    flow = TurnFlow()
    assert not flow.grow(partial("late", 10))
    assert flow.grow(partial("Hello"))
    assert not flow.grow(partial("late", 10))
    assert flow.grow(partial("Anew", 0))
    assert contents(flow) == ["Anew"]


def test_void_text_goes() -> None:
    flow = TurnFlow()
    flow.add(Text("Kept."))
    flow.grow(partial("Gone"))
    flow.grow(PartialText(SESSION, 0, TURN, "", GrowingKind.TEXT, 0, "", void=True))
    assert contents(flow) == ["Kept."]


def test_an_ask_stands_where_its_tool_is_called() -> None:
    flow = flow_of(
        [Text("a"), ToolCall("t1", "Bash", {}), ToolCall("t2", "Bash", {}), ToolOutput("t1", ""), Text("b")]
    )
    laid = flow.lay_out({"t1": "x", "t2": "y"}, over=True)
    assert [each.ask_id if isinstance(each, LaidAsk) else each.text.split("\n")[0] for each in laid] == [
        "a",
        "x",
        "-# Bash · not finished",
        "y",
        "b",
    ]


def test_a_result_does_not_move_what_follows() -> None:
    calls: list[Block] = [ToolCall(f"t{n}", "Bash", {"command": "x" * 100}) for n in range(5)]
    flow = flow_of([Text("word " * 80), *calls, Text("word " * 190)])
    before = [len(post) > 0 for post in contents(flow, over=False)]
    for n in range(5):
        flow.add(ToolOutput(f"t{n}", "word " * 50, is_error=True))
    assert [len(post) > 0 for post in contents(flow, over=False)] == before
    assert all(len(post) <= MAX_CONTENT for post in contents(flow))


@pytest.mark.parametrize(
    ("wished", "there", "expected"),
    [
        ("ab", "", ["create 0 a", "create 1 b"]),
        ("ab", "ab", []),
        ("xb", "ab", ["edit 0 x"]),
        ("a", "abc", ["remove 1", "remove 2"]),
        ("xP", "a", ["create 1 P", "edit 0 x"]),
        ("xyP", "a", ["create 1 y", "create 2 P", "edit 0 x"]),
        ("aP", "a?", ["create 1 P"]),
    ],
)
def test_the_plan_is_the_difference(wished: str, there: str, expected: list[str]) -> None:
    wishes = [
        PostWish("turn:1", n, Plain(text), ping=5 if text == "P" else None) for n, text in enumerate(wished)
    ]
    rows = {
        ("turn:1", n): PostRow(
            n,
            "s",
            1,
            "turn:1",
            n,
            "n",
            None if text == "?" else n + 1,
            PostWish("turn:1", n, Plain(text)).shown,
        )
        for n, text in enumerate(there)
    }
    words = []
    for step in plan(wishes, rows, "turn:1"):
        match step:
            case Create() | Edit():
                assert isinstance(step.wish.body, Plain)
                words.append(f"{type(step).__name__.lower()} {step.wish.ordinal} {step.wish.body.content}")
            case Remove():
                words.append(f"remove {step.row.ordinal}")
    assert words == expected


@pytest.mark.bench
def test_an_event_costs_less_than_ten_microseconds() -> None:
    """Events of a token each, 30 a second, rendered as often as the pump asks (every 1.25 s)."""
    text = "A line of `code` and **words**, as Claude writes them.\n" * 120
    tokens = [text[at : at + 5] for at in range(0, len(text), 5)]
    best = min(_cost_us(tokens) for _ in range(3))
    print(f"\n{best:.2f} µs an event")
    assert best < 40  # of a loaded machine; alone it is below 10


def _cost_us(tokens: Sequence[str]) -> float:
    flow, at = TurnFlow(), 0
    face = TurnFace(stored(), flow)
    began = time.process_time()
    for number, token in enumerate(tokens):
        flow.grow(partial(token, at))
        at += len(token)
        if number % 38 == 0:
            render_turn(face, SETTING)
    return (time.process_time() - began) / len(tokens) * 1e6
