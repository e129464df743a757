"""The ephemeral cards that commands answer with: sessions, one session, queue, models, statistics. Pure."""

from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from api import (
    AuditEntry,
    Names,
    ProjectTrusts,
    SessionInfo,
    SessionPage,
    Statistics,
    Totals,
    TurnView,
)
from api.prices import price_mark
from api.words.states import state_of
from bot.bodies import Button, Card, Control, File, Option, Row, Select, Style, Verb
from bot.markdown.cards import escape_inline, one_line
from bot.wording import counted, duration, model_name, model_words, moment, money, person, tokens
from sessions.model import Note, Other, Text, Thinking, ToolCall, ToolOutput
from sessions.stored import StoredTurn

PAGE_SIZE = 10
SESSIONS = "sessions"
CLEAR = "clear"
CLEAR_ALL = "clear_all"
_MAX_CURSORS = 40  # pages back; the whole list is stored with each button


class ListState(msgspec.Struct, frozen=True):
    """The page of a session list: the list's filters, and the cursors that led to the page."""

    mine: bool = False
    text: str = ""
    cursors: tuple[str, ...] = ()


def session_list(page: SessionPage, state: ListState, places: Mapping[str, int]) -> Card:
    """Return a page of sessions; `places` are the channels that show them."""
    if not page.sessions:
        return Card(("**Sessions**", "There are none. Start one with /claude."))
    lines = [_session_line(each, places.get(each.id)) for each in page.sessions]
    here = state.cursors[-1] if state.cursors else ""
    back = msgspec.structs.replace(state, cursors=state.cursors[:-1])
    forth = msgspec.structs.replace(state, cursors=(*state.cursors, page.cursor)[-_MAX_CURSORS:])
    buttons = (
        Button(_page(back, "back"), "Newer", disabled=not here),
        Button(_page(forth, "forth"), "Older", disabled=not page.cursor),
    )
    rows: tuple[Row, ...] = (buttons,) if here or page.cursor else ()
    return Card(("**Sessions**", "\n".join(lines)), rows)


def _page(state: ListState, way: str) -> Control:
    # `way` makes the keys differ: two buttons of a message may not share one.
    return Control(Verb.PAGE, "", f"{SESSIONS} {way}", msgspec.json.encode(state).decode())


def _session_line(info: SessionInfo, channel_id: int | None) -> str:
    # Discord shows the thread's name in place of the link.
    where = f"<#{channel_id}>" if channel_id else f"**{escape_inline(info.title, 60) or 'Session'}**"
    return (
        f"{info.list_mark}{where} · {short_state(info)} · {model_name(info.model) or 'default'}"
        f" · {person(info.user_id)} · {moment(info.last_activity_ms)}"
    )


def short_state(info: SessionInfo) -> str:
    """Return the session's state in the fewest words, for lists; `cards.state_words` says more."""
    return state_of(info.lifecycle, info.activity, info.blocker).value


def model_panel(info: SessionInfo, models: Sequence[str]) -> Card:
    """Return the card to choose a session's model."""
    options = tuple(Option(one_line(name, 100), name[:100], chosen=name == info.model) for name in models[:25])
    choice = Select(Control(Verb.MODEL, info.id, "", "set"), "Choose a model", options)
    return Card((f"The model is {model_words(info.model)}.",), (choice,))


def project_panel(info: SessionInfo, projects: Sequence[str]) -> Card:
    """Return the card to choose the project that a session moves to."""
    options = tuple(Option(one_line(name, 100), name) for name in projects if len(name) <= 100)[:25]
    gone = "Its directory is not there any more. " if info.project_is_gone else ""
    if not options:
        return Card(
            (f"{gone}There is no project to move to. Make a directory for one, or use `/session move`.",)
        )
    choice = Select(Control(Verb.MOVE, info.id, "", "set"), "Choose a project", options)
    return Card(
        (f"{gone}The session goes on in the project that you choose; its conversation is kept.",), (choice,)
    )


def queue_card(info: SessionInfo, turns: Sequence[StoredTurn]) -> Card:
    """Return the card of the queued prompts, with a Cancel for each of the first five."""
    if not turns:
        return Card(("**Queue**", "Nothing waits."))
    lines = [
        f"{number}. {escape_inline(turn.prompt, 90) or '(files)'} · {person(turn.author_id)}"
        for number, turn in enumerate(turns, 1)
    ]
    cancels = tuple(
        Button(Control(Verb.CANCEL_QUEUED, info.id, turn.id), f"Cancel {number}")
        for number, turn in enumerate(turns[:5], 1)
    )
    return Card(("**Queue**", "\n".join(lines[:20])), (cancels,))


