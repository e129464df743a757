"""Ids in paths and bodies: one of somebody else's and one that does not exist get the same answer, 404."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.sessions.own_copies import checkpoints
from tests.web.test_review import changed, comment
from tests.web.web_world import ADMIN, OTHER, OWNER, Browser, WebWorld, web_world
from web.table import ROUTES

_DECISION = {"decision": {"type": "allow"}}
_NOTHING: Mapping[str, Any] = {}
_ACTS: tuple[tuple[str, str, Mapping[str, Any] | None], ...] = (
    ("GET", "/api/sessions/{mine}/turns/{turn}", None),
    ("GET", "/api/sessions/{mine}/turns/{turn}/blocks/0", None),
    ("GET", "/api/sessions/{mine}/turns/{own_turn}/blocks/{ordinal}", None),
    ("GET", "/api/sessions/{mine}/turns/{turn}/timing", None),
    ("GET", "/api/sessions/{mine}/turns/{turn}/changes", None),
    ("GET", "/api/sessions/{mine}/turns/{turn}/places", None),
    ("GET", "/chat/{mine}/turns/{turn}/timing", None),
    ("GET", "/chat/{mine}/turns/{turn}/blocks/0", None),
    ("GET", "/chat/{mine}/turns/{own_turn}/blocks/{ordinal}", None),
    ("GET", "/chat/{mine}/turns/{turn}/blocks/{ordinal}/text", None),
    ("GET", "/chat/{mine}/turns/{turn}/changes", None),
    ("GET", "/chat/{mine}/turns/{turn}/discord", None),
    ("POST", "/api/sessions/{mine}/turns/{turn}/go-on", None),
    ("POST", "/api/sessions/{mine}/turns/{turn}/rewind", {"dryRun": True}),
    ("POST", "/api/sessions/{mine}/turns/{turn}/rewind", {"dryRun": False}),
    ("POST", "/api/sessions/{mine}/regenerate?putBack={turn}", None),
    ("PATCH", "/api/sessions/{mine}/queue/{turn}", {"content": "other words"}),
    ("DELETE", "/api/sessions/{mine}/queue/{turn}", None),
    ("POST", "/api/sessions/{mine}/queue/{turn}/front", None),
    ("POST", "/api/sessions/{mine}/queue/{turn}/now", None),
    ("POST", "/api/sessions/{mine}/branch", {"turnId": "{turn}"}),
    ("POST", "/api/sessions/{mine}/comments", comment("{turn}", "words")),
    ("GET", "/api/sessions/{mine}/asks/{ask}", None),
    ("POST", "/api/sessions/{mine}/asks/{ask}/decision", _DECISION),
    ("PUT", "/api/chat/{mine}/approve", {"askId": "{ask}", **_DECISION}),
    ("GET", "/api/sessions/{mine}/checkpoints/{checkpoint}/comparison", None),
    ("GET", "/api/sessions/{mine}/checkpoints/{own_checkpoint}/comparison?with={checkpoint}", None),
    ("GET", "/api/sessions/{mine}/checkpoints/{checkpoint}/restore", None),
    ("GET", "/chat/{mine}/checkpoints/{checkpoint}", None),
    ("GET", "/chat/{mine}/checkpoints/{own_checkpoint}?with={checkpoint}", None),
    ("GET", "/chat/{mine}/checkpoints/{checkpoint}/restore", None),
    (
        "POST",
        "/api/sessions/{mine}/restores",
        {"checkpointId": "{checkpoint}", "scope": "everything", "digest": "d"},
    ),
    ("DELETE", "/api/sessions/{mine}/comments/{comment}", None),
    ("DELETE", "/api/sessions/{mine}/permissions/{rule}", None),
    ("POST", "/api/sessions/{mine}/pages/{page}/publish", _NOTHING),
    ("DELETE", "/api/sessions/{mine}/pages/{page}", None),
    ("DELETE", "/api/prompt-templates/{template}", None),
    ("POST", "/api/prompt-templates/{template}/fill", _NOTHING),
    ("GET", "/templates/{template}", None),
    ("PUT", "/api/cleanup/rules/{cleanup}", {}),
    ("DELETE", "/api/cleanup/rules/{cleanup}", None),
    ("DELETE", "/api/logins/{login}", None),
    ("DELETE", "/api/tokens/{token}", None),
    ("GET", "/api/users/{person}/sessions", None),
)
"""Requests of a person with an id in each; `{mine}`, `{own_…}` are their own."""
_ELSEWHERE = {"session_id", "run_id", "task_id", "grantee", "name"}
"""Places that hold no id of a thing, or whose test is elsewhere (sessions, runs)."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WebWorld]:
    async with web_world(tmp_path / "core", checkpoints=checkpoints(tmp_path)) as made:
        yield made


