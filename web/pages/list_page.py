"""The page of all sessions: first those that need an answer, then those that run, then the rest by day."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html import escape

import api as c
from api.access import Action, Actor, may
from api.words.models import short_model
from api.words.modes import MODES
from api.words.progress import short_left_words
from api.words.states import State, state_of
from sessions.errors import SessionError
from sessions.model import AskStatus, PermissionMode
from web.live.session_feed import reader_of, rendered_ask
from web.pages import fragments
from web.pages.found_places import found_places
from web.pages.layout import page
from web.parts import WebParts

_SHOWN = 100
_MODELS = ("opus", "sonnet", "haiku")
"""Names that Claude takes for the newest model of each family."""
_RUNS = (State.QUEUED, State.STARTING, State.WORKING, State.RETRYING, State.STOPPING)


async def list_page(parts: WebParts, actor: Actor, now_ms: int, text: str, cursor: str) -> str:
    """Return the page; with `text` the sessions whose title or texts contain it, and the places in them."""
    base = escape(parts.options.base_path, quote=True)
    groups = await listed(parts, actor, now_ms, text) if not cursor else ""
    new = await _new(parts, actor, base) if may(actor, Action.CREATE) and not text else ""
    search = (
        '<form class="search" role="search" method="get"><label class="hidden" for="text">Search</label>'
        '<input id="text" name="text" type="search" placeholder="Search" '
        f'value="{fragments.text_of(text)}"></form>'
    )
    found = await found_places(parts, actor, text, cursor) if text else ""
    # The stream brings the whole list, which would replace what was found.
    live = "" if text else " data-list"
    may_clean = may(actor, Action.CREATE) and not text
    clean = f'<p class="older"><a href="{base}/cleanup">Clean up</a></p>' if may_clean else ""
    # The script shows it where the browser has notifications.
    tells = (
        ""
        if text
        else '<p class="older"><button type="button" id="notify" class="as-link" hidden></button></p>'
    )
    body = f'<h1>Sessions</h1>{new}{search}<div id="sessions"{live}>{groups}</div>{found}{clean}{tells}'
    return page(parts.options, "Sessions", body, reader=actor)


async def listed(parts: WebParts, actor: Actor, now_ms: int, text: str = "") -> str:
    """Return the groups of sessions. Those that need an answer show the question with its buttons."""
    # A search is for what was, so ended sessions are in it; the list is for what goes on.
    found = await parts.core.perform(actor, c.QuerySessions(text=text, include_ended=bool(text), limit=_SHOWN))
    base = escape(parts.options.base_path, quote=True)
    if not found.sessions:
        if text:
            return ""
        words = "There is no session yet. Begin one: write what Claude shall do."
        return f'<section id="g-none"><p class="dim">{words}</p></section>'
    groups: dict[str, list[str]] = {}
    needs = [info for info in found.sessions if info.open_asks]
    runs = [info for info in found.sessions if not info.open_asks and _state(info) in _RUNS]
    seen = {info.id for info in (*needs, *runs)}
    for info in needs:
        # The page of a search follows no changes, so an ask there could be answered already.
        asked = "" if text else await first_ask(parts, actor, info)
        groups.setdefault("Needs you", []).append(_row(info, base, now_ms, asked))
    for info in runs:
        groups.setdefault("Runs", []).append(_row(info, base, now_ms))
    for info in found.sessions:
        if info.id not in seen:
            groups.setdefault(_day(info, now_ms), []).append(_row(info, base, now_ms))
    return "".join(_group(heading, rows) for heading, rows in groups.items())


def _group(heading: str, rows: Iterable[str]) -> str:
    # Named by its heading: a group keeps its name when another one appears before it.
    name = "".join(each if each.isalnum() else "-" for each in heading.lower())
    return (
        f'<section id="g-{name}" aria-labelledby="gh-{name}"><h2 id="gh-{name}">{escape(heading)}</h2>'
        f'<ul class="sessions">{"".join(rows)}</ul></section>'
    )


async def first_ask(parts: WebParts, actor: Actor, info: c.SessionInfo) -> str:
    """Return the oldest open ask of a session, to be answered in the list; empty if it has just been closed."""
    try:
        read = c.ReadAsk(session_id=info.id, ask_id=info.open_asks[0])
        stored = await parts.core.perform(actor, read)
        if stored.status is not AskStatus.OPEN:
            return ""
        shown = await rendered_ask(parts.renderer, stored, await reader_of(parts, actor, info))
    except SessionError:
        return ""  # the session, or the right to see it, went between the two reads
    others = len(info.open_asks) - 1
    more = f'<p class="dim">{others} more in the session.</p>' if others else ""
    pings = " data-pings" if info.channel_id.startswith("discord:") else ""
    return f'<div class="asked" data-chat="{escape(info.id)}"{pings}>{shown}{more}</div>'


def _row(info: c.SessionInfo, base: str, now_ms: int, asked: str = "") -> str:
    state = _state(info)
    facts = [
        info.project or info.work_directory_name,
        short_model(info.model),
        _ago(now_ms - info.last_activity_ms),
    ]
    words = " · ".join(fragments.text_of(fact) for fact in facts if fact)
    kind = "needs" if info.open_asks else state.name.lower()
    name = fragments.text_of(info.list_mark + (fragments.one_line(info.title, 80) or "Session"))
    said = "waits for your answer" if info.open_asks else state.value
    if info.progress.total and state in _RUNS:
        steps = f"{info.progress.done}/{info.progress.total} {fragments.one_line(info.progress.current, 60)}"
        left = short_left_words(info.progress.left)
        said += f" · {steps.rstrip()}{f' · {left}' if left else ''}"
    return (
        f'<li id="s-{escape(info.id)}" class="{kind}"><a href="{base}/chat/{escape(info.id)}">{name}</a>'
        f'<p><span class="state">{fragments.text_of(said)}</span> <span class="dim">{words}</span></p>'
        f"{asked}</li>"
    )


def _state(info: c.SessionInfo) -> State:
    return state_of(info.lifecycle, info.activity, info.blocker)


def _day(info: c.SessionInfo, now_ms: int) -> str:
    then = datetime.fromtimestamp(info.last_activity_ms / 1000, UTC).astimezone().date()
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone().date()
    if then == today:
        return "Today"
    # By days of this machine's zone: the server does not know the reader's.
    return "Yesterday" if then == today - timedelta(days=1) else then.strftime("%A, %-d %B %Y")


def _ago(ms: int) -> str:
    minutes = max(0, ms) // 60_000
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 24 * 60 else f"{minutes // (24 * 60)} d ago"


async def _new(parts: WebParts, actor: Actor, base: str) -> str:
    projects = (await parts.core.perform(actor, c.ListProjects())).names
    options = "".join(f"<option>{fragments.text_of(name)}</option>" for name in projects)
    choice = (
        '<label>Project <select name="project"><option value="">New directory</option>'
        f"{options}</select></label>"
    )
    modes = "".join(f'<option value="{mode.value}">Claude {MODES[mode]}</option>' for mode in PermissionMode)
    more = (
        '<details class="more"><summary>Model and mode</summary><div class="row">'
        '<label>Model <input name="model" list="models" placeholder="as set for all" '
        'autocomplete="off"></label>'
        f'<datalist id="models">{"".join(f"<option>{name}</option>" for name in _MODELS)}</datalist>'
        f'<label>Mode <select name="mode"><option value="">As set for all</option>{modes}</select></label>'
        "</div></details>"
    )
    return (
        f'<form class="composer" id="new" method="post" action="{base}/new">'
        f'<input type="hidden" name="key" value="{secrets.token_urlsafe(16)}">'
        '<label class="hidden" for="prompt">Prompt</label><ul id="files" aria-label="Files"></ul>'
        '<textarea id="prompt" name="prompt" rows="2" placeholder="What shall Claude do?" required></textarea>'
        f'<div class="row"><label class="attach"><span class="hidden">Add files or a photo</span>'
        '<span aria-hidden="true">+</span><input type="file" id="attach" multiple></label>'
        f'{choice}<button class="first">Begin</button></div>'
        f'<div class="row under">{more}<a href="{base}/templates">From a template</a></div></form>'
    )
