"""The Messages API as it is when something is wrong: the demo model, and in front of it what a test sets.

`FailingApi` forwards to the demo model. `answer` is what it answers instead to every request for a message,
`headers` what it adds to the demo's own answers (how full a limit is, say). `served` has the messages of each
request that it passed on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import ClientSession, web

from bridge.demo.model import DemoModel


@dataclass(frozen=True, slots=True)
class Refused:
    """An HTTP error. `body` is JSON or, as a proxy's page, text."""

    status: int
    body: Mapping[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)


def api_error(status: int, kind: str, message: str, **headers: str) -> Refused:
    """An error as the Messages API writes it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refused(status, {"type": "error", "error": {"type": kind, "message": message}}, named)


class FailingApi:
    """Serves while it is entered, on 127.0.0.1; has a demo model of its own, `demo`."""

    def __init__(self) -> None:
        self.demo = DemoModel()
        self.answer: Refused | None = None
        self.refuse_models: Mapping[str, Refused] = {}
        self.headers: Mapping[str, str] = {}
        self.refused = 0
        self.served: list[Any] = []
        self._runner: web.AppRunner | None = None
        self._client: ClientSession | None = None
        self._port = 0

    @property
    def base_url(self) -> str:
        """The value for `ANTHROPIC_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.demo.__aenter__()
        self._client = ClientSession()
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._client is not None
        await self._runner.cleanup()
        await self._client.close()
        await self.demo.__aexit__()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/v1/messages":
            asked = await request.json()
            refusal = self.answer or self.refuse_models.get(str(asked.get("model")))
            if refusal is not None:
                self.refused += 1
                return _response(refusal)
            self.served.append(asked.get("messages"))
        return await self._forward(request, body)

    async def _forward(self, request: web.Request, body: bytes) -> web.StreamResponse:
        assert self._client is not None
        names = ("content-type", "accept", "x-api-key", "authorization", "anthropic-version", "anthropic-beta")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        url = f"{self.demo.base_url}{request.path_qs}"
        async with self._client.request(request.method, url, data=body, headers=headers) as answered:
            kept = {"Content-Type": answered.headers.get("Content-Type", "application/json"), **self.headers}
            response = web.StreamResponse(status=answered.status, headers=kept)
            await response.prepare(request)
            async for piece in answered.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def _response(refusal: Refused) -> web.Response:
    if isinstance(refusal.body, str):
        headers = {"Content-Type": "text/html", **refusal.headers}
        return web.Response(status=refusal.status, text=refusal.body, headers=headers)
    return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)
