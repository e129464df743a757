"""The pieces of a session's page: a turn's head and foot, its blocks, the status. Each has an id of its own.

Pure: text that Claude or a person wrote is escaped here, or comes as HTML that `Renderer` made.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import assert_never

from api import PlacedBlock, SessionInfo
from api.prices import price_mark
from api.words.checkpoints import KEEP_FILES, PUT_BACK
from api.words.failures import ended_because
from api.words.models import short_model
from api.words.notices import NOTICES, notice_text
from api.words.progress import short_left_words, steps_words
from api.words.states import State, state_of
from api.words.tools import relative, telling_field, tool_label
from sessions.events import Noticed
from sessions.model import (
    Note,
    Other,
    Text,
    Thinking,
    ToolCall,
    ToolOutput,
    TurnKind,
    TurnStatus,
)
from sessions.stored import StoredTurn
from texts.unseen import as_seen

MOST_CHARS = 30_000
"""The most characters of a text or of a tool's body in the conversation; the whole has a page of its own."""
_LONGEST_LINE = 100
_MOST_NAMED = 3
_KIND_MARKS: Mapping[State, str] = {
    State.QUEUED: "◌",
    State.STARTING: "●",
    State.READY: "○",
    State.WORKING: "●",
    State.ASKING: "?",
    State.ASLEEP: "○",
    State.STOPPING: "◌",
    State.ENDED: "■",
}
_TURN_WORDS: Mapping[TurnStatus, str] = {
    TurnStatus.QUEUED: "",  # the head says so
    TurnStatus.SENT: "sent",
    TurnStatus.RUNNING: "running",
    TurnStatus.DONE: "",
    TurnStatus.FAILED: "failed",
    TurnStatus.INTERRUPTED: "stopped",
    TurnStatus.CUT: "cut",
    TurnStatus.WITHDRAWN: "withdrawn",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of a session: what they may do, since a page shows only buttons that work.

    `directory` is the name of the session's work directory; paths are shown relative to it. `names` has the
    names of people by their ids. `chat` is the path of the session's page, for links. `in_discord`: the session
    is shown there, too.
    """

    prompt: bool = False
    approve: bool = False
    manage: bool = False
    directory: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    chat: str = ""
    in_discord: bool = False


def text_of(value: str) -> str:
    """Return `value` as HTML text, without invisible characters."""
    return escape(as_seen(value), quote=True)


def one_line(value: str, most: int = _LONGEST_LINE) -> str:
    """Return `value` in one line of at most `most` characters, not escaped."""
    line = " ".join(as_seen(value).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


# --- turns ------------------------------------------------------------------------------------------------


def turn_start(turn: StoredTurn) -> str:
    """Return the start tag of a turn's article; answers to one prompt have one group."""
    turn_id, group = escape(turn.id), escape(turn.alternative_of or turn.id)
    place = f'data-group="{group}" data-number="{turn.number}"'
    return f'<article class="turn" id="t-{turn_id}" {place} aria-labelledby="th-{turn_id}">'


def turn_frame(turn: StoredTurn) -> str:
    """Return a turn's article without blocks."""
    turn_id = escape(turn.id)
    return (
        f"{turn_start(turn)}"
        f'<header id="th-{turn_id}"></header><div class="blocks" id="bs-{turn_id}"></div>'
        f'<div class="asks" id="as-{turn_id}"></div>'
        f'<footer id="tf-{turn_id}"></footer></article>'
    )


def turn_head(turn: StoredTurn, reader: Reader) -> str:
    """Return a turn's head: the prompt, and what can be done while it waits."""
    turn_id = escape(turn.id)
    if turn.kind is TurnKind.BACKGROUND:
        words = '<h2 class="by">Background work</h2>'
    else:
        again = " · asked again" if turn.alternative_of else ""
        author = text_of(author_name(turn.author_id, reader.names))
        line = '<span class="in-line"> · waits</span>' if turn.status is TurnStatus.QUEUED else ""
        words = f'<h2 class="by">{author}{again}{line}</h2><div class="prompt">{text_of(turn.prompt)}</div>'
        words += "".join(f'<p class="file">📎 {text_of(each.name)}</p>' for each in turn.attachments)
    if turn.status is TurnStatus.QUEUED and reader.prompt:
        queue = f"queue/{turn_id}"
        words += (
            '<div class="row">'
            f"{_act('Next', 'POST', f'{queue}/front')}{_act('Send now', 'POST', f'{queue}/now')}"
            f"{_queued_edit(turn)}{_act('Withdraw', 'DELETE', queue)}</div>"
        )
    return f'<header id="th-{turn_id}" class="{turn.status.value}">{words}</header>'


def _queued_edit(turn: StoredTurn) -> str:
    name = f"edit-{escape(turn.id)}"
    form = (
        f'<form class="stack" data-post="queue/{escape(turn.id)}" data-method="PATCH" data-stays="1">'
        f'<label class="hidden" for="{name}">The prompt</label>'
        f'<textarea id="{name}" name="content" rows="3" required>{text_of(turn.prompt)}</textarea>'
        '<div class="row"><button class="first">Save</button></div></form>'
    )
    return f'<details class="edit"><summary>Edit</summary>{form}</details>'


def turn_foot(turn: StoredTurn, reader: Reader) -> str:
    """Return a turn's foot: its state, time and cost, and the acts on an answer."""
    words = [_TURN_WORDS[turn.status]]
    if reason := ended_because(turn):
        words.append(reason)
    if turn.cost_usd:
        words.append(f"${turn.cost_usd:.2f}{price_mark(turn.cost_usd, turn.list_price_usd)}")
    said = " · ".join(text_of(word) for word in words if word)
    if turn.duration_ms:
        # The time is the link to the page that tells where it went.
        place = f"./{turn.session_id}/turns/{turn.id}/timing"
        timed = f'<a href="{escape(place)}" title="Where the time went">{duration(turn.duration_ms)}</a>'
        said = f"{timed} · {said}" if said else timed
    acts = ""
    is_over = turn.status in (TurnStatus.DONE, TurnStatus.FAILED, TurnStatus.INTERRUPTED, TurnStatus.CUT)
    if reader.prompt and is_over:
        # The style sheet shows these on the last turn only, so a new turn changes nothing of the older ones.
        last = ""
        if turn.status in (TurnStatus.CUT, TurnStatus.INTERRUPTED, TurnStatus.FAILED):
            last += _act("Continue", "POST", "continue")
        acts += f'<span class="of-last">{last}{_ask_again(turn)}</span>'
    if reader.prompt and is_over:
        body = json.dumps({"turnId": turn.id})
        acts += _act("Branch", "POST", "branch", body)
    if turn.changed_files:
        where = escape(f"{reader.chat}/turns/{turn.id}/changes", quote=True)
        acts += (
            f'<a href="{where}">{"1 file" if turn.changed_files == 1 else f"{turn.changed_files} files"}</a>'
        )
    if reader.in_discord and turn.status is not TurnStatus.QUEUED:
        where = escape(f"{reader.chat}/turns/{turn.id}/discord", quote=True)
        acts += f'<a href="{where}" target="_blank" rel="noopener">In Discord</a>'
    row = f'<div class="row quiet">{acts}</div>' if acts else ""
    mark = ' <span class="dots" aria-hidden="true"></span>' if turn.status is TurnStatus.RUNNING else ""
    return f'<footer id="tf-{escape(turn.id)}"><span class="dim">{said}</span>{mark}{row}</footer>'


def _ask_again(turn: StoredTurn) -> str:
    return f'<button type="button" data-again="{escape(turn.id)}">Ask again</button>'


def again_dialog() -> str:
    """Return the dialog that asks whether to put files back before Claude is asked again."""
    return (
        '<dialog id="again" aria-labelledby="again-words"><p id="again-words"></p><div class="row">'
        f'<button type="button" id="again-back" class="danger">{PUT_BACK}</button>'
        f'<button type="button" id="again-keep">{KEEP_FILES}</button>'
        '<button type="button" id="again-leave">Cancel</button></div></dialog>'
    )


def author_name(user_id: str, names: Mapping[str, str]) -> str:
    """Return a short name of a user id for people; `names` has those that are known."""
    if known := names.get(user_id):
        return one_line(known, 40)
    face, _, name = user_id.partition(":")
    # A Discord id without a known name is shown whole. An empty id is Claude itself, in background work.
    return name if face == "terminal" and name else user_id or "Claude"


def moment(at_ms: int) -> datetime:
    """Return a time in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def stamp(at_ms: int) -> str:
    """Return a moment; the browser's script shows it in the reader's time zone."""
    at = moment(at_ms)
    # The server does not know the reader's zone, and without scripts UTC stays.
    return f'<time datetime="{at.isoformat()}">{at:%d %b %Y %H:%M} UTC</time>'


def presence(others: Sequence[str], names: Mapping[str, str]) -> str:
    """Return the line on the other people who look at the session."""
    named = [text_of(author_name(each, names)) for each in others[:_MOST_NAMED]]
    if left := len(others) - len(named):
        named.append(f"{left} more")
    words = ""
    if named:
        said = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
        words = f"{said} look{'s' if len(named) == 1 else ''} at this, too."
    return f'<p id="presence" class="dim">{words}</p>'


def duration(ms: int) -> str:
    """Return a duration for people."""
    seconds = ms / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


# --- blocks -----------------------------------------------------------------------------------------------


def block(turn_id: str, placed: PlacedBlock, rendered: str, directory: str, whole: str) -> str:
    """Return a block; `rendered` is the HTML of its Markdown, for text and thinking.

    In tools, paths are shown relative to the work directory of the name `directory`. A body that is too long is
    cut, with a link to the page `whole`.
    """
    kind, inside = _inside(placed, rendered, directory, whole)
    # Only texts, thinking and tools of subagents have a parent; notes have no such field.
    nested = " nested" if getattr(placed.block, "parent", None) else ""
    return f'<div class="block {kind}{nested}" id="{block_id(turn_id, placed.ordinal)}">{inside}</div>'


def show_all(whole: str, size: int) -> str:
    """Return the link from a text that is cut to its whole, of `size` bytes."""
    return f'<p class="all"><a href="{escape(whole, quote=True)}">Show all</a> · {size_words(size)}</p>'


def size_words(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(1, round(count / 1024)):,} kB"


def block_id(turn_id: str, ordinal: int) -> str:
    """Return the id of a block's element."""
    return f"b-{escape(turn_id)}-{ordinal}"


def _inside(placed: PlacedBlock, rendered: str, directory: str, whole: str) -> tuple[str, str]:
    body, left_out = placed.block, placed.left_out
    match body:
        case Text():
            return "text", rendered
        case Thinking():
            return "thinking", fold("Thinking", rendered) if body.text else ""
        case ToolCall():
            field = telling_field(body.name, body.input)
            # The input is what Claude sent, of any type.
            told = one_line(relative(str(body.input.get(field, "")), directory)) if field else ""
            label = f"<b>{text_of(tool_label(body.name))}</b>{f' <code>{text_of(told)}</code>' if told else ''}"
            shown = _code(relative(pretty(body.input), directory), left_out, whole)
            return "call", fold(label, shown, is_html=True)
        case ToolOutput():
            return "output failed" if body.is_error else "output", _output(body, left_out, directory, whole)
        case Note():
            return "note", f"<p>{text_of(body.text)}</p>"
        case Other():
            return "other", fold(body.kind, _code(pretty(body.body), left_out, whole))
        case _:
            assert_never(body)


def _output(body: ToolOutput, left_out: int, directory: str, whole: str) -> str:
    if body.patch:
        names = ", ".join(relative(path, directory) for path in body.paths) or "files"
        return fold(f"Changed {one_line(names)}", _diff(relative(body.patch, directory), left_out, whole))
    shown = relative(body.shown, directory)
    lines = shown.count("\n") + 1 if shown else 0
    label = f"{'Failed' if body.is_error else 'Result'} · {lines} line{'' if lines == 1 else 's'}"
    return fold(label, _code(shown, left_out, whole)) if shown else f'<p class="dim">{label}</p>'


def _diff(patch: str, left_out: int, whole: str) -> str:
    rows = []
    patch, more = _cut(patch, left_out, whole)
    # Not `splitlines`: it also ends lines at characters that stand in code.
    for line in as_seen(patch).split("\n"):
        kind = {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "")
        rows.append(f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line))
    return f'<pre class="code diff">{chr(10).join(rows)}</pre>{more}'


