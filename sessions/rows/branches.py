"""Rows of `branches` and `merges`: branches with files of their own, and what was merged."""

from sessions.model import SessionId
from sessions.stored import BranchStatus, MergeStatus, StoredBranch, StoredMerge
from storage import Database, Row, Statement

_BRANCH = (
    "session_id, parent_id, name, directory, parent_directory, git_branch, target, checkpoint, last_merged,"
    " status, made_ms"
)
_MERGE = (
    "id, session_id, target, strategy, old_commit, new_commit, source_commit, merged_before, by_user, status,"
    " began_ms"
)


def insert_branch(branch: StoredBranch) -> Statement:
    """Insert a branch."""
    return Statement(
        f"INSERT INTO branches ({_BRANCH}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 (constants)
        (
            branch.session_id,
            branch.parent_id,
            branch.name,
            branch.directory,
            branch.parent_directory,
            branch.git_branch,
            branch.target,
            branch.checkpoint,
            branch.last_merged,
            branch.status,
            branch.made_ms,
        ),
    )


def branch_made(branch: StoredBranch) -> Statement:
    """Store that the directory is there, with its refs and the checkpoint that it began with."""
    return Statement(
        # The row itself was stored before the directory and the refs: a start finishes what a kill left at
        # `making`.
        "UPDATE branches SET status = 'made', git_branch = ?, target = ?, checkpoint = ? WHERE session_id = ?",
        (branch.git_branch, branch.target, branch.checkpoint, branch.session_id),
    )


def set_branch_status(session_id: SessionId, status: BranchStatus) -> Statement:
    """Set a branch's status."""
    return Statement("UPDATE branches SET status = ? WHERE session_id = ?", (status, session_id))


def set_last_merged(session_id: SessionId, commit: str) -> Statement:
    """Store the commit of the branch that was merged last."""
    return Statement("UPDATE branches SET last_merged = ? WHERE session_id = ?", (commit, session_id))


def delete_branch(session_id: SessionId) -> Statement:
    """Delete the row of a branch that was never made."""
    return Statement("DELETE FROM branches WHERE session_id = ?", (session_id,))


async def load_branch(db: Database, session_id: SessionId) -> StoredBranch | None:
    """Return the branch of a session; None if it has no files of its own."""
    row = await db.read_one(f"SELECT {_BRANCH} FROM branches WHERE session_id = ?", (session_id,))  # noqa: S608
    return None if row is None else _branch(row)


async def load_branches(db: Database, parent_id: SessionId, *, limit: int = 50) -> list[StoredBranch]:
    """Return the made branches of a session, newest first."""
    found = await db.read(
        f"SELECT {_BRANCH} FROM branches WHERE parent_id = ? AND status = 'made'"  # noqa: S608 (constants)
        " ORDER BY made_ms DESC LIMIT ?",
        (parent_id, limit),
    )
    return [_branch(row) for row in found]


async def load_cut_branches(db: Database) -> list[StoredBranch]:
    """Return the branches whose making or removal was cut."""
    # At a start nobody else works on branches, so each of these is left from a killed process.
    found = await db.read(f"SELECT {_BRANCH} FROM branches WHERE status IN ('making', 'removing')")  # noqa: S608
    return [_branch(row) for row in found]


def insert_merge(merge: StoredMerge) -> Statement:
    """Insert a merge that is about to land."""
    return Statement(
        # Stored before git moves the target: the old and the new commit tell a start on which side a kill fell.
        f"INSERT INTO merges ({_MERGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 (constants)
        (
            merge.id,
            merge.session_id,
            merge.target,
            merge.strategy,
            merge.old_commit,
            merge.new_commit,
            merge.source_commit,
            merge.merged_before,
            merge.by_user,
            merge.status,
            merge.began_ms,
        ),
    )


def set_merge_status(merge_id: str, status: MergeStatus, now_ms: int) -> Statement:
    """Set a merge's status."""
    return Statement("UPDATE merges SET status = ?, ended_ms = ? WHERE id = ?", (status, now_ms, merge_id))


async def load_last_merge(db: Database, session_id: SessionId) -> StoredMerge | None:
    """Return the last merge of a branch that stands."""
    row = await db.read_one(
        f"SELECT {_MERGE} FROM merges WHERE session_id = ? AND status = 'landed' ORDER BY id DESC LIMIT 1",  # noqa: S608
        (session_id,),
    )
    return None if row is None else _merge(row)


async def load_cut_merges(db: Database) -> list[StoredMerge]:
    """Return the merges whose landing or undoing was cut."""
    found = await db.read(f"SELECT {_MERGE} FROM merges WHERE status IN ('landing', 'undoing') ORDER BY id")  # noqa: S608
    return [_merge(row) for row in found]


def _branch(row: Row) -> StoredBranch:
    return StoredBranch(
        session_id=SessionId(str(row[0])),
        parent_id=SessionId(str(row[1])),
        name=str(row[2]),
        directory=str(row[3]),
        parent_directory=str(row[4]),
        git_branch=str(row[5]),
        target=str(row[6]),
        checkpoint=str(row[7]),
        last_merged=str(row[8]),
        status=BranchStatus(str(row[9])),
        made_ms=int(str(row[10])),
    )


def _merge(row: Row) -> StoredMerge:
    return StoredMerge(
        id=str(row[0]),
        session_id=SessionId(str(row[1])),
        target=str(row[2]),
        strategy=str(row[3]),
        old_commit=str(row[4]),
        new_commit=str(row[5]),
        source_commit=str(row[6]),
        merged_before=str(row[7]),
        by_user=str(row[8]),
        status=MergeStatus(str(row[9])),
        began_ms=int(str(row[10])),
    )
