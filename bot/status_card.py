"""The status of a session: one line in its channel, and a card with everything for a person who opens it. Pure.

The opened card consists of `SECTIONS`. To add one, write a function that takes an `Opened`, and list it there.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from api import SessionInfo, WorkPlace
from api.access import Action
from api.prices import price_mark
from api.words.limits import limit_name, share_words
from api.words.modes import MODES
from api.words.progress import left_words, steps_words
from api.words.sandbox import sandbox_words
from api.words.trust import TRUST_WORDS
from bot.bodies import Button, Card, Control, Row, Style, Verb
from bot.cards import QUIET, TROUBLED, WAITING, WORKING, context_bar, state_words
from bot.markdown.cards import escape_inline, one_line
from bot.wording import counted, model_name, model_words, moment, money, person
from sessions.model import Activity, Blocker, Lifecycle
from sessions.work_directory import DEFAULT_PROJECT

ASK_END = "ask"
"""The act of the button that shows the card from which a session is ended."""
_IN_A_ROW = 5
_MOST_LISTED = 5
_WORDS = {
    Lifecycle.QUEUED: "waiting",
    Lifecycle.PARKED: "asleep",
    Activity.IDLE: "ready",
    Blocker.RETRYING: "retrying",
    Blocker.NO_PROGRESS: "silent",
}


# --- the line -------------------------------------------------------------------------------------------


def status_card(info: SessionInfo) -> Card:
    """Return the card at the head of a session's channel: one short line, and a button that opens the rest."""
    more = Button(Control(Verb.MORE, info.id), "⋯")
    return Card(
        (status_line(info),), _what_blocks(info) or _first_steps(info), accent=_accent(info), beside=more
    )


def status_line(info: SessionInfo) -> str:
    """Return `● ready · opus · shop · 12 % · $0.03`. Leaves out unknown facts and a cost of zero.

    Where a subscription pays, the used part of its limit stands instead of dollars.
    """
    paid_usd = info.cost_usd - info.list_price_usd
    facts = (
        _state_word(info),
        _word(model_name(info.model).partition(" ")[0]),
        _word(info.project if info.project != DEFAULT_PROJECT else ""),
        _percent(info),
        money(paid_usd) if paid_usd >= 0.00005 else "",  # less would read $0.0000
        share_words(info.limit_shares),
    )
    return f"{'●' if info.lifecycle is Lifecycle.LIVE else '○'} {' · '.join(fact for fact in facts if fact)}"


def _state_word(info: SessionInfo) -> str:
    if info.lifecycle is not Lifecycle.LIVE:
        return _WORDS.get(info.lifecycle, info.lifecycle.value)
    if info.blocker is not None:
        return _WORDS.get(info.blocker, "blocked")
    return _WORDS.get(info.activity, info.activity.value)


def _word(name: str) -> str:
    """Return a name as one word."""
    # A name is anybody's text: as one short word it cannot look like another fact of the line.
    return escape_inline("-".join(one_line(name, 24).split()), 24)


def _percent(info: SessionInfo) -> str:
    """Return the used share of the context in percent; empty while it rounds to 0 %."""
    share = min(1.0, info.context_used / info.context_window) if info.context_window else 0.0
    return f"{share:.0%}".replace("%", " %") if share >= 0.005 else ""


def _what_blocks(info: SessionInfo) -> tuple[Row, ...]:
    """Return the one button that removes the session's block; none if it is not blocked."""
    if info.project_is_gone and info.lifecycle is Lifecycle.FAILED:
        return ((Button(Control(Verb.MOVE, info.id), "Move to another project"),),)
    match info.blocker:
        case Blocker.USAGE_LIMIT:
            # A limit may hold for one model alone.
            return ((Button(Control(Verb.MODEL, info.id), "Other model"),),)
        case Blocker.AUTH:
            return ((Button(Control(Verb.MORE, info.id, "login"), "How to log in"),),)
        case _:
            return ()


def _first_steps(info: SessionInfo) -> tuple[Row, ...]:
    """Return what helps in a project without guidance and documentation, until the second prompt."""
    if not info.wants_guide or info.message_count > 1 or info.lifecycle is Lifecycle.ENDED:
        return ()
    look = Button(Control(Verb.LOOK_CLOSER, info.id), "Look closer")
    return ((look, Button(Control(Verb.WRITE_GUIDE, info.id), "Write CLAUDE.md")),)


def _accent(info: SessionInfo) -> int:
    if info.lifecycle is Lifecycle.FAILED:
        return TROUBLED
    if info.lifecycle is not Lifecycle.LIVE:
        return QUIET
    busy = {Activity.WORKING: WORKING, Activity.ASKING: WAITING, Activity.BLOCKED: TROUBLED}
    return busy.get(info.activity, QUIET)


