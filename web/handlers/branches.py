"""Routes on branches with files of their own: list, compare, merge, undo a merge, report, remove."""

from collections.abc import Sequence

import msgspec

import api as c
from web.principals import Scope
from web.routing import Call, Route, Words
from workdirs.merge_choices import Strategy


class BranchesQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With `changes` each branch tells how much it changed, which takes longer."""

    changes: bool = False


class MergeQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The way to merge. With `asksClaude` Claude drafts the message of a squash, which takes longer."""

    strategy: Strategy = Strategy.SQUASH
    asks_claude: bool = False


class MergeWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A merge as it was previewed: `strategy` and `digest` are those of the preview.

    `message` is that of the new commit; without it the draft of the preview without Claude counts.
    """

    strategy: Strategy
    digest: Words
    message: str = ""


class ResolveWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The way to merge whose conflicts are to be resolved."""

    strategy: Strategy = Strategy.SQUASH


class SetUpWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With the `digest` of what was read somebody agrees to it; without it, somebody must have before."""

    digest: str = ""


class RemovalQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With `unmerged` a branch is removed although it has work that is merged nowhere."""

    unmerged: bool = False


async def list_branches(call: Call) -> c.Branches:
    """List the branches of a session that have files of their own, newest first."""
    query: BranchesQuery = call.query
    return await call.perform(c.ListBranches(session_id=call.session_id, with_changes=query.changes))


async def compare_branch(call: Call) -> c.BranchChanges:
    """Read which files of a branch differ from its beginning."""
    return await call.perform(c.CompareBranch(session_id=call.session_id))


async def preview_merge(call: Call) -> c.MergePreview:
    """Tell what merging a branch would do now. It changes nothing."""
    query: MergeQuery = call.query
    return await call.perform(
        c.PreviewMerge(session_id=call.session_id, strategy=query.strategy, asks_claude=query.asks_claude)
    )


async def merge_branch(call: Call) -> c.MergeResult:
    """Merge a branch as a preview said; if it or its target changed since, nothing happens."""
    wish: MergeWish = call.body
    command = c.MergeBranch(
        session_id=call.session_id, strategy=wish.strategy, digest=wish.digest, message=wish.message
    )
    return await call.perform(command)


async def resolve_merge(call: Call) -> c.Accepted:
    """Ask Claude in the branch to resolve the conflicts of its merge there; it is a prompt."""
    wish: ResolveWish = call.body
    command = c.ResolveMerge(session_id=call.session_id, strategy=wish.strategy, origin=call.origin)
    return await call.perform(command)


async def read_set_up(call: Call) -> c.SetUp:
    """Tell what would install the dependencies of a branch's own copy, and whether somebody agreed to it."""
    return await call.perform(c.ReadSetUp(session_id=call.session_id))


async def set_up_branch(call: Call) -> c.Accepted:
    """Ask Claude to install the dependencies of a branch's own copy.

    Refused with `set_up_not_agreed` if nobody agreed to the commands with their files as they are now.
    """
    wish: SetUpWish = call.body
    command = c.SetUpBranch(session_id=call.session_id, origin=call.origin, digest=wish.digest)
    return await call.perform(command)


async def undo_merge(call: Call) -> c.MergeResult:
    """Take the last merge of a branch back."""
    return await call.perform(c.UndoMerge(session_id=call.session_id))


async def draft_report(call: Call) -> c.BranchReport:
    """Draft a report on a branch for the session that it came from. It sends nothing."""
    # Made of rows alone: a GET wakes no branch and costs nothing.
    return await call.perform(c.DraftReport(session_id=call.session_id))


async def remove_branch(call: Call) -> c.Nothing:
    """End the session of a branch and remove its directory; a checkpoint keeps the files.

    Refused with `branch_unmerged` if it has work that is merged nowhere.
    """
    query: RemovalQuery = call.query
    return await call.perform(c.RemoveBranch(session_id=call.session_id, even_unmerged=query.unmerged))


_ONE = "/api/sessions/{session_id}"
ROUTES: Sequence[Route] = (
    Route("GET", f"{_ONE}/branches", list_branches, query=BranchesQuery, reply=c.Branches),
    Route("GET", f"{_ONE}/branch", compare_branch, reply=c.BranchChanges),
    Route("DELETE", f"{_ONE}/branch", remove_branch, Scope.OPERATE, query=RemovalQuery),
    Route("GET", f"{_ONE}/branch/report", draft_report, reply=c.BranchReport),
    Route("GET", f"{_ONE}/merge", preview_merge, query=MergeQuery, reply=c.MergePreview),
    Route("POST", f"{_ONE}/merges", merge_branch, Scope.OPERATE, MergeWish, reply=c.MergeResult),
    Route(
        "POST",
        f"{_ONE}/merges/resolve",
        resolve_merge,
        Scope.OPERATE,
        ResolveWish,
        reply=c.Accepted,
        status=202,
    ),
    Route("GET", f"{_ONE}/branch/setup", read_set_up, reply=c.SetUp),
    Route(
        "POST",
        f"{_ONE}/branch/setup",
        set_up_branch,
        Scope.OPERATE,
        SetUpWish,
        reply=c.Accepted,
        status=202,
    ),
    Route("POST", f"{_ONE}/merges/undo", undo_merge, Scope.OPERATE, reply=c.MergeResult),
)
