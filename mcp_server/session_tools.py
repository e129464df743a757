"""The tools about one session: for Claude in it, and for an agent outside that names the session."""

from typing import Annotated

import msgspec

import api as c
from mcp_server.tool import AnyTool, Arguments, Caller, LongText, ToolRefused, ToolSpec, Words, one_line
from sessions.stored_folders import NoteKind
from texts.unseen import as_seen

INSTRUCTIONS = """\
These tools keep the record of your session. People read it later and can put files back to each checkpoint.
- session_start: when the work gets a subject, name it in a few words. You get what the last session left open.
- session_checkpoint: keeps all files as they are now. Take one before anything risky, at each milestone, and
  every 30 to 60 minutes of work.
- session_note and session_decision: write down what others must know later, and each decision with its reason.
- session_track: files that you made outside of git's view; all other changes are tracked without it.
- session_end: when the user wants to wrap up, propose the end with a summary of what was done and what is open.
- session_list: shows this session's checkpoints and the other active sessions of this project.
The tools change no file of the project, and none of them approves anything: a person confirms the end."""

_LISTED = 20
# The answer goes into Claude's context.
_PATHS_SHOWN = 100

SessionId = Annotated[
    str, msgspec.Meta(max_length=64, description="The session's id. Empty: the session that you are in.")
]


# --- arguments --------------------------------------------------------------------------------------------


class OfSession(Arguments, frozen=True, kw_only=True):
    """Base of the arguments of tools about one session."""

    session_id: SessionId = ""


class StartWork(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_start`."""

    focus: Annotated[Words, msgspec.Meta(description="The subject of the work in a few words.")]
    project: Annotated[
        Words,
        msgspec.Meta(description="Outside: the project of the new session. Empty: the default."),
    ] = ""


class CheckpointNow(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_checkpoint`."""

    label: Annotated[Words, msgspec.Meta(description="What is done, or what comes next, in a few words.")] = ""
    milestone: Annotated[bool, msgspec.Meta(description="Whether this is a milestone.")] = False


class TrackFiles(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_track`."""

    paths: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=4096)], ...],
        msgspec.Meta(max_length=100, description="Paths below the work directory. Empty: only show all."),
    ] = ()


