"""The page of one session: its turns, asks, status and the field for the next prompt."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import api as c
from api.access import Actor
from api.words.exports import EXPORTS
from api.words.models import short_model
from api.words.modes import MODES
from sessions.events import Noticed
from sessions.model import AskStatus, Lifecycle, PermissionMode, TurnStatus
from web.live.session_feed import reader_of, rendered_ask, rendered_block
from web.pages import fragments
from web.pages.found_places import marked, opened
from web.pages.fragments import Reader
from web.pages.layout import page
from web.pages.work_frame import act, tabs
from web.parts import WebParts

_TURNS = 30
_NOT_BEGUN = (TurnStatus.QUEUED, TurnStatus.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class PagePlace:
    """The place in a session that its page shows: the turns before number `before`, or around number `at`.

    Without both it shows the newest turns. `find` matches the words to mark.
    """

    before: int | None = None
    at: int | None = None
    find: re.Pattern[str] | None = None


async def session_page(parts: WebParts, actor: Actor, session_id: str, place: PagePlace) -> str:
    """Return the page of a session at a place. Raises the errors of `GetSession`."""
    before = await _page_end(parts, actor, session_id, place)
    read = c.ReadTurns(session_id=session_id, before=before, limit=_TURNS)
    turns = await parts.core.perform(actor, read)
    # After the turns: the page follows from their event, so a change of the session since then comes again.
    info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
    reader = await reader_of(parts, actor, info)
    # All names at once, before anything is rendered: the renderers only read what is known.
    await parts.people.learn(_people(info, turns))
    shown = [await _turn(parts, each, reader, place.find) for each in _in_order(turns.turns, info.queued_turns)]
    base = escape(parts.options.base_path, quote=True)
    older = ""
    if turns.before is not None:
        older = f'<p class="older"><a href="?before={turns.before}">Earlier turns</a></p>'
    # Only the page with the newest turns follows the stream: new turns would stand behind much older ones.
    is_newest = before is None
    notices = await _notices(parts, actor, session_id, turns) if is_newest else ""
    live = f' data-session="{escape(session_id)}" data-after="{turns.as_of}"' if is_newest else ""
    # The bot pings for these sessions, so the script shows no notification.
    live += " data-pings" if reader.in_discord else ""
    body = (
        f'<div class="session" data-of="{escape(session_id)}"{live}>'
        f'<div class="head">{title(info)}{fragments.status(info, reader)}{fragments.presence((), {})}'
        f"{_more(info, reader, base)}{tabs(parts.options, info, '')}</div>"
        f'{older}<div id="turns" role="log" aria-label="Conversation">{"".join(shown)}</div>'
        f'<div id="asks"></div><div id="notices">{notices}</div>'
        f"{_composer(info, reader, base) if is_newest else _newest(info, base)}"
        f"{fragments.again_dialog() if reader.prompt and is_newest else ''}</div>"
    )
    return page(parts.options, info.title or "Session", body, reader=actor)


def title(info: c.SessionInfo) -> str:
    """Return the session's title."""
    return f'<h1 id="title">{fragments.text_of(info.title or "Session")}</h1>'


async def _notices(parts: WebParts, actor: Actor, session_id: str, turns: c.TurnPage) -> str:
    """Return the notices since the newest turn that began was asked: older ones have been dealt with."""
    # A prompt that only waits deals with nothing.
    begun = (each.turn for each in turns.turns if each.turn.status not in _NOT_BEGUN)
    newest = next(begun, None)
    since_ms = newest.queued_ms if newest is not None else 0
    found = await parts.core.perform(actor, c.ReadNotices(session_id=session_id, since_ms=since_ms))
    return "".join(
        fragments.notice(each.number, each.event) for each in found.notices if isinstance(each.event, Noticed)
    )


async def _page_end(parts: WebParts, actor: Actor, session_id: str, place: PagePlace) -> int | None:
    """Return the turn number before which the page ends; None if it ends with the newest turn."""
    if place.at is None:
        return place.before
    end = place.at + _TURNS // 3
    newest = await parts.core.perform(actor, c.ReadTurns(session_id=session_id, limit=1, with_blocks=False))
    # A page that reaches the newest turn is the newest page, and so a live one.
    return end if newest.turns and newest.turns[0].turn.number >= end else None


def _people(info: c.SessionInfo, page: c.TurnPage) -> Iterator[str]:
    """Yield the ids of all people whom the page names."""
    yield info.user_id
    for view in page.turns:
        yield view.turn.author_id
        yield from (each.decided_by for each in view.asks)


def _in_order(turns: Sequence[c.TurnView], queue: Sequence[str]) -> Sequence[c.TurnView]:
    """Return turns as they happened; those that wait come last, in the order of the queue."""

    def moment(view: c.TurnView) -> tuple[int, int, int]:
        turn = view.turn
        if turn.id in queue:
            return 1, queue.index(turn.id), 0
        # By its beginning: a prompt that was moved to the front has a greater number than turns after it.
        return 0, turn.started_ms or turn.ended_ms or turn.queued_ms, turn.number

    return sorted(turns, key=moment)


