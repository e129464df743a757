"""The page of a turn's changes, read line by line: comments of several people, gathered in a tray."""

from collections.abc import Mapping, Sequence
from html import escape

import api as c
from api.access import Actor
from api.words.checkpoints import change_line
from sessions.errors import CheckpointRefused
from web.live.session_feed import REVIEW, reader_of
from web.pages import diff, fragments
from web.pages.fragments import Reader
from web.pages.work_frame import act, place_of, work_page
from web.parts import WebParts


async def review_page(parts: WebParts, actor: Actor, session_id: str, turn_id: str) -> str:
    """Return the page. Raises `TurnNotFound`, and the errors of `GetSession`."""
    perform = parts.core.perform
    # First of all reads: the page follows from this event, so that a change during the others comes again.
    info = await perform(actor, c.GetSession(session_id=session_id))
    reader = await reader_of(parts, actor, info)
    turn = (await perform(actor, c.ReadTurn(session_id=session_id, turn_id=turn_id, with_blocks=False))).turn
    comments = (await perform(actor, c.ListComments(session_id=session_id))).comments
    await parts.people.learn(each.author for each in comments)
    mine = [each for each in comments if each.turn_id == turn_id]
    said = f'<p class="said dim">{fragments.text_of(fragments.one_line(turn.prompt, 200))}</p>'
    where = f"{place_of(parts.options, session_id)}#t-{escape(turn_id)}"
    back = f'<p><a class="back" href="{where}">To this turn</a></p>'
    try:
        command = c.ReadTurnChanges(session_id=session_id, turn_id=turn_id, with_diff=True)
        changes = _changes(await perform(actor, command), mine, reader)
    except CheckpointRefused as error:
        changes = f'<p class="dim">{fragments.text_of(str(error))}</p>'
    form = _form(turn_id) if reader.prompt else ""
    live = f' data-session="{escape(session_id)}" data-after="{info.last_event}"'
    shown = f'<div id="{REVIEW}"{live}>{changes}{_tray(comments, reader)}</div>'
    body = f"{said}{back}{fragments.presence((), {})}{shown}{form}"
    return work_page(parts, actor, info, "/changes", "Changes", body)


def _changes(found: c.Comparison, comments: Sequence[c.ReviewComment], reader: Reader) -> str:
    if not found.total:
        return '<p class="dim">This turn changed no file.</p>'
    if found.diff is None:
        lines = diff.listed(change_line(each) for each in found.changes)
        return f'<p class="dim">The text of the changes is too long to show.</p>{lines}'
    notes: dict[diff.Anchor, str] = {}
    for each in comments:
        anchor = (each.path, each.line, each.is_removed)
        # Several people may comment on one line.
        notes[anchor] = notes.get(anchor, "") + _comment(each, reader)
    return diff.shown(diff.parse_diff(found.diff), notes, can_comment=reader.prompt)


def _comment(each: c.ReviewComment, reader: Reader) -> str:
    name = fragments.text_of(each.author_name or fragments.author_name(each.author, reader.names))
    stale = '<span class="warn"> · this line has changed since</span>' if each.is_stale else ""
    remove = act("Remove", f"DELETE comments/{each.id}", then=".") if reader.prompt else ""
    return (
        f'<div class="comment"><p class="by">{name}{stale}</p>'
        f'<p class="words">{fragments.text_of(each.text)}</p>{remove}</div>'
    )


def _form(turn_id: str) -> str:
    """Return the form that the script puts below the line that somebody chose."""
    hidden: Mapping[str, str] = {"turnId": turn_id, "path": "", "line": "", "snippet": "", "isRemoved": ""}
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value, quote=True)}">'
        for name, value in hidden.items()
    )
    return (
        f'<form id="comment" class="stack" data-post="comments" hidden>{fields}'
        '<label class="hidden" for="words">Your comment</label>'
        '<textarea id="words" name="text" rows="3" placeholder="Your comment on this line" required></textarea>'
        '<div class="row"><button class="first">Add</button><button type="button" id="leave">Cancel</button>'
        "</div></form>"
    )


def _tray(comments: Sequence[c.ReviewComment], reader: Reader) -> str:
    if not comments:
        words = "Choose a line to comment on it. Comments wait here and are sent together, as one prompt."
        return f'<p class="dim tray">{words}</p>' if reader.prompt else ""
    rows = "".join(
        f"<li><p><code>{fragments.text_of(each.path)}:{each.line}</code>"
        f"{' <span class=warn>changed since</span>' if each.is_stale else ''}</p>{_comment(each, reader)}</li>"
        for each in comments
    )
    count = "1 comment waits" if len(comments) == 1 else f"{len(comments)} comments wait"
    send = (
        '<form class="line" data-post="review" data-opens="chat"><label class="hidden" for="note">'
        'Words before them</label><input id="note" name="note" placeholder="Words before them">'
        '<button class="first">Send all</button></form>'
        if reader.prompt
        else ""
    )
    return (
        f'<section class="tray card" aria-labelledby="tray"><details id="tray-fold"><summary>'
        f'<h2 id="tray">{count}</h2></summary>'
        f"<ul>{rows}</ul></details>{send}</section>"
    )
