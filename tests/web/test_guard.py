"""Every route against every sender, host and origin: made from the table, so that none is forgotten."""

from pathlib import Path
from typing import Any

import pytest

from sessions.model import ShareLevel
from tests.web.web_world import OTHER, OWNER, STRANGER, Browser, WebWorld, web_world
from web.parts import WebOptions
from web.principals import Scope
from web.routing import Route
from web.table import ROUTES

_OPEN = {"log_in", "health", "show_login", "show_document", "open_shared"}
"""The routes that anybody may call."""
_PLACES = {
    "run_id": "r",
    "task_id": "k",
    "template_id": "t",
    "page_id": "p",
    "token": "t",
    "turn_id": "t",
    "ask_id": "a",
    "ordinal": "0",
    "grantee": OTHER,
    "rule_id": "1",
    "name": "a.txt",
    "checkpoint_id": "k",
    "comment_id": "c",
}


def path_of(route: Route, session: str, user: str = OWNER) -> str:
    places = {**_PLACES, "session_id": session, "user_id": user, "login_id": "l", "token_id": "t"}
    path = route.path.format(**{name: places[name] for name in route.places})
    return f"{path}?path=a.txt" if route.name == "get_file" else path


async def call(browser: Browser, route: Route, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Call a route; return the status and the error's code."""
    async with browser.http.request(
        route.method, f"{browser.address}{path}", headers=headers, allow_redirects=False
    ) as answer:
        is_problem = answer.content_type == "application/problem+json"
        return answer.status, (await answer.json(content_type=None))["code"] if is_problem else ""


def ours(browser: Browser, **changes: str) -> dict[str, str]:
    headers = {"Origin": browser.origin, "Sec-Fetch-Site": "same-origin", "Idempotency-Key": "k"}
    return {name: value for name, value in {**headers, **changes}.items() if value}


@pytest.fixture
async def rows(world: WebWorld) -> Any:
    """Read what the database holds, but for times of use and the audit."""

    async def read() -> list[Any]:
        tables = ("sessions", "turns", "events", "shares", "asks", "web_tokens", "inputs", "shared_pages")
        return [await world.core.db.read(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]

    return read


async def test_without_a_login_every_route_but_five_is_closed(world: WebWorld) -> None:
    ann, nobody = await world.browser(OWNER), await world.stranger()
    session = await world.session_of(ann)
    for route in ROUTES:
        status, code = await call(nobody, route, path_of(route, session), ours(nobody))
        if route.name in _OPEN:
            assert code != "login_needed", route
        else:
            assert (status, code) == (401, "login_needed"), route
    wrong = {"Authorization": "Bearer cb_wrong"}
    for route in ROUTES:
        if route.name not in _OPEN:
            assert await call(nobody, route, path_of(route, session), ours(nobody) | wrong) == (
                401,
                "login_needed",
            )


async def test_strangers_and_viewers_change_nothing(world: WebWorld, rows: Any) -> None:
    """A stranger has a login, but no role any more; a viewer has a share; a revoked token has been one."""
    ann, bob, stranger = await world.browser(OWNER), await world.browser(OTHER), await world.browser(STRANGER)
    revoked = await world.program(OWNER, Scope.ADMIN)
    session = await world.session_of(ann)
    await world.share(session, OTHER, ShareLevel.VIEW)
    token = (await ann.done("GET", "/api/tokens"))["tokens"][0]["id"]
    await ann.done("DELETE", f"/api/tokens/{token}")
    before = await rows()
    for route in ROUTES:
        if route.name in _OPEN:
            continue
        path = path_of(route, session, OTHER)
        world.parts.commands.forget_all()  # there are more routes than requests in a minute
        assert (await call(stranger, route, path, ours(stranger)))[0] == 403, route
        assert (await call(revoked, route, path, ours(revoked)))[0] == 401, route
        # What is a viewer's own (logins, tokens, new sessions) needs a body, which is not sent here.
        if route.method != "GET" and route.name != "log_out":
            assert (await call(bob, route, path, ours(bob)))[0] >= 400, route
    assert await rows() == before


async def test_no_get_changes_anything(world: WebWorld, rows: Any) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    before = await rows()
    for route in ROUTES:
        if route.method == "GET" and route.name != "events":
            await call(ann, route, path_of(route, session), {})
    assert await rows() == before


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:PORT",
        "127x0x0x1:PORT",
        "user@127.0.0.1:PORT",
        "127.0.0.1:PORT/",
        "localhost.evil.example:PORT",
        "[::1]",
    ],
)
async def test_a_rebound_host_gets_nothing(world: WebWorld, host: str) -> None:
    ann = await world.browser(OWNER)
    port = str(world.parts.options.port)
    named = {"Host": host.replace("PORT", port), "X-Forwarded-Host": f"127.0.0.1:{port}"}
    for path in ("/", "/healthz", "/api/sessions", "/api/live", "/login"):
        async with ann.http.get(f"{ann.address}{path}", headers=named) as answer:
            assert answer.status == 421


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("https://evil.example", "cross-site"),
        ("https://evil.example", ""),
        ("null", ""),
        ("", "cross-site"),
        ("", "same-site"),
        ("", ""),
        ("http://127.0.0.1", ""),
        ("http://127.0.0.1:1", "same-site"),
        ("OURS.evil.example", ""),
        ("OURS", "cross-site"),
    ],
)
async def test_another_page_changes_nothing_and_opens_no_socket(
    world: WebWorld, rows: Any, origin: str, site: str
) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    before = await rows()
    foreign = ours(ann, **{"Origin": origin.replace("OURS", ann.origin), "Sec-Fetch-Site": site})
    for route in ROUTES:
        if route.method != "GET":
            status, code = await call(ann, route, path_of(route, session), foreign)
            assert (status, code) == (403, "foreign_origin"), route
    socket = {**foreign, "Upgrade": "websocket", "Connection": "Upgrade"}
    live = next(route for route in ROUTES if route.path == "/api/live")
    assert await call(ann, live, "/api/live", socket) == (403, "foreign_origin")
    assert await rows() == before


