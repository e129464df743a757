"""The HTTP side: every REST request passes here, in the order fault, ban, limits, token, route, answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

from aiohttp import BodyPartReader, web

from . import errors
from .errors import ApiError
from .faults import Damage, Fail, Faults, Hold, Limit, LoseAnswer, Reset
from .oracle import Oracle
from .rate_limits import Refused
from .request_log import Request, RequestLog
from .site import Answer, Call, RateRefused, Route, Site, Upload

_log = logging.getLogger(__name__)
_CLOUDFLARE = "<html><title>Access denied | discord.com used Cloudflare to restrict access</title></html>"


class RestDoor:
    """Serves the routes under `/api/v10` and logs each request with what became of it."""

    def __init__(self, site: Site, faults: Faults, oracle: Oracle, log: RequestLog) -> None:
        self._site = site
        self._faults = faults
        self._oracle = oracle
        self._log = log

    def mount(self, app: web.Application, routes: list[Route]) -> None:
        """Add the routes to `app`; more specific paths must come first, as listed."""
        for route in sorted(routes, key=lambda one: one.path.count("{")):
            app.router.add_route(route.method, f"/api/v10{route.path}", self._serving(route))

    def _serving(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(route, request)

        return serve

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self._site.settings.latency_s / 2)
        call = await _read(request)
        entry = Request(
            at=self._site.clock.now(),
            method=route.method,
            route=route.path,
            path=request.path.removeprefix("/api/v10"),
            query=dict(request.query),
            body=call.rows or call.body,
            files=tuple(upload.filename for upload in call.files.values()),
        )
        self._log.append(entry)
        damage = self._faults.strike(route.key)
        response = self._damaged(damage, entry, request) or self._answered(route, call, entry, request)
        self._site.world.changed()
        await asyncio.sleep(self._site.settings.latency_s / 2)
        if isinstance(damage, LoseAnswer):
            entry.answer_lost = True
            _cut(request)
        elif isinstance(damage, Hold):
            await damage.wait()
        return response

    def _damaged(self, damage: Damage | None, entry: Request, request: web.Request) -> web.Response | None:
        """The answer of a fault that strikes before the request takes effect."""
        match damage:
            case None | LoseAnswer() | Hold():
                return None
            case Reset():
                _cut(request)
                return web.Response(status=502)
            case Fail():
                entry.status = damage.status
                return web.Response(status=damage.status, text=f"{damage.status}: upstream error")
            case Limit():
                entry.status = 429
                self._site.rate_limits.count_invalid(429, shared=damage.is_shared)
                if damage.cloudflare:
                    return _cloudflare()
                return _limited(Refused(damage.retry_after_s, damage.scope, is_global=damage.is_global))
            case _:
                assert_never(damage)

    def _answered(self, route: Route, call: Call, entry: Request, request: web.Request) -> web.Response:
        limits, major = self._site.rate_limits, _major(call)
        if limits.banned():
            entry.status = 429
            return _cloudflare()
        refused = (None if route.open else limits.take_global()) or limits.take(route.key, major)
        if refused is not None:
            return self._refuse(refused, entry)
        try:
            self._demand_token(route, request)
            answer = route.handler(self._site, call)
            entry.accepted = True
        except RateRefused as limited:
            return self._refuse(limited.refused, entry, limits.headers(route.key, major))
        except ApiError as error:
            limits.count_invalid(error.status)
            answer = Answer(error.status, error.body())
        except Exception as error:
            _log.exception("fake Discord failed", extra={"route": route.key})
            answer = Answer(500, {"message": f"the fake failed: {error!r}", "code": 0})
        entry.status, entry.answer = answer.status, answer.body
        self._oracle.check(entry)
        return _json(answer, limits.headers(route.key, major))

    def _refuse(self, refused: Refused, entry: Request, headers: dict[str, str] | None = None) -> web.Response:
        entry.status, entry.answer = 429, refused.body()
        self._site.rate_limits.count_invalid(429, shared=refused.scope == "shared")
        self._oracle.check(entry)
        return _limited(refused, headers)

    def _demand_token(self, route: Route, request: web.Request) -> None:
        given = request.headers.get("Authorization")
        if not route.open and given != f"Bot {self._site.settings.token}":
            raise errors.unauthorized()


async def _read(request: web.Request) -> Call:
    params = dict(request.match_info)
    call = Call(params=params, query=dict(request.query), body={}, files={})
    if request.content_type == "multipart/form-data":
        await _read_parts(request, call)
    elif request.can_read_body:
        _set_body(call, await request.read())
    return call


async def _read_parts(request: web.Request, call: Call) -> None:
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        if part.name == "payload_json":
            _set_body(call, data)
        else:
            number = int((part.name or "files[0]").removeprefix("files[").removesuffix("]"))
            kind = part.headers.get("Content-Type", "application/octet-stream")
            call.files[number] = Upload(part.filename or "unknown", data, kind)


def _set_body(call: Call, data: bytes) -> None:
    read = json.loads(data) if data else {}
    if isinstance(read, list):
        call.rows = read
    else:
        call.body = read


def _major(call: Call) -> str:
    for name in ("channel_id", "guild_id", "webhook_token", "interaction_token"):
        if name in call.params:
            return call.params[name]
    return ""


def _json(answer: Answer, headers: dict[str, str]) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    # Exactly `application/json`: discord.py takes a body with any parameter after it for plain text.
    made = {**headers, "Content-Type": "application/json"}
    return web.Response(status=answer.status, body=json.dumps(answer.body).encode(), headers=made)


def _limited(refused: Refused, headers: dict[str, str] | None = None) -> web.Response:
    return _json(Answer(429, refused.body()), {**(headers or {}), **refused.headers()})


def _cloudflare() -> web.Response:
    return web.Response(status=429, text=_CLOUDFLARE, content_type="text/html")


def _cut(request: web.Request) -> None:
    """Reset the connection: the client sees it end without an answer."""
    if request.transport is not None:
        request.transport.abort()
