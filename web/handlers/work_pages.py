"""Routes of a session's pages on its files: checkpoints, restores, branches, merges."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from sessions.restore_scope import RestoreScope
from web.page_routes import page_response, page_route
from web.pages.block_page import block_page, read_block, text_of_block
from web.pages.branch_pages import branches_page, merge_page
from web.pages.checkpoint_pages import checkpoint_page, restore_page, timeline_page
from web.pages.review_page import review_page
from web.pages.timing_page import timing_page
from web.routing import Call, Count, Route, ordinal_of
from workdirs.merge_choices import Strategy


class CursorQuery(msgspec.Struct, frozen=True):
    """`cursor` continues a list."""

    cursor: str = ""


class WithQuery(msgspec.Struct, frozen=True):
    """The checkpoint to compare with; empty for the files as they are now."""

    with_id: str = msgspec.field(default="", name="with")


class ScopeQuery(msgspec.Struct, frozen=True):
    """The files that a restore covers."""

    scope: RestoreScope = RestoreScope.AUTO


class PartQuery(msgspec.Struct, frozen=True):
    """The part of a long text, counted from 1."""

    part: Count = 1


class StrategyQuery(msgspec.Struct, frozen=True):
    """The way to merge. With `asksClaude` Claude drafts the message of a squash, with `report` the report."""

    strategy: Strategy = Strategy.SQUASH
    asks_claude: bool = False
    report: bool = False


async def show_checkpoints(call: Call) -> web.Response:
    """Show a session's checkpoints."""
    return page_response(await timeline_page(call.parts, call.actor, call.session_id, call.query.cursor))


async def show_checkpoint(call: Call) -> web.Response:
    """Show one checkpoint, compared."""
    checkpoint, other = call.place("checkpoint_id"), call.query.with_id
    return page_response(await checkpoint_page(call.parts, call.actor, call.session_id, checkpoint, other))


async def show_restore(call: Call) -> web.Response:
    """Show the preview of a restore."""
    checkpoint, scope = call.place("checkpoint_id"), call.query.scope
    return page_response(await restore_page(call.parts, call.actor, call.session_id, checkpoint, scope))


async def show_turn_changes(call: Call) -> web.Response:
    """Show a turn's changes, with the comments on them."""
    return page_response(await review_page(call.parts, call.actor, call.session_id, call.place("turn_id")))


async def show_branches(call: Call) -> web.Response:
    """Show a session's branches."""
    return page_response(await branches_page(call.parts, call.actor, call.session_id))


async def show_merge(call: Call) -> web.Response:
    """Show the preview of a branch's merge."""
    query: StrategyQuery = call.query
    shown = await merge_page(
        call.parts,
        call.actor,
        call.session_id,
        query.strategy,
        asks_claude=query.asks_claude,
        report_by_claude=query.report,
    )
    return page_response(shown)


async def show_timing(call: Call) -> web.Response:
    """Show where a turn's time went."""
    return page_response(await timing_page(call.parts, call.actor, call.session_id, call.place("turn_id")))


async def show_block(call: Call) -> web.Response:
    """Show a whole block, in parts."""
    place = (call.session_id, call.place("turn_id"), ordinal_of(call))
    return page_response(await block_page(call.parts, call.actor, *place, call.query.part))


async def download_block(call: Call) -> web.Response:
    """Download the text of a block."""
    place = (call.session_id, call.place("turn_id"), ordinal_of(call))
    text = text_of_block(await read_block(call.parts, call.actor, *place))
    # Named by its number: nothing of the text is fit for a file's name.
    headers = {"Content-Disposition": f'attachment; filename="{place[2]}.txt"'}
    body = text.encode(errors="replace")
    return web.Response(body=body, content_type="text/plain", charset="utf-8", headers=headers)


ROUTES: Sequence[Route] = (
    page_route("/chat/{session_id}/checkpoints", show_checkpoints, query=CursorQuery),
    page_route("/chat/{session_id}/checkpoints/{checkpoint_id}", show_checkpoint, query=WithQuery),
    page_route("/chat/{session_id}/checkpoints/{checkpoint_id}/restore", show_restore, query=ScopeQuery),
    page_route("/chat/{session_id}/turns/{turn_id}/timing", show_timing),
    page_route("/chat/{session_id}/turns/{turn_id}/changes", show_turn_changes),
    page_route("/chat/{session_id}/turns/{turn_id}/blocks/{ordinal}", show_block, query=PartQuery),
    page_route("/chat/{session_id}/turns/{turn_id}/blocks/{ordinal}/text", download_block),
    page_route("/chat/{session_id}/branches", show_branches),
    page_route("/chat/{session_id}/merge", show_merge, query=StrategyQuery),
)
