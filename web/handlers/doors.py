"""Routes on the ways in: log in and out, list and end logins, make and revoke tokens, who am I."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from api import Nothing
from api.access import Role
from web.doors import LONGEST_MS
from web.guard import client_of
from web.parts import WebParts
from web.principals import DoorKind, Login, Scope, Token
from web.problems import Refused
from web.routing import Call, Route, Words, read_body

_LONGEST_CODE = 200
_LONGEST_BODY = 4096


class LoginCode(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The code of a login link. Without `confirmed` nothing happens but that the answer says who it logs in."""

    code: str
    confirmed: bool = False


class LoginOffer(msgspec.Struct, frozen=True, rename="camel"):
    """The person whom a code logs in, and whether it has done so. `name` is empty if it is not known."""

    user_id: str
    done: bool
    name: str = ""


class NewTokenWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A token's name for people, the most that it allows, and for how many days (1 to 365)."""

    name: Words
    scope: Scope = Scope.READ
    days: int = 90


class ShownToken(msgspec.Struct, frozen=True, rename="camel"):
    """A new token; `secret` is shown this once."""

    token: Token
    secret: str


class Logins(msgspec.Struct, frozen=True, rename="camel"):
    """Your logins, last used first."""

    logins: tuple[Login, ...]


class Tokens(msgspec.Struct, frozen=True, rename="camel"):
    """Your tokens, newest first."""

    tokens: tuple[Token, ...]


class Me(msgspec.Struct, frozen=True, rename="camel"):
    """The sender: their id and role, the kind and scope of the way in."""

    user_id: str
    role: Role
    door: DoorKind
    door_id: str
    scope: Scope


async def log_in(request: web.Request, parts: WebParts) -> web.Response:
    """Log a browser in by the code of a login link; sets the cookie."""
    # Counted before the code is known, so that tries at once count as well.
    wait_s = parts.logins.wait_s(client_of(parts.options, request))
    # The sender may be anybody, and other bodies may have megabytes.
    wish: LoginCode = await read_body(request.clone(client_max_size=_LONGEST_BODY), LoginCode)
    user_id = await parts.doors.user_of_code(wish.code) if len(wish.code) <= _LONGEST_CODE else ""
    if not user_id:
        raise _too_many_logins(wait_s) if wait_s else _wrong_code()
    # The page asks first, because a link may log a victim in as somebody else, who then reads along.
    if not wish.confirmed:
        await parts.people.learn([user_id])
        return _answer(LoginOffer(user_id, done=False, name=parts.people.names.get(user_id, "")))
    new = await parts.doors.redeem(wish.code, request.headers.get("User-Agent", ""))
    if new is None:
        raise _wrong_code()
    response = _answer(LoginOffer(user_id, done=True))
    options = parts.options
    response.set_cookie(
        options.cookie,
        new.cookie,
        max_age=LONGEST_MS // 1000,
        # A cookie named __Host- has to be for the whole host, also below a base path.
        path="/" if options.is_secure else f"{options.base_path}/",
        secure=options.is_secure,
        httponly=True,
        # Not Strict: browsers would leave the cookie out when somebody comes by a link from Discord.
        samesite="Lax",
    )
    return response


async def log_out(call: Call) -> Nothing:
    """End the login or token that sends this."""
    if call.principal.kind is DoorKind.LOGIN:
        await call.parts.doors.end_login(call.principal.id, call.principal.user_id)
    else:
        await call.parts.doors.revoke_token(call.principal.id, call.principal.user_id)
    return Nothing()


async def who_am_i(call: Call) -> Me:
    """Tell who sends this."""
    sender = call.principal
    return Me(call.actor.user_id, call.actor.role, sender.kind, sender.id, sender.scope)


async def list_logins(call: Call) -> Logins:
    """List the browsers that are logged in as you."""
    return Logins(tuple(await call.parts.doors.logins(call.actor.user_id)))


async def end_login(call: Call) -> Nothing:
    """Log a browser out; its streams end within a second."""
    if not await call.parts.doors.end_login(call.place("login_id"), call.actor.user_id):
        raise Refused(404, "login_not_found", "There is no such login, or it is not yours.")
    return Nothing()


async def list_tokens(call: Call) -> Tokens:
    """List your tokens, without their secrets."""
    return Tokens(tuple(await call.parts.doors.tokens(call.actor.user_id)))


async def make_token(call: Call) -> ShownToken:
    """Make a token for a program that acts in your name. Only a browser may: a token makes no tokens."""
    wish: NewTokenWish = call.body
    # A token that leaks could otherwise make others, which stay when it is revoked.
    if call.principal.kind is not DoorKind.LOGIN:
        raise Refused(403, "login_needed", "A token makes no tokens: log in with a browser.")
    call.check_fresh()
    if not wish.name.strip() or len(wish.name) > 80:
        raise Refused(400, "wrong_body", "A token needs a name of 1 to 80 characters.")
    new = await call.parts.doors.make_token(call.actor.user_id, wish.name.strip(), wish.scope, wish.days)
    return ShownToken(new.token, new.secret)


async def revoke_token(call: Call) -> Nothing:
    """Revoke a token; its streams end within a second."""
    if not await call.parts.doors.revoke_token(call.place("token_id"), call.actor.user_id):
        raise Refused(404, "token_not_found", "There is no such token, or it is not yours.")
    return Nothing()


async def health(_request: web.Request, _parts: WebParts) -> web.Response:
    """Tell that the bridge answers."""
    return web.json_response({"ok": True})


def _too_many_logins(wait_s: float) -> Refused:
    headers = {"Retry-After": str(int(wait_s) + 1)}
    return Refused(429, "too_many_logins", f"Too many logins: wait {int(wait_s) + 1} s.", headers)


def _wrong_code() -> Refused:
    return Refused(403, "code_not_valid", "This link is used up or too old. Ask for a new one.")


def _answer(offer: LoginOffer) -> web.Response:
    return web.Response(body=msgspec.json.encode(offer), content_type="application/json")


ROUTES: Sequence[Route] = (
    Route("POST", "/api/logins", log_in, None, reply=LoginOffer),
    Route("GET", "/api/logins", list_logins, reply=Logins),
    Route("DELETE", "/api/logins/{login_id}", end_login, Scope.ADMIN),
    Route("POST", "/api/logout", log_out),
    Route("GET", "/api/tokens", list_tokens, reply=Tokens),
    Route("POST", "/api/tokens", make_token, Scope.ADMIN, NewTokenWish, reply=ShownToken, status=201),
    Route("DELETE", "/api/tokens/{token_id}", revoke_token, Scope.ADMIN),
    Route("GET", "/api/me", who_am_i, reply=Me),
    Route("GET", "/healthz", health, None, reply=None),
)
