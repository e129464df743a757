"""Routes of the pages, and of their forms for a browser without scripts."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

import api as c
from sessions.model import PermissionMode
from sessions.search_words import Words
from web.forms import form_key, read_form
from web.live.event_stream import EventQuery, events
from web.live.socket import live
from web.openapi import document
from web.page_routes import form_route, lead_to, page_response, page_route
from web.pages.admin_page import admin_page
from web.pages.door_pages import doors_page, login_page
from web.pages.list_page import list_page
from web.pages.session_page import PagePlace, session_page
from web.parts import WebParts
from web.principals import Scope
from web.problems import Refused
from web.routing import Call, Count, Route


class ListQuery(msgspec.Struct, frozen=True):
    """`text` is looked for in titles, prompts, answers and tools; `cursor` asks for older places."""

    text: str = ""
    cursor: str = ""


class PlaceQuery(msgspec.Struct, frozen=True):
    """`before` asks for turns older than that number, `at` for those around it; `find` has words to mark."""

    before: Count | None = None
    at: Count | None = None
    find: str = ""


async def show_list(call: Call) -> web.Response:
    """Show the sessions."""
    now_ms = call.parts.doors.now_ms()
    return page_response(await list_page(call.parts, call.actor, now_ms, call.query.text, call.query.cursor))


async def show_session(call: Call) -> web.Response:
    """Show one session."""
    return page_response(await session_page(call.parts, call.actor, call.session_id, _place(call.query)))


def _place(query: PlaceQuery) -> PagePlace:
    return PagePlace(query.before, query.at, Words.of(query.find).pattern)


async def show_doors(call: Call) -> web.Response:
    """Show your logins and tokens."""
    return page_response(await doors_page(call.parts, call.actor, call.principal))


async def show_admin(call: Call) -> web.Response:
    """Show figures, costs and the audit."""
    return page_response(await admin_page(call.parts, call.actor))


async def show_login(_request: web.Request, parts: WebParts) -> web.Response:
    """Show the login."""
    return page_response(login_page(parts))


async def begin_by_form(call: Call) -> web.Response:
    """Create a session with its first prompt, and show it."""
    form = await read_form(call.request)
    origin = f"web:{call.actor.user_id}:{form_key(form)}"
    # The form's key is the place and the prompt's origin: sent again after a kill in between, the form finds
    # the same session and makes one turn.
    command = c.GetOrCreateSession(
        channel_id="web",
        key=origin,
        project=form.get("project", ""),
        model=form.get("model", ""),
        mode=_mode(form.get("mode", "")),
    )
    info = await call.perform(command)
    await call.perform(c.SendMessage(session_id=info.id, content=form.get("prompt", ""), origin=origin))
    return lead_to(call, f"/chat/{info.id}")


def _mode(name: str) -> PermissionMode | None:
    try:
        return PermissionMode(name) if name else None
    except ValueError:
        raise Refused(400, "wrong_form", "There is no such mode. Load the page anew.") from None


async def send_by_form(call: Call) -> web.Response:
    """Send a prompt, and show the session."""
    form = await read_form(call.request)
    origin = f"web:{call.actor.user_id}:{form_key(form)}"
    message = c.SendMessage(session_id=call.session_id, content=form.get("prompt", ""), origin=origin)
    await call.perform(message)
    return lead_to(call, f"/chat/{call.session_id}")


async def show_document(_request: web.Request, _parts: WebParts) -> web.Response:
    """Return this document."""
    # Imported here: the table imports this module.
    from web.table import ROUTES as ALL

    return web.Response(body=msgspec.json.encode(document(ALL)), content_type="application/json")


ROUTES: Sequence[Route] = (
    page_route("/", show_list, query=ListQuery),
    page_route("/chat/{session_id}", show_session, query=PlaceQuery),
    page_route("/doors", show_doors),
    page_route("/admin", show_admin, Scope.ADMIN),
    page_route("/login", show_login, None),
    form_route("/new", begin_by_form),
    form_route("/chat/{session_id}/send", send_by_form),
    Route("GET", "/api/openapi.json", show_document, None, reply=None),
    Route("GET", "/api/live", live, reply=None, status=101),
    Route(
        "GET",
        "/api/sessions/{session_id}/events",
        events,
        query=EventQuery,
        reply=None,
        media_types=("text/event-stream",),
    ),
)
