"""Routes on checkpoints of a session's files: take, list, compare, restore, undo."""

from collections.abc import Sequence

import msgspec

import api as c
from api.checkpointing import MOST_LISTED
from sessions.restore_scope import RestoreScope
from web.principals import Scope
from web.routing import Call, Most, Route, Words


class NewCheckpoint(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A name for people; may be empty."""

    label: str = ""


class TimelineQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`cursor` continues a list."""

    cursor: str = ""
    limit: Most = 20


class ComparisonQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`with` is a later checkpoint; without it the files as they are now. `diff` adds the changes as text."""

    with_id: str = msgspec.field(default="", name="with")
    diff: bool = False


class DiffQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`diff` adds the changes as text."""

    diff: bool = False


class RestoreQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The files that the restore covers; `auto` takes the scope that fits the session."""

    scope: RestoreScope = RestoreScope.AUTO


class RestoreWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A restore as it was previewed: `scope` and `digest` are those of the preview."""

    checkpoint_id: Words
    scope: RestoreScope
    digest: Words


async def take_checkpoint(call: Call) -> c.CheckpointInfo:
    """Take a checkpoint of a session's files now, and keep it for good."""
    wish: NewCheckpoint = call.body
    return await call.perform(c.TakeCheckpoint(session_id=call.session_id, label=wish.label))


async def list_checkpoints(call: Call) -> c.CheckpointPage:
    """List the checkpoints of a session, newest first."""
    query: TimelineQuery = call.query
    # A wish for more is no error: the cursor leads to the rest.
    limit = min(query.limit, MOST_LISTED)
    return await call.perform(c.ListCheckpoints(session_id=call.session_id, cursor=query.cursor, limit=limit))


async def compare_checkpoint(call: Call) -> c.Comparison:
    """Compare a checkpoint with a later one, or with the files as they are now."""
    query: ComparisonQuery = call.query
    command = c.CompareCheckpoints(
        session_id=call.session_id,
        checkpoint_id=call.place("checkpoint_id"),
        with_id=query.with_id,
        with_diff=query.diff,
    )
    return await call.perform(command)


async def read_turn_changes(call: Call) -> c.Comparison:
    """Read what a turn changed in the files, the changes of Bash included."""
    query: DiffQuery = call.query
    command = c.ReadTurnChanges(session_id=call.session_id, turn_id=call.place("turn_id"), with_diff=query.diff)
    return await call.perform(command)


async def preview_restore(call: Call) -> c.RestorePreview:
    """Tell what a restore would do now. It changes no file."""
    query: RestoreQuery = call.query
    command = c.PreviewRestore(
        session_id=call.session_id, checkpoint_id=call.place("checkpoint_id"), scope=query.scope
    )
    return await call.perform(command)


async def restore_files(call: Call) -> c.RestoreResult:
    """Put the files back as a preview said; if files changed since, nothing happens."""
    wish: RestoreWish = call.body
    command = c.RestoreFiles(
        session_id=call.session_id, checkpoint_id=wish.checkpoint_id, scope=wish.scope, digest=wish.digest
    )
    return await call.perform(command)


async def undo_restore(call: Call) -> c.RestoreResult:
    """Undo the last restore of a session, for the files that it changed."""
    return await call.perform(c.UndoRestore(session_id=call.session_id))


_ONE = "/api/sessions/{session_id}"
_CHECKPOINTS = f"{_ONE}/checkpoints"
_CHECKPOINT = f"{_CHECKPOINTS}/{{checkpoint_id}}"
ROUTES: Sequence[Route] = (
    Route(
        "POST",
        _CHECKPOINTS,
        take_checkpoint,
        Scope.OPERATE,
        NewCheckpoint,
        reply=c.CheckpointInfo,
        status=201,
    ),
    Route("GET", _CHECKPOINTS, list_checkpoints, query=TimelineQuery, reply=c.CheckpointPage),
    Route("GET", f"{_CHECKPOINT}/comparison", compare_checkpoint, query=ComparisonQuery, reply=c.Comparison),
    Route("GET", f"{_CHECKPOINT}/restore", preview_restore, query=RestoreQuery, reply=c.RestorePreview),
    Route("GET", f"{_ONE}/turns/{{turn_id}}/changes", read_turn_changes, query=DiffQuery, reply=c.Comparison),
    # APPROVE, because a restore changes files at once, and Claude asks nobody about it.
    Route("POST", f"{_ONE}/restores", restore_files, Scope.APPROVE, RestoreWish, reply=c.RestoreResult),
    Route("POST", f"{_ONE}/restores/undo", undo_restore, Scope.APPROVE, reply=c.RestoreResult),
)