async def test_a_form_is_no_command(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""):
        headers = ours(ann, **{"Content-Type": kind})
        path = f"{ann.address}/api/sessions/{session}/messages"
        async with ann.http.post(path, data=b'{"content": "x"}', headers=headers) as answer:
            assert answer.status == 415


async def test_every_answer_carries_the_headers(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    for path in ("/", f"/chat/{session}", "/login", "/api/me", "/nothing", "/healthz", "/static/nothing.js"):
        async with ann.http.get(f"{ann.address}{path}", headers={"Origin": "https://evil.example"}) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Server" not in answer.headers
    async with ann.http.options(
        f"{ann.address}/api/sessions", headers={"Origin": "https://evil.example"}
    ) as answer:
        assert answer.status == 405
        assert not any(name.startswith("Access-Control") for name in answer.headers)


async def test_an_error_that_nobody_foresaw_tells_nothing(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann = await world.browser(OWNER)

    def break_down(*_: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr(type(world.core.manager), "get_session", break_down)
    status, answer = await ann.send("GET", "/api/sessions/01890000-0000-7000-8000-000000000001")
    assert (status, answer["code"]) == (500, "internal")
    assert "secret" not in str(answer)
    assert answer["incident"] in answer["title"]
    assert any(getattr(record, "incident", "") == answer["incident"] for record in caplog.records)


async def test_below_a_path_behind_a_proxy(tmp_path: Path) -> None:
    options = WebOptions(0, url="https://claude.example.org/at/home", base_path="/at/home")
    async with web_world(tmp_path / "core", options) as world:
        stranger = await world.stranger()
        port = world.parts.options.port
        inside = f"http://127.0.0.1:{port}"
        host = {"Host": "claude.example.org", "Accept": "text/html"}
        async with stranger.http.get(f"{inside}/at/home/", headers=host, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "/at/home/login?next=%2Fat%2Fhome%2F")
            assert "Strict-Transport-Security" in answer.headers
        async with stranger.http.get(f"{inside}/at/home/login", headers=host) as answer:
            page = await answer.text()
        assert 'data-base="/at/home"' in page
        code = await world.parts.doors.make_code(OWNER)
        sent = {**host, "Origin": "https://claude.example.org"}
        body = {"code": code, "confirmed": True}
        async with stranger.http.post(f"{inside}/at/home/api/logins", json=body, headers=sent) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-bridge=")
        assert "Secure" in cookie
        assert "Path=/;" in cookie
