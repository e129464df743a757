"""Cards within Discord's limits for any content, and in the words that people read."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import discord
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from api import SessionInfo, WorkPlace
from api.access import Action
from bot import wording
from bot.ask_face import AskFace, whole_ask
from bot.asks_cards import ask_card
from bot.bodies import Body, Button, Card, Control, File, Option, Plain, Row, Select, Verb
from bot.cards import context_bar, context_card, notice
from bot.discord_bodies import MAX_CARD_CHARS, MAX_LABEL, MAX_OPTION, edit_kwargs, message_kwargs, view_of
from bot.status_card import Opened, opened_card, status_card, status_line
from bot.tool_lines import CALL_CHARS, RESULT_CHARS, call_line, result_mark
from bot.transport import fingerprint
from service.session_info import info_of
from service.work_place import read_work_place
from sessions.events import Noticed
from sessions.model import (
    Activity,
    Allow,
    AllowAlways,
    Answer,
    ApprovePlan,
    Ask,
    AskBody,
    AskId,
    AskStatus,
    Blocker,
    Choice,
    Decision,
    Deny,
    FieldChoice,
    FieldKind,
    FillForm,
    FormBody,
    FormField,
    LeftProcess,
    Lifecycle,
    LinkBody,
    PermissionBody,
    PlanBody,
    Postpone,
    Question,
    QuestionBody,
    RevisePlan,
    Schedule,
    SessionId,
    Suggestion,
    ToolCall,
    ToolOutput,
)
from sessions.state import Snapshot
from sessions.stored import StoredAsk
from sessions.topics import Topic
from sessions.troubles import Limit, LimitState, LimitWindow

SESSION = SessionId("00000000-0000-4000-8000-000000000000")
texts = st.one_of(
    st.text(max_size=400), st.sampled_from(["", "@everyone", "```" * 300, "x" * 9_000, "*_`~|" * 900])
)
choices = st.builds(Choice, texts, texts)
questions = st.builds(Question, texts, texts, st.lists(choices, max_size=30).map(tuple), st.booleans())
permissions = st.builds(
    PermissionBody,
    texts,
    texts,
    st.one_of(
        st.fixed_dictionaries({"command": texts}),
        st.fixed_dictionaries({"file_path": texts, "old_string": texts, "new_string": texts}),
        st.fixed_dictionaries({"file_path": texts, "content": texts}),
        st.dictionaries(st.text(max_size=20), st.one_of(texts, st.integers(), st.none()), max_size=5),
    ),
    texts,
    texts,
    texts,
    st.lists(st.builds(Suggestion, st.just({}), texts), max_size=6).map(tuple),
)
fields = st.builds(
    FormField,
    name=texts,
    kind=st.sampled_from(FieldKind),
    title=texts,
    description=texts,
    choices=st.lists(st.builds(FieldChoice, texts, texts), max_size=30).map(tuple),
    default=st.lists(texts, max_size=2).map(tuple),
)
bodies = st.one_of(
    permissions,
    st.builds(QuestionBody, texts, st.lists(questions, min_size=1, max_size=6).map(tuple), st.just({})),
    st.builds(PlanBody, texts, texts, st.just({})),
    st.builds(FormBody, texts, texts, st.lists(fields, max_size=30).map(tuple)),
    st.builds(LinkBody, texts, texts, st.one_of(texts, st.just("https://a.example/" + "x" * 600))),
)
decisions = st.one_of(
    st.none(),
    st.just(Allow()),
    st.builds(AllowAlways, st.integers(-1, 9)),
    st.builds(Deny, texts),
    st.builds(Answer, st.dictionaries(texts, texts, max_size=3)),
    st.just(ApprovePlan(accept_edits=True)),
    st.builds(RevisePlan, texts),
    st.builds(FillForm, st.dictionaries(texts, st.tuples(texts), max_size=3)),
    st.just(Postpone()),
)


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


def stored(body: AskBody, status: str = "open", decision: Decision | None = None, by: str = "") -> StoredAsk:
    return StoredAsk(Ask(AskId("a"), None, 1, "r", 0, body), SESSION, AskStatus(status), decision, by, 1_000)


def assert_within_limits(body: Body) -> None:
    """Check Discord's limits on the view that would be sent."""
    view = view_of(body)
    custom_ids: list[str] = []
    text = 0
    for item in view.walk_children() if view is not None else ():
        if isinstance(item, discord.ui.TextDisplay):
            assert item.content
            text += len(item.content)
        if isinstance(item, discord.ui.Button):
            assert item.label is not None
            assert 0 < len(item.label) <= MAX_LABEL
            custom_ids.append(str(item.custom_id))
        if isinstance(item, discord.ui.Select):
            assert 1 <= len(item.options) <= 25
            assert len({option.value for option in item.options}) == len(item.options)
            assert all(0 < len(option.label) <= MAX_OPTION for option in item.options)
            assert sum(option.default for option in item.options) <= item.max_values <= len(item.options)
            custom_ids.append(str(item.custom_id))
    assert text <= MAX_CARD_CHARS
    assert len(set(custom_ids)) == len(custom_ids)
    assert all(len(each) <= 100 for each in custom_ids)
    if isinstance(view, discord.ui.LayoutView):
        assert view.total_children_count <= 40
        assert text > 0