# --- opened ---------------------------------------------------------------------------------------------


class Opened(msgspec.Struct, frozen=True):
    """A session as one person opens it. `may` are the actions that the person may do to it.

    `terminal_hint` is empty for people who may not see paths of the machine. `has_dashboard`: a browser can
    show the session. `lookers` are the people who look at it in a browser now.
    """

    info: SessionInfo
    place: WorkPlace = msgspec.field(default_factory=WorkPlace)
    channel_id: int | None = None
    terminal_hint: str = ""
    may: frozenset[Action] = frozenset()
    has_dashboard: bool = False
    lookers: tuple[str, ...] = ()

    def button(self, verb: Verb, label: str) -> Button:
        return Button(Control(verb, self.info.id), label)


class Part(msgspec.Struct, frozen=True):
    """The content of one section: lines, and buttons that the person may use."""

    lines: Sequence[str] = ()
    buttons: tuple[Button, ...] = ()


Section = Callable[[Opened], Part]


def opened_card(opened: Opened) -> Card:
    """Return the card with everything about the session, for one person."""
    parts = [section(opened) for section in SECTIONS]
    lines = [line for part in parts for line in part.lines]
    buttons = [button for part in parts for button in part.buttons]
    # Discord takes five buttons a row and refuses the whole card for a sixth.
    rows = tuple(tuple(buttons[n : n + _IN_A_ROW]) for n in range(0, len(buttons), _IN_A_ROW))
    title = escape_inline(opened.info.title, 90) or "Session"
    return Card((f"**{opened.info.list_mark}{title}**", "\n".join(lines)), rows, accent=_accent(opened.info))


def _state(opened: Opened) -> Part:
    where = f" · in <#{opened.channel_id}>" if opened.channel_id is not None else ""
    return Part([f"State: {state_words(opened.info)}{where}"])


def _progress(opened: Opened) -> Part:
    """Claude's own list of steps."""
    progress = opened.info.progress
    if not progress.total:
        return Part()
    now = f" · {escape_inline(one_line(progress.current, 90), 160)}" if progress.current else ""
    lines = [f"Steps: {steps_words(progress)}{now}"]
    if left := left_words(progress.left):
        lines.append(f"Time: {left}")
    return Part(lines)


def _login(opened: Opened) -> Part:
    if opened.info.blocker is not Blocker.AUTH:
        return Part()
    return Part(["Log in: on the machine, run `claude auth login` as the user that runs the bot."])


def _model(opened: Opened) -> Part:
    info = opened.info
    can_change = Action.MANAGE in opened.may and info.lifecycle is not Lifecycle.ENDED
    end = Button(Control(Verb.FOLDER, info.id, ASK_END), "End session…")
    buttons = (opened.button(Verb.MODEL, "Model"), end) if can_change else ()
    return Part([f"Model: {model_words(info.model)} · {MODES[info.mode]}"], buttons)


def _sandbox(opened: Opened) -> Part:
    words = sandbox_words(opened.info.sandbox, opened.info.network)
    return Part([f"Reach: {words}"] if words else [])


def _limit(opened: Opened) -> Part:
    """The usage limit that blocks the session, and the ways out."""
    info, buttons = opened.info, []
    if info.limit is None:
        return Part()
    until = f" · opens {moment(info.limit.until_ms)}" if info.limit.until_ms else ""
    at = f", at {moment(info.limit.until_ms, 'f')}" if info.limit.until_ms else ""
    if info.other_model and Action.MANAGE in opened.may:
        control = Control(Verb.USE_MODEL, info.id, "", info.other_model)
        buttons.append(Button(control, f"Use {model_name(info.other_model)}", Style.PRIMARY))
    if Action.PROMPT in opened.may:
        buttons.append(opened.button(Verb.TRY_NOW, "Try now"))
    return Part([f"Limit: the account's {limit_name(info.limit)} is used up{until}{at}"], tuple(buttons))


def _context(opened: Opened) -> Part:
    return Part([f"Context: {context_bar(opened.info)}"] if opened.info.context_window else [])


def _cost(opened: Opened) -> Part:
    info = opened.info
    price = money(info.cost_usd) + price_mark(info.cost_usd, info.list_price_usd)
    limits = [
        f"Used: {share_words([each])}{f' · new window {moment(each.until_ms)}' if each.until_ms else ''}"
        for each in info.limit_shares
    ]
    return Part([f"Cost: {price} · {counted(info.message_count, 'prompt')}", *limits])


def _waiting(opened: Opened) -> Part:
    info, lines = opened.info, []
    if info.queued_turns:
        lines.append(f"Queue: {counted(len(info.queued_turns), 'prompt')} waiting")
    if info.background_tasks:
        lines.append(f"Background: {counted(info.background_tasks, 'task')} running")
    return Part(lines)


