"""The pages on checkpoints: the timeline, one compared with another or with now, the preview of a restore."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from urllib.parse import urlencode

import api as c
from api.access import Actor
from api.checkpointing import MOST_LISTED
from api.words.checkpoints import (
    REASONS,
    cautions,
    change_line,
    head_words,
    left_lines,
    preview_words,
    step_lines,
)
from sessions.errors import CheckpointRefused, TurnNotFound
from sessions.restore_scope import RestoreScope
from web.live.session_feed import reader_of
from web.pages import diff, fragments
from web.pages.fragments import stamp
from web.pages.work_frame import act, place_of, work_page
from web.parts import WebParts
from workdirs.checkpoint_model import Reason

_SHOWN = 30
_OFFERED = 50
"""Later checkpoints to compare with."""
_PLACE = "/checkpoints"


async def timeline_page(parts: WebParts, actor: Actor, session_id: str, cursor: str) -> str:
    """Return the page that lists a session's checkpoints, newest first."""
    perform = parts.core.perform
    info = await perform(actor, c.GetSession(session_id=session_id))
    reader = await reader_of(parts, actor, info)
    try:
        listed = c.ListCheckpoints(session_id=session_id, cursor=cursor, limit=_SHOWN)
        found = await perform(actor, listed)
    except CheckpointRefused as error:
        body = f'<p class="dim">{fragments.text_of(str(error))}</p>'
        return work_page(parts, actor, info, _PLACE, "Checkpoints", body)
    prompts = await _prompts(parts, actor, session_id, found)
    # Only the newest restore can be undone, and only the first page knows which one that is.
    undo = next((each.id for each in found.checkpoints if each.reason is Reason.BEFORE_RESTORE), "")
    base = f"{place_of(parts.options, session_id)}{_PLACE}"
    rows = "".join(
        _row(
            base, each, prompts.get(each.turn_id, ""), undoes=each.id == undo and reader.approve and not cursor
        )
        for each in found.checkpoints
        if each.reason is not Reason.COMPARE  # nobody asked for these: they are the "now" of a comparison
    )
    none = '<p class="dim">No checkpoint yet. One is taken before each prompt and after each turn.</p>'
    take = (
        '<form class="row" data-post="checkpoints"><label>Name <input name="label" maxlength="100" '
        'placeholder="before the refactoring"></label><button>Take one now</button></form>'
        if reader.prompt
        else ""
    )
    older = (
        f'<p class="older"><a href="?{urlencode({"cursor": found.cursor})}">Older</a></p>'
        if found.cursor
        else ""
    )
    body = f"{take}{f'<ol class=timeline>{rows}</ol>' if rows else none}{older}"
    return work_page(parts, actor, info, _PLACE, "Checkpoints", body)


async def _prompts(
    parts: WebParts, actor: Actor, session_id: str, found: c.CheckpointPage
) -> Mapping[str, str]:
    """Return the prompts of the turns that the checkpoints belong to: people know those, not ids."""
    prompts = {}
    # One read for each: the turns of old checkpoints are on no page of turns that is at hand.
    for turn_id in {each.turn_id for each in found.checkpoints if each.turn_id}:
        command = c.ReadTurn(session_id=session_id, turn_id=turn_id, with_blocks=False)
        with suppress(TurnNotFound):
            prompts[turn_id] = (await parts.core.perform(actor, command)).turn.prompt
    return prompts


def _row(base: str, each: c.CheckpointInfo, prompt: str, *, undoes: bool) -> str:
    label = f"<b>{fragments.text_of(each.label)}</b> " if each.label else ""
    said = (
        f'<span class="dim said">{fragments.text_of(fragments.one_line(prompt, 90))}</span>' if prompt else ""
    )
    files = "1 file" if each.files == 1 else f"{each.files:,} files"
    button = act("Undo this restore", "POST restores/undo", then=".", kind="undo") if undoes else ""
    return (
        f'<li class="{each.reason.value}"><a href="{base}/{escape(each.id)}">{label}'
        f"{fragments.text_of(REASONS[each.reason])}</a>{said}"
        f'<span class="dim">{stamp(each.made_ms)} · {files}</span>{button}</li>'
    )


async def checkpoint_page(
    parts: WebParts, actor: Actor, session_id: str, checkpoint_id: str, with_id: str
) -> str:
    """Return the page of one checkpoint: what differs from it now, or in the checkpoint `with_id`."""
    perform = parts.core.perform
    info = await perform(actor, c.GetSession(session_id=session_id))
    reader = await reader_of(parts, actor, info)
    command = c.CompareCheckpoints(
        session_id=session_id, checkpoint_id=checkpoint_id, with_id=with_id, with_diff=True
    )
    compared = await perform(actor, command)
    mine, later = await _place_of(parts, actor, session_id, checkpoint_id)
    parts_of = [_about(mine)] if mine is not None else []
    parts_of.append(_chooser(later, with_id))
    acts = []
    # Only the comparison with the files as they are now shows what a restore would do.
    if reader.approve and not with_id and compared.total:
        where = f"{place_of(parts.options, session_id)}{_PLACE}/{escape(checkpoint_id)}/restore"
        acts.append(f'<a class="button" href="{where}">Put the files back …</a>')
    turn_id = await _turn_at(parts, actor, session_id, mine)
    if reader.prompt and turn_id:
        acts.append(act("Branch from here", "POST branch", body={"turnId": turn_id}))
    if acts:
        parts_of.append(f'<div class="row">{"".join(acts)}</div>')
    parts_of.append(_compared(compared))
    return work_page(parts, actor, info, _PLACE, "Checkpoint", "".join(parts_of))


