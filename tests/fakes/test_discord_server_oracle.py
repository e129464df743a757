"""The OpenAPI check of the fake, on a document small enough to read; on Discord's own, where it is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .discord_server import OPENAPI_VARIABLE, FakeDiscord
from .discord_server.fixtures import fake_discord, logged_in
from .discord_server.oracle import Oracle
from .discord_server.request_log import Request

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "owner_id": {"type": "string"},
        "users": {"items": {"type": "string"}},
    },
}
DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/things/{thing_id}": {
            "patch": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
                },
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
                    },
                    "4XX": {"$ref": "#/components/responses/Refused"},
                },
            }
        }
    },
    "components": {
        "schemas": {"Thing": SCHEMA},
        "responses": {
            "Refused": {
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"code": {"type": "integer"}},
                            "required": ["code"],
                        }
                    }
                }
            }
        },
    },
}


@pytest.fixture
def oracle(tmp_path: Path) -> Oracle:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(DOCUMENT))
    return Oracle(path)


def request(body: object, status: int, answer: object, *, route: str = "/things/{id}") -> Request:
    assert isinstance(body, dict)
    made = Request(0.0, "PATCH", route, "/things/1", {}, body, ())
    made.status, made.answer, made.accepted = status, answer, status == 200
    return made


@pytest.mark.parametrize(
    ("made", "sides"),
    [
        (request({"name": "x"}, 200, {"name": "x"}), []),
        (request({"owner_id": 1}, 200, {}), []),
        (request({"users": [1, 2]}, 200, {}), []),
        (request({"name": 1}, 200, {"name": "x"}), ["request"]),
        (request({"name": "x"}, 200, {"name": 1}), ["answer"]),
        (request({"name": "x"}, 200, {"owner_id": 1}), ["answer"]),
        (request({"name": 1}, 400, {"code": 50035, "errors": {"name": {"_errors": [{"code": "X"}]}}}), []),
        (request({"name": 1}, 400, {"message": "no code"}), ["answer"]),
        (request({}, 302, None), ["answer"]),
        (request({}, 200, {}, route="/nowhere"), ["request"]),
    ],
)
def test_each_side_is_held_to_the_document(oracle: Oracle, made: Request, sides: list[str]) -> None:
    oracle.check(made)
    assert [one.side for one in oracle.violations] == sides


def test_without_a_document_nothing_is_checked() -> None:
    oracle = Oracle(None)
    oracle.check(request({"name": 1}, 200, {"name": 1}))
    assert (oracle.active, oracle.checked, oracle.violations) == (False, 0, [])


@pytest.mark.skipif(OPENAPI_VARIABLE not in os.environ, reason=f"{OPENAPI_VARIABLE} is not set")
async def test_discords_own_document_is_what_every_request_of_these_tests_is_checked_against() -> None:
    async with fake_discord() as fake:
        async with logged_in(fake) as client:
            await client.get_partial_messageable(fake.general.id).send("x")
        assert fake.oracle.checked == len(fake.requests) > 2


async def test_a_violation_fails_the_test_in_which_it_happened(oracle: Oracle) -> None:
    async with FakeDiscord() as fake:
        fake.oracle = oracle
        fake.assert_clean()
        oracle.check(request({}, 200, {}, route="/nowhere"))
        with pytest.raises(AssertionError, match="no such operation"):
            fake.assert_clean()
