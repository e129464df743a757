"""The values of session folders as they are kept in rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sessions.model import SessionId
from workdirs.changes import ChangeKind


class FolderPlace(StrEnum):
    """Where the folder of a session lies: with those that go on, or with those that have ended."""

    ACTIVE = "active"
    ARCHIVE = "archive"


class NoteKind(StrEnum):
    """A note, or a decision with its reason."""

    NOTE = "note"
    DECISION = "decision"

    @property
    def directory(self) -> str:
        """The directory of the session's folder that has them."""
        return f"{self.value}s"


class EndStatus(StrEnum):
    """The progress of a session's end. `proposed`: Claude would end it, and a person has to decide."""

    DRAFTED = "drafted"
    PROPOSED = "proposed"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """The folder of a session. `name` is its readable id, `directory` that of its project.

    `origin` is the readable id that a restored session comes from, else empty. `tracked_through` is the last
    checkpoint whose changes are in the artifacts.
    """

    session_id: SessionId
    project: str
    directory: str
    day: str
    focus: str
    began_ms: int
    number: int = 0
    name: str = ""
    origin: str = ""
    place: FolderPlace = FolderPlace.ACTIVE
    tracked_through: str = ""


@dataclass(frozen=True, slots=True)
class StoredNote:
    """A note or decision as it was written. Its file may have been edited since."""

    session_id: SessionId
    kind: NoteKind
    title: str
    text: str
    author_id: str
    made_ms: int
    number: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """A file that a session created, changed or deleted, with the lines that it added and removed in all."""

    path: bytes
    kind: ChangeKind
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class StoredEnd:
    """The end of a session, or the draft of one. `trouble` is a sentence about a part that was not possible."""

    session_id: SessionId
    status: EndStatus
    draft: str
    drafted_by: str
    drafted_ms: int
    summary: str
    score: Mapping[str, int]
    metrics: Mapping[str, float]
    by_user: str
    with_bundle: bool
    trouble: str
    began_ms: int
    ended_ms: int | None
