"""Cards of asks: within Discord's limits for any content, and a cut card has a way to all of it."""

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from api.words.asks import offered
from bot.ask_decisions import DECISIONS
from bot.ask_face import AskFace, what_of, whole_ask
from bot.asks_cards import ask_card
from bot.bodies import Card, Select
from bot.discord_bodies import MAX_CARD_CHARS, MAX_LABEL
from bot.markdown.cards import told_apart
from bot.transport import fingerprint
from sessions.model import (
    Allow,
    AllowAlways,
    Answer,
    ApprovePlan,
    AskBody,
    Choice,
    Decision,
    Deny,
    FieldChoice,
    FieldKind,
    FillForm,
    FormBody,
    FormField,
    LinkBody,
    PermissionBody,
    PlanBody,
    Postpone,
    Question,
    QuestionBody,
    RevisePlan,
    Suggestion,
)
from tests.bot.card_kit import SESSION, assert_within_limits, stored, texts
from tests.growing_cost import LINEAR, cost_of_twice, times_as_long

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


def test_each_answer_that_a_click_can_give_has_a_verb_of_its_own() -> None:
    clicks = [decision for decision, _ in DECISIONS.values()]
    asked = PermissionBody("Bash", "t", {}, suggestions=(Suggestion({}, "always"),))
    question, plan = QuestionBody("t", (), {}), PlanBody("t", "", {})
    bodies = (asked, question, plan, FormBody("s", "m"), LinkBody("s", "m", "u"))
    assert {type(body) for body in bodies} == set(get_args(AskBody))
    for body in bodies:
        needs_more = AllowAlways | FillForm
        assert [each for each in offered(body) if each not in clicks and not isinstance(each, needs_more)] == []


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


def edits(*pairs: tuple[list[str], list[str]]) -> PermissionBody:
    given = [{"old_string": "\n".join(old), "new_string": "\n".join(new)} for old, new in pairs]
    return PermissionBody("MultiEdit", "use", {"file_path": "a.py", "edits": given})


async def test_an_edit_shows_its_changed_lines_with_two_around_them() -> None:
    old = [f"line {number}" for number in range(30)]
    new = ["changed" if number in (4, 20) else line for number, line in enumerate(old)]
    assert what_of(edits((old, new)))[0].split("\n") == [
        *("--- a.py", " line 2", " line 3", "-line 4", "+changed", " line 5", " line 6"),
        *(" line 18", " line 19", "-line 20", "+changed", " line 21", " line 22"),
    ]


async def test_an_edit_of_too_many_lines_shows_them_all_as_removed_and_added() -> None:
    old = ["head", "same", "first", *(f"line {number % 50}" for number in range(9_000)), "last", "same", "end"]
    new = [*old[:2], *old[-4:1:-1], *old[-2:]]
    removed, added = [f"-{line}" for line in old[2:-2]], [f"+{line}" for line in new[2:-2]]
    shown = what_of(edits((old, new)))[0].split("\n")
    assert shown == ["--- a.py", " head", " same", *removed, *added, " same", " end"]


@pytest.mark.parametrize(
    "edit",
    [
        # Every other line is another one: nothing unusual in a file of its own.
        lambda size: edits(([f"l{n}" for n in range(size)], [f"l{n}" if n % 2 else "x" for n in range(size)])),
        lambda size: edits(([f"l{n % 101}" for n in range(size)], [f"l{n * 3 % 101}" for n in range(size)])),
    ],
    ids=["every other line", "lines again and again"],
)
async def test_an_edit_is_compared_in_linear_time(edit: Callable[[int], PermissionBody]) -> None:
    assert cost_of_twice(lambda size: what_of(edit(size)), 4_000) < LINEAR


async def test_many_edits_cost_together_no_more_than_some_times_plain_ones() -> None:
    plain = edits(*[([f"a{n}" for n in range(199)], [f"b{n}" for n in range(198)])] * 40)
    hostile = edits(*[(["a"] * 199, ["b", "a"] * 99)] * 40)
    assert times_as_long(lambda: what_of(hostile), lambda: what_of(plain)) < 10


async def test_many_offered_rules_are_told_apart_in_linear_time() -> None:
    def labels(count: int) -> list[str]:
        return told_apart([f"{'Always allow ' * 100}{number % 9}" for number in range(count)], 76)

    assert len(set(labels(300))) == 300
    assert cost_of_twice(labels, 300) < LINEAR
