"""The pages on branches with files of their own: compare them and pick one; merge, undo, report, remove."""

from html import escape

import api as c
from api.access import Actor
from api.prices import price_mark
from api.words.branches import WHY_BLOCKED, branch_line, set_up_lines
from api.words.checkpoints import change_line
from sessions.errors import BranchRefused, CheckpointRefused
from web.live.session_feed import reader_of
from web.pages import diff, fragments
from web.pages.fragments import Reader
from web.pages.work_frame import act, place_of, work_page
from web.parts import WebParts
from workdirs.merge_choices import Strategy

_LABELS = {Strategy.SQUASH: "One commit", Strategy.MERGE: "Merge commit", Strategy.REBASE: "Rebase"}
_FILES = 40


async def branches_page(parts: WebParts, actor: Actor, session_id: str) -> str:
    """Return the page on a session's branches, each with the files that it changed."""
    info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
    reader = await reader_of(parts, actor, info)
    found = await parts.core.perform(actor, c.ListBranches(session_id=session_id, with_changes=True))
    cards = [await _card(parts, actor, each) for each in found.branches]
    new = (
        '<form class="row" data-post="branch" data-opens="chat"><label>Name '
        '<input name="title" maxlength="100" placeholder="try another way"></label>'
        '<label class="tick"><input type="checkbox" name="ownCopy" checked> '
        "Files of its own</label><button class=first>Branch from the last answer</button></form>"
        if reader.prompt
        else ""
    )
    none = '<p class="dim">No branch of this session has files of its own yet.</p>'
    return work_page(
        parts, actor, info, "/branches", "Branches", f'{new}<div class="cards">{"".join(cards) or none}</div>'
    )


async def _card(parts: WebParts, actor: Actor, each: c.BranchInfo) -> str:
    base = place_of(parts.options, each.session_id)
    files = ""
    if each.changed:
        try:
            changes = await parts.core.perform(actor, c.CompareBranch(session_id=each.session_id))
            lines = [change_line(file) for file in changes.files[:_FILES]]
            left = changes.more + max(0, len(changes.files) - _FILES)
            files = diff.listed([*lines, f"and {left} more"] if left else lines)
        # One branch whose directory is gone must not take the page of the others with it.
        except (BranchRefused, CheckpointRefused) as error:
            files = f'<p class="dim">{fragments.text_of(str(error))}</p>'
    # A project without git has plain copies, which nothing can merge.
    can_merge = each.git_branch and each.target
    pick = f'<a class="button first" href="{base}/merge">Pick this one …</a>' if can_merge else ""
    cost = f" · ${each.cost_usd:.2f}{price_mark(each.cost_usd, each.list_price_usd)}" if each.cost_usd else ""
    said = branch_line(each).removeprefix(f"{each.title or each.name}: ")
    return (
        f'<section class="card"><h2><a href="{base}">{fragments.text_of(each.title or each.name)}</a></h2>'
        f'<p class="dim">{fragments.text_of(said)}{cost}</p>{files}<div class="row">{pick}</div></section>'
    )


async def merge_page(
    parts: WebParts,
    actor: Actor,
    session_id: str,
    strategy: Strategy,
    *,
    asks_claude: bool = False,
    report_by_claude: bool = False,
) -> str:
    """Return the page that previews the merge of a branch. Raises `BranchRefused` for other sessions.

    With `asks_claude`, Claude drafts the message of the commit; with `report_by_claude` the report.
    """
    # First, so that a session that may not be seen is answered as one that does not exist.
    info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
    reader = await reader_of(parts, actor, info)
    can_undo = False
    try:
        wish = c.PreviewMerge(session_id=session_id, strategy=strategy, asks_claude=asks_claude)
        preview = await parts.core.perform(actor, wish)
        body, can_undo = _preview(session_id, preview, reader), preview.can_undo
    except BranchRefused as error:
        body = f'<p class="warn">{fragments.text_of(str(error))}</p>'
    # Also if the preview is refused: a branch that cannot be merged can still be removed.
    if info.has_own_copy:
        body += await _afterwards(parts, actor, info, reader, can_undo=can_undo)
        if reader.prompt:
            body += await _report(parts, actor, info, strategy, by_claude=report_by_claude)
    return work_page(parts, actor, info, "/merge", "Merge", body)


