"""The ways in: links once, cookies, tokens and their scopes, and what ends when they are taken back."""

import asyncio
import io
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from aiohttp import WSMsgType

from api.access import Role
from sessions.model import ShareLevel
from tests.sessions.running_core import DEADLINE_S
from tests.web.web_world import ADMIN, OTHER, OWNER, WebWorld, web_world
from web.doors import CODE_MS, IDLE_MS, LONGEST_MS
from web.live.pulse import Pulse
from web.parts import WebOptions
from web.principals import Scope
from web.rates import Rates


async def test_only_a_trusted_proxy_says_whose_logins_are_counted(tmp_path: Path) -> None:
    for proxies, is_believed in ((frozenset[str](), False), (frozenset({"127.0.0.1", "10.0.0.9"}), True)):
        async with web_world(tmp_path / str(is_believed), WebOptions(0, proxies=proxies)) as world:
            nobody = await world.stranger()
            codes = set()
            for number in range(12):
                # The sender may write what it likes before the addresses that proxies add.
                headers = {"X-Forwarded-For": f"1.2.3.4, 9.9.9.{number}, 10.0.0.9"}
                status, _ = await nobody.send("POST", "/api/logins", {"code": "wrong"}, headers)
                codes.add(status)
            assert codes == ({403} if is_believed else {403, 429})
            headers = {"X-Forwarded-For": "8.8.8.8, 7.7.7.7"}
            seen = [(await nobody.send("POST", "/api/logins", {"code": "x"}, headers))[0] for _ in range(11)]
            assert seen[-1] == 429


async def test_a_link_logs_in_once_and_asks_first(world: WebWorld) -> None:
    code = await world.parts.doors.make_code(OWNER)
    first, second = await world.stranger(), await world.stranger()
    world.names[OWNER] = "Ann"
    offer = await first.done("POST", "/api/logins", {"code": code})
    assert offer == {"userId": OWNER, "done": False, "name": "Ann"}
    assert (await first.send("GET", "/api/me"))[0] == 401
    async with first.http.post(
        f"{first.address}/api/logins", json={"code": code, "confirmed": True}, headers={"Origin": first.origin}
    ) as answer:
        cookie = next(iter(SimpleCookie(answer.headers["Set-Cookie"]).values()))
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (await first.done("GET", "/api/me"))["userId"] == OWNER
    status, answer_ = await second.send("POST", "/api/logins", {"code": code, "confirmed": True})
    assert (status, answer_["code"]) == (403, "code_not_valid")


async def test_a_link_a_login_and_a_token_grow_old(world: WebWorld) -> None:
    late = await world.stranger()
    code = await world.parts.doors.make_code(OWNER)
    ann, program = await world.browser(OWNER), await world.program(OWNER, Scope.READ)
    world.now_ms[0] = CODE_MS + 1
    assert (await late.send("POST", "/api/logins", {"code": code, "confirmed": True}))[0] == 403
    for day in range(1, 4):
        world.now_ms[0] = day * (IDLE_MS - 1000)
        expected = 200 if world.now_ms[0] < LONGEST_MS else 401
        assert (await ann.send("GET", "/api/me"))[0] == expected
    assert (await program.send("GET", "/api/me"))[0] == 401


