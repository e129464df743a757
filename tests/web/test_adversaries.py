"""Hostile programs and people: keys, sockets, streams, paths and codes used as nobody should."""

import asyncio
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

import api as c
from sessions.model import ShareLevel
from tests.sessions.running_core import DEADLINE_S, until
from tests.web.test_guard import call, ours, path_of
from tests.web.web_world import ADMIN, OTHER, OWNER, Browser, WebWorld
from web import guard
from web.principals import Scope
from web.problems import Problem, problem_of
from web.table import ROUTES

_OUT = ("..%2f..%2fx", "%2fetc%2fpasswd", "%252e%252e%252fx", "..%5c..%5cx", "~%2f.ssh", "a%00b", "%ed%a0%80")
_LARGE = 60 * 2**20
DAY_MS = 24 * 3_600_000


async def raw(browser: Browser, method: str, path: str, data: Any = None, **headers: str) -> tuple[int, bytes]:
    """Send a path exactly as it is written."""
    address = URL(f"{browser.address}{path}", encoded=True)
    async with browser.http.request(method, address, data=data, headers=ours(browser, **headers)) as answer:
        return answer.status, await answer.read()


# --- scopes and keys --------------------------------------------------------------------------------------


async def test_each_route_needs_its_scope(world: WebWorld) -> None:
    programs = {scope: await world.program(ADMIN, scope) for scope in Scope}
    scopes = list(Scope)
    for route in ROUTES:
        if route.scope is None or route.name in ("events", "log_out", "stop_all"):
            continue
        world.parts.commands.forget_all()
        path = path_of(route, "01890000-0000-7000-8000-000000000001")
        for scope in scopes[: scopes.index(route.scope)][-1:]:
            done = await call(programs[scope], route, path, {"Idempotency-Key": "k"})
            assert done == (403, "scope_needed"), (route, scope)


async def test_a_key_names_one_act(world: WebWorld) -> None:
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    one, two = [await world.session_of(ann) for _ in range(2)]
    await world.share(one, OTHER, ShareLevel.PROMPT)
    key = {"Idempotency-Key": "the-key"}
    at_once = await asyncio.gather(
        *(ann.send("POST", f"/api/sessions/{one}/messages", {"content": "demo:text a"}, key) for _ in range(9))
    )
    assert {json.dumps(each) for each in at_once} == {json.dumps(at_once[0])}
    for session, content in ((one, "demo:text b"), (two, "demo:text a")):
        status, answer = await ann.send("POST", f"/api/sessions/{session}/messages", {"content": content}, key)
        assert (status, answer["code"]) == (422, "key_reused")
    status, other = await bob.send("POST", f"/api/sessions/{one}/messages", {"content": "demo:text a"}, key)
    assert (status, other["turn_id"] != at_once[0][1]["turn_id"]) == (202, True)
    # Also after the bridge has forgotten the key no prompt is taken for another one.
    world.parts.act_keys.__init__()  # type: ignore[misc]
    status, third = await ann.send("POST", f"/api/sessions/{two}/messages", {"content": "demo:text c"}, key)
    assert status == 202
    assert third["turn_id"] not in (other["turn_id"], at_once[0][1]["turn_id"])
    assert list((await world.settled(ann, two))["userInputs"].values()) == ["demo:text c"]


