"""The API as a program uses it: create, prompt, approve, follow, export; and as a hostile one does."""

import json
from typing import Any

import pytest

from api.access import Role
from service.exporting import export_session
from sessions.model import ShareLevel
from tests.web.web_world import ADMIN, OTHER, OWNER, WebWorld
from web.principals import Scope


async def test_an_ended_session_is_deleted_for_good_by_its_owner_with_a_fresh_login(world: WebWorld) -> None:
    ann, ben = await world.browser(OWNER), await world.browser(OTHER)
    session = await world.session_of(ann, "demo:text hello")
    await world.settled(ann, session)
    path = f"/api/sessions/{session}?purge=true"
    status, problem = await ann.send("DELETE", path)
    assert (status, problem["code"]) == (409, "illegal_move")
    await ann.done("DELETE", f"/api/sessions/{session}")
    assert (await ben.send("DELETE", path))[0] == 404
    assert "Delete for good" in await ann.done("GET", f"/chat/{session}")
    world.now_ms[0] = 13 * 3_600_000
    assert (await ann.send("DELETE", path))[1]["code"] == "fresh_login_needed"
    world.now_ms[0] = 0
    await ann.done("DELETE", path)
    assert (await ann.send("GET", f"/api/sessions/{session}"))[0] == 404


async def test_create_prompt_approve_follow_export(world: WebWorld) -> None:
    ann = await world.program(OWNER, Scope.APPROVE)
    made = await ann.done("POST", "/api/sessions", {"title": "First", "prompt": "demo:bash touch here.txt"})
    session = made["id"]
    ask = await world.asked(session)
    asked = await ann.done("GET", f"/api/sessions/{session}/asks/{ask}")
    assert asked["ask"]["body"]["tool_name"] == "Bash"
    await ann.done("PUT", f"/api/chat/{session}/approve", {"askId": ask, "decision": {"type": "allow"}})
    view = await world.settled(ann, session)
    assert (view["userId"], view["status"], view["lifecycle"], view["title"]) == (
        OWNER,
        "active",
        "live",
        "First",
    )
    assert [said["role"] for said in view["conversationHistory"]] == ["user", "assistant"]
    assert view["createdAt"].endswith("Z")
    assert view["workflowId"] is None
    headers = {"Last-Event-ID": "0"}
    async with ann.http.get(f"{ann.address}/api/sessions/{session}/events", headers=headers) as stream:
        assert stream.content_type == "text/event-stream"
        numbers: list[int] = []
        async for line in stream.content:
            if line.startswith(b"id: "):
                numbers.append(int(line[4:]))
            if len(numbers) == view["core"]["last_event"]:
                break
    assert numbers == list(range(1, view["core"]["last_event"] + 1))
    for form, begins in (("json", "{"), ("markdown", "# First"), ("html", "<!doctype html>")):
        status, text = await ann.send("GET", f"/api/sessions/{session}/export?format={form}")
        assert status == 200
        assert (json.dumps(text) if isinstance(text, dict) else text).startswith(begins)


