"""The facts of a session's folder, read from rows in one place; views and replies are made of them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import api as c
from archives.folder import SessionFolder
from service.parts import ServiceParts
from sessions.rows import folders as rows
from sessions.stored_folders import (
    EndStatus,
    FolderPlace,
    NoteKind,
    StoredArtifact,
    StoredEnd,
    StoredFolder,
    StoredNote,
)
from storage import Database, Row
from texts.os_text import decoded
from workdirs.changes import ChangeKind
from workdirs.checkpoint_model import Checkpoint, Reason
from workdirs.rows import count_checkpoints, load_checkpoints

MOST_CHECKPOINTS = 1_000


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """All that the files of a folder show. `checkpoints`: the last `MOST_CHECKPOINTS`, oldest first."""

    folder: StoredFolder
    title: str
    end: StoredEnd | None
    notes: tuple[StoredNote, ...]
    artifacts: tuple[StoredArtifact, ...]
    checkpoints: tuple[Checkpoint, ...]
    metrics: c.SessionMetrics
    now_ms: int

    @property
    def first_number(self) -> int:
        """The number in the session of the first of `checkpoints`."""
        return self.metrics.checkpoints - len(self.checkpoints) + 1

    @property
    def is_ended(self) -> bool:
        """Whether the session has ended with all that belongs to it."""
        return self.end is not None and self.end.status is EndStatus.ENDED

    @property
    def ended_ms(self) -> int | None:
        """The time of the end; None before it."""
        return self.end.began_ms if self.end is not None and self.end.status in _OVER else None


_OVER = (EndStatus.ENDING, EndStatus.ENDED)


def projects_directory(parts: ServiceParts) -> Path:
    """Return the directory of all projects' folders."""
    return parts.manager.policy.run_directory.parent / "projects"


def folder_on_disk(parts: ServiceParts, folder: StoredFolder) -> SessionFolder:
    """Return the place of the folder on the disk."""
    is_archived = folder.place is FolderPlace.ARCHIVE
    return SessionFolder(projects_directory(parts) / folder.directory, folder.name, is_archived)


def local_time(at_ms: int) -> datetime:
    """Return the time where the bridge runs, with its offset."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone()


async def load_facts(db: Database, folder: StoredFolder, now_ms: int) -> FolderFacts:
    """Read the facts of a folder as they are now."""
    end = await rows.load_end(db, folder.session_id)
    artifacts = await rows.load_artifacts(db, folder.session_id)
    # Rows come newest first, and the numbers of checkpoints in a folder count from the oldest.
    newest = await load_checkpoints(db, owner=folder.session_id, limit=MOST_CHECKPOINTS)
    ended_ms = end.began_ms if end is not None and end.status in _OVER else None
    title = await db.read_one("SELECT title FROM sessions WHERE id = ?", (folder.session_id,))
    return FolderFacts(
        folder=folder,
        title=str(title[0]) if title is not None else "",
        end=end,
        notes=tuple(await rows.load_notes(db, folder.session_id)),
        artifacts=tuple(artifacts),
        checkpoints=tuple(reversed(newest)),
        # After the end the figures stand still.
        metrics=await _metrics(db, folder, artifacts, ended_ms or now_ms),
        now_ms=now_ms,
    )


async def _metrics(
    db: Database,
    folder: StoredFolder,
    artifacts: list[StoredArtifact],
    until_ms: int,
) -> c.SessionMetrics:
    turns = await db.read_one(
        "SELECT count(*), sum(status = 'failed'), sum(duration_ms), sum(input_tokens), sum(output_tokens),"
        " sum(cache_read_tokens), sum(cache_write_tokens), sum(cost_usd),"
        " sum(iif(payer = 'login', cost_usd, 0)) FROM turns"
        # What Claude never got is no turn of the session's record.
        " WHERE session_id = ? AND status NOT IN ('withdrawn', 'queued')",
        (folder.session_id,),
    )
    asks = await db.read_one("SELECT count(*) FROM asks WHERE session_id = ?", (folder.session_id,))
    kinds = [each.kind for each in artifacts]
    checkpoints = await count_checkpoints(db, folder.session_id)
    return c.SessionMetrics(
        turns=int(_number(turns, 0)),
        errors=int(_number(turns, 1)),
        active_ms=int(_number(turns, 2)),
        wall_ms=max(0, until_ms - folder.began_ms),
        asks=int(_number(asks, 0)),
        input_tokens=int(_number(turns, 3)),
        output_tokens=int(_number(turns, 4)),
        cache_read_tokens=int(_number(turns, 5)),
        cache_write_tokens=int(_number(turns, 6)),
        cost_usd=round(_number(turns, 7), 6),
        list_price_usd=round(_number(turns, 8), 6),
        files_created=kinds.count(ChangeKind.CREATED),
        files_changed=kinds.count(ChangeKind.CHANGED),
        files_deleted=kinds.count(ChangeKind.DELETED),
        lines_added=sum(each.added for each in artifacts),
        lines_removed=sum(each.removed for each in artifacts),
        checkpoints=checkpoints.total(),
        milestones=checkpoints[Reason.MILESTONE],
    )


def folder_info(facts: FolderFacts, axes: tuple[str, ...]) -> c.FolderInfo:
    """Return the folder as faces show it."""
    folder, end = facts.folder, facts.end
    kinds = [each.kind for each in facts.notes]
    return c.FolderInfo(
        session_id=folder.session_id,
        name=folder.name,
        project=folder.project,
        focus=folder.focus,
        origin=folder.origin,
        is_archived=folder.place is FolderPlace.ARCHIVE,
        is_ended=facts.is_ended,
        is_ending=end is not None and end.status is EndStatus.ENDING,
        began_ms=folder.began_ms,
        ended_ms=facts.ended_ms,
        notes=kinds.count(NoteKind.NOTE),
        decisions=kinds.count(NoteKind.DECISION),
        metrics=facts.metrics,
        draft=end.draft if end is not None else "",
        drafted_by=end.drafted_by if end is not None else "",
        summary=end.summary if end is not None else "",
        score=dict(end.score) if end is not None else {},
        axes=axes,
        trouble=end.trouble if end is not None else "",
    )


def artifacts_of(found: tuple[StoredArtifact, ...]) -> c.Artifacts:
    """Return the artifacts as faces show them."""
    listed = found[: c.MOST_ARTIFACTS]

    def paths(kind: ChangeKind) -> tuple[str, ...]:
        return tuple(decoded(each.path) for each in listed if each.kind is kind)

    return c.Artifacts(
        created=paths(ChangeKind.CREATED),
        changed=paths(ChangeKind.CHANGED),
        deleted=paths(ChangeKind.DELETED),
        total=len(found),
        added=sum(each.added for each in found),
        removed=sum(each.removed for each in found),
    )


def _number(row: Row | None, column: int) -> float:
    value = row[column] if row is not None else None
    return float(value) if isinstance(value, int | float) else 0.0