async def test_a_form_that_is_shown_again_sends_its_new_prompt(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    for prompt in ("demo:text one", "demo:text one", "demo:text two"):
        sent = {"key": "the-key-of-the-form", "prompt": prompt}
        headers = {"Origin": ann.origin}
        async with ann.http.post(f"{ann.address}/chat/{session}/send", data=sent, headers=headers) as answer:
            assert answer.status == 200
    said = (await world.settled(ann, session))["userInputs"].values()
    assert list(said) == ["demo:text one", "demo:text two"]


# --- logins -----------------------------------------------------------------------------------------------


async def test_of_many_browsers_with_one_code_one_is_logged_in(world: WebWorld) -> None:
    code = await world.parts.doors.make_code(OWNER)
    browsers = [await world.stranger() for _ in range(9)]
    planted = "a-cookie-that-somebody-else-knows"
    for each in browsers:
        each.http.cookie_jar.update_cookies({world.parts.options.cookie: planted}, URL(each.address))
    body = {"code": code, "confirmed": True}
    done = await asyncio.gather(*(each.send("POST", "/api/logins", body) for each in browsers))
    assert sorted(status for status, _ in done) == [200, *[403] * 8]
    (winner,) = [each for each, (status, _) in zip(browsers, done, strict=True) if status == 200]
    cookies = [each.value for each in winner.http.cookie_jar if each.key == world.parts.options.cookie]
    assert planted not in cookies
    thief = await world.stranger()
    assert (await thief.send("GET", "/api/me", headers={"Cookie": f"{world.parts.options.cookie}={planted}"}))[
        0
    ] == 401


# --- sockets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "headers", "status"),
    [
        ("browser", {}, 403),
        ("browser", {"Origin": "null"}, 403),
        ("browser", {"Origin": "OURS", "Sec-Fetch-Site": "cross-site"}, 403),
        ("browser", {"Origin": "OURS.evil.example"}, 403),
        ("browser", {"Origin": "OURS"}, 101),
        ("program", {}, 101),
        ("program", {"Origin": "https://evil.example"}, 403),
        ("stranger", {"Origin": "OURS"}, 401),
    ],
)
async def test_a_socket_opens_for_its_own_page_or_a_program(
    world: WebWorld, who: str, headers: dict[str, str], status: int
) -> None:
    make: dict[str, Callable[[], Any]] = {
        "browser": lambda: world.browser(OWNER),
        "program": lambda: world.program(OWNER, Scope.READ),
        "stranger": world.stranger,
    }
    browser = await make[who]()
    sent = {name: value.replace("OURS", browser.origin) for name, value in headers.items()}
    opening = browser.http.ws_connect(f"{browser.address}/api/live", headers=sent, compress=15)
    if status != 101:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await opening
        assert refused.value.status == status
        return
    async with opening as socket:
        assert (await socket.receive_json())["type"] == "hello"
        assert socket.compress == 0


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"\xc1\x85" + bytes(9)], id="compressed, though nobody agreed to it"),
        pytest.param([b"\x81\xff" + struct.pack(">Q", 2**40) + bytes(4)], id="a terabyte"),
        pytest.param(
            [b"\x01\xfe\xff\xff" + bytes(4 + 65535), b"\x00\xfe\xff\xff" + bytes(4 + 65535)], id="parts"
        ),
        pytest.param([b"\x81\x03abc"], id="without a mask"),
        pytest.param([b"\x82\x83" + bytes(7)], id="binary"),
        pytest.param([b"\x89\xfe\x01\x00" + bytes(4 + 256)], id="a long ping"),
        pytest.param([b"\x81\x84" + bytes(4) + b"\xff\xfe\xed\xa0"], id="no text"),
    ],
)
async def test_broken_frames_close_the_socket(world: WebWorld, frames: list[bytes]) -> None:
    ann = await world.browser(OWNER)
    async with asyncio.timeout(DEADLINE_S), ann.socket() as socket:
        assert (await socket.receive_json())["type"] == "hello"
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        for each in frames:
            transport.write(each)  # type: ignore[union-attr]
        while not socket.closed:
            await socket.receive()
    assert (await ann.send("GET", "/api/me"))[0] == 200


_WISHES: tuple[dict[str, Any], ...] = (
    {"type": "sub", "sub": "s", "after": -1},
    {"type": "sub", "sub": "s", "after": 2**64},
    {"type": "sub", "sub": "s", "after": 1.5},
    {"type": "sub", "sub": "s" * 41},
    {"type": "sub", "sub": "s", "session": "x" * 101},
    {"type": "unsub", "sub": "s" * 41},
    {"type": "look", "visible": 1},
)


