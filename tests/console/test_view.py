"""Events add lines to the screen, and the view remembers the rest between them."""

from pathlib import Path

import msgspec

from console.printed import (
    AskSettled,
    AskShown,
    NoticeShown,
    PromptShown,
    Shown,
    TextShown,
    ThoughtShown,
    ToolShown,
    TurnOver,
)
from console.shown_store import ShownStore
from console.view import View, fold, waiting_prompt, with_first_read
from sessions import events as e
from sessions.model import (
    Activity,
    Allow,
    Ask,
    AskId,
    Block,
    Lifecycle,
    PermissionBody,
    SessionId,
    Text,
    Thinking,
    ToolCall,
    ToolOutput,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.topics import Topic

ID = "01890000-0000-7000-8000-000000000001"
T1, T2 = TurnId("t1"), TurnId("t2")
ASK = Ask(AskId("a"), T1, 1, "r", 0, PermissionBody("Bash", "u", {"command": "ls"}))


def queued(turn: TurnId, text: str, *, front: bool = False) -> e.TurnQueued:
    return e.TurnQueued(turn, 1, TurnKind.PROMPT, "me", text, "uuid", "origin", front=front)


def added(block: Block, turn: TurnId = T1) -> e.BlockAdded:
    return e.BlockAdded(turn, 0, block)


def play(*events: e.Event, view: View | None = None) -> tuple[View, list[Shown]]:
    view = view or View(ID)
    shown: list[Shown] = []
    for event in events:
        numbered = e.Numbered(SessionId(ID), view.number + 1, 1000, event)
        view, more = fold(view, numbered)
        shown += more
    return view, shown


DONE = e.TurnEnded(T1, TurnStatus.DONE, cost_usd=0.5)


def test_a_turn_from_prompt_to_end() -> None:
    view, shown = play(
        queued(T1, "do it"),
        e.TurnSent(T1, 1),
        e.TurnStarted(T1),
        added(Thinking("hm")),
        added(Text("I do.")),
        added(ToolCall("u1", "Bash", {"command": "ls\n-l"})),
        added(ToolOutput("u1", "a\nb\n")),
        added(Text("Done.")),
        DONE,
    )
    assert shown[:3] == [PromptShown("do it"), ThoughtShown("hm"), TextShown("I do.")]
    tool = shown[3]
    assert isinstance(tool, ToolShown)
    assert (tool.tool.words, tool.succeeded, tool.output) == ("ls -l", True, "a (+1 lines)")
    assert shown[4:] == [TextShown("Done."), TurnOver(DONE)]
    assert (view.running, view.waiting, view.tools, view.cost_usd, view.number) == (None, (), (), 0.5, 9)


def test_the_queue_keeps_its_order_and_is_no_part_of_what_was_said() -> None:
    view, shown = play(queued(T1, "one"), queued(T2, "two"), queued(TurnId("t3"), "first", front=True))
    assert [prompt.text for prompt in view.waiting] == ["first", "one", "two"]
    view, shown = play(e.TurnEdited(T2, "too"), e.TurnMovedToFront(T2), e.TurnWithdrawn(T1, "me"), view=view)
    assert [prompt.text for prompt in view.waiting] == ["too", "first"]
    assert shown == []


def test_a_prompt_that_a_limit_holds_back_waits_under_its_own_text_and_is_shown_once() -> None:
    held_back = e.TurnHeldBack(T2, "uuid 2")
    view, _ = play(queued(T1, "one"), e.TurnStarted(T1), DONE, queued(T2, "two"), e.TurnSent(T2, 1), held_back)
    assert [(each.text, each.sent) for each in view.waiting] == [("two", False)]
    view, shown = play(e.TurnSent(T2, 1), e.TurnStarted(T2), view=view)
    assert (shown, view.running) == ([PromptShown("two")], T2)
    # Held back after it began, it is on the screen already.
    view, shown = play(held_back, e.TurnSent(T2, 1), held_back, e.TurnSent(T2, 1), e.TurnStarted(T2), view=view)
    assert (shown, view.running, view.waiting) == ([], T2, ())


def test_a_cut_turn_that_is_queued_again_waits_as_the_next_and_its_prompt_is_shown_once() -> None:
    again = e.TurnRequeued(T1, TurnKind.PROMPT, "me", "uuid", 1)
    cut = e.TurnEnded(T1, TurnStatus.CUT)
    view, _ = play(queued(T1, "one"), e.TurnSent(T1, 1), e.TurnStarted(T1), cut, queued(T2, "two"), again)
    assert [(each.turn_id, each.text) for each in view.waiting] == [(T1, "one"), (T2, "two")]
    view, shown = play(e.TurnSent(T1, 2), e.TurnStarted(T1), view=view)
    assert (shown, view.running, [each.text for each in view.waiting]) == ([], T1, ["two"])


def test_a_turn_whose_prompt_came_before_the_first_event_never_waits_under_another_one() -> None:
    view, _ = play(queued(T1, "one"), e.TurnStarted(T1), DONE, e.TurnStarted(T2), e.TurnHeldBack(T2, "uuid 2"))
    assert [each.text for each in view.waiting] == [""]
    read = (waiting_prompt(T2, "two"),)
    view, _ = with_first_read(view, (), read)
    _, shown = play(e.TurnStarted(T2), view=view)
    assert shown == [PromptShown("two")]


def test_a_tool_that_ran_when_the_terminal_died_is_shown_with_its_result(tmp_path: Path) -> None:
    store = ShownStore(tmp_path / "console")
    before, shown = play(added(ToolCall("u1", "Edit", {"file_path": "a.py"})))
    assert shown == []
    store.save(before)
    known = store.load(ID)
    assert known == before
    _, shown = play(added(ToolOutput("u1", "ok", patch="@@ -1 +1,2 @@\n-a\n+b\n+c")), view=known)
    assert isinstance(shown[0], ToolShown)
    assert (shown[0].tool.words, shown[0].added_lines, shown[0].removed_lines) == ("a.py", 2, 1)


def test_a_tool_without_a_result_is_shown_when_the_turn_ends() -> None:
    view, shown = play(added(ToolCall("u1", "Bash", {"command": "sleep 9"}, parent="u0")), DONE)
    assert isinstance(shown[0], ToolShown)
    assert (shown[0].succeeded, shown[0].tool.nested, view.tools) == (None, True, ())


def test_what_a_subagent_says_is_not_shown_as_claudes_words() -> None:
    assert play(added(Text("inner", parent="u0")), added(Thinking("inner", parent="u0")))[1] == []


def test_an_ask_is_open_until_it_is_settled() -> None:
    view, shown = play(e.AskOpened(ASK))
    assert (view.asks, shown) == ((ASK,), [AskShown(ASK)])
    view, shown = play(e.AskDecided(ASK.id, Allow(), "me"), view=view)
    assert (view.asks, shown) == ((), [AskSettled(ASK, Allow(), "me")])
    assert play(e.AskWithdrawn(AskId("unknown"), "gone"))[1] == []


def test_the_same_trouble_is_said_once() -> None:
    sentence = "Claude could not be started."
    cut = e.TurnEnded(T1, TurnStatus.CUT, sentence)
    failed = e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.FAILED, sentence)
    assert play(cut, e.Noticed(Topic.START_FAILED, sentence), failed)[1] == [TurnOver(cut)]
    view, shown = play(e.Noticed(Topic.START_FAILED, sentence), failed)
    assert shown == [NoticeShown(sentence, is_trouble=True)]
    # In the next turn it is news again.
    assert play(queued(T2, "x"), e.TurnStarted(T2), failed, view=view)[1][-1:] == shown


