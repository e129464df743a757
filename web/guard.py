"""The checks before every request: the host, the origin, the sender, the pace; and the headers of every answer.

Sources: OWASP cheat sheets on CSRF and session management; Fetch Metadata (W3C). Each rule stands against a
published hole of a program of this kind: see docs/web.md.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from api.access import Actor, Role
from web.pages.layout import problem_page
from web.parts import WebOptions, WebParts
from web.principals import DoorKind, Principal
from web.problems import Refused, answer, problem_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    # `server-html` is the policy in static/changes.js. Strings reach the DOM as HTML through that one only.
    "require-trusted-types-for 'script'; trusted-types server-html"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # A page that opened this one keeps no handle on its window.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # As `frame-ancestors` above, for browsers that do not know it.
    "X-Frame-Options": "DENY",
}
# No route changes anything by these, so they need neither an origin nor a key.
_SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


def guarding(options: WebOptions) -> Middleware:
    """Return the middleware around all routes: checks the host, turns errors into answers, sets the headers."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            # First of all: a rebound name must not even learn which routes there are.
            check_host(options, request)
            response = await handler(request)
        except Exception as raised:
            error = _cut_off() if _is_cut_off(request, raised) else raised
            refused = error if isinstance(error, Refused) else None
            if refused is not None and refused.problem.code == "login_needed" and wants_page(request):
                # A path of ours, never a whole address; login.js refuses a `next` that leads elsewhere.
                where = f"{options.base_path}/login?next={quote(request.path_qs, safe='')}"
                return web.Response(status=302, headers={hdrs.LOCATION: where})
            problem = problem_of(error, of_run="run_id" in request.match_info)
            if wants_page(request):
                html = problem_page(options, problem.title)
                return web.Response(
                    text=html, status=problem.status, content_type="text/html", headers=_headers_of(error)
                )
            response = answer(problem, _headers_of(error))
        return response

    return guarded


def _is_cut_off(request: web.Request, error: Exception) -> bool:
    """Whether the body did not arrive: phones lose their connection, and anybody can send half a request."""
    is_gone = request.transport is None or request.transport.is_closing()
    return isinstance(error, web.RequestPayloadError) or (is_gone and isinstance(error, ConnectionResetError))


def _cut_off() -> Refused:
    return Refused(400, "body_cut_off", "The request's body did not arrive whole, or cannot be unpacked.")


def _headers_of(error: Exception) -> Mapping[str, str]:
    match error:
        case Refused():
            return error.headers
        case web.HTTPMethodNotAllowed():
            return {hdrs.ALLOW: error.headers[hdrs.ALLOW]}
        case _:
            return {}


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the security headers of an answer, as the signal `on_response_prepare`."""
    # `setdefault`: a route may be stricter, as shared pages are.
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # Data stays out of caches, also out of the browser's after a logout.
    response.headers.setdefault("Cache-Control", "no-store")
    if request.app[OPTIONS].is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    response.headers.pop("Server", None)


OPTIONS: web.AppKey[WebOptions] = web.AppKey("options", WebOptions)


def check_host(options: WebOptions, request: web.Request) -> None:
    """Refuse a request whose Host is not exactly ours: a foreign name was rebound to this address.

    Raises `Refused`. Compares the whole header, and never one that a proxy adds.
    """
    hosts = request.headers.getall(hdrs.HOST, [])
    # Two Host headers: a proxy and this server may each believe another one.
    if len(hosts) != 1 or hosts[0].lower() not in options.hosts:
        raise Refused(421, "wrong_host", "This address is not served here.")


def check_origin(options: WebOptions, request: web.Request, principal: Principal | None) -> None:
    """Refuse a request that another page made the browser send. Raises `Refused`.

    A program with a token sends neither header. A browser sends both with every request that changes something.
    """
    origin, site = request.headers.get(hdrs.ORIGIN), request.headers.get("Sec-Fetch-Site")
    # Only a token may come without both: no browser adds it by itself, as it does the cookie.
    by_program = principal is not None and principal.kind is DoorKind.TOKEN
    if origin is None and site is None and by_program:
        return
    if origin not in options.origins or site not in (None, "same-origin"):
        raise Refused(403, "foreign_origin", "This request comes from another page.")


async def sender_of(parts: WebParts, request: web.Request) -> Principal:
    """Return the sender of a request by its token or cookie. Raises `Refused` if it has neither."""
    found: Principal | None = None
    authorization = request.headers.get(hdrs.AUTHORIZATION, "")
    # A wrong token is refused even beside a valid cookie: the way in decides which checks apply.
    if authorization:
        kind, _, secret = authorization.partition(" ")
        found = await parts.doors.principal_of_token(secret) if kind.lower() == "bearer" else None
    elif cookie := request.cookies.get(parts.options.cookie):
        found = await parts.doors.principal_of_cookie(cookie)
    if found is None:
        raise Refused(401, "login_needed", "Log in first.", {"WWW-Authenticate": "Bearer"})
    return found


async def actor_of(parts: WebParts, principal: Principal, *, fresh: bool) -> Actor:
    """Return the sender as an actor of the core. Raises `Refused` for a person who may not use the bridge."""
    actor = await parts.lookup(principal.user_id, fresh)
    if actor.role is Role.NOBODY:
        raise Refused(403, "not_allowed", "You may not use this bridge.")
    return actor


async def actor_now(parts: WebParts, principal: Principal, *, fresh: bool = False) -> Actor:
    """Return the sender of an open stream as of now. Raises `Refused` once the login or token has ended."""
    if not await parts.doors.is_open(principal):
        raise Refused(401, "login_needed", "Log in first.")
    return await parts.lookup(principal.user_id, fresh)


def check_pace(parts: WebParts, principal: Principal) -> None:
    """Count a command of the sender. Raises `Refused` if there are too many within a minute."""
    if wait_s := parts.commands.wait_s(principal.id):
        headers = {"Retry-After": str(int(wait_s) + 1)}
        raise Refused(429, "too_many_requests", f"Too many requests: wait {int(wait_s) + 1} s.", headers)


def client_of(options: WebOptions, request: web.Request) -> str:
    """Return the address that limits count: the sender's, or the one that a trusted proxy names.

    Anybody can send the header, so it is read from its end and only as far as trusted proxies wrote it.
    """
    address = request.remote or ""
    named = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    # Each proxy adds the address it saw at the end. The first one that is no proxy of ours is the client.
    while address in options.proxies and named:
        address = named.pop().strip()[:64] or address
    return address


def changes_something(request: web.Request) -> bool:
    """Whether the request's method may change something."""
    return request.method not in _SAFE


def wants_page(request: web.Request) -> bool:
    """Whether a browser asks for a page, so that a person gets the login or a page instead of JSON."""
    return request.method == hdrs.METH_GET and "text/html" in request.headers.get(hdrs.ACCEPT, "")