def fold(label: str, body: str, *, is_html: bool = False) -> str:
    """Return `body` (HTML) behind a label that opens it; `label` is text unless `is_html`."""
    return f"<details><summary>{label if is_html else text_of(label)}</summary>{body}</details>"


def _code(text: str, left_out: int, whole: str) -> str:
    text, more = _cut(text, left_out, whole)
    return f'<pre class="code">{text_of(text)}</pre>{more}'


def _cut(text: str, left_out: int, whole: str) -> tuple[str, str]:
    """Return as much of a tool's body as is shown here, and the line on the rest."""
    shown = text[:MOST_CHARS]
    # Two cuts add up: the core has cut long bodies of a page of turns, those of the stream come whole.
    left_out += len(text[MOST_CHARS:].encode(errors="replace"))
    if not left_out:
        return shown, ""
    link = f'<a href="{escape(whole, quote=True)}">Show all</a>'
    return shown, f'<p class="all">… and {size_words(left_out)} more · {link}</p>'


def pretty(value: object) -> str:
    """Return a value as JSON with line ends, not escaped."""
    return json.dumps(value, ensure_ascii=False, indent=1)


# --- the session ------------------------------------------------------------------------------------------


def status(info: SessionInfo, reader: Reader) -> str:
    """Return the line on the session's state, with the one act that fits it."""
    state = state_of(info.lifecycle, info.activity, info.blocker)
    facts = [f"{_KIND_MARKS.get(state, '!')} {state.value}"]
    if info.model:
        facts.append(short_model(info.model))
    facts.append(info.project or info.work_directory_name)
    if info.context_window and info.context_used:
        facts.append(f"{info.context_used * 100 // info.context_window} % of the context")
    if info.cost_usd:
        facts.append(f"${info.cost_usd:.2f}{price_mark(info.cost_usd, info.list_price_usd)}")
    if info.progress.total:
        facts.insert(1, steps_words(info.progress))
        facts.insert(2, short_left_words(info.progress.left))
    act = ""
    if info.running_turn and reader.prompt:
        act = _act("Stop", "POST", "interrupt")
    # The limit may have opened, or belong to another model: only a try tells.
    elif state is State.USAGE_LIMIT and reader.prompt:
        act = _act("Try now", "POST", "try-now")
    kind = "needs" if info.open_asks else state.name.lower()
    words = " ".join(f"<span>{text_of(fact)}</span>" for fact in facts if fact)
    queue = escape(" ".join(info.queued_turns), quote=True)
    on = escape(info.goes_on_from or "", quote=True)
    places = f' data-on="{on}" data-queue="{queue}"'
    return f'<div id="status" class="{kind}" role="status"{places}><p>{words}</p>{act}</div>'


def notice(number: int, noticed: Noticed) -> str:
    """Return a notice."""
    words = NOTICES[noticed.topic]
    parts = (words.title, notice_text(noticed), words.next_step)
    said = " · ".join(text_of(one_line(part, 400)) for part in parts if part)
    return f'<p class="notice" id="n-{number}">{said}</p>'


def _act(label: str, method: str, path: str, body: str = "") -> str:
    """Return a button that sends a request to a route of the session."""
    sends = f' data-body="{escape(body, quote=True)}"' if body else ""
    where = escape(path, quote=True)
    return f'<button type="button" data-act="{method}" data-path="{where}"{sends}>{label}</button>'
