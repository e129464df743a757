"""The terminal's view of a session, and the text that each event adds to the screen. Pure.

`View` is kept in a file (`shown_store.py`) with the number of the last event shown. So a killed terminal
continues where it stopped, with its running tools, queued prompts and open asks.
"""

from collections.abc import Sequence
from typing import assert_never

import msgspec
from msgspec.structs import replace

from api import SessionInfo
from api.words.failures import ended_because
from api.words.notices import NOTICES, Tone, notice_text
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
from console.tools import output_words, tool_name, tool_words
from sessions import events as e
from sessions.model import (
    Activity,
    Ask,
    AskId,
    Block,
    Blocker,
    Decision,
    Lifecycle,
    Note,
    Other,
    PermissionMode,
    Text,
    Thinking,
    ToolCall,
    ToolOutput,
    TurnId,
    TurnStatus,
)
from sessions.troubles import LimitShare

_KEPT_PROMPT_CHARS = 4_000
_WORDS = 120


class WaitingPrompt(msgspec.Struct, frozen=True):
    """A prompt that Claude has not begun: `sent` is False while it is in the queue.

    `was_shown`: it was begun before, and a usage limit refused it.
    """

    turn_id: TurnId
    text: str
    sent: bool = False
    was_shown: bool = False


class View(msgspec.Struct, frozen=True):
    """One session as the terminal shows it after event `number`."""

    session_id: str
    number: int = 0
    title: str = ""
    model: str = ""
    mode: PermissionMode = PermissionMode.DEFAULT
    lifecycle: Lifecycle = Lifecycle.PARKED
    activity: Activity = Activity.IDLE
    blocker: Blocker | None = None
    waiting: tuple[WaitingPrompt, ...] = ()
    running: TurnId | None = None
    running_since_ms: int = 0  # 0 if not known
    last_prompt: str = ""
    tools: tuple[OpenTool, ...] = ()
    asks: tuple[Ask, ...] = ()
    cost_usd: float = 0.0
    list_price_usd: float = 0.0
    limit_shares: tuple[LimitShare, ...] = ()
    context_used: int = 0
    context_window: int = 0
    last_sentence: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether an interrupt would stop something."""
        return self.running is not None or any(prompt.sent for prompt in self.waiting)


def view_of(info: SessionInfo, after: int) -> View:
    """Return the first view, at event `after`, of a session that this terminal has not shown yet."""
    # Neither asks nor queue: the events after `after` bring them. `with_first_read` adds those from before.
    return View(
        session_id=info.id,
        number=after,
        title=info.title,
        model=info.model,
        mode=info.mode,
        lifecycle=info.lifecycle,
        activity=info.activity,
        blocker=info.blocker,
        # It may have begun before `after`: without it, Ctrl-C would not interrupt it.
        running=info.running_turn,
    )


def waiting_prompt(turn_id: TurnId, text: str) -> WaitingPrompt:
    """Return a prompt of the queue."""
    # Cut: the view is written to its file after every event, and a prompt may be megabytes.
    return WaitingPrompt(turn_id, text[:_KEPT_PROMPT_CHARS])


def with_first_read(
    view: View, asks: Sequence[Ask], queue: Sequence[WaitingPrompt]
) -> tuple[View, list[Shown]]:
    """Return the view with the open `asks` and the `queue` that were read at its event, and what to print.

    They also hold what none of the view's events brought.
    """
    known_asks = {ask.id for ask in view.asks}
    older = tuple(ask for ask in asks if ask.id not in known_asks)
    known = {each.turn_id: each for each in view.waiting if each.text}
    waits = tuple(known.get(each.turn_id, each) for each in queue)
    sent = tuple(each for each in view.waiting if each.sent)
    return replace(view, asks=(*older, *view.asks), waiting=(*sent, *waits)), [AskShown(ask) for ask in older]


def fold(view: View, numbered: e.Numbered) -> tuple[View, list[Shown]]:
    """Return the view after an event, and the things that the event adds to the screen."""
    changed, shown = _fold_turn(replace(view, number=numbered.number), numbered)
    fresh: list[Shown] = []
    for item in shown:
        # One failure arrives as a notice, a turn's end and a state, but is shown once.
        sentence = _sentence(item)
        if sentence and sentence == changed.last_sentence and not isinstance(item, TurnOver):
            continue
        changed = replace(changed, last_sentence=sentence or changed.last_sentence)
        fresh.append(item)
    return changed, fresh


def _sentence(item: Shown) -> str:
    match item:
        case NoticeShown(text=text):
            return text
        case TurnOver(ended=ended):
            return ended_because(ended)
        case _:
            return ""


def _fold_turn(view: View, numbered: e.Numbered) -> tuple[View, list[Shown]]:
    event = numbered.event
    match event:
        case e.TurnQueued():
            prompt = waiting_prompt(event.turn_id, event.prompt)
            others = view.waiting
            return replace(view, waiting=(prompt, *others) if event.front else (*others, prompt)), []
        case e.TurnEdited():
            edited = event.prompt[:_KEPT_PROMPT_CHARS]
            return replace(view, waiting=_changed(view, event.turn_id, text=edited)), []
        case e.TurnMovedToFront():
            first = tuple(each for each in view.waiting if each.turn_id == event.turn_id)
            return replace(view, waiting=(*first, *_without(view, event.turn_id))), []
        case e.TurnWithdrawn():
            return replace(view, waiting=_without(view, event.turn_id)), []
        case e.TurnSent():
            told: list[Shown] = [NoticeShown(event.context)] if event.context else []
            return replace(view, waiting=_changed(view, event.turn_id, sent=True)), told
        case e.TurnStarted():
            return _started(view, event.turn_id, numbered.at_ms)
        case e.BackgroundTurnStarted():
            begun = replace(view, running=event.turn_id, running_since_ms=numbered.at_ms)
            return begun, [NoticeShown("Claude goes on by itself: background work has reported.")]
        case e.TurnHeldBack():
            return replace(view, waiting=_next_again(view, event.turn_id), running=None), []
        case e.TurnRequeued():
            return replace(view, waiting=_next_again(view, event.turn_id)), []
        case e.TurnElsewhere():
            return view, [NoticeShown("This was said in another terminal:"), PromptShown(event.prompt)]
        case e.BlockAdded():
            return _block(view, event.block)
        case e.TurnContinued():
            return view, [NoticeShown(event.how)]
        case e.TurnEnded():
            return _ended(view, event)
        case _:
            return _fold_ask(view, event)


def _fold_ask(view: View, event: e.Event) -> tuple[View, list[Shown]]:
    match event:
        case e.AskOpened():
            return replace(view, asks=(*view.asks, event.ask)), [AskShown(event.ask)]
        case e.AskDecided():
            return _settled(view, event.ask_id, event.decision, by=event.by)
        case e.AskWithdrawn():
            return _settled(view, event.ask_id, None, cause=event.cause)
        case _:
            return _fold_state(view, event)


def _fold_state(view: View, event: e.Event) -> tuple[View, list[Shown]]:
    match event:
        case e.LifecycleChanged():
            return _lifecycle(view, event)
        case e.ActivityChanged():
            return replace(view, activity=event.new, blocker=event.blocker), []
        case e.Noticed():
            return view, [NoticeShown(notice_text(event), is_trouble=NOTICES[event.topic].tone is Tone.TROUBLE)]
        case e.LimitSharesTold():
            return replace(view, limit_shares=event.shares), []
        case e.ModelChanged():
            return replace(view, model=event.model), []
        case e.ModeChanged():
            return replace(view, mode=event.mode), []
        case e.TitleChanged():
            return replace(view, title=event.title), []
        case e.ContextMeasured():
            return replace(view, context_used=event.used_tokens, context_window=event.window_tokens), []
        case _:
            return view, []


def _changed(view: View, turn_id: TurnId, **fields: object) -> tuple[WaitingPrompt, ...]:
    return tuple(replace(each, **fields) if each.turn_id == turn_id else each for each in view.waiting)


def _without(view: View, turn_id: TurnId) -> tuple[WaitingPrompt, ...]:
    return tuple(each for each in view.waiting if each.turn_id != turn_id)


def _next_again(view: View, turn_id: TurnId) -> tuple[WaitingPrompt, ...]:
    """Return the queue with this turn, which was sent before, as its first."""
    sent = [each for each in view.waiting if each.turn_id == turn_id]
    # The event has no text. A turn that is no longer in `waiting` has begun: its prompt is the last one shown.
    begun = WaitingPrompt(turn_id, view.last_prompt, was_shown=bool(view.last_prompt))
    again = replace(sent[0], sent=False) if sent else begun
    return (again, *_without(view, turn_id))


def _started(view: View, turn_id: TurnId, at_ms: int) -> tuple[View, list[Shown]]:
    begins = [each for each in view.waiting if each.turn_id == turn_id]
    prompts = [each.text for each in begins if each.text and not each.was_shown]
    # Empty if its events came before the first one that was read: then nobody knows its prompt.
    unknown = view.last_prompt if view.running == turn_id else ""
    begun = replace(
        view,
        waiting=_without(view, turn_id),
        running=turn_id,
        running_since_ms=at_ms,
        last_prompt=begins[0].text if begins else unknown,
        # The same trouble in another turn is news again.
        last_sentence="",
    )
    return begun, [PromptShown(text) for text in prompts]


def _block(view: View, block: Block) -> tuple[View, list[Shown]]:
    match block:
        case Text(text=text, parent=None) if text.strip():
            return view, [TextShown(text)]
        case Thinking(text=text, parent=None) if text.strip():
            return view, [ThoughtShown(text)]
        case ToolCall():
            words = tool_words(block.name, block.input, _WORDS)
            tool = OpenTool(block.tool_use_id, tool_name(block.name), words, block.parent is not None)
            return replace(view, tools=(*view.tools, tool)), []
        case ToolOutput():
            return _tool_over(view, block)
        case Note(text=text) if text:
            return view, [NoticeShown(text)]
        case Text() | Thinking() | Note() | Other():
            return view, []
        case _:
            assert_never(block)


def _tool_over(view: View, output: ToolOutput) -> tuple[View, list[Shown]]:
    # Empty if this terminal began to follow after the call: a result without a call tells people little.
    found = [tool for tool in view.tools if tool.tool_use_id == output.tool_use_id]
    changes = [line[0] for line in output.patch.splitlines() if line[:1] in ("+", "-")]
    shown: list[Shown] = [
        ToolShown(
            tool,
            not output.is_error,
            "" if changes else output_words(output.shown, _WORDS),
            changes.count("+"),
            changes.count("-"),
        )
        for tool in found
    ]
    return replace(view, tools=tuple(tool for tool in view.tools if tool not in found)), shown


def _ended(view: View, event: e.TurnEnded) -> tuple[View, list[Shown]]:
    # A turn that was cut has calls without a result: they are told, not forgotten.
    unfinished: list[Shown] = [ToolShown(tool, None) for tool in view.tools]
    over = replace(
        view,
        # A queued turn can end while another one runs.
        running=None if view.running == event.turn_id else view.running,
        waiting=_without(view, event.turn_id),
        tools=(),
        cost_usd=view.cost_usd + event.cost_usd,
        list_price_usd=view.list_price_usd + event.list_price_usd,
        context_window=event.context_window or view.context_window,
    )
    is_silent = event.status is TurnStatus.WITHDRAWN
    return over, [*unfinished, *([] if is_silent else [TurnOver(event)])]


def _settled(
    view: View, ask_id: AskId, decision: Decision | None, *, by: str = "", cause: str = ""
) -> tuple[View, list[Shown]]:
    found = [ask for ask in view.asks if ask.id == ask_id]
    left = tuple(ask for ask in view.asks if ask.id != ask_id)
    return replace(view, asks=left), [AskSettled(ask, decision, by, cause) for ask in found]


def _lifecycle(view: View, event: e.LifecycleChanged) -> tuple[View, list[Shown]]:
    # Without a process nobody works or asks; the events of the next process say what it does.
    activity = view.activity if event.new is Lifecycle.LIVE else Activity.IDLE
    moved = replace(view, lifecycle=event.new, activity=activity, blocker=None)
    match event.new:
        case Lifecycle.FAILED:
            return moved, [NoticeShown(event.cause, is_trouble=True)]
        case Lifecycle.ENDED:
            return moved, [NoticeShown("This session has ended.")]
        case _:
            return moved, []