def test_state_follows_and_says_nothing() -> None:
    view, shown = play(
        e.LifecycleChanged(Lifecycle.PARKED, Lifecycle.STARTING, ""),
        e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.LIVE, ""),
        e.ActivityChanged(Activity.IDLE, Activity.WORKING, ""),
        e.ModelChanged("opus"),
        e.TitleChanged("T", True),
        e.ContextMeasured(10, 100),
    )
    assert shown == []
    assert (view.activity, view.model, view.title, view.context_used) == (Activity.WORKING, "opus", "T", 10)
    assert (
        play(e.LifecycleChanged(Lifecycle.LIVE, Lifecycle.PARKED, ""), view=view)[0].activity is Activity.IDLE
    )


def test_only_what_claude_has_begun_can_be_interrupted() -> None:
    view, _ = play(queued(T1, "x"))
    assert not view.is_busy
    view, _ = play(e.TurnSent(T1, 1), view=view)
    assert view.is_busy


def test_files_are_private_and_rubbish_in_them_counts_as_nothing(tmp_path: Path) -> None:
    store = ShownStore(tmp_path / "console")
    assert (store.load(ID), store.current()) == (None, "")
    store.save(View(ID, number=3))
    store.set_current(ID)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "console").iterdir()}
    assert (modes, (tmp_path / "console").stat().st_mode & 0o777) == ({0o600}, 0o700)
    assert store.current() == ID
    for rubbish in (b"", b"{", b"[]", msgspec.json.encode(View("another"))):
        (tmp_path / "console" / f"{ID}.json").write_bytes(rubbish)
        assert store.load(ID) is None
    (tmp_path / "console" / "current").write_text("../../etc")
    assert store.current() == ""
    assert store.load("../../etc/passwd") is None