def confirm(words: str, control: Control, label: str) -> Card:
    """Return a card that asks for a confirmation before an irreversible command."""
    return Card((words,), ((Button(control, label, Style.DANGER),),))


def statistics_card(statistics: Statistics) -> Card:
    """Return the card of the core's statistics."""
    from api.words.backups import last_backup_line  # a start has no use for it

    total = statistics.totals
    states = " · ".join(f"{name} {count}" for name, count in sorted(statistics.by_lifecycle.items()))
    cost = f"Cost: {_cost(total)}"
    processes = f"Processes: {statistics.live_processes} of {statistics.max_processes}"
    means = (
        f"Mean turn: {duration(round(total.mean_duration_ms))}"
        f" · first text after {duration(round(total.mean_first_text_ms))}"
        f" · asks answered after {duration(round(total.mean_ask_wait_ms))}"
    )
    facts = [
        f"Sessions: {states or 'none'}",
        f"{processes} · waiting: {statistics.waiting} · open asks: {statistics.open_asks}",
        f"Memory of all Claude processes: {statistics.memory_bytes / 2**20:,.0f} MB",
        f"Turns: {total.turns:,} · failed: {total.failed_turns:,} · tool calls: {total.tool_calls:,}",
        f"{cost} · tokens in {tokens(total.input_tokens)}, out {tokens(total.output_tokens)}",
        means,
        last_backup_line(statistics.last_backup),
    ]
    groups = [
        f"- {_group(each.group)}: {counted(each.totals.turns, 'turn')}, {_cost(each.totals)}"
        for each in statistics.groups[:20]
    ]
    return Card(("**Statistics**", "\n".join(facts), "\n".join(groups)))


def _cost(totals: Totals) -> str:
    return f"{money(totals.cost_usd)}{price_mark(totals.cost_usd, totals.list_price_usd)}"


def _group(group: str) -> str:
    return person(group) if ":" in group else escape_inline(group, 40) or "(nobody)"


def audit_card(entries: Sequence[AuditEntry]) -> Card:
    """Return the card of the audit's entries, newest first."""
    lines = [
        f"{moment(each.at_ms, 'T')} {_through(each.detail)}{person(each.actor)} `{each.action}`"
        f"{'' if each.allowed else ' **refused**'}{f' · …{each.session_id[-6:]}' if each.session_id else ''}"
        for each in entries
    ]
    return Card(("**Audit**", "\n".join(lines)[:3800] or "Nothing was done yet."))


def _through(detail: str) -> str:
    return f"{escape_inline(detail, 80)} as " if detail else ""


def projects_card(names: Names, decided: ProjectTrusts) -> Card:
    """Return the card of the projects that sessions can run in, with the decisions on their trust."""
    trusts = {each.project: f" · {each.trust}, by {person(each.decided_by)}" for each in decided.projects}
    lines = "\n".join(f"- {escape_inline(name, 80)}{trusts.get(name, '')}" for name in names.names[:40])
    return Card(("**Projects**", lines or "There are none: make a directory in WORKSPACE_ROOT."))


def details_file(view: TurnView) -> File:
    """Return everything that happened in a turn, as a text file."""
    parts: list[str] = [f"Prompt:\n{view.turn.prompt}"]
    for block in view.contents:
        match block:
            case Text():
                parts.append(block.text)
            case Thinking():
                parts.append(f"[thinking]\n{block.text}")
            case ToolCall():
                pretty = msgspec.json.format(msgspec.json.encode(block.input), indent=2).decode()
                parts.append(f"[{block.name}]\n{pretty}")
            case ToolOutput():
                parts.append(f"[{'failed' if block.is_error else 'result'}]\n{block.shown}")
            case Note():
                parts.append(f"[{block.kind}] {block.text}")
            case Other():
                parts.append(f"[{block.kind}]")
            case _:
                assert_never(block)
    # `replace`: Claude's text may have lone surrogates, which no encoding takes.
    return File("turn.txt", "\n\n".join(parts).encode(errors="replace"), "Everything of this turn")
