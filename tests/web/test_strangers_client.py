"""A user of the API who knows only its document: a generated client works, and no request breaks the server."""

import asyncio
import importlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.sessions.running_core import DEADLINE_S
from tests.web.web_world import ADMIN, OWNER, WebWorld
from web.principals import Scope
from web.table import ROUTES

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
# The first two answer for ever or not in HTTP, the others would end what the test itself needs.
LEFT_OUT = {"live", "events", "log_out", "log_in", "stop_all"}


@contextmanager
def generated(directory: Path) -> Iterator[str]:
    """Generate a client from the document; yield the name of its package, which can be imported inside."""
    settings = directory / "generator.yaml"
    settings.write_text("post_hooks: []\n")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", DOCUMENT, "--output-path", directory / "a_client", "--config", settings),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    # A type that the generator leaves out is one that its users cannot read.
    assert "Unable" not in made.stdout
    assert "Failure" not in made.stdout
    sys.path.insert(0, str(directory))
    try:
        yield "a_client"
    finally:
        sys.path.remove(str(directory))
        for name in [name for name in sys.modules if name.partition(".")[0] == "a_client"]:
            del sys.modules[name]


class _Client:
    """The generated client, as a stranger uses it."""

    def __init__(self, package: str, address: str, token: str) -> None:
        self.package = package
        self.models: Any = importlib.import_module(f"{package}.models")
        made: Any = importlib.import_module(f"{package}.client").AuthenticatedClient
        self.http = made(base_url=address, token=token)
        self.acts = 0

    async def call(self, operation: str, *places: str, **arguments: Any) -> Any:
        """Call an operation; return the decoded answer."""
        module: Any = importlib.import_module(f"{self.package}.api.default.{operation}")
        answer = await module.asyncio_detailed(*places, client=self.http, **arguments)
        assert answer.status_code < HTTPStatus.BAD_REQUEST, answer.content
        return answer.parsed

    async def act(self, operation: str, *places: str, **arguments: Any) -> Any:
        """Call an operation that changes something."""
        self.acts += 1
        return await self.call(operation, *places, idempotency_key=f"stranger-{self.acts}", **arguments)

    async def event(self, session: str, kind: str, after: int = 0) -> dict[str, Any]:
        """Follow the session until an event of this kind; return it."""
        path = f"/api/sessions/{session}/events?after={after}"
        async with self.http.get_async_httpx_client().stream("GET", path, timeout=DEADLINE_S) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: ") and f'"type":"{kind}"' in line:
                    found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    return found
        raise AssertionError(f"the stream ended without {kind}")


@pytest.mark.timeout(120)
async def test_a_generated_client_creates_prompts_approves_follows_and_exports(
    world: WebWorld, tmp_path: Path
) -> None:
    token = (await world.parts.doors.make_token(OWNER, "a stranger", Scope.APPROVE, 30)).secret
    with generated(tmp_path) as package:
        client = _Client(package, world.parts.options.address, token)
        models = client.models
        async with client.http, asyncio.timeout(DEADLINE_S):
            session = await client.act("create_session", body=models.NewSession(title="A stranger's"))
            assert (session.title, session.status.value) == ("A stranger's", "paused")
            wish = models.NewMessage(content="demo:bash touch x demo:text all done")
            accepted = await client.act("send_message", session.id, body=wish)
            asked = await client.event(session.id, "ask_opened")
            decision = models.Allow(type_=models.AllowType.ALLOW)
            approval = models.AsksApproval(ask_id=asked["event"]["ask"]["id"], decision=decision)
            await client.act("approve", session.id, body=approval)
            ended = await client.event(session.id, "turn_ended")
            assert (ended["event"]["turn_id"], ended["event"]["status"]) == (accepted.turn_id, "done")
            found = await client.call("get_session", session.id)
            assert "all done" in found.conversation_history[-1].content
            export = await client.http.get_async_httpx_client().get(f"/api/sessions/{session.id}/export")
            assert "all done" in export.text


def _requests(world: WebWorld, token: str, session: str, examples: int) -> Counter[str]:
    """Send generated requests to each operation; return how many of each. Blocks: runs in a thread."""
    # Its import takes half a second, and every worker collects this file.
    import schemathesis
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as of_document

    checks_made = [
        checks.not_a_server_error,
        of_document.status_code_conformance,
        of_document.content_type_conformance,
        of_document.response_schema_conformance,
    ]
    schema = schemathesis.openapi.from_path(DOCUMENT)
    known = {"session_id": session, "user_id": "me"}
    count: Counter[str] = Counter()

    def send(operation: Any) -> None:
        places = {each.name for each in operation.path_parameters}
        # Half of the requests are about a session that exists: others are refused at the door.
        fixed = {name: value for name, value in known.items() if name in places}

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(path_parameters=fixed or None))
        def try_out(case: Any) -> None:
            count[operation.definition.raw["operationId"]] += 1
            world.parts.commands.forget_all()
            headers = {"Authorization": f"Bearer {token}"}
            case.call_and_validate(base_url=world.parts.options.address, headers=headers, checks=checks_made)

        try_out()

    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # the document is valid
        if operation.definition.raw["operationId"] not in LEFT_OUT:
            send(operation)
    return count


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "examples", [pytest.param(1, id="gate"), pytest.param(60, id="soak", marks=pytest.mark.soak)]
)
async def test_no_request_breaks_the_server_or_the_document(world: WebWorld, examples: int) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text one")
    await world.settled(ann, session)
    token = (await world.parts.doors.make_token(ADMIN, "a stranger", Scope.ADMIN, 30)).secret
    count = await asyncio.to_thread(_requests, world, token, session, examples)
    assert LEFT_OUT | set(count) == {route.name for route in ROUTES if route.in_document}
    assert not LEFT_OUT & set(count)
