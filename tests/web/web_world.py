"""A web face on a whole core with the scripted CLI, and people who use it over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

import api as c
from api.access import Actor, Role
from bridge.web_face import agents_of
from sessions.model import ShareLevel
from tests.sessions.running_core import DEADLINE_S, RunningCore, running_core
from web.doors import Doors
from web.parts import WebOptions, WebParts
from web.people import People
from web.principals import FACE, Scope
from web.server import serving

OWNER, OTHER, ADMIN, STRANGER = "discord:1", "discord:2", "terminal:root", "discord:9"


@dataclass
class Browser:
    """A person at the web face. Every request carries the headers that a browser of the same page sends."""

    http: aiohttp.ClientSession
    address: str
    origin: str
    keys: int = 0

    async def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request; return the status and the decoded answer."""
        self.keys += 1
        sent = {"Idempotency-Key": f"key-{id(self)}-{self.keys}", **(headers or {})}
        if method != "GET":
            sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", **sent}
        async with self.http.request(method, f"{self.address}{path}", json=body, headers=sent) as answer:
            is_json = answer.content_type in ("application/json", "application/problem+json")
            return answer.status, await (answer.json(content_type=None) if is_json else answer.text())

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that succeeds; return the answer."""
        status, answer = await self.send(method, path, body)
        assert status < 400, answer
        return answer

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open the live socket."""
        async with self.http.ws_connect(f"{self.address}/api/live", headers={"Origin": self.origin}) as socket:
            yield socket


@dataclass
class WebWorld:
    """The parts, and the roles of people, which a test may change."""

    core: RunningCore
    parts: WebParts
    roles: dict[str, Role]
    stack: AsyncExitStack
    now_ms: list[int] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.parts.options.address)
        return f"{parts.scheme}://{parts.netloc}"

    async def stranger(self) -> Browser:
        """A browser without a login."""
        jar = aiohttp.CookieJar(unsafe=True)
        http = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        return Browser(http, self.parts.options.address, self.origin)

    async def browser(self, user_id: str) -> Browser:
        """A browser that is logged in by a link."""
        browser = await self.stranger()
        code = await self.parts.doors.make_code(user_id)
        await browser.done("POST", "/api/logins", {"code": code, "confirmed": True})
        return browser

    async def program(self, user_id: str, scope: Scope) -> Browser:
        """A program with a token."""
        new = await self.parts.doors.make_token(user_id, "a program", scope, 30)
        headers = {"Authorization": f"Bearer {new.secret}"}
        http = await self.stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        return Browser(http, self.parts.options.address, self.origin)

    async def session_of(self, browser: Browser, prompt: str = "") -> str:
        """Make a session in the name of `browser`; return its id."""
        return str((await browser.done("POST", "/api/sessions", {"prompt": prompt}))["id"])

    async def settled(self, browser: Browser, session_id: str) -> dict[str, Any]:
        """Wait until nothing runs or waits in the session; return it."""
        async with asyncio.timeout(DEADLINE_S):
            session = await self.core.manager.get_session(session_id)
            await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)
        found: dict[str, Any] = await browser.done("GET", f"/api/sessions/{session_id}")
        return found

    async def running(self, session_id: str) -> None:
        """Wait until Claude works on a turn."""
        async with asyncio.timeout(DEADLINE_S):
            session = await self.core.manager.get_session(session_id)
            await session.until(lambda snapshot: snapshot.running is not None and not snapshot.queue)

    async def asked(self, session_id: str) -> str:
        """Wait for an open ask; return its id."""
        async with asyncio.timeout(DEADLINE_S):
            session = await self.core.manager.get_session(session_id)
            snapshot = await session.until(lambda snapshot: bool(snapshot.asks))
        return str(snapshot.asks[0].id)

    async def share(self, session_id: str, grantee: str, level: ShareLevel | None) -> None:
        await self.core.do(c.Share(session_id=session_id, grantee=grantee, level=level))


@asynccontextmanager
async def web_world(
    directory: Path, options: WebOptions | None = None, **changes: Any
) -> AsyncIterator[WebWorld]:
    """Serve the web face on a core in `directory`; `changes` go to its `Policy`."""
    roles = {OWNER: Role.USER, OTHER: Role.USER, ADMIN: Role.ADMIN}
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(running_core(directory, **changes))

        async def lookup(user_id: str, fresh: bool) -> Actor:
            return Actor(user_id, FACE, roles.get(user_id, Role.NOBODY))

        moved: list[int] = [0]

        def now_ms() -> int:
            return core.manager.now_ms() + moved[0]

        names: dict[str, str] = {}

        async def name_of(user_id: str) -> str:
            return names[user_id]

        def make(served: WebOptions) -> WebParts:
            doors, agents = Doors(core.db, now_ms), agents_of(core.service)
            return WebParts(core.service, doors, lookup, served, people=People(name_of), agents=agents)

        parts = await stack.enter_async_context(serving(make, options or WebOptions(0)))
        people = await stack.enter_async_context(AsyncExitStack())
        yield WebWorld(core, parts, roles, people, moved, names)