async def test_the_same_act_sent_again_is_done_once(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    key = {"Idempotency-Key": "one"}
    first = await ann.send("POST", "/api/sessions", {"prompt": "demo:text one"}, key)
    again = await ann.send("POST", "/api/sessions", {"prompt": "demo:text one"}, key)
    assert first[1]["id"] == again[1]["id"]
    session = first[1]["id"]
    sent = {"Idempotency-Key": "two"}
    one = await ann.send("POST", f"/api/sessions/{session}/messages", {"content": "demo:text two"}, sent)
    two = await ann.send("POST", f"/api/sessions/{session}/messages", {"content": "demo:text two"}, sent)
    assert one[1]["turn_id"] == two[1]["turn_id"]
    assert len((await world.settled(ann, session))["userInputs"]) == 2
    status, answer = await ann.send(
        "POST", f"/api/sessions/{session}/messages", {"content": "x"}, {"Idempotency-Key": ""}
    )
    assert (status, answer["code"]) == (400, "idempotency_key_needed")


async def test_a_foreign_and_a_missing_session_are_answered_alike(world: WebWorld) -> None:
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    session = await world.session_of(ann)
    missing = session[:-1] + ("0" if session[-1] != "0" else "1")
    for path in ("", "/turns", "/asks", "/events", "/export?format=json", "/trust"):
        foreign = await bob.send("GET", f"/api/sessions/{session}{path}")
        nothing = await bob.send("GET", f"/api/sessions/{missing}{path}")
        assert foreign == nothing
        assert foreign[0] == 404
    assert (await bob.send("GET", f"/api/users/{OWNER}/sessions"))[0] == 404
    assert (await bob.done("GET", "/api/sessions"))["sessions"] == []
    root = await world.browser(ADMIN)
    assert [each["id"] for each in (await root.done("GET", f"/api/users/{OWNER}/sessions"))["sessions"]] == [
        session
    ]


async def test_a_reader_reads_and_changes_nothing(world: WebWorld) -> None:
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    session = await world.session_of(ann)
    await world.share(session, OTHER, ShareLevel.VIEW)
    assert (await bob.done("GET", f"/api/sessions/{session}"))["id"] == session
    for method, path, body in (
        ("POST", "/messages", {"content": "x"}),
        ("POST", "/interrupt", None),
        ("PATCH", "", {"title": "mine"}),
        ("DELETE", "", None),
        ("PUT", f"/shares/{OTHER}", {"level": "approve"}),
    ):
        status, answer = await bob.send(method, f"/api/sessions/{session}{path}", body)
        assert (status, answer["code"]) == (403, "not_allowed")


async def test_the_queue_is_edited_moved_and_withdrawn(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:gate wait")
    await world.running(session)
    turns = []
    for word in ("one", "two", "three"):
        sent = await ann.done("POST", f"/api/sessions/{session}/messages", {"content": f"demo:text {word}"})
        turns.append(sent["turn_id"])
    queue = f"/api/sessions/{session}/queue"
    await ann.done("PATCH", f"{queue}/{turns[0]}", {"content": "demo:text changed"})
    await ann.done("DELETE", f"{queue}/{turns[1]}")
    await ann.done("POST", f"{queue}/{turns[2]}/front")
    assert (await ann.done("GET", f"/api/sessions/{session}"))["core"]["queued_turns"] == [turns[2], turns[0]]
    await ann.done("POST", f"/api/sessions/{session}/interrupt")
    view = await world.settled(ann, session)
    said = [each["content"] for each in view["conversationHistory"] if each["role"] == "assistant"]
    assert any("changed" in each for each in said)
    assert not any("two" in each for each in said)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "messages", {"content": "  "}, "prompt_refused"),
        ("PATCH", "", {"model": "no model!"}, "model_refused"),
        ("PATCH", "", {"project": "../.."}, "work_directory_refused"),
        ("GET", "files?path=../x", None, "file_refused"),
    ],
)
async def test_what_the_core_refuses_is_said_as_its_own(
    world: WebWorld, method: str, path: str, body: Any, code: str
) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    status, answer = await ann.send(method, f"/api/sessions/{session}/{path}".rstrip("/"), body)
    assert (status, answer["code"]) == (422, code)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "before=-1", "before=99999999999999999999", "more=1"]
)
async def test_a_wrong_query_gets_a_sentence(world: WebWorld, query: str) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    status, answer = await ann.send("GET", f"/api/sessions/{session}/turns?{query}")
    assert (status, answer["code"]) == (400, "wrong_query")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"content": 7}',
        b'{"content": "x", "more": 1}',
        b'{"content": "\xff"}',
        b"[" * 50_000,
        b'{"content": "\\ud800"}',
        b'{"content": NaN}',
        b'\xef\xbb\xbf{"content": "x"}',
        b'{"content": "x", "front": 1e400}',
    ],
)
async def test_a_wrong_body_gets_a_sentence(world: WebWorld, body: bytes) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    headers = {
        "Origin": ann.origin,
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json",
        "Idempotency-Key": "k",
    }
    path = f"{ann.address}/api/sessions/{session}/messages"
    async with ann.http.post(path, data=body, headers=headers) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"
        assert (await answer.json(content_type=None))["code"] == "wrong_body"


async def test_an_upload_reaches_the_prompt(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    headers = {"Origin": ann.origin, "Sec-Fetch-Site": "same-origin", "Idempotency-Key": "file"}
    path = f"{ann.address}/api/sessions/{session}/attachments/notes.txt"
    async with ann.http.put(path, data=b"some words", headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        stored = await answer.json()
    message = {"content": "demo:text read it", "attachments": [stored]}
    await ann.done("POST", f"/api/sessions/{session}/messages", message)
    page = await ann.done("GET", f"/api/sessions/{session}/turns")
    assert page["turns"][0]["turn"]["attachments"][0]["name"] == "notes.txt"


async def test_two_answers_to_one_ask_make_one_decision(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:bash touch x")
    ask = await world.asked(session)
    path = f"/api/sessions/{session}/asks/{ask}/decision"
    first = await ann.send("POST", path, {"decision": {"type": "deny", "note": "no"}})
    second = await ann.send("POST", path, {"decision": {"type": "allow"}})
    assert (first[0], second[0], second[1]["code"]) == (200, 409, "already_decided")


@pytest.mark.parametrize("what", ["token", "role", "share"])
async def test_what_is_taken_back_while_an_export_is_made_keeps_the_file_back(
    world: WebWorld, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    await world.share(session, OTHER, ShareLevel.VIEW)
    bob = await world.program(OTHER, Scope.READ)
    token = (await bob.done("GET", "/api/tokens"))["tokens"][0]["id"]

    async def taken_back_meanwhile(*arguments: Any, **options: Any) -> bytes:
        match what:
            case "token":
                await world.parts.doors.revoke_token(token, OTHER)
            case "role":
                world.roles[OTHER] = Role.NOBODY
            case _:
                await world.share(session, OTHER, None)
        return await export_session(*arguments, **options)

    monkeypatch.setattr("service.exporting.export_session", taken_back_meanwhile)
    status, problem = await bob.send("GET", f"/api/sessions/{session}/export")
    assert status == (401 if what == "token" else 404), problem