async def _turn(parts: WebParts, view: c.TurnView, reader: Reader, find: re.Pattern[str] | None) -> str:
    turn = view.turn
    blocks = [
        await rendered_block(parts.renderer, turn.id, each, reader.directory, reader.chat)
        for each in view.blocks
    ]
    head = fragments.turn_head(turn, reader)
    if find is not None:
        blocks = [opened(marked(each, find)) for each in blocks]
        if turn.status is not TurnStatus.QUEUED:  # its text stands in a field, too
            head = marked(head, find)
    asks = [await rendered_ask(parts.renderer, each, reader) for each in view.asks if _is_shown(each.status)]
    name = escape(turn.id)
    foot = fragments.turn_foot(turn, reader)
    return (
        f"{fragments.turn_start(turn)}{head}"
        f'<div class="blocks" id="bs-{name}">{"".join(blocks)}</div>'
        f'<div class="asks" id="as-{name}">{"".join(asks)}</div>{foot}</article>'
    )


def _is_shown(status: AskStatus) -> bool:
    return status is not AskStatus.WITHDRAWN


def _composer(info: c.SessionInfo, reader: Reader, base: str) -> str:
    if not reader.prompt:
        return '<p class="dim composer">You may read along here.</p>'
    # Without scripts the form itself sends the prompt; its key makes a second send of the page harmless.
    return (
        f'<form class="composer" id="composer" method="post" action="{base}/chat/{escape(info.id)}/send">'
        f'<input type="hidden" name="key" value="{secrets.token_urlsafe(16)}">'
        '<label class="hidden" for="prompt">Prompt</label>'
        '<ul id="files" aria-label="Files"></ul><div class="line">'
        '<label class="attach"><span class="hidden">Add files</span><span aria-hidden="true">+</span>'
        '<input type="file" id="attach" multiple></label>'
        '<textarea id="prompt" name="prompt" rows="1" placeholder="Write to Claude" required></textarea>'
        '<button class="first">Send</button></div></form>'
    )


def _newest(info: c.SessionInfo, base: str) -> str:
    return f'<p class="older"><a href="{base}/chat/{escape(info.id)}">To the newest turns</a></p>'


def _more(info: c.SessionInfo, reader: Reader, base: str) -> str:
    export = f"{base}/api/sessions/{escape(info.id)}/export?format="
    links = "".join(f'<a href="{export}{form.value}">{words.label}</a>' for form, words in EXPORTS.items())
    links += '<button type="button" class="as-link" data-print="1">Print</button>'
    rows = [("Export", links), *_facts(info, reader).items()]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    acts = ""
    if reader.manage:
        modes = "".join(_mode_option(mode, is_set=mode is info.mode) for mode in PermissionMode)
        acts = (
            '<form class="row change" data-changes="title"><label>Title '
            f'<input name="title" value="{fragments.text_of(info.title)}" maxlength="200" required></label>'
            "<button>Rename</button></form>"
            '<form class="row change" data-changes="model"><label>Model '
            f'<input name="model" value="{fragments.text_of(info.model)}" required></label>'
            "<button>Use</button></form>"
            '<form class="row change" data-changes="mode"><label>Mode '
            f'<select name="mode">{modes}</select></label>'
            "<button>Set</button></form>"
            f'<div class="row">{_ends(info)}</div>'
        )
    if reader.prompt:
        acts += f'<div class="row">{act("Look closer", "POST look", then=".")}</div>'
        acts += f'<p><a href="{base}/templates?session={escape(info.id)}">Use a prompt template</a></p>'
    return f'<details class="more"><summary>More</summary><dl>{listed}</dl>{acts}</details>'


def _ends(info: c.SessionInfo) -> str:
    if info.lifecycle is Lifecycle.ENDED:
        asks = (
            "Delete this session for good? The bridge forgets its conversation and checkpoints. Its backups,"
            " its archived folder and Claude's own transcript stay."
        )
        restore = '<button type="button" data-act="POST" data-path="restore" data-then=".">Bring back</button>'
        return f"{restore}{act('Delete for good', 'DELETE ?purge=true', then='/', asks={'sure': asks})}"
    return (
        '<button type="button" data-act="POST" data-path="park">Put to sleep</button>'
        '<button type="button" data-act="DELETE" data-path="" data-sure="End this session?">End</button>'
    )


def _mode_option(mode: PermissionMode, *, is_set: bool) -> str:
    selected = " selected" if is_set else ""
    return f'<option value="{mode.value}"{selected}>Claude {MODES[mode]}</option>'


def _facts(info: c.SessionInfo, reader: Reader) -> Mapping[str, str]:
    facts: Sequence[tuple[str, str]] = (
        ("Model", short_model(info.model) or "Claude's default"),
        ("Mode", f"Claude {MODES[info.mode]}"),
        ("Project", info.project or info.work_directory_name),
        ("Trust", info.trust.value),
        ("Owner", fragments.author_name(info.user_id, reader.names)),
        ("Servers", ", ".join(f"{each.name} ({each.state})" for each in info.mcp_servers)),
        ("Planned", ", ".join(each.rhythm or each.prompt for each in info.promised)),
        ("Left running", ", ".join(each.command for each in info.left_running)),
        ("Id", info.id),
    )
    return {name: fragments.text_of(value) for name, value in facts if value}