def _preview(session_id: str, preview: c.MergePreview, reader: Reader) -> str:
    choices = "".join(
        f'<a href="?strategy={each}"{" aria-current=true" if each is preview.strategy else ""}>{label}</a>'
        for each, label in _LABELS.items()
    )
    where = (
        f"<code>{fragments.text_of(preview.branch)}</code> → <code>{fragments.text_of(preview.target)}</code>"
    )
    said = [f'<p class="way">{where}</p><nav class="tabs" aria-label="Way to merge">{choices}</nav>']
    acts = []
    if preview.conflicts:
        said.append('<p class="warn">Nothing can be merged before these conflicts are resolved.</p>')
        said.append(diff.listed(f"{each.path} · {each.kind}" for each in preview.conflicts))
        if reader.prompt:
            acts.append(
                act(
                    "Ask Claude to resolve",
                    "POST merges/resolve",
                    body={"strategy": preview.strategy},
                    then=f"/chat/{session_id}",
                    kind="first",
                )
            )
    elif preview.blocked:
        said.append('<p class="warn">These files are in the way, so nothing can be merged yet.</p>')
        said.append(diff.listed(f"{each.path} {WHY_BLOCKED[each.why]}" for each in preview.blocked))
    elif not preview.files:
        said.append('<p class="dim">There is nothing to merge.</p>')
    elif reader.manage:
        said.append(_merge_form(preview))
    if acts:
        said.append(f'<div class="row">{"".join(acts)}</div>')
    if preview.has_uncommitted and preview.files:
        said.append('<p class="dim">What the branch has not committed is committed first.</p>')
    if preview.files:
        lines = [change_line(each) for each in preview.files]
        more = [f"and {preview.more} more"] if preview.more else []
        said.append(f"<h2>Files</h2>{diff.listed([*lines, *more])}")
    if preview.subjects:
        said.append(f"<h2>Commits</h2>{diff.listed(preview.subjects)}")
    return "".join(said)


def _merge_form(preview: c.MergePreview) -> str:
    """Return the form that merges, with the message of the commit; a rebase has none of its own."""
    message = ""
    if preview.message:
        by = " (Claude wrote it)" if preview.by_claude else ""
        message = (
            f'<label for="message">Message of the commit{by}</label>'
            f'<textarea id="message" name="message" rows="6">{fragments.text_of(preview.message)}</textarea>'
        )
        if preview.strategy is Strategy.SQUASH and not preview.by_claude:
            message += '<p><a href="?strategy=squash&amp;asksClaude=1">Let Claude write it</a></p>'
    return (
        '<form class="stack" data-post="merges">'
        f'<input type="hidden" name="strategy" value="{preview.strategy}">'
        f'<input type="hidden" name="digest" value="{escape(preview.digest)}">'
        f'{message}<div class="row"><button class=first>Merge</button></div></form>'
    )


async def _set_up(parts: WebParts, actor: Actor, info: c.SessionInfo) -> str:
    """Return what would install the branch's dependencies, with the button that agrees; it may be empty."""
    try:
        found = await parts.core.perform(actor, c.ReadSetUp(session_id=info.id))
    except BranchRefused:
        return ""
    lines = "".join(f"<p>{fragments.text_of(line)}</p>" for line in set_up_lines(found))
    label = f"Run {'; '.join(found.commands)}"
    run = act(label, "POST branch/setup", body={"digest": found.digest}, then=f"/chat/{info.id}")
    return f'<h2>Dependencies</h2>{lines}<div class="row">{run}</div>'


async def _afterwards(
    parts: WebParts, actor: Actor, info: c.SessionInfo, reader: Reader, *, can_undo: bool
) -> str:
    """Return the acts beside a merge: take it back, remove the branch, set it up."""
    said = ""
    if reader.manage:
        undo = act("Undo the last merge", "POST merges/undo", then=".") if can_undo else ""
        asks = {
            "sure": "End this session and remove its directory? Its files stay in a checkpoint.",
            "asks": "branch_unmerged",
            "anyway": "branch?unmerged=1",
        }
        remove = act("Remove the branch", "DELETE branch", then="/", kind="danger", asks=asks)
        said = f'<div class="row">{undo}{remove}</div>'
    if reader.prompt:
        said += await _set_up(parts, actor, info)
    return said


async def _report(
    parts: WebParts, actor: Actor, info: c.SessionInfo, strategy: Strategy, *, by_claude: bool
) -> str:
    """Return the form that sends a report to the branch's parent. Claude writes it only if it is asked to."""
    try:
        # A look asks Claude nothing: that would cost money, wake a parked branch and take up to a minute.
        wish = c.DraftReport(session_id=info.id, asks_claude=by_claude)
        report = await parts.core.perform(actor, wish)
    except (BranchRefused, CheckpointRefused):
        return ""
    by = " (Claude wrote its decisions and open questions)" if report.by_claude else ""
    ask = f'<p><a href="?strategy={strategy}&amp;report=1#report">Let Claude write it</a></p>'
    return (
        "<h2>Report to the session that this branch came from</h2>"
        f'<form class="stack" data-post="messages" data-to="{escape(report.parent_id)}" data-opens="chat">'
        f'<label for="report">The report{by}</label>'
        f'<textarea id="report" name="content" rows="8">{fragments.text_of(report.text)}</textarea>'
        f'{"" if report.by_claude else ask}<div class="row"><button>Send the report</button></div></form>'
    )
