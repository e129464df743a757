"""The status line, its panel and other cards: within Discord's limits, and in the words that people read."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from api import SessionInfo, WorkPlace
from api.access import Action
from bot import wording
from bot.bodies import Body, Button, Card, Control, File, Option, Plain, Row, Select, Verb
from bot.cards import context_bar, context_card, notice
from bot.discord_bodies import edit_kwargs, message_kwargs, view_of
from bot.status_card import Opened, opened_card, status_card, status_line
from bot.tool_lines import CALL_CHARS, RESULT_CHARS, call_line, result_mark
from service.session_info import info_of
from service.work_place import read_work_place
from sessions.events import Noticed
from sessions.model import (
    Activity,
    Blocker,
    LeftProcess,
    Lifecycle,
    Schedule,
    ToolCall,
    ToolOutput,
)
from sessions.state import Snapshot
from sessions.topics import Topic
from sessions.troubles import Limit, LimitState, LimitWindow
from tests.bot.card_kit import SESSION, assert_within_limits, texts


def info(**more: object) -> SessionInfo:
    state = Snapshot(
        SESSION,
        user_id="discord:1",
        channel_id="discord:2",
        title="Fix the login",
        project="shop",
        work_directory="/srv/workspaces/shop",
        model="claude-opus-4-5-20251101",
        lifecycle=Lifecycle.LIVE,
    )
    return replace(info_of(state), **more)


LINES: list[tuple[dict[str, Any], str]] = [
    (
        {
            "model": "claude-opus-4-5-20251101",
            "project": "shop",
            "cost_usd": 0.03,
            "context_used": 24_000,
            "context_window": 200_000,
        },
        "● ready · opus · shop · 12 % · $0.03",
    ),
    ({"activity": Activity.WORKING, "project": "my shop"}, "● working · my-shop"),
    ({"activity": Activity.BLOCKED, "blocker": Blocker.USAGE_LIMIT}, "● blocked"),
    ({"lifecycle": Lifecycle.PARKED, "model": "opus"}, "○ asleep · opus"),
    ({"cost_usd": 0.5, "list_price_usd": 0.5}, "● ready"),
    ({"cost_usd": 0.5, "list_price_usd": 0.2}, "● ready · $0.30"),
]


@pytest.mark.parametrize(("facts", "line"), LINES)
async def test_the_status_is_one_line_and_one_button(facts: dict[str, Any], line: str) -> None:
    session = info(
        **{"lifecycle": Lifecycle.LIVE, "project": "", "work_directory_name": "", "model": ""} | facts
    )
    card = status_card(session)
    assert card.texts == (line,)
    assert card.beside is not None
    assert (card.beside.label, bool(card.rows)) == ("⋯", session.blocker is Blocker.USAGE_LIMIT)


@pytest.mark.parametrize(
    ("facts", "offered"),
    [
        ({"wants_guide": True, "message_count": 1}, True),
        ({"wants_guide": True, "message_count": 2}, False),
        ({"wants_guide": False, "message_count": 1}, False),
        ({"wants_guide": True, "message_count": 1, "lifecycle": Lifecycle.ENDED}, False),
    ],
)
async def test_a_project_without_guidance_is_offered_some_until_the_second_prompt(
    facts: dict[str, Any], offered: bool
) -> None:
    card = status_card(info(**{"lifecycle": Lifecycle.LIVE} | facts))
    labels = [button.label for row in card.rows if not isinstance(row, Select) for button in row]
    assert labels == (["Look closer", "Write CLAUDE.md"] if offered else [])


async def test_nobody_is_offered_a_button_that_would_refuse_them() -> None:
    session = info(lifecycle=Lifecycle.LIVE, message_count=1)

    def labels(*may: Action, **facts: Any) -> list[str]:
        opened = Opened(msgspec.structs.replace(session, **facts), may=frozenset(may))
        rows = [row for row in opened_card(opened).rows if not isinstance(row, Select)]
        return [button.label for row in rows for button in row]

    assert labels(*Action) == ["Model", "End session…", "Look closer", "Branch", "Export"]
    assert labels(Action.VIEW) == ["Export"]
    assert labels(*Action, lifecycle=Lifecycle.ENDED) == ["Branch", "Export"]
    assert labels(*Action, message_count=0) == ["Model", "End session…", "Look closer", "Export"]
    assert labels(*Action, running_turn="t") == ["Model", "End session…", "Branch", "Export"]
    wanted = labels(*Action, wants_guide=True)
    assert wanted == ["Model", "End session…", "Look closer", "Write CLAUDE.md", "Branch", "Export"]
    left = (LeftProcess(7, "npm run dev"),)
    assert labels(*Action, left_running=left) == [
        "Model",
        "End session…",
        "End it",
        "Look closer",
        "Branch",
        "Export",
    ]
    assert labels(Action.VIEW, left_running=left) == ["Export"]


async def test_what_runs_and_is_promised_besides_turns_is_listed_with_its_time() -> None:
    left = tuple(LeftProcess(n, f"server {n} `*") for n in range(7))
    promised = (Schedule("a", "look at the build\n@everyone", next_ms=1_800_000_000_000),)
    session = info(lifecycle=Lifecycle.LIVE, left_running=left, promised=promised)
    (_, text) = opened_card(Opened(session)).texts
    assert "In a browser" not in text
    (_, looked_at) = opened_card(Opened(session, lookers=("discord:1", "terminal:ann"))).texts
    assert "In a browser now: <@1>, somebody at the terminal" in looked_at
    assert "Left running: “server 0 \\`\\*” · " in text
    assert "and 2 more" in text
    assert "- “look at the build @" in text
    assert "@everyone" not in text
    assert "<t:1800000000:R>" in text
    asleep = msgspec.structs.replace(session, lifecycle=Lifecycle.PARKED)
    assert "when woken" in opened_card(Opened(asleep)).texts[1]


async def test_every_status_card_is_within_discords_limits() -> None:
    @settings(deadline=None, max_examples=60)
    @given(
        texts,
        texts,
        st.sampled_from(list(Lifecycle)),
        st.sampled_from(list(Activity)),
        st.one_of(st.none(), st.sampled_from(list(Blocker))),
        st.integers(0, 10**7),
    )
    def check(
        title: str, words: str, lifecycle: Lifecycle, activity: Activity, blocker: Blocker | None, used: int
    ) -> None:
        session = info(
            title=title, reason=words, lifecycle=lifecycle, activity=activity, blocker=blocker, model=words
        )
        assert_within_limits(status_card(session))
        assert len(re.findall(r"[^ ·●○%]+", status_line(session))) <= 6
        everything = frozenset(Action)
        assert_within_limits(opened_card(Opened(session, WorkPlace(words, words), 1, words, everything)))
        full = info(context_used=used, context_window=200_000)
        wish = context_card(full)
        assert (wish is not None) == (used >= 160_000)
        assert "%" in context_bar(full)

    check()


@pytest.mark.parametrize(
    "body",
    [
        Card(("x" * 9_000, "y" * 9_000)),
        Card(("a",), ((Button(Control(Verb.STOP, "s"), "x" * 200),),)),
        Card(
            ("a",),
            (
                Select(
                    Control(Verb.CHOOSE, "s"), "p" * 300, tuple(Option("l" * 200, str(n)) for n in range(40))
                ),
            ),
        ),
        Plain("x" * 5_000, tuple((Button(Control(Verb.STOP, "s", str(n)), ""),) for n in range(9))),
    ],
)
async def test_what_is_too_long_is_cut_before_discord_sees_it(body: Body) -> None:
    assert_within_limits(body)
    assert len(message_kwargs(body).get("content", "")) <= 2_000
    assert edit_kwargs(body)["allowed_mentions"].to_dict() == {"parse": []}


@pytest.mark.parametrize(
    "make", [lambda rows: Card(("a",), rows, (File("a.txt", b"a"),)), lambda rows: Plain("a", rows)]
)
async def test_no_view_of_ours_is_ever_registered(make: Callable[[tuple[Row, ...]], Body]) -> None:
    body = make(((Button(Control(Verb.STOP, "s"), "Stop"),),))
    view = view_of(body)
    assert view is not None
    assert not view.is_dispatchable()
    assert view.timeout is None
    assert view_of(body) is not view


@pytest.mark.parametrize("words", ["x" * 500, "`" * 90, "*_~" * 60, "@everyone " * 30, "\n\n", "é́́" * 99])
@pytest.mark.parametrize("name", ["Bash", "Read", "mcp__server__" + "t" * 90, "*" * 70, "AskUserQuestion"])
def test_a_quiet_line_is_one_short_line(name: str, words: str) -> None:
    call = ToolCall("t", name, {"command": words, "file_path": words})
    line = call_line(call, "shop")
    assert line.startswith("-# ")
    assert "\n" not in line
    assert len(line) <= CALL_CHARS
    for output in (
        None,
        ToolOutput("t", words),
        ToolOutput("t", words, is_error=True),
        ToolOutput("t", "", patch=words),
    ):
        assert len(result_mark(call, output, 3, over=False)) <= RESULT_CHARS


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("Read", {"file_path": "/srv/w/shop/src/app.py"}, "-# Read src/app.py"),
        ("Read", {"file_path": "/usr/share/long/way/app.py"}, "-# Read …/way/app.py"),
        ("Bash", {"command": "ls -la", "description": "List"}, "-# Bash ls -la"),
        ("Grep", {"pattern": "def main"}, '-# Grep "def main"'),
        ("Task", {"description": "Look around"}, "-# Agent Look around"),
        ("mcp__github__list_issues", {"query": "open"}, r"-# github list\_issues open"),
        ("Strange", {}, "-# Strange"),
    ],
)
def test_a_tool_call_reads_well(name: str, given: dict[str, object], line: str) -> None:
    assert call_line(ToolCall("t", name, given), "shop") == line


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0.0 s"),
        (840, "0.8 s"),
        (9_940, "9.9 s"),
        (9_960, "10 s"),
        (59_600, "1 min"),
        (130_000, "2 min 10 s"),
        (3_900_000, "1 h 5 min"),
    ],
)
def test_a_duration_is_said_as_people_say_it(ms: int, words: str) -> None:
    assert wording.duration(ms) == words


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("claude-opus-4-5-20251101", "opus 4.5"),
        ("claude-haiku-4-5", "haiku 4.5"),
        ("opus", "opus"),
        ("own_model", r"own\_model"),
    ],
)
def test_a_model_is_called_by_its_short_name(model: str, words: str) -> None:
    assert wording.model_name(model) == words


def test_a_notice_says_what_comes_next() -> None:
    wish = notice(Noticed(Topic.USAGE_LIMIT, "It is used up.", 1_700_000_000_000), 7, 1)
    assert wish is not None
    assert isinstance(wish.body, Card)
    assert "<t:1700000000:R>" in wish.body.texts[0]
    assert notice(Noticed(Topic.OVERLOADED, "Again in 4 s."), 7, 1) is None


async def test_the_work_place_is_read_from_git_of_the_directory_itself(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    git = ["git", "-C", str(outer), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q", "-b", "work"], check=True)  # noqa: ASYNC221
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin *here*"], check=True)  # noqa: ASYNC221
    found = await read_work_place(outer)
    assert found.branch == "work"
    assert found.commit.endswith(" Begin *here*")
    assert await read_work_place(inner) == WorkPlace()
    assert await read_work_place(tmp_path / "missing") == WorkPlace()


def test_the_opened_card_says_which_limit_blocks_and_offers_a_way_round() -> None:
    weekly = Limit(LimitWindow.WEEKLY, LimitState.REACHED, "opus", 1_700_000_000_000)
    blocked = info(activity=Activity.BLOCKED, blocker=Blocker.USAGE_LIMIT, limit=weekly, other_model="sonnet")
    card = opened_card(Opened(blocked, may=frozenset(Action)))
    text = "\n".join(str(part) for part in card.texts)
    assert "the account's weekly limit of Opus models is used up" in text
    assert "<t:1700000000:R>, at <t:1700000000:f>" in text
    labels = [control.label for row in card.rows if not isinstance(row, Select) for control in row]
    assert labels[:2] == ["Use sonnet", "Try now"]
    # Who may only look is offered nothing.
    seen = opened_card(Opened(blocked, may=frozenset({Action.VIEW})))
    assert "Try now" not in str(seen.rows)
