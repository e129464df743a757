"""Find what changed in a session's files since Claude's last turn, and who changed it as far as rows tell."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from sessions import rows as session_rows
from sessions.checkpointing import SessionCheckpoints
from sessions.model import SessionId, TurnId
from sessions.session_port import SessionPort
from workdirs import rows
from workdirs.changes import (
    Author,
    ByMerge,
    ByRestore,
    BySession,
    ChangeKind,
    NotKnown,
    PathChange,
    changes_text,
    with_author,
)
from workdirs.checkpoint_model import Cause, Checkpoint, Reason
from workdirs.errors import WorkdirError
from workdirs.model import FilePath

_OURS = b".attachments/"
"""Files that came with prompts lie there: Claude is told of them by the prompt."""
_MOST_DIFFS = 5
_MOST_DIFF_BYTES = 4_000


async def changes_since_last_turn(session: SessionPort, turn_id: TurnId) -> tuple[str, str]:
    """Return the text for Claude and the line for people; both empty if nothing changed or it is not known.

    Compares the checkpoint at the end of the last turn with the one that was taken for this prompt. A branch
    without a turn of its own goes on from one of its parent: then that one counts.
    """
    checkpoints = session.around.checkpoints
    if checkpoints is None or (last := await _last_turn(session)) is None:
        return "", ""
    database = checkpoints.engine.db
    before = await rows.load_anchored(database, *last, Reason.TURN_END)
    now = await rows.load_anchored(database, session.id, turn_id, Reason.BEFORE_PROMPT)
    # After a move the two are of different directories, and everything would count as changed.
    if before is None or now is None or before.directory != now.directory or before.tree == now.tree:
        return "", ""
    try:
        found = await checkpoints.engine.compare(before, now)
        changes = [each for each in found if not each.path.startswith(_OURS)]
        if not changes:
            return "", ""
        authors = await _authors(session, before)
        told = [with_author(each, authors.get(each.path, NotKnown())) for each in changes]
        return changes_text(told, await _diffs(session, checkpoints, before, now, changes)), _shown(
            len(changes)
        )
    except WorkdirError:
        return (
            "",
            "",
        )  # the checkpoint was removed meanwhile, or the store is damaged: not worth holding a prompt


async def _last_turn(session: SessionPort) -> tuple[SessionId, TurnId] | None:
    """Return the last turn that Claude remembers, and the session that it belongs to."""
    last = session.snapshot.last_turn
    return (session.id, last) if last else await session_rows.branch_origin(session.around.db, session.id)


def _shown(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'} changed since Claude's last turn."


async def _authors(session: SessionPort, before: Checkpoint) -> dict[bytes, Author]:
    """Return the known authors by path; the last one counts."""
    database = session.around.db
    known = await rows.load_known_changes(session.around.db, before.directory, before.id)
    titles: dict[str, str] = {}
    authors: dict[bytes, Author] = {}
    for change in known:
        match change.cause:
            case Cause.RESTORE:
                authors[change.path] = ByRestore()
            case Cause.MERGE:
                authors[change.path] = ByMerge()
            case Cause.TURN if change.owner != session.id:
                if change.owner not in titles:
                    titles[change.owner] = await session_rows.title_of(
                        database, SessionId(change.owner), user_id=session.snapshot.user_id
                    )
                authors[change.path] = BySession(titles[change.owner])
            case Cause.TURN:
                authors.pop(change.path, None)
    return authors


async def _diffs(
    session: SessionPort,
    checkpoints: SessionCheckpoints,
    before: Checkpoint,
    now: Checkpoint,
    changes: Sequence[PathChange],
) -> dict[bytes, str]:
    """Return short diffs of changed files that Claude has read or changed in this session."""
    read = await session_rows.files_read(session.around.db, session.id)
    touched = await rows.load_touched(session.around.db, now.directory, session.id)
    known = {*touched, *(_below(now.directory, path) for path in read)}
    diffs: dict[bytes, str] = {}
    for change in changes:
        # Each diff costs words in the prompt. The other changes are still named.
        if len(diffs) == _MOST_DIFFS:
            break
        if change.kind is ChangeKind.CHANGED and change.path in known:
            path = [FilePath(change.path)]
            diff = await checkpoints.engine.diff(before, now, path, max_bytes=_MOST_DIFF_BYTES)
            if diff:
                diffs[change.path] = diff
    return diffs


def _below(directory: str, path: str) -> bytes:
    """Return `path` as it stands in a checkpoint; empty if it lies outside the directory."""
    place = PurePosixPath(directory) / path
    if not place.is_relative_to(directory):
        return b""
    return str(place.relative_to(directory)).encode(errors="surrogateescape")