async def test_every_ask_card_is_within_discords_limits() -> None:
    @settings(deadline=None, max_examples=120)
    @given(
        bodies, st.sampled_from(["open", "decided", "withdrawn"]), decisions, texts, st.lists(texts, max_size=3)
    )
    def check(body: AskBody, status: str, decision: Decision | None, by: str, picked: list[str]) -> None:
        ask = stored(body, status, decision if status == "decided" else None, by)
        face = AskFace(ask, SESSION, 1, {"0": picked, "1": picked})
        card = ask_card(face)
        assert_within_limits(card)
        assert whole_ask(ask).name
        assert len(fingerprint(card)) == 16

    check()


LONG = "Use the existing migration runner of the service and keep the old table until all clients have moved, "


def labels_of(card: Card) -> list[str]:
    rows = [row for row in card.rows if not isinstance(row, Select)]
    options = [option.label for row in card.rows if isinstance(row, Select) for option in row.options]
    return [*options, *(button.label for row in rows for button in row)]


async def test_options_that_differ_only_late_are_told_apart() -> None:
    choices = tuple(Choice(LONG + end) for end in ("then drop it", "then keep it", "then rename it"))
    for several in (False, True):
        body = QuestionBody("", (Question("How?", "", choices, several),), {})
        card = ask_card(AskFace(stored(body), SESSION, 1))
        labels = labels_of(card)[:3]
        assert [label[-7:] for label in labels] == ["drop it", "keep it", "name it"]
        assert all(len(label) <= MAX_LABEL for label in labels) or several
        for choice in choices:
            assert choice.label in card.texts[1]


async def test_options_that_are_the_same_up_to_anywhere_are_numbered() -> None:
    choices = (Choice("x" * 300), Choice("x" * 300 + "y"), Choice("same"), Choice("same"))
    card = ask_card(AskFace(stored(QuestionBody("", (Question("How?", "", choices),), {})), SESSION, 1))
    assert len(set(labels_of(card)[:4])) == 4


async def test_a_question_is_shown_as_its_markdown() -> None:
    text = "Which **one**?\n\n```sql\nSELECT 1\n```\n| a | b |\n|---|---|\n| 1 | 2 |\n\nSee `x_y_z`."
    choice = Choice("A *b*", "runs `make all`\nand **then** stops")
    card = ask_card(AskFace(stored(QuestionBody("", (Question(text, "", (choice,)),), {})), SESSION, 1))
    assert card.texts[1] == (
        "Which **one**?\n\n```sql\nSELECT 1\n```\n```\na  b\n-  -\n1  2\n```\n\nSee `x_y_z`.\n"
        "- **A \\*b\\***: runs `make all`\n  and **then** stops"
    )


def words(count: int) -> str:
    return "word " * count


CUT: dict[str, tuple[AskBody, Decision | None]] = {
    "a question": (QuestionBody("", (Question(words(900), "", (Choice("a"), Choice("b"))),), {}), None),
    "one of four questions": (
        QuestionBody("", tuple(Question(f"{n} {words(90 * n)}", "", (Choice("a"),)) for n in range(4)), {}),
        None,
    ),
    "five questions": (QuestionBody("", (Question("a?", "", (Choice("a"),)),) * 5, {}), None),
    "descriptions": (
        QuestionBody("", (Question("a?", "", tuple(Choice(f"{n}", words(300)) for n in range(4))),), {}),
        None,
    ),
    "many choices": (
        QuestionBody("", (Question("a?", "", tuple(Choice(f"{n}") for n in range(30))),), {}),
        None,
    ),
    "a command": (PermissionBody("Bash", "", {"command": words(400)}), None),
    "a command with hidden signs": (PermissionBody("Bash", "", {"command": "a\u202e" * 300}), None),
    "a description": (PermissionBody("Bash", "", {"command": "ls"}, description=words(100)), None),
    "a reason": (PermissionBody("Bash", "", {"command": "ls"}, reason=words(100)), None),
    "a place": (PermissionBody("Read", "", {"file_path": "/a/b/c/d"}, place="…/c/d", is_outside=True), None),
    "what always means": (PermissionBody("Bash", "", {}, suggestions=(Suggestion({}, words(30)),)), None),
    "ways of always": (
        PermissionBody("Bash", "", {}, suggestions=tuple(Suggestion({}, f"{n}") for n in range(4))),
        None,
    ),
    "a decided command": (PermissionBody("Bash", "", {"command": words(150)}), Allow()),
    "a decided description": (PermissionBody("Bash", "", {}, description=words(100)), Allow()),
    "a note": (PermissionBody("Bash", "", {"command": "ls"}), Deny(words(100))),
    "an answered question": (QuestionBody("", (Question(words(200), "", ()),), {}), Answer({})),
    "an answer": (QuestionBody("", (Question("a?", "", ()),), {}), Answer({"a?": words(100)})),
}


