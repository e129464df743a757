"""Routes of shared pages: make, list and take back; and the one that readers without a login open."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from aiohttp import web

import api as c
from api.access import Actor, Role
from sessions.errors import SharedPageNotFound
from texts.whole_numbers import LARGEST, whole_number
from web.forms import form_key, read_form
from web.guard import client_of
from web.page_routes import form_route, page_response, page_route
from web.pages.shared_pages import gone_page, published_page, reader_page, sharing_page
from web.parts import WebParts
from web.principals import FACE, Scope
from web.problems import Refused
from web.routing import Call, Route

# The address is the right: the core lets nobody's role open a page, and nothing else.
_NOBODY = Actor("", FACE, Role.NOBODY)
_FOR_READERS = {
    # Stricter than for people with a login: no script at all, and no link may tell the address, a secret.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


class PublishWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The number of days for which the address is valid."""

    days: Annotated[int, msgspec.Meta(ge=1, le=c.LONGEST_DAYS)] = 7


async def draft_page(call: Call) -> c.SharedPageDraft:
    """Make a page of a session as it is now, and show exactly what readers will see. It has no address yet."""
    return await call.perform(c.DraftSharedPage(session_id=call.session_id, options=call.body))


async def publish_page(call: Call) -> c.PublishedPage:
    """Give a draft its address, which is told this once."""
    wish: PublishWish = call.body
    call.check_fresh()
    command = c.PublishSharedPage(session_id=call.session_id, page_id=call.place("page_id"), days=wish.days)
    done = await call.perform(command)
    # Only the face knows by which address it is reached.
    return msgspec.structs.replace(done, url=f"{call.parts.options.address}/shared/{done.token}")


async def list_pages(call: Call) -> c.SharedPages:
    """List a session's pages, with the number of times that each was opened."""
    return await call.perform(c.ListSharedPages(session_id=call.session_id))


async def revoke_page(call: Call) -> c.Nothing:
    """Take a page back: its address leads nowhere from now on."""
    command = c.RevokeSharedPage(session_id=call.session_id, page_id=call.place("page_id"))
    return await call.perform(command)


async def open_shared(request: web.Request, parts: WebParts) -> web.Response:
    """Show a shared page to somebody without a login."""
    # By address: readers have no login that could be counted.
    if wait_s := parts.openings.wait_s(client_of(parts.options, request)):
        headers = {"Retry-After": str(int(wait_s) + 1)}
        raise Refused(429, "too_many_requests", f"Too many requests: wait {int(wait_s) + 1} s.", headers)
    try:
        document = await parts.core.perform(_NOBODY, c.OpenSharedPage(token=request.match_info["token"]))
    # One answer for a page that never was, was revoked or has expired.
    except SharedPageNotFound:
        return web.Response(
            text=gone_page(parts.options), status=404, content_type="text/html", headers=_FOR_READERS
        )
    return web.Response(text=await reader_page(parts, document), content_type="text/html", headers=_FOR_READERS)


async def show_sharing(call: Call) -> web.Response:
    """Show a session's pages and the choices for a new one."""
    html = await sharing_page(call.parts, call.actor, call.session_id, c.ShareOptions(), None)
    return page_response(html)


async def preview_by_form(call: Call) -> web.Response:
    """Show the preview of a new page."""
    options = _options(await read_form(call.request))
    draft = await call.perform(c.DraftSharedPage(session_id=call.session_id, options=options))
    html = await sharing_page(call.parts, call.actor, call.session_id, options, draft)
    return page_response(html)


async def publish_by_form(call: Call) -> web.Response:
    """Give the page of the preview its address, and show it."""
    form = await read_form(call.request)
    form_key(form)
    call.check_fresh()
    days = whole_number(form.get("days", ""), c.LONGEST_DAYS)
    command = c.PublishSharedPage(
        session_id=call.session_id,
        page_id=form.get("page", ""),
        days=7 if days is None else days,
    )
    html = published_page(call.parts, call.actor, call.session_id, await call.perform(command))
    return page_response(html)


def _options(form: Mapping[str, str]) -> c.ShareOptions:
    return c.ShareOptions(
        tools="tools" in form,
        thinking="thinking" in form,
        file_names="file_names" in form,
        take_out=tuple(line.strip() for line in form.get("take_out", "").split("\n") if line.strip())[:100],
        until_turn=whole_number(form.get("until", "").strip(), LARGEST),
    )


_ONE = "/api/sessions/{session_id}/pages"
_PUBLISH = f"{_ONE}/{{page_id}}/publish"
ROUTES: Sequence[Route] = (
    Route("GET", _ONE, list_pages, reply=c.SharedPages),
    Route("POST", _ONE, draft_page, Scope.APPROVE, c.ShareOptions, reply=c.SharedPageDraft, status=201),
    Route("POST", _PUBLISH, publish_page, Scope.APPROVE, PublishWish, reply=c.PublishedPage),
    Route("DELETE", f"{_ONE}/{{page_id}}", revoke_page, Scope.APPROVE),
    page_route("/shared/{token}", open_shared, None),
    page_route("/chat/{session_id}/share", show_sharing),
    form_route("/chat/{session_id}/share", preview_by_form, Scope.APPROVE),
    form_route("/chat/{session_id}/share/publish", publish_by_form, Scope.APPROVE),
)
