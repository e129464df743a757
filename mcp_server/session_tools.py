"""The tools about one session: for Claude in it, and for an agent outside that names the session."""

from typing import Annotated

import msgspec

import api as c
from mcp_server.tool import AnyTool, Arguments, Caller, ToolRefused, ToolSpec, Words, one_line

INSTRUCTIONS = """\
These tools keep the record of your session. People read it later and can put files back to each checkpoint.
- session_checkpoint: keeps all files as they are now. Take one before anything risky, at each milestone, and
  every 30 to 60 minutes of work.
- session_list: shows this session's checkpoints and the other active sessions of this project.
The tools change no file of the project, and none of them approves anything."""

_LISTED = 20

SessionId = Annotated[
    str, msgspec.Meta(max_length=64, description="The session's id. Empty: the session that you are in.")
]


class OfSession(Arguments, frozen=True, kw_only=True):
    """Base of the arguments of tools about one session."""

    session_id: SessionId = ""


class CheckpointNow(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_checkpoint`."""

    label: Annotated[Words, msgspec.Meta(description="What is done, or what comes next, in a few words.")] = ""


class ListSessions(OfSession, frozen=True, kw_only=True):
    """Arguments of `session_list`."""


class CheckpointTaken(msgspec.Struct, frozen=True):
    """The answer of `session_checkpoint`."""

    checkpoint: str
    label: str
    files: int
    made_ms: int


class ListedSession(msgspec.Struct, frozen=True):
    """A session in a list."""

    session_id: str
    title: str
    project: str
    state: str
    last_activity_ms: int


class ListedSessions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `session_list`. `session` and `checkpoints` are those of the session that was named."""

    active: tuple[ListedSession, ...]
    session: ListedSession | None = None
    checkpoints: tuple[CheckpointTaken, ...] = ()


def named_session(caller: Caller, session_id: str) -> str:
    """Return the id of the session that a call is about. Raises `ToolRefused` if it names none.

    A session reaches nobody else's tools: Claude in a session may name only that one.
    """
    if caller.session_id and session_id not in ("", caller.session_id):
        raise ToolRefused("There is no such session; it may have been cleared.")
    found = caller.session_id or session_id
    if not found:
        raise ToolRefused("Name the session: session_id is missing.")
    return found


async def _checkpoint(caller: Caller, wish: CheckpointNow) -> CheckpointTaken:
    command = c.TakeCheckpoint(
        session_id=named_session(caller, wish.session_id), label=one_line(wish.label), origin=caller.origin
    )
    return _taken(await caller.core.perform(caller.actor, command))


async def _list(caller: Caller, wish: ListSessions) -> ListedSessions:
    core, actor = caller.core, caller.actor
    if not (caller.session_id or wish.session_id):
        page = await core.perform(actor, c.QuerySessions(limit=_LISTED))
        return ListedSessions(tuple(map(listed, page.sessions)))
    session_id = named_session(caller, wish.session_id)
    info = await core.perform(actor, c.GetSession(session_id=session_id))
    wanted = c.QuerySessions(project=info.project, user_id=info.user_id, limit=_LISTED)
    others = (await core.perform(actor, wanted)).sessions
    taken = await core.perform(actor, c.ListCheckpoints(session_id=session_id, limit=_LISTED))
    return ListedSessions(
        # Of one project only: Claude learns nothing of other work. An empty name is a project, too.
        active=tuple(listed(each) for each in others if each.id != session_id and each.project == info.project),
        session=listed(info),
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
        "session_checkpoint",
        "Keep the files of this session's work directory as they are now, for good. Returns the checkpoint.",
        CheckpointNow,
        _checkpoint,
    ),
    ToolSpec(
        "session_list",
        "Show this session with its checkpoints, and the other active sessions of the project.",
        ListSessions,
        _list,
    ),
)