@pytest.mark.parametrize(("body", "decision"), CUT.values(), ids=CUT.keys())
async def test_nothing_on_a_card_is_cut_without_show_all(body: AskBody, decision: Decision | None) -> None:
    ask = stored(body, "decided" if decision else "open", decision, "discord:1")
    assert "Show all" in labels_of(ask_card(AskFace(ask, SESSION, 1)))
    assert whole_ask(ask).data


async def test_an_answer_over_the_control_socket_says_whose_process_sent_it() -> None:
    ask = stored(PermissionBody("Bash", "", {"command": "ls"}), "decided", Allow(), "discord:1")
    through = replace(ask, decided_through="terminal:ann")
    assert "by terminal:ann as <@1>" in str(ask_card(AskFace(through, SESSION, 1)).texts)
    assert "terminal" not in str(ask_card(AskFace(ask, SESSION, 1)).texts)


async def test_what_fits_a_card_has_no_show_all() -> None:
    question = Question("Which **one**?", "Way", (Choice("a", "the *first*"), Choice("b")))
    for body in (
        QuestionBody("", (question,) * 4, {}),
        QuestionBody("", (Question(words(600), "", (Choice("a"),)),), {}),
        PermissionBody("Bash", "", {"command": words(250)}, description=words(50), place="src/a.py"),
    ):
        assert "Show all" not in labels_of(ask_card(AskFace(stored(body), SESSION, 1)))


async def test_everything_that_is_cut_is_in_the_file() -> None:
    permission = PermissionBody(
        "Bash",
        "",
        {"command": "ls"},
        description="d" * 400,
        reason="r" * 400,
        suggestions=(Suggestion({}, "s" * 400),),
    )
    text = whole_ask(stored(permission)).data.decode()
    assert all(sign * 400 in text for sign in "drs")
    assert text.endswith("\n\nls")
    answered = stored(QuestionBody("", (Question("a?", "", ()),), {}), "decided", Answer({"a?": "w" * 400}))
    assert "w" * 400 in whole_ask(answered).data.decode()
    denied = stored(permission, "decided", Deny("n" * 400))
    assert "n" * 400 in whole_ask(denied).data.decode()
    outside = PermissionBody("Read", "", {"file_path": "/a/b/c/d"}, place="…/c/d", is_outside=True)
    assert "/a/b/c/d" in whole_ask(stored(outside)).data.decode()


async def test_a_plan_fills_its_card_before_it_becomes_a_file() -> None:
    line = "1. A step of the plan with **bold** words.\n"
    for count, is_file in ((88, False), (89, True)):
        card = ask_card(AskFace(stored(PlanBody("", line * count, {})), SESSION, 1))
        assert bool(card.files) is is_file
        assert len(card.texts[1]) > 3_500
        assert sum(map(len, card.texts)) <= MAX_CARD_CHARS


async def test_a_permission_says_where_and_outside_only_where_it_is() -> None:
    given = {"file_path": "/srv/ws/shop/src/a.py", "content": "x"}
    inside = PermissionBody("Write", "", given, blocked_path="/srv/ws/shop/src/a.py", place="src/a.py")
    shown = "\n".join(ask_card(AskFace(stored(inside), SESSION, 1, work_directory="shop")).texts)
    assert "+++ src/a.py" in shown
    assert "utside" not in shown
    assert "/srv" not in shown
    outside = replace(inside, place="…/blog/a.py", is_outside=True)
    shown = "\n".join(ask_card(AskFace(stored(outside), SESSION, 1, work_directory="shop")).texts)
    assert "-# Outside of the project: …/blog/a.py" in shown
    assert "/srv" not in shown


PATHS: dict[str, tuple[dict[str, Any], str, str]] = {
    "read": ({"file_path": "/srv/ws/shop/src/a.py"}, "src/a.py", "src/a.py"),
    "read in part": ({"file_path": "/srv/ws/shop/src/a.py", "limit": 9}, "src/a.py", '"file_path": "src/a.py"'),
    "searched": ({"pattern": "x", "path": "/srv/ws/shop/src"}, "src", '"path": "src"'),
    "of the whole project": ({"pattern": "x", "path": "/srv/ws/shop"}, "the work directory", '"path": "."'),
    "of a directory with a blank": ({"file_path": "/Users/ann b/My work/shop/a b.py"}, "", "a b.py"),
    "with a line end": ({"file_path": "/srv/ws/shop/a\nb.py"}, "", "a\nb.py"),
    "that is turned round": ({"file_path": "/srv/ws/shop/a\u202eyp.b"}, "", "a\\u202eyp.b"),
    "edited in a notebook": ({"notebook_path": "/srv/ws/shop/n.ipynb", "cell": 1}, "n.ipynb", ': "n.ipynb"'),
}


@pytest.mark.parametrize(("given", "place", "seen"), PATHS.values(), ids=PATHS.keys())
async def test_a_permission_shows_paths_of_the_project_and_none_of_the_machine(
    given: dict[str, Any], place: str, seen: str
) -> None:
    body = PermissionBody("Read", "", given, place=place)
    shown = ask_card(AskFace(stored(body), SESSION, 1, work_directory="shop")).texts[2]
    assert seen in shown
    assert not re.search("/srv|/Users", shown)


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