async def things_of(world: WebWorld, owner: Browser) -> dict[str, str]:
    """Make one thing of each kind in a session of `owner`; return their ids."""
    session, turn, _ = await changed(world, owner)
    one = f"/api/sessions/{session}"
    always = {"type": "allow_always"}
    await owner.done("POST", f"{one}/messages", {"content": "demo:bash touch y"})
    ask = await world.asked(session)
    await owner.done("POST", f"{one}/asks/{ask}/decision", {"decision": always})
    await world.settled(owner, session)
    made = {
        "comment": await owner.done("POST", f"{one}/comments", comment(turn, "mine")),
        "checkpoint": await owner.done("POST", f"{one}/checkpoints", {}),
        "page": await owner.done("POST", f"{one}/pages", {}),
        "template": await owner.done("POST", "/api/prompt-templates", {"name": "mine", "text": "words"}),
        "rule": (await owner.done("GET", f"{one}/permissions"))["rules"][0],
        "cleanup": await owner.done("POST", "/api/cleanup/rules", {}),
        "login": (await owner.done("GET", "/api/logins"))["logins"][0],
        "token": (await owner.done("POST", "/api/tokens", {"name": "mine", "scope": "read"}))["token"],
    }
    ids = {name: str(each["id"]) for name, each in made.items()}
    return ids | {"session": session, "turn": turn, "ask": ask, "ordinal": "0", "person": OTHER}


def missing(name: str, known: str) -> str:
    """Return an id of the same shape that does not exist."""
    if name in ("rule", "ordinal"):
        return "999999"
    return known[:-1] + ("0" if known[-1] != "0" else "1")


def filled(value: Any, places: Mapping[str, str]) -> Any:
    match value:
        case str():
            return value.format_map(places)
        case dict():
            return {name: filled(each, places) for name, each in value.items()}
        case _:
            return value


async def test_anothers_id_and_a_missing_one_are_answered_alike(world: WebWorld) -> None:
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    mine, theirs = await things_of(world, ann), await things_of(world, bob)
    own = {"mine": mine["session"], "own_turn": mine["turn"], "own_checkpoint": mine["checkpoint"]}
    none = {name: missing(name, known) for name, known in theirs.items()}
    wrong = []
    for method, path, body in _ACTS:
        world.parts.commands.forget_all()
        answers = []
        for ids in (theirs if "{ordinal}" not in path else none, none, dict.fromkeys(none, "-1")):
            places = {**ids, **own}
            status, answer = await ann.send(method, filled(path, places), filled(body, places))
            answers.append((status, answer.get("code") if isinstance(answer, dict) else ""))
        if [status for status, _ in answers] != [404] * 3 or len(set(answers)) > 1:
            wrong.append((method, path, answers))
    assert not wrong, "\n".join(map(str, wrong))
    assert await things_left(bob, theirs) == {"comment", "checkpoint", "template", "login", "token", "rule"}


async def things_left(owner: Browser, ids: Mapping[str, str]) -> set[str]:
    """Return the kinds of things that are still there."""
    one = f"/api/sessions/{ids['session']}"
    lists = {
        "comment": (f"{one}/comments", "comments"),
        "checkpoint": (f"{one}/checkpoints", "checkpoints"),
        "template": ("/api/prompt-templates", "templates"),
        "login": ("/api/logins", "logins"),
        "token": ("/api/tokens", "tokens"),
        "rule": (f"{one}/permissions", "rules"),
    }
    return {
        name
        for name, (path, key) in lists.items()
        if ids[name] in {str(each["id"]) for each in (await owner.done("GET", path))[key]}
    }


def test_every_place_of_the_routes_is_in_the_table() -> None:
    """A new id in a path has to be asked for here, too."""
    tried = {
        name
        for route in ROUTES
        for method, path, _ in _ACTS
        if method == route.method and _shape(path) == _shape(route.path)
        for name in route.places
    }
    assert {name for route in ROUTES for name in route.places} - tried - _ELSEWHERE == {"token"}


def _shape(path: str) -> list[str]:
    return ["{}" if part.startswith("{") else part for part in path.partition("?")[0].split("/")]


async def test_an_admin_gets_the_same_404_for_what_does_not_exist(world: WebWorld) -> None:
    root, ann = await world.browser(ADMIN), await world.browser(OWNER)
    session = await world.session_of(ann)
    for path in ("asks/none", "turns/none", "checkpoints/none/comparison", "checkpoints/none/restore"):
        assert (await root.send("GET", f"/api/sessions/{session}/{path}"))[0] == 404, path