def _left_running(opened: Opened) -> Part:
    """Processes that Claude's tools left running; the session keeps its host for them."""
    left = opened.info.left_running
    if not left:
        return Part()
    can_end = Action.PROMPT in opened.may
    buttons = (opened.button(Verb.END_LEFT_RUNNING, "End it"),) if can_end else ()
    return Part([f"Left running: {_some(each.command for each in left)}"], buttons)


def _promised(opened: Opened) -> Part:
    """Prompts that Claude has planned, each with its next time."""
    promised = opened.info.promised
    if not promised:
        return Part()
    is_live = opened.info.lifecycle is Lifecycle.LIVE
    # Schedules live in Claude's process: without one, nothing happens at their times.
    when = (f" {moment(each.next_ms)}" if each.next_ms and is_live else " when woken" for each in promised)
    lines = [f"- {_quoted(each.prompt)}{at}" for each, at in zip(promised, when, strict=True)][:_MOST_LISTED]
    return Part(["Planned:", *lines, *_and_more(len(promised))])


def _some(words: Iterable[str]) -> str:
    named = [_quoted(each) for each in words]
    return " · ".join([*named[:_MOST_LISTED], *_and_more(len(named))])


def _quoted(words: str) -> str:
    return f"“{escape_inline(one_line(words, 80), 160)}”"


def _and_more(count: int) -> list[str]:
    return [f"and {count - _MOST_LISTED} more"] if count > _MOST_LISTED else []


def _project(opened: Opened) -> Part:
    info, place = opened.info, opened.place
    name = escape_inline(info.project or info.work_directory_name, 80) or "its own directory"
    branch = f" · branch {escape_inline(place.branch, 60)}" if place.branch else ""
    commit = [f"-# Last commit: {escape_inline(place.commit, 90)}"] if place.commit else []
    # A live process keeps its directory, so the card offers the move only without one.
    can_move = Action.MANAGE in opened.may and info.lifecycle in (Lifecycle.PARKED, Lifecycle.FAILED)
    buttons = [opened.button(Verb.MOVE, "Move")] if can_move else []
    is_busy = info.running_turn is not None or info.queued_turns
    if Action.PROMPT in opened.may and info.lifecycle is not Lifecycle.ENDED and not is_busy:
        buttons.append(opened.button(Verb.LOOK_CLOSER, "Look closer"))
        if info.wants_guide:
            buttons.append(opened.button(Verb.WRITE_GUIDE, "Write CLAUDE.md"))
    return Part([f"Project: {name}{branch}", *commit], tuple(buttons))


def _trust(opened: Opened) -> Part:
    info = opened.info
    wanted = (opened.button(Verb.TRUST, "Decide on the project"),) if info.trust_wanted else ()
    return Part([f"Of the project: {TRUST_WORDS[info.trust]}"], wanted)


def _servers(opened: Opened) -> Part:
    servers = [
        f"{escape_inline(each.name, 40)} ({': '.join(part for part in (each.state, cause) if part)})"
        for each in opened.info.mcp_servers
        for cause in (escape_inline(each.cause, 80),)
    ]
    return Part([f"MCP servers: {', '.join(servers[:10])}"] if servers else [])


def _people(opened: Opened) -> Part:
    info = opened.info
    times = f"started {moment(info.created_ms)} · last active {moment(info.last_activity_ms)}"
    lines = [f"Owner: {person(info.user_id)} · {times}", f"Id: `{info.id}`"]
    if opened.lookers:
        named = [person(each) for each in opened.lookers[:_MOST_LISTED]]
        lines.append(f"In a browser now: {', '.join([*named, *_and_more(len(opened.lookers))])}")
    return Part(lines)


def _terminal(opened: Opened) -> Part:
    return Part([opened.terminal_hint] if opened.terminal_hint else [])


def _elsewhere(opened: Opened) -> Part:
    """Ways to go on somewhere else."""
    info, buttons = opened.info, []
    if Action.PROMPT in opened.may and info.message_count:
        buttons.append(opened.button(Verb.BRANCH, "Branch"))
    if Action.VIEW in opened.may:
        buttons.append(opened.button(Verb.EXPORT, "Export"))
        if opened.has_dashboard:
            buttons.append(opened.button(Verb.BROWSER, "In the browser"))
    return Part(buttons=tuple(buttons))


SECTIONS: tuple[Section, ...] = (
    _state,
    _progress,
    _login,
    _limit,
    _model,
    _context,
    _cost,
    _waiting,
    _left_running,
    _promised,
    _project,
    _trust,
    _sandbox,
    _servers,
    _people,
    _terminal,
    _elsewhere,
)