class WriteNote(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_note` and `session_decision`."""

    text: Annotated[LongText, msgspec.Meta(description="Markdown.")]
    title: Annotated[Words, msgspec.Meta(description="Empty: the first line of the text.")] = ""


class EndWork(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_end`."""

    summary: Annotated[LongText, msgspec.Meta(description="What was done and what is open, in Markdown.")] = ""


class ListSessions(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_list`."""


# --- answers ----------------------------------------------------------------------------------------------


class LastSession(msgspec.Struct, frozen=True):
    """The session of the project that ended last."""

    name: str
    focus: str
    summary: str


class Started(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `session_start`. `name` is the readable id."""

    session_id: str
    name: str
    focus: str
    last: LastSession | None = None


class CheckpointTaken(msgspec.Struct, frozen=True):
    """The answer of `session_checkpoint`."""

    checkpoint: str
    label: str
    files: int
    made_ms: int


class Tracked(msgspec.Struct, frozen=True):
    """The answer of `session_track`: at most a hundred paths of each kind, and the number of all."""

    created: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    total: int


class Written(msgspec.Struct, frozen=True):
    """The answer of `session_note` and `session_decision`."""

    kind: str
    number: int
    title: str


class Proposed(msgspec.Struct, frozen=True):
    """The answer of `session_end`."""

    session_id: str
    name: str
    next: str = "Proposed. The session ends when a person confirms it; until then, go on as usual."


class ListedSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """A session in a list."""

    session_id: str
    title: str
    project: str
    state: str
    last_activity_ms: int
    name: str = ""
    focus: str = ""


class ListedSessions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `session_list`. `session` and `checkpoints` are those of the session that was named."""

    active: tuple[ListedSession, ...]
    session: ListedSession | None = None
    checkpoints: tuple[CheckpointTaken, ...] = ()


# --- acts -------------------------------------------------------------------------------------------------


def named_session(caller: Caller, session_id: str) -> str:
    """Return the id of the session that a call is about. Raises `ToolRefused` if it names none.

    Claude in a session may name only that one.
    """
    if caller.session_id and session_id not in ("", caller.session_id):
        # The words for an id that does not exist: Claude must not learn of other sessions.
        raise ToolRefused("There is no such session; it may have been cleared.")
    found = caller.session_id or session_id
    if not found:
        raise ToolRefused("Name the session: session_id is missing. session_list shows the active ones.")
    return found


async def _start(caller: Caller, wish: StartWork) -> Started:
    core, actor, focus = caller.core, caller.actor, one_line(wish.focus)
    if caller.session_id or wish.session_id:
        session_id = named_session(caller, wish.session_id)
    else:
        c.focus_words(focus)  # refused before there is a session
        made = c.CreateSession(channel_id=caller.place, title=focus, project=one_line(wish.project))
        session_id = (await core.perform(actor, made)).id
    folder = await core.perform(actor, c.SetFocus(session_id=session_id, focus=focus))
    archived = c.ListFolders(project=folder.project, archived=True, limit=1)
    ended = (await core.perform(actor, archived)).folders
    last = LastSession(ended[0].name, ended[0].focus, ended[0].summary) if ended else None
    return Started(session_id=session_id, name=folder.name, focus=folder.focus, last=last)


async def _checkpoint(caller: Caller, wish: CheckpointNow) -> CheckpointTaken:
    command = c.TakeCheckpoint(
        session_id=named_session(caller, wish.session_id),
        label=one_line(wish.label),
        milestone=wish.milestone,
        origin=caller.origin,
    )
    return _taken(await caller.core.perform(caller.actor, command))


async def _track(caller: Caller, wish: TrackFiles) -> Tracked:
    command = c.TrackArtifacts(session_id=named_session(caller, wish.session_id), paths=wish.paths)
    found = await caller.core.perform(caller.actor, command)
    return Tracked(
        created=found.created[:_PATHS_SHOWN],
        changed=found.changed[:_PATHS_SHOWN],
        deleted=found.deleted[:_PATHS_SHOWN],
        total=found.total,
    )


async def _note(caller: Caller, wish: WriteNote) -> Written:
    return await _write(caller, wish, NoteKind.NOTE)


async def _decide(caller: Caller, wish: WriteNote) -> Written:
    return await _write(caller, wish, NoteKind.DECISION)


async def _write(caller: Caller, wish: WriteNote, kind: NoteKind) -> Written:
    command = c.AddNote(
        session_id=named_session(caller, wish.session_id),
        # People and later sessions read it: characters that nobody sees could carry orders to their Claude.
        text=as_seen(wish.text),
        title=one_line(wish.title),
        kind=kind,
        origin=caller.origin,
    )
    note = await caller.core.perform(caller.actor, command)
    return Written(kind=note.kind.value, number=note.number, title=note.title)


async def _end(caller: Caller, wish: EndWork) -> Proposed:
    command = c.ProposeEnd(session_id=named_session(caller, wish.session_id), summary=as_seen(wish.summary))
    folder = await caller.core.perform(caller.actor, command)
    return Proposed(session_id=folder.session_id, name=folder.name)


async def _list(caller: Caller, wish: ListSessions) -> ListedSessions:
    core, actor = caller.core, caller.actor
    if not (caller.session_id or wish.session_id):
        # An agent outside acts for a person and sees all that this person may see.
        page = await core.perform(actor, c.QuerySessions(limit=_LISTED))
        return ListedSessions(tuple(map(listed, page.sessions)))
    session_id = named_session(caller, wish.session_id)
    info = await core.perform(actor, c.GetSession(session_id=session_id))
    folder = await core.perform(actor, c.ReadFolder(session_id=session_id))
    wanted = c.QuerySessions(project=info.project, user_id=info.user_id, limit=_LISTED)
    others = (await core.perform(actor, wanted)).sessions
    taken = await core.perform(actor, c.ListCheckpoints(session_id=session_id, limit=_LISTED))
    return ListedSessions(
        # Of one project only: Claude learns nothing of other work. An empty name is a project, too.
        active=tuple(listed(each) for each in others if each.id != session_id and each.project == info.project),
        session=msgspec.structs.replace(listed(info), name=folder.name, focus=folder.focus),
        checkpoints=tuple(map(_taken, taken.checkpoints)),
    )


def listed(info: c.SessionInfo) -> ListedSession:
    """Return a session for a list."""
    return ListedSession(
        session_id=info.id,
        title=one_line(info.title),
        project=info.project,
        state=info.standing.value,
        last_activity_ms=info.last_activity_ms,
    )


def _taken(info: c.CheckpointInfo) -> CheckpointTaken:
    return CheckpointTaken(checkpoint=info.id, label=info.label, files=info.files, made_ms=info.made_ms)


SESSION_TOOLS: tuple[AnyTool, ...] = (
    ToolSpec(
        "session_start",
        "Give the session a focus, and with it a readable id and a folder. Returns the last session's summary.",
        StartWork,
        _start,
    ),
    ToolSpec(
        "session_checkpoint",
        "Keep the files of this session's work directory as they are now, for good. Returns the checkpoint.",
        CheckpointNow,
        _checkpoint,
    ),
    ToolSpec(
        "session_track",
        "Count files among the session's artifacts, and show all files that it created, changed and deleted.",
        TrackFiles,
        _track,
    ),
    ToolSpec("session_note", "Write a note into the session's folder.", WriteNote, _note),
    ToolSpec(
        "session_decision", "Write a decision and its reason into the session's folder.", WriteNote, _decide
    ),
    ToolSpec(
        "session_end",
        "Propose to end the session with a summary. A person confirms it; nothing ends before.",
        EndWork,
        _end,
    ),
    ToolSpec(
        "session_list",
        "Show this session with its checkpoints, and the other active sessions of the project.",
        ListSessions,
        _list,
        reads=True,
    ),
)