async def test_a_login_that_was_not_used_for_long_ends(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    world.now_ms[0] = IDLE_MS + 1000
    assert (await ann.send("GET", "/api/me"))[0] == 401


async def test_a_token_does_what_its_scope_names(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    wanted = {
        Scope.READ: ("GET", f"/api/sessions/{session}", None),
        Scope.OPERATE: ("POST", f"/api/sessions/{session}/interrupt", None),
        Scope.APPROVE: ("PUT", f"/api/sessions/{session}/shares/{OTHER}", {"level": "view"}),
        Scope.ADMIN: ("GET", "/api/stats", None),
    }
    for scope in Scope:
        program = await world.program(ADMIN, scope)
        for needed, (method, path, body) in wanted.items():
            status, answer = await program.send(method, path, body)
            assert (status == 200) is scope.includes(needed), (scope, needed, answer)
    made = await ann.done("POST", "/api/tokens", {"name": "deploy", "scope": "read", "days": 7})
    assert made["secret"].startswith("cb_")
    assert [each["name"] for each in (await ann.done("GET", "/api/tokens"))["tokens"]] == ["deploy"]
    rows = await world.core.db.read("SELECT token_hash FROM web_tokens")
    assert made["secret"] not in str(rows)
    program = await world.program(OWNER, Scope.ADMIN)
    assert (await program.send("POST", "/api/tokens", {"name": "more", "scope": "read"}))[0] == 403


async def test_an_old_login_has_to_be_renewed_for_weighty_acts(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:bash touch a")
    ask = await world.asked(session)
    world.now_ms[0] = 13 * 3_600_000
    decision = {"decision": {"type": "allow_always", "suggestion": 0}}
    for method, path, body in (
        ("POST", f"/api/sessions/{session}/asks/{ask}/decision", decision),
        ("PATCH", f"/api/sessions/{session}", {"mode": "bypassPermissions"}),
        ("POST", "/api/tokens", {"name": "x", "scope": "read"}),
        ("PUT", f"/api/sessions/{session}/trust", {"trust": "trusted"}),
    ):
        status, answer = await ann.send(method, path, body)
        assert (status, answer["code"]) == (403, "fresh_login_needed")
    allow = {"decision": {"type": "allow"}}
    assert (await ann.send("POST", f"/api/sessions/{session}/asks/{ask}/decision", allow))[0] == 200


@pytest.mark.parametrize("what", ["login", "logout", "token", "share", "role"])
async def test_what_is_taken_back_closes_its_streams(world: WebWorld, what: str) -> None:
    """Nothing comes after it. The next command notices a lost role; a stream asks within a minute."""
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text hello")
    await world.settled(ann, session)
    await world.share(session, OTHER, ShareLevel.VIEW)
    bob = await (world.program(OTHER, Scope.ADMIN) if what == "token" else world.browser(OTHER))
    async with bob.socket() as socket:
        assert (await socket.receive_json())["type"] == "hello"
        await socket.send_json({"type": "sub", "sub": "s", "session": session, "after": 0})
        assert (await socket.receive_json())["type"] == "event"
        begun = asyncio.get_running_loop().time()
        if what == "login":
            login = (await bob.done("GET", "/api/logins"))["logins"][0]["id"]
            await bob.done("DELETE", f"/api/logins/{login}")
        elif what == "logout":
            await bob.done("POST", "/api/logout")
        elif what == "token":
            token = (await bob.done("GET", "/api/tokens"))["tokens"][0]["id"]
            await bob.done("DELETE", f"/api/tokens/{token}")
        elif what == "share":
            await world.share(session, OTHER, None)
        else:
            world.roles[OTHER] = Role.NOBODY
            assert (await bob.send("POST", f"/api/sessions/{session}/interrupt"))[0] == 403
            return
        await ann.done("POST", f"/api/sessions/{session}/messages", {"content": "demo:text SECRET"})
        heard = ""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await socket.receive()
                if message.type.name != "TEXT":
                    break
                heard += message.data
                if '"closed"' in message.data:
                    break
        assert "SECRET" not in heard
        assert asyncio.get_running_loop().time() - begun < 10


@pytest.mark.parametrize("by", ["login", "token"])
async def test_a_login_or_token_that_grows_old_closes_its_socket(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pulse.__init__, "__defaults__", (0.02,))
    async with web_world(tmp_path / "core") as world:
        ann = await (world.browser(OWNER) if by == "login" else world.program(OWNER, Scope.READ))
        async with ann.socket() as socket, asyncio.timeout(DEADLINE_S):
            looks = 0
            while looks < 8:  # it stays open as long as it is young
                looks += (await socket.receive_json())["type"] == "beat"
            world.now_ms[0] = IDLE_MS + 1000
            while (message := await socket.receive()).type is WSMsgType.TEXT:
                pass
            assert (message.type, message.data) == (WSMsgType.CLOSE, 4401)


async def test_what_is_done_in_the_browser_stands_in_the_audit(world: WebWorld) -> None:
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    session = await world.session_of(ann, "demo:text one")
    await bob.send("POST", f"/api/sessions/{session}/messages", {"content": "x"})
    rows = await world.core.db.read("SELECT actor, action, allowed FROM audit WHERE face = 'web' ORDER BY id")
    assert [(row[0], row[1], row[2]) for row in rows if row[1] == "send_message"] == [
        (OWNER, "send_message", 1),
        (OTHER, "send_message", 0),
    ]


async def test_too_much_is_refused(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    headers = {"Origin": ann.origin, "Sec-Fetch-Site": "same-origin", "Idempotency-Key": "large"}
    path = f"{ann.address}/api/sessions/{session}/messages"
    body = io.BytesIO(b'{"content": "%s"}' % (b"x" * 4 * 2**20))
    async with ann.http.post(
        path, data=body, headers=headers | {"Content-Type": "application/json"}
    ) as refused:
        assert refused.status == 413
    path = f"{ann.address}/api/sessions/{session}/attachments/large.bin"
    # The request does not give its length, so the server counts the bytes that came.
    async with ann.http.put(path, data=_pieces(26), headers=headers) as refused:
        assert refused.status >= 400
    assert not list(world.core.run.rglob("large.bin"))


async def _pieces(megabytes: int) -> AsyncIterator[bytes]:
    for _ in range(megabytes):
        yield bytes(2**20)


async def test_many_logins_and_commands_are_slowed_down(world: WebWorld) -> None:
    stranger = await world.stranger()
    for _ in range(10):
        assert (await stranger.send("POST", "/api/logins", {"code": "x"}))[0] == 403
    status, answer = await stranger.send("POST", "/api/logins", {"code": "x"})
    assert (status, answer["code"]) == (429, "too_many_logins")
    # A header that anybody can write does not make a new address.
    forged = {"X-Forwarded-For": "203.0.113.7"}
    assert (await stranger.send("POST", "/api/logins", {"code": "x"}, forged))[0] == 429


async def test_strangers_who_try_codes_keep_nobody_from_logging_in(tmp_path: Path) -> None:
    """Neither many at the person's own address nor very many addresses together."""
    async with web_world(tmp_path, WebOptions(0, proxies=frozenset({"127.0.0.1"}))) as world:
        nobody = await world.stranger()
        places = [{"X-Forwarded-For": f"9.9.9.{number}"} for number in [*range(70), *[0] * 20]]
        for place in places:
            await nobody.send("POST", "/api/logins", {"code": "wrong"}, place)
        other = {"X-Forwarded-For": "8.8.8.8"}
        assert (await nobody.send("POST", "/api/logins", {"code": "wrong"}, other))[0] == 403
        assert (await nobody.send("POST", "/api/logins", {"code": "wrong"}, places[0]))[0] == 429
        for place in (places[0], {"X-Forwarded-For": "7.7.7.7"}):
            ann, code = await world.stranger(), await world.parts.doors.make_code(OWNER)
            for confirmed in (False, True):
                wish = {"code": code, "confirmed": confirmed}
                assert (await ann.send("POST", "/api/logins", wish, place))[0] == 200


async def test_a_login_that_is_no_short_text_is_refused_before_it_is_read(world: WebWorld) -> None:
    stranger = await world.stranger()
    large = {"code": "x" * 5_000}
    assert (await stranger.send("POST", "/api/logins", large))[0] == 413
    headers = {"Origin": stranger.origin, "Content-Type": "application/json"}
    address = f"{stranger.address}/api/logins"
    async with stranger.http.post(address, data=_pieces(1), headers=headers) as refused:
        assert refused.status == 413


def test_many_addresses_do_not_fill_the_memory() -> None:
    rates = Rates(1, 3_600.0)
    for number in range(12):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("web.rates._MOST_KEYS", 10)
            assert not rates.wait_s(str(number))
    assert rates.wait_s("11")
    assert len(rates._acts) == 10


async def test_too_many_tabs_are_refused(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    sockets = [
        await ann.http.ws_connect(f"{ann.address}/api/live", headers={"Origin": ann.origin}) for _ in range(8)
    ]
    status, answer = await ann.send("GET", "/api/live", headers={"Origin": ann.origin})
    assert (status, answer["code"]) == (429, "too_many_sockets")
    for socket in sockets:
        await socket.close()


@pytest.mark.parametrize(
    ("url", "cookie", "host"),
    [
        ("https://claude.example.org/at/home", "__Host-bridge", "claude.example.org"),
        ("", "bridge-8765", "127.0.0.1:8765"),
    ],
)
def test_the_address_decides_cookie_and_hosts(url: str, cookie: str, host: str) -> None:
    options = WebOptions(8765, url=url)
    assert options.cookie == cookie
    assert host in options.hosts
