"""Routes of pages and of their forms for a browser without scripts: none of them is in the OpenAPI document."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from web.principals import Scope
from web.routing import Call, Route

_HTML = "text/html"
Handler = Callable[..., Awaitable[web.Response]]


def page_route(path: str, handler: Handler, scope: Scope | None = Scope.READ, *, query: Any = None) -> Route:
    """Return the route that shows a page; `scope` and `query` as in `Route`."""
    return _route("GET", path, handler, scope, query)


def form_route(path: str, handler: Handler, scope: Scope = Scope.OPERATE) -> Route:
    """Return the route that takes the form of a page and answers with a page."""
    return _route("POST", path, handler, scope, None)


def page_response(html: str) -> web.Response:
    """Return a page as the answer."""
    return web.Response(text=html, content_type=_HTML)


def lead_to(call: Call, path: str) -> web.Response:
    """Return the answer that leads to another page after a form."""
    # With 303, a reload of the next page does not send the form again.
    return web.Response(status=303, headers={"Location": f"{call.parts.options.base_path}{path}"})


def _route(method: str, path: str, handler: Handler, scope: Scope | None, query: Any) -> Route:
    return Route(method, path, handler, scope, query=query, reply=None, media_types=(_HTML,), in_document=False)
