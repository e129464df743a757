"""Routes on sessions as a whole: list, make, read, change, end."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec

import api as c
from api.access import Role
from sessions.model import Lifecycle, PermissionMode
from web.principals import Scope
from web.problems import Refused
from web.routing import Call, Count, Most, Route, Words
from web.session_view import SessionList, SessionView, session_view

_TURNS_SHOWN = 20


class NewSession(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new session: an empty field takes the settings' default. `prompt` is its first prompt."""

    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None
    prompt: str = ""


class SessionQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A filter of the list; an empty field is no filter. `text` is looked for in titles and conversations."""

    lifecycle: Lifecycle | None = None
    project: str = ""
    text: str = ""
    include_ended: bool = False
    limit: Most = 20
    # Refused here: the core takes any other text for the first page. `$` alone matches before a last line end,
    # and Python's `\Z` means nothing to other readers of the API's document.
    cursor: Annotated[str, msgspec.Meta(pattern="^([01] [0-9]{1,15} .{1,100})?$(?!\n)")] = ""


class SearchQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`text` has the words; words in double quotes stay together."""

    text: str
    limit: Most = 20
    cursor: Annotated[str, msgspec.Meta(pattern="^(-?[0-9]{1,18})?$(?!\n)")] = ""


class HistoryQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`before` asks for turns older than that number; with `all` the history is whole."""

    before: Count | None = None
    limit: Most = _TURNS_SHOWN
    all: bool = False


class PurgeQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With `purge` an ended session is deleted for good."""

    purge: bool = False


class SessionChange(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """New values; a field that is left out stays as it is."""

    title: str | None = None
    model: Words | None = None
    mode: PermissionMode | None = None
    pinned: bool | None = None
    project: str | None = None


async def create_session(call: Call) -> SessionView:
    """Create a session of your own, with a first prompt if you send one."""
    wish: NewSession = call.body
    origin = call.origin
    command = c.GetOrCreateSession(
        channel_id="web",
        # The act's name is the session's place, so that the same request sent again finds the same session.
        key=origin,
        title=wish.title,
        project=wish.project,
        model=wish.model,
        mode=wish.mode,
    )
    # A kill before the prompt is sent leaves an empty session; the same request finds it and sends the prompt.
    info = await call.perform(command)
    if wish.prompt:
        await call.perform(c.SendMessage(session_id=info.id, content=wish.prompt, origin=origin))
        info = await call.perform(c.GetSession(session_id=info.id))
    return session_view(info)


async def list_sessions(call: Call) -> SessionList:
    """List the sessions that you may see, newest activity first."""
    return await _listed(call, "")


async def list_sessions_of_user(call: Call) -> SessionList:
    """List one person's sessions; another's only as an admin."""
    user_id = call.place("user_id")
    if user_id == "me":
        user_id = call.actor.user_id
    # Not 403: the answer must not tell which people there are.
    if user_id != call.actor.user_id and call.actor.role is not Role.ADMIN:
        raise Refused(404, "user_not_found", "There is no such person, or they are not yours to see.")
    return await _listed(call, user_id)


async def _listed(call: Call, user_id: str) -> SessionList:
    query: SessionQuery = call.query
    page = await call.perform(
        c.QuerySessions(
            lifecycle=query.lifecycle,
            user_id=user_id,
            project=query.project,
            text=query.text,
            include_ended=query.include_ended,
            limit=query.limit,
            cursor=query.cursor,
            pinned_first=False,
        )
    )
    return SessionList(tuple(session_view(info) for info in page.sessions), page.cursor)


async def get_session(call: Call) -> SessionView:
    """Return a session with its newest turns."""
    query: HistoryQuery = call.query
    info = await call.perform(c.GetSession(session_id=call.session_id))
    page = await call.perform(c.ReadTurns(session_id=call.session_id, before=query.before, limit=query.limit))
    if query.all:
        page = await _whole(call, page)
    return session_view(info, page)


async def _whole(call: Call, page: c.TurnPage) -> c.TurnPage:
    turns, before = list(page.turns), page.before
    while before is not None:
        older = await call.perform(c.ReadTurns(session_id=call.session_id, before=before, limit=100))
        turns += older.turns
        before = older.before
        # A long session is read in many pages: others have their turn in between.
        await asyncio.sleep(0)
    return c.TurnPage(tuple(turns), None, page.as_of)


async def change_session(call: Call) -> SessionView:
    """Change a session's title, model, permission mode, project or pin."""
    wish: SessionChange = call.body
    wishes: list[c.Command[c.SessionInfo]] = []
    if wish.mode is not None:
        # Checked before any command runs: a refusal leaves the whole change undone.
        call.check_fresh(wish.mode is PermissionMode.BYPASS)
        wishes.append(c.SetMode(session_id=call.session_id, mode=wish.mode))
    if wish.model is not None:
        wishes.append(c.SetModel(session_id=call.session_id, model=wish.model))
    if wish.title is not None:
        wishes.append(c.Rename(session_id=call.session_id, title=wish.title))
    if wish.pinned is not None:
        wishes.append(c.Pin(session_id=call.session_id, pinned=wish.pinned))
    if wish.project is not None:
        wishes.append(c.MoveSession(session_id=call.session_id, project=wish.project))
    for command in wishes:
        await call.perform(command)
    return session_view(await call.perform(c.GetSession(session_id=call.session_id)))


async def clear_session(call: Call) -> c.Nothing:
    """End a session. It can be restored until it is cleaned up.

    With `purge` an ended session is deleted for good; only its owner and admins may.
    """
    query: PurgeQuery = call.query
    if not query.purge:
        return await call.perform(c.Clear(session_id=call.session_id))
    call.check_fresh()
    return await call.perform(c.Purge(session_id=call.session_id))


async def restore_session(call: Call) -> SessionView:
    """Restore an ended session; its next prompt wakes it."""
    return session_view(await call.perform(c.RestoreSession(session_id=call.session_id, key=None)))


async def park_session(call: Call) -> c.Nothing:
    """End a session's process and keep its conversation."""
    return await call.perform(c.Park(session_id=call.session_id))


async def search(call: Call) -> c.FoundPlaces:
    """Find prompts, answers and tool calls with all words of a text, newest first."""
    query: SearchQuery = call.query
    return await call.perform(c.Search(text=query.text, limit=query.limit, cursor=query.cursor))


async def list_projects(call: Call) -> c.Names:
    """List the projects that a session can work in."""
    return await call.perform(c.ListProjects())


_ONE = "/api/sessions/{session_id}"
ROUTES: Sequence[Route] = (
    Route("POST", "/api/sessions", create_session, Scope.OPERATE, NewSession, reply=SessionView, status=201),
    Route("GET", "/api/sessions", list_sessions, query=SessionQuery, reply=SessionList),
    Route("GET", "/api/users/{user_id}/sessions", list_sessions_of_user, query=SessionQuery, reply=SessionList),
    Route("GET", _ONE, get_session, query=HistoryQuery, reply=SessionView),
    Route("PATCH", _ONE, change_session, Scope.OPERATE, SessionChange, reply=SessionView),
    Route("DELETE", _ONE, clear_session, Scope.OPERATE, query=PurgeQuery),
    Route("POST", f"{_ONE}/restore", restore_session, Scope.OPERATE, reply=SessionView),
    Route("POST", f"{_ONE}/park", park_session, Scope.OPERATE),
    Route("GET", "/api/search", search, query=SearchQuery, reply=c.FoundPlaces),
    Route("GET", "/api/projects", list_projects, reply=c.Names),
)