async def test_a_wish_out_of_bounds_closes_the_socket(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    for wish in _WISHES:
        async with asyncio.timeout(DEADLINE_S), ann.socket() as socket:
            await socket.receive_json()
            await socket.send_json(wish)
            while not socket.closed:
                await socket.receive()
            assert socket.close_code == 1007, wish


async def test_too_many_wishes_close_the_socket(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    async with asyncio.timeout(DEADLINE_S), ann.socket() as socket:
        for _ in range(601):
            await socket.send_json({"type": "ping"})
        while not socket.closed:
            await socket.receive()
        assert socket.close_code == 1008


async def test_an_event_that_never_happened_here_holds_nobody_up(world: WebWorld) -> None:
    """A page from before a backup was put back goes on from the last event, and so do the tabs beside it."""
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    path = f"/api/sessions/{session}"
    last = (await ann.done("GET", path))["core"]["last_event"]
    headers = {"Last-Event-ID": "999999999999999"}
    async with (
        asyncio.timeout(DEADLINE_S),
        ann.socket() as ahead,
        ann.socket() as beside,
        ann.http.get(f"{ann.address}{path}/events", headers=headers) as stream,
    ):
        for socket, after in ((ahead, last + 50), (beside, last)):
            await socket.receive_json()
            await socket.send_json({"type": "sub", "sub": "s", "session": session, "after": after})
            await socket.send_json({"type": "ping"})
            while (await socket.receive_json())["type"] != "beat":
                pass
        # A ping is answered while a subscription still begins. The one ahead begins at the last event of then.
        await until(lambda: len(world.parts.presence._there.get(session, ())) == 2)
        await ann.done("PATCH", path, {"title": "For both"})
        for socket in (ahead, beside):
            while "For both" not in json.dumps(await socket.receive_json()):
                pass
        assert await stream.content.readline() == f"id: {last + 1}\n".encode()


# --- streams and downloads that go on ---------------------------------------------------------------------


@pytest.mark.parametrize("what", ["token", "share", "expiry"])
async def test_what_is_taken_back_ends_streams_and_downloads(world: WebWorld, what: str) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    await world.share(session, OTHER, ShareLevel.PROMPT)
    place = Path((await world.core.manager.get_session(session)).snapshot.work_directory)
    with (place / "large.bin").open("wb") as file:
        file.truncate(_LARGE)
    bob = await world.program(OTHER, Scope.OPERATE)
    token = (await bob.done("GET", "/api/tokens"))["tokens"][0]["id"]
    address = f"{bob.address}/api/sessions/{session}"
    async with (
        asyncio.timeout(DEADLINE_S),
        bob.http.get(f"{address}/events") as stream,
        bob.http.get(f"{address}/files?path=large.bin") as download,
    ):
        assert download.headers["Content-Disposition"].startswith("attachment;")
        if what == "token":
            await world.parts.doors.revoke_token(token, OTHER)
        elif what == "expiry":
            world.now_ms[0] = 31 * DAY_MS
            # The stream asks again at once after a change of shares, else within a minute.
            await world.share(session, OTHER, ShareLevel.APPROVE)
        else:
            await world.share(session, OTHER, None)
        begun = asyncio.get_running_loop().time()
        await world.core.do(c.Rename(session_id=session, title="SECRET"))
        assert b"SECRET" not in await stream.content.read()
        assert asyncio.get_running_loop().time() - begun < 10  # a second on a quiet machine
        with pytest.raises(aiohttp.ClientPayloadError):
            await _read(download.content, 2**20)


async def _read(content: aiohttp.StreamReader, bytes_a_pause: int) -> None:
    """Read to the end, slowly."""
    left = bytes_a_pause
    while piece := await content.readany():
        left -= len(piece)
        if left < 0:
            left = bytes_a_pause
            await asyncio.sleep(0.05)


async def test_a_private_file_is_never_kept_nor_shown_in_place(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    place = Path((await world.core.manager.get_session(session)).snapshot.work_directory)
    (place / "page.html").write_text("<script>alert(1)</script>")
    wishes = {"Range": "bytes=0-3", "If-None-Match": "*", "If-Modified-Since": "Mon, 30 Nov 2099 00:00:00 GMT"}
    path = f"{ann.address}/api/sessions/{session}/files?path=page.html"
    async with ann.http.get(path, headers=wishes) as answer:
        assert answer.status == 200
        assert await answer.text() == "<script>alert(1)</script>"
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert not {"ETag", "Last-Modified"} & set(answer.headers)


# --- paths, bodies, cursors -------------------------------------------------------------------------------


async def test_no_path_leads_out_and_none_breaks_the_server(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    one = f"/api/sessions/{session}"
    paths = [f"{one}/files?path={each}" for each in (*_OUT, "%2e", "a" * 5_000, ".git%2fconfig")]
    for each in (*_OUT, "%00", "%ff", "x" * 5_000):
        paths += [f"/{room}/{each}" for room in ("api/sessions", "chat", "static", "shared", "runs")]
        paths += [f"{one}/turns/{each}", f"{one}/turns/{each}/blocks/9{'9' * 30}", f"/chat/{session}/{each}"]
    for path in paths:
        status, said = await raw(ann, "GET", path)
        assert 400 <= status < 500, (path, status, said[:200])
    for name in (*_OUT, ".", "%2e%2e", "a%0d%0ab", "a" * 300, "%e2%80%aegnp.exe"):
        world.parts.commands.forget_all()
        key = {"Idempotency-Key": name[:99]}
        status, said = await raw(ann, "PUT", f"{one}/attachments/{name}", b"x", **key)
        assert 400 <= status < 500, (name, status, said)
    assert not list(world.core.directory.rglob("passwd"))
    odd = ("text=%00", "text=%ff", "text=%ed%a0%80", "cursor=%00", "text=%22", f"text={'%22a' * 300}")
    for query in odd:
        for path in ("/", "/runs", "/cleanup"):
            status, said = await raw(ann, "GET", f"{path}?{query}")
            assert status < 500, (path, query, said[:200])


_HEADS = (
    ("GET /healthz HTTP/1.1\r\nHost: OURS", {200}),
    ("GET /healthz HTTP/1.0", {421}),
    ("GET /healthz HTTP/1.1", {400, 421}),
    ("GET /healthz HTTP/1.1\r\nHost:", {421}),
    ("GET /healthz HTTP/1.1\r\nHost: OURS\r\nHost: evil.example", {400, 421}),
    (
        "GET /healthz HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Host: OURS\r\nForwarded: host=OURS",
        {421},
    ),
    ("GET http://OURS/healthz HTTP/1.1\r\nHost: evil.example", {421}),
    ("GET /healthz HTTP/1.1\r\nHost: OURS\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", {400}),
    ("GET /healthz HTTP/1.1\r\nHost: OURS\r\nX: a\x00b", {400}),
    ("GET /healthz HTTP/1.1\r\nHost: OURS\r\n folded: x", {400}),
    ("TRACE /healthz HTTP/1.1\r\nHost: OURS", {405}),
    ("GET /?next=%0d%0aX-Evil:1 HTTP/1.1\r\nHost: OURS\r\nAccept: text/html", {302}),
)


async def test_a_broken_head_gets_nothing(world: WebWorld) -> None:
    port = world.parts.options.port
    for head, statuses in _HEADS:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head.replace('OURS', f'127.0.0.1:{port}')}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(DEADLINE_S):
            said = await reader.read()
        writer.close()
        assert int(said.split()[1]) in statuses, (head, said[:200])
        assert b"\nX-Evil" not in said


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: 1000", b'{"code": "x'),
        ("Transfer-Encoding: chunked", b'b\r\n{"code": "x\r\n'),
        ("Content-Encoding: deflate\r\nContent-Length: 5", b"abcde"),
        ("Content-Encoding: gzip\r\nContent-Length: 5", b"abcde"),
    ],
)
@pytest.mark.parametrize("path", ["POST /api/logins", "PUT /api/sessions/SESSION/attachments/a.bin"])
async def test_a_body_that_does_not_arrive_is_no_error_of_ours(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch, path: str, head: str, body: bytes
) -> None:
    problems: list[str] = []

    def noted(error: Exception, **facts: bool) -> Problem:
        problem = problem_of(error, **facts)
        problems.append(problem.code)
        return problem

    monkeypatch.setattr(guard, "problem_of", noted)
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    (cookie,) = ann.http.cookie_jar
    port = world.parts.options.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (
        f"{path.replace('SESSION', session)} HTTP/1.1",
        f"Host: 127.0.0.1:{port}\r\nOrigin: {ann.origin}\r\nCookie: {cookie.key}={cookie.value}",
        f"Content-Type: application/json\r\nIdempotency-Key: k\r\n{head}\r\n\r\n",
    )
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    writer.close()
    await until(lambda: bool(problems))
    assert problems == ["body_cut_off"]
    assert not [each for each in world.core.run.rglob("*") if "a.bin" in each.name]


async def test_a_cursor_that_was_changed_is_refused(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    for path in (
        *("sessions?cursor=xx", "sessions?cursor=0+1", "sessions?cursor=%00", "sessions?cursor=2+1+a"),
        *("search?text=a&cursor=zz", "search?text=a&cursor=1%000", "search?text=a&cursor=9" + "9" * 30),
        *("runs?cursor=-1", "runs?cursor=1;2"),
        *("runs?cursor=1%0a", "search?text=a&cursor=1%0a", "sessions?cursor=0+1+a%0a"),
    ):
        status, said = await raw(ann, "GET", f"/api/{path}")
        assert (status, json.loads(said)["code"]) == (400, "wrong_query"), path
