"""Words for a session's state, its notices, and the cards that follow its state. Pure.

Words always repeat the meaning of a colour. Each notice says what happened and what comes next.
"""

from collections.abc import Callable
from dataclasses import dataclass

from api import SessionInfo
from api.words.notices import NOTICES, Tone, notice_text
from api.words.states import State, state_of
from bot.bodies import Button, Card, Control, PostWish, Style, Verb
from bot.markdown.cards import escape_inline
from bot.subjects import UnitKind, subject_of
from bot.wording import counted, moment, sentence, tokens
from sessions import events as e
from sessions.events import Noticed
from sessions.topics import Topic

WORKING = 0x5865F2
QUIET = 0x4E5058
WAITING = 0xF0B232
TROUBLED = 0xDA373C
NEARLY_FULL = 0.8
_BAR = 10

# The next step, if Discord has a command or button for it.
_NEXT_HERE = {
    Topic.CONTEXT_FULL: "`/turn command compact` makes room; a new session begins with an empty one.",
}
_URGENT = {Topic.ASK_REMINDER, Topic.RUN_WAITS, Topic.RUN_ENDED}
_COLOURS = {Tone.MILD: WAITING, Tone.TROUBLE: TROUBLED}


# --- status ---------------------------------------------------------------------------------------------


def state_words(info: SessionInfo) -> str:
    """Return the session's state in words that need no explanation."""
    state = state_of(info.lifecycle, info.activity, info.blocker)
    match state:
        case State.QUEUED if info.place_in_line:
            return f"{state}; {counted(info.place_in_line, 'session')} first"
        case State.ASLEEP:
            return f"{state}; the next prompt wakes it"
        case State.FAILED if info.reason:
            return f"{state}: {escape_inline(info.reason, 200)}"
        case State.READY if info.queued_turns:
            return "about to go on"
        case State.NO_LOGIN:
            return f"blocked: {state}"
        case State.USAGE_LIMIT:
            until = f" until {moment(info.limit_until_ms, 't')}" if info.limit_until_ms else ""
            return f"blocked: {state}{until}"
        case State.RETRYING:
            return f"{state} after an error of Claude's service"
        case State.NO_PROGRESS:
            return f"{state} for a while"
        case _:
            return state.value


def context_bar(info: SessionInfo) -> str:
    """Return the use of the context as `▰▰▰▱▱▱▱▱▱▱ 34 % of 200k`."""
    share = min(1.0, info.context_used / info.context_window) if info.context_window else 0.0
    full = round(share * _BAR)
    return f"{'▰' * full}{'▱' * (_BAR - full)} {share:.0%} of {tokens(info.context_window)}".replace("%", " %")


# --- notices --------------------------------------------------------------------------------------------


def notice(event: Noticed, number: int, owner_id: int) -> PostWish | None:
    """Return the post of a notice, or None if the turn's own posts say it. `number` is the event's."""
    words = NOTICES[event.topic]
    if words.said_by_turn:
        return None
    subject = subject_of(UnitKind.NOTICE, number)
    if event.limit is not None:
        # The CLI reports the same limit window many times: they share one post.
        subject = subject_of(UnitKind.NOTICE, f"{event.topic}:{event.until_ms or 0}")
    lines = [f"**{words.title}**", sentence(notice_text(event), 500)]
    if event.until_ms is not None:
        what = "It opens again" if event.topic is Topic.USAGE_LIMIT else "A new window begins"
        lines.append(f"{what} {moment(event.until_ms)}, at {moment(event.until_ms, 't')}.")
    if next_step := _NEXT_HERE.get(event.topic, words.next_step):
        lines.append(f"-# {next_step}")
    # The others are silent: people get no push for what needs nothing from them.
    urgent = event.topic in _URGENT
    if urgent:
        lines[0] = f"<@{owner_id}> {lines[0]}"
    accent = _COLOURS[words.tone]
    return PostWish(subject, 0, Card(("\n".join(lines),), accent=accent), ping=owner_id if urgent else None)


# --- cards that follow the session's state --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionCard:
    """A separate post that exists while `render` returns a card. Only `events` may change it."""

    events: tuple[type[e.Event], ...]
    render: Callable[[SessionInfo], Card | None]


def context_card(info: SessionInfo) -> Card | None:
    """Return a card if the context is nearly full; None while there is room."""
    if info.context_window <= 0 or info.context_used < NEARLY_FULL * info.context_window:
        return None
    text = (
        "**The context is nearly full**\n"
        "Claude makes room by itself when it must, and then remembers only a summary.\n"
        "-# `/turn command compact` does it now; a new session begins with an empty context."
    )
    branch = Button(Control(Verb.BRANCH, info.id), "Branch", Style.SECONDARY)
    return Card((text,), ((branch,),), accent=WAITING)


def work_flow_card(info: SessionInfo) -> Card | None:
    """Return the card of the session's work-flow run; None for most sessions."""
    if info.work_flow is None:
        return None
    from bot.run_cards import run_card  # few sessions have a run

    return run_card(info)


SESSION_CARDS = {
    subject_of(UnitKind.NOTICE, "context"): SessionCard((e.ContextMeasured,), context_card),
    subject_of(UnitKind.NOTICE, "run"): SessionCard((e.RunChanged,), work_flow_card),
}
"""The cards by the subject of their posts. To add a card, write its function and a line here."""