async def _place_of(
    parts: WebParts, actor: Actor, session_id: str, checkpoint_id: str
) -> tuple[c.CheckpointInfo | None, Sequence[c.CheckpointInfo]]:
    """Return a checkpoint and those after it, newest first; None if it was removed meanwhile."""
    later: list[c.CheckpointInfo] = []
    cursor = ""
    while True:
        # Page by page until it is found: people open checkpoints that are far older than the newest page.
        listed = c.ListCheckpoints(session_id=session_id, cursor=cursor, limit=MOST_LISTED)
        found = await parts.core.perform(actor, listed)
        for each in found.checkpoints:
            if each.id == checkpoint_id:
                return each, later
            later.append(each)
        if not (cursor := found.cursor):
            return None, ()


def _about(each: c.CheckpointInfo) -> str:
    label = f"<b>{fragments.text_of(each.label)}</b> · " if each.label else ""
    warnings = "".join(f'<p class="warn">{fragments.text_of(words)}</p>' for words in cautions(each))
    files = "1 file" if each.files == 1 else f"{each.files:,} files"
    return f"<p>{label}{REASONS[each.reason]} · {stamp(each.made_ms)} · {files}</p>{warnings}"


def _chooser(later: Sequence[c.CheckpointInfo], with_id: str) -> str:
    """Return the choice of what it is compared with: the files now, or one of the newest later checkpoints."""
    offered = [each for number, each in enumerate(later) if number < _OFFERED or each.id == with_id]
    options = "".join(
        f'<option value="{escape(each.id)}"{" selected" if each.id == with_id else ""}>'
        f"{fragments.moment(each.made_ms):%d %b %H:%M:%S} · "
        f"{fragments.text_of(each.label or REASONS[each.reason])}</option>"
        for each in offered
    )
    return (
        '<form class="row" method="get"><label>Compare with <select name="with">'
        f'<option value="">the files now</option>{options}</select></label><button>Compare</button></form>'
    )


def _compared(compared: c.Comparison) -> str:
    if not compared.total:
        return '<p class="dim">No file differs.</p>'
    count = "1 file differs" if compared.total == 1 else f"{compared.total:,} files differ"
    if compared.diff is None:
        lines = diff.listed(change_line(each) for each in compared.changes)
        return f'<h2>{count}</h2><p class="dim">The text of the changes is too long to show.</p>{lines}'
    return f"<h2>{count}</h2>{diff.shown(diff.parse_diff(compared.diff))}"


async def restore_page(
    parts: WebParts, actor: Actor, session_id: str, checkpoint_id: str, scope: RestoreScope
) -> str:
    """Return the page that previews a restore, with the button that does it."""
    info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
    reader = await reader_of(parts, actor, info)
    command = c.PreviewRestore(session_id=session_id, checkpoint_id=checkpoint_id, scope=scope)
    preview = await parts.core.perform(actor, command)
    other = RestoreScope.EVERYTHING if preview.scope is RestoreScope.SESSION else RestoreScope.SESSION
    label = "All files instead" if other is RestoreScope.EVERYTHING else "Only this session's files"
    acts = [f'<a class="button" href="?scope={other}">{label}</a>']
    total = preview.creates + preview.changes + preview.deletes
    if reader.approve and total:
        # The digest is that of the preview on this page: if files change meanwhile, the act is refused.
        wish = {"checkpointId": checkpoint_id, "scope": preview.scope, "digest": preview.digest}
        acts.insert(
            0,
            act("Restore", "POST restores", body=wish, then=f"/chat/{session_id}{_PLACE}", kind="danger"),
        )
    moved = f'<p class="warn">{fragments.text_of(head_words(preview))}</p>' if preview.head_now else ""
    steps = diff.listed(step_lines(preview, session_id))
    left = diff.listed(left_lines(preview.left))
    body = (
        f"{_about(preview.checkpoint)}<p>{fragments.text_of(preview_words(preview))}</p>{moved}"
        f'<div class="row">{"".join(acts)}</div>{f"<h2>Would change</h2>{steps}" if steps else ""}'
        f"{f'<h2>Stays as it is</h2>{left}' if left else ''}"
    )
    return work_page(parts, actor, info, _PLACE, "Put the files back", body)


async def _turn_at(parts: WebParts, actor: Actor, session_id: str, mine: c.CheckpointInfo | None) -> str:
    """Return the last turn that Claude had ended at a checkpoint; empty before the first end."""
    if mine is None or not mine.turn_id:
        return ""
    # A checkpoint before a prompt names the turn of that prompt, which had not begun: the one before it counts.
    if mine.reason is not Reason.BEFORE_PROMPT:
        return mine.turn_id
    with suppress(TurnNotFound):
        command = c.ReadTurn(session_id=session_id, turn_id=mine.turn_id, with_blocks=False)
        view = await parts.core.perform(actor, command)
        before = c.ReadTurns(session_id=session_id, before=view.turn.number, limit=20, with_blocks=False)
        for each in (await parts.core.perform(actor, before)).turns:
            # Without it Claude's conversation has no place to branch from.
            if each.turn.last_uuid:
                return each.turn.id
    return ""
