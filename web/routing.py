"""Routes as values: handler, needs and reply of each. The OpenAPI document is made from them."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import hdrs, web

from api import Command, Nothing
from api.access import Action, Actor
from texts.whole_numbers import LARGEST, whole_number
from web import guard
from web.act_keys import fingerprint
from web.parts import WebParts
from web.principals import DoorKind, Principal, Scope
from web.problems import Refused

R = TypeVar("R")

MOST_BODY_BYTES = 4 * 2**20
"""A prompt of a million characters fits, whatever they are."""
FRESH_MS = 12 * 3_600_000
KEY = re.compile(r"[!-~]{1,200}")
"""The header `Idempotency-Key`: printable ASCII without spaces."""
Most = Annotated[int, msgspec.Meta(ge=1, le=100)]
"""The length of a page."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A number that JSON carries exactly."""
Words = Annotated[str, msgspec.Meta(min_length=1)]
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a known sender: the decoded body and query, and the core in the sender's name.

    `act` is the fingerprint of what it changes.
    """

    request: web.Request
    parts: WebParts
    principal: Principal
    actor: Actor
    body: Any = None
    query: Any = None
    act: str = ""

    def place(self, name: str) -> str:
        """Return the part of the path at `{name}`."""
        return self.request.match_info[name]

    @property
    def session_id(self) -> str:
        """The session in the path."""
        return self.place("session_id")

    @property
    def origin(self) -> str:
        """The sender's name for this act, from `Idempotency-Key`: the same act sent again is done once."""
        return f"web:{self.actor.user_id}:{self.request.headers['Idempotency-Key']}:{self.act}"

    def check_fresh(self, needed: bool = True) -> None:
        """Refuse a weighty act of a browser that logged in long ago. Raises `Refused`.

        A cookie that somebody else got hold of shall not be worth as much as the person.
        """
        age_ms = self.parts.doors.now_ms() - self.principal.since_ms
        if needed and self.principal.kind is DoorKind.LOGIN and age_ms > FRESH_MS:
            raise Refused(403, "fresh_login_needed", "Log in anew for this: your login is older than 12 hours.")

    async def perform(self, command: Command[R]) -> R:
        """Carry out `command` in the sender's name. Raises the errors of the command.

        Raises `Refused` for an answer by a token without its scope, whatever the scope of the route is.
        """
        # A route of a form carries out several commands, which do not all weigh the same.
        if command.action is Action.APPROVE:
            check_scope(self.principal, Scope.APPROVE)
        return await self.parts.core.perform(self.actor, command)


def check_scope(principal: Principal, needed: Scope) -> None:
    """Raise `Refused` if the sender's token does not have the scope."""
    if not principal.scope.includes(needed):
        raise Refused(403, "scope_needed", f"This token may not do this: it needs the scope {needed}.")


@dataclass(frozen=True, slots=True)
class Route:
    """A way in. `body` and `query` are the types of what it takes, `reply` of what it returns, as JSON.

    Without a `scope` anybody may call it: the handler then gets the request and the parts. A handler may return
    a response of its own instead; `media_types` then names its types.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    scope: Scope | None = Scope.READ
    body: Any = None
    query: Any = None
    reply: Any = Nothing
    status: int = 200
    media_types: tuple[str, ...] = ("application/json",)
    in_document: bool = True

    @property
    def name(self) -> str:
        """The operation's name in the OpenAPI document."""
        return self.handler.__name__

    @property
    def places(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PLACE.findall(self.path))


def add(app: web.Application, route: Route, parts: WebParts) -> None:
    """Serve `route`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if route.scope is None:
            if guard.changes_something(request):
                # Also for the login: another page must not log this browser in as somebody else.
                guard.check_origin(parts.options, request, None)
            done = await route.handler(request, parts)
        else:
            done = await route.handler(await _call(route, request, parts))
        return done if isinstance(done, web.StreamResponse) else _json(done, route.status)

    app.router.add_route(route.method, f"{parts.options.base_path}{route.path}", answer)


async def _call(route: Route, request: web.Request, parts: WebParts) -> Call:
    assert route.scope is not None
    principal = await guard.sender_of(parts, request)
    changes = guard.changes_something(request)
    # The handshake of a WebSocket is a GET that any page may make, with the cookie if it is of the same site
    # (another port of this machine is). No CORS check stands before it, so the origin is checked here.
    if changes or request.headers.get(hdrs.UPGRADE):
        guard.check_origin(parts.options, request, principal)
    check_scope(principal, route.scope)
    if changes:
        guard.check_pace(parts, principal)
        # Routes beside the document are forms, which carry their key in a field, and MCP.
        if route.in_document and not KEY.fullmatch(request.headers.get("Idempotency-Key", "")):
            words = (
                "Send the header Idempotency-Key: a text of your own for this act, and the same on each try."
            )
            raise Refused(400, "idempotency_key_needed", words)
    # Roles are asked anew for each act: Discord tells nobody that it took one away. Reads may be a minute late.
    actor = await guard.actor_of(parts, principal, fresh=changes)
    # The body comes last: megabytes are read only for a sender who may send them.
    body = await read_body(request, route.body) if route.body is not None else None
    query = _query(request, route.query) if route.query is not None else None
    act = await _act(request, route, parts, actor) if changes and route.in_document else ""
    return Call(request, parts, principal, actor, body, query, act)


async def _act(request: web.Request, route: Route, parts: WebParts, actor: Actor) -> str:
    """Return the fingerprint of the act. Raises `Refused` if its key named another one."""
    # aiohttp has kept the bytes of `read_body`. An upload is streamed and has no type of body: its path counts.
    body = await request.read() if route.body is not None else b""
    act = fingerprint(request.method.encode(), request.path_qs.encode(), body)
    if not parts.act_keys.names(actor.user_id, request.headers["Idempotency-Key"], act):
        words = "This Idempotency-Key named another act. Send a key of its own with each act."
        raise Refused(422, "key_reused", words)
    return act


def ordinal_of(call: Call) -> int:
    """Return the place of a block in the path; -1, which no block has, for another text."""
    ordinal = whole_number(call.place("ordinal"), LARGEST)
    return -1 if ordinal is None else ordinal


async def read_body(request: web.Request, kind: Any) -> Any:
    """Return the request's JSON body as a `kind`. Raises `Refused`."""
    if request.content_type != "application/json":
        # A form of another page can send any other type without asking first.
        raise Refused(415, "json_needed", "Send the body as application/json.")
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "wrong_body", f"The body cannot be understood: {error}.") from None


def _query(request: web.Request, kind: Any) -> Any:
    try:
        # Not strict: in a query every number is a text.
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(400, "wrong_query", f"The query cannot be understood: {error}.") from None


def _json(value: object, status: int) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
