"""The OpenAPI document: kept in the repository, complete, and true."""

import json
from typing import Any

from jsonschema_rs import Draft202012Validator

from tests.test_project import PROJECT
from tests.web.web_world import ADMIN, WebWorld
from web.openapi import document
from web.table import ROUTES

KEPT = PROJECT / "docs" / "openapi.json"


def test_the_kept_document_is_the_one_of_the_routes() -> None:
    """Renew it with `python scripts/openapi.py`; a client that relies on it reads the difference in review."""
    assert json.loads(KEPT.read_text()) == json.loads(json.dumps(document(ROUTES)))


def test_every_operation_has_a_name_of_its_own_and_words() -> None:
    operations = [each for path in document(ROUTES)["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    assert all(each["summary"] for each in operations)


async def test_answers_are_as_the_document_says(world: WebWorld) -> None:
    root = await world.browser(ADMIN)
    session = await world.session_of(root, "demo:todo demo:bash touch a demo:text x")
    ask = await world.asked(session)
    path = f"/api/sessions/{session}"
    turn = (await root.done("GET", f"{path}/turns"))["turns"][0]["turn"]["id"]
    calls: list[tuple[str, str, str, Any]] = [
        ("GET", "/api/sessions/{session_id}/asks", f"{path}/asks", None),
        ("POST", "/api/sessions/{session_id}/asks/{ask_id}/decision", f"{path}/asks/{ask}/decision",
         {"decision": {"type": "allow"}}),
        ("GET", "/api/sessions", "/api/sessions", None),
        ("GET", "/api/users/{user_id}/sessions", "/api/users/me/sessions", None),
        ("GET", "/api/sessions/{session_id}", path, None),
        ("PATCH", "/api/sessions/{session_id}", path, {"title": "New", "pinned": True}),
        ("GET", "/api/sessions/{session_id}/turns", f"{path}/turns", None),
        ("GET", "/api/sessions/{session_id}/turns/{turn_id}", f"{path}/turns/{turn}", None),
        ("GET", "/api/sessions/{session_id}/turns/{turn_id}/blocks/{ordinal}", f"{path}/turns/{turn}/blocks/0",
         None),
        ("GET", "/api/sessions/{session_id}/permissions", f"{path}/permissions", None),
        ("GET", "/api/sessions/{session_id}/trust", f"{path}/trust", None),
        ("GET", "/api/projects", "/api/projects", None),
        ("GET", "/api/me", "/api/me", None),
        ("GET", "/api/logins", "/api/logins", None),
        ("POST", "/api/tokens", "/api/tokens", {"name": "x", "scope": "operate"}),
        ("GET", "/api/tokens", "/api/tokens", None),
        ("GET", "/api/stats", "/api/stats", None),
        ("GET", "/api/audit", "/api/audit", None),
        ("GET", "/api/cleanup", "/api/cleanup", None),
        ("POST", "/api/cleanup", "/api/cleanup", None),
        ("POST", "/api/sessions/{session_id}/interrupt", f"{path}/interrupt", None),
        ("DELETE", "/api/sessions/{session_id}", path, None),
        ("POST", "/api/sessions/{session_id}/restore", f"{path}/restore", None),
        ("POST", "/api/stop-all", "/api/stop-all", None),
    ]  # fmt: skip
    told = document(ROUTES)
    for method, template, address, body in calls:
        answers = told["paths"][template][method.lower()]["responses"]
        status, answer = await root.send(method, address, body)
        schema = answers[str(status)]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": told["components"]}).validate(answer)
    status, answer = await root.send("GET", f"{path}/turns/no-such-turn")
    schema = {"$ref": "#/components/schemas/Problem", "components": told["components"]}
    Draft202012Validator(schema).validate(answer)
