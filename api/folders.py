"""Commands on a session's folder: focus, notes, decisions, artifacts, and the end with summary and score."""

from collections.abc import Mapping

import msgspec

from api.access import Action
from api.command import Command, SessionCommand
from sessions.errors import FolderRefused
from sessions.model import SessionId
from sessions.stored_folders import NoteKind

MAX_FOCUS = 200
MAX_NOTE = 20_000
MAX_NOTES = 1_000
MAX_SUMMARY = 20_000
MAX_SCORE = 5
MOST_ARTIFACTS = 500
MOST_FOLDERS = 100


class FolderNote(msgspec.Struct, frozen=True):
    """A note or decision. `text` is that of its file if a person edited it (`is_edited`)."""

    kind: NoteKind
    number: int
    title: str
    text: str
    author_id: str
    made_ms: int
    is_edited: bool = False


class FolderNotes(msgspec.Struct, frozen=True):
    """Notes and decisions, oldest first."""

    notes: tuple[FolderNote, ...]


class Artifacts(msgspec.Struct, frozen=True):
    """The files that a session created, changed and deleted, as whole paths below its work directory.

    At most `MOST_ARTIFACTS` of `total` are listed. `path`s have U+FFFD for bytes that are not UTF-8.
    """

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    total: int = 0
    added: int = 0
    removed: int = 0


class SessionMetrics(msgspec.Struct, frozen=True):
    """The figures of a session. `active_ms` is the time in turns, `wall_ms` the time up to its end or now.

    `list_price_usd` is the part of `cost_usd` that a login covered instead of an API key: it is not billed.
    """

    active_ms: int = 0
    wall_ms: int = 0
    turns: int = 0
    errors: int = 0
    asks: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    list_price_usd: float = 0.0
    files_created: int = 0
    files_changed: int = 0
    files_deleted: int = 0
    lines_added: int = 0
    lines_removed: int = 0
    checkpoints: int = 0
    milestones: int = 0


class FolderInfo(msgspec.Struct, frozen=True):
    """The folder of a session. `name` is its readable id; empty if the session has no folder yet.

    `origin` is the readable id that a restored session comes from. `draft` is a summary that nobody confirmed,
    `drafted_by` who wrote it (`claude`, `bridge` or a person's id). `axes` are the names that a score may have.
    `backup` names the bundle of an ended session. `trouble` is a sentence about a part that was not possible.
    """

    session_id: SessionId
    name: str = ""
    project: str = ""
    focus: str = ""
    origin: str = ""
    is_archived: bool = False
    is_ended: bool = False
    is_ending: bool = False
    began_ms: int = 0
    ended_ms: int | None = None
    notes: int = 0
    decisions: int = 0
    metrics: SessionMetrics = SessionMetrics()
    draft: str = ""
    drafted_by: str = ""
    summary: str = ""
    score: Mapping[str, int] = {}
    axes: tuple[str, ...] = ()
    backup: str = ""
    trouble: str = ""


class FolderList(msgspec.Struct, frozen=True):
    """Folders, latest day and number first."""

    folders: tuple[FolderInfo, ...]


def focus_words(focus: str) -> str:
    """Return `focus` on one line, at most `MAX_FOCUS` characters. Raises `FolderRefused` if it has no words.

    A face that begins a session for a focus asks first: else a refused focus leaves a session behind.
    """
    words = " ".join(focus.split())[:MAX_FOCUS]
    if not words:
        raise FolderRefused("a focus needs words: name the work in a few of them")
    return words


class SetFocus(SessionCommand[FolderInfo], frozen=True, tag="set_focus", kw_only=True):
    """Give the session a focus, and with the first one a readable id and a folder. The id stays afterwards.

    Raises `FolderRefused` for a focus without words, and if the folder cannot be written.
    """

    action = Action.MANAGE
    reply = FolderInfo
    focus: str


class ReadFolder(SessionCommand[FolderInfo], frozen=True, tag="read_folder", kw_only=True):
    """Return the session's folder with its figures; its `name` is empty if it has none."""

    action = Action.VIEW
    reply = FolderInfo
    audited = False


class AddNote(SessionCommand[FolderNote], frozen=True, tag="add_note", kw_only=True):
    """Write a note or decision into the session's folder. A repeated `origin` writes no second one.

    Raises `FolderRefused`.
    """

    action = Action.PROMPT
    reply = FolderNote
    text: str
    title: str = ""
    kind: NoteKind = NoteKind.NOTE
    origin: str = ""


class ListNotes(SessionCommand[FolderNotes], frozen=True, tag="list_notes", kw_only=True):
    """Return the session's notes and decisions, as people edited them since."""

    action = Action.VIEW
    reply = FolderNotes
    audited = False


class TrackArtifacts(SessionCommand[Artifacts], frozen=True, tag="track_artifacts", kw_only=True):
    """Count `paths` among the session's artifacts, and return all of them.

    Changes of turns are tracked by themselves; this adds files that no checkpoint sees. Raises `FolderRefused`
    for a path that is not below the work directory or does not exist.
    """

    action = Action.PROMPT
    reply = Artifacts
    paths: tuple[str, ...] = ()


class ReadArtifacts(SessionCommand[Artifacts], frozen=True, tag="read_artifacts", kw_only=True):
    """Return the files that the session created, changed and deleted."""

    action = Action.VIEW
    reply = Artifacts
    audited = False


class ListFolders(Command[FolderList], frozen=True, tag="list_folders", kw_only=True):
    """Return folders of sessions that the actor may view: active ones, or with `archived` those that ended.

    None as the `project` means all projects; an empty one means sessions without a project.
    """

    action = Action.LIST
    reply = FolderList
    audited = False
    project: str | None = None
    archived: bool = False
    limit: int = 25


class DraftEnd(SessionCommand[FolderInfo], frozen=True, tag="draft_end", kw_only=True):
    """Draft the summary of the session and return its folder with `draft`.

    Claude is asked beside the conversation if it has a process and is idle; else the draft is made from rows.
    """

    action = Action.MANAGE
    reply = FolderInfo


class ProposeEnd(SessionCommand[FolderInfo], frozen=True, tag="propose_end", kw_only=True):
    """Propose to end the session with this summary. A person decides; without an answer nothing happens.

    Raises `IllegalMove` if the session has ended.
    """

    # PROMPT is enough to propose: a person with more rights decides.
    action = Action.PROMPT
    reply = FolderInfo
    summary: str = ""


class EndSession(SessionCommand[FolderInfo], frozen=True, tag="end_session", kw_only=True):
    """End the session: final figures, summary, score, bundle, archive. A cut end is finished at the next start.

    An empty `summary` takes the draft. `proposed_ms` is the time of the proposal that is agreed to; one older
    than a day is refused. Raises `FolderRefused` for a score with another axis or outside 0 to 5, and
    `IllegalMove` if the session has ended.
    """

    action = Action.MANAGE
    reply = FolderInfo
    summary: str = ""
    score: Mapping[str, int] = {}
    proposed_ms: int | None = None


FoldersCommand = (
    SetFocus
    | ReadFolder
    | AddNote
    | ListNotes
    | TrackArtifacts
    | ReadArtifacts
    | DraftEnd
    | ProposeEnd
    | EndSession
)
"""The commands of this file about one session."""
