"""The demo model: a stub of the Messages API on 127.0.0.1, for people without an account and for tests.

It answers from scripts in the prompt (`script.py`) and stores no conversation, so it can be restarted in the
middle of a turn. It remembers only the gates, the requests, and the counts of scripted errors.
"""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import ClientConnectionError, web

from bridge.demo.conversation import read_conversation
from bridge.demo.reply import Message, Refusal, next_reply
from bridge.demo.script import Break, Gate, Pace
from bridge.demo.wire import PING, Frame, error_body, stream_frames, whole_body

# A request carries the whole conversation; aiohttp's own limit is 1 MiB.
_MAX_BODY = 256 * 1024 * 1024
_PING_EVERY_S = 5.0
_KEPT_REQUESTS = 1000
# Wait before a cut: a client that has not yet read the headers would report no part of the answer.
_BEFORE_BREAK_S = 0.05


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that arrived: `body` is the parsed JSON, or None without a body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any] | None


class _GateState:
    """A gate: reached when a stream waits at it, and open from its release on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.released = asyncio.Event()


class DemoModel:
    """Serves while it is entered. `port` 0 takes any free one; `identity` is what the health page says.

    Raises `OSError` on entry when the port is taken. Leaving it cuts streams that still run.
    """

    def __init__(self, port: int = 0, *, identity: str = "") -> None:
        self._port = port
        self._identity = identity
        self._runner: web.AppRunner | None = None
        self._gates: dict[str, _GateState] = {}
        self._failures: Counter[str] = Counter()
        self._news = asyncio.Condition()
        self._streams = 0
        self._last_used = time.monotonic()
        # Each holds a whole conversation, and the process may live for days.
        self.requests: deque[SeenRequest] = deque(maxlen=_KEPT_REQUESTS)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY)
        app.add_routes(
            [
                web.post("/v1/messages", self._messages),
                web.post("/v1/messages/count_tokens", self._count_tokens),
                web.get("/api/hello", self._hello),
                web.get("/demo/health", self._health),
                web.get("/demo/reached/{gate}", self._reached),
                web.get("/demo/release/{gate}", self._release),
                web.post("/demo/release/{gate}", self._release),
                web.route("*", "/{path:.*}", self._nothing),
            ]
        )
        # A stream that waits at a gate must end with its connection.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            # This machine alone: it takes any key.
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port on which the model listens, once entered."""
        return self._port

    @property
    def base_url(self) -> str:
        """The value for `ANTHROPIC_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def unused_s(self) -> float:
        """Seconds since the last request or running stream."""
        return 0.0 if self._streams else time.monotonic() - self._last_used

    def release(self, gate: str) -> None:
        """Let streams pass `demo:gate <gate>`, both waiting and later ones."""
        self._gate(gate).released.set()

    def hold(self, gate: str) -> None:
        """Close a released gate. Gates are closed at first."""
        # A new one: streams that have passed the old one are not held back.
        self._gates[gate] = _GateState()

    async def reached(self, gate: str) -> None:
        """Wait until a stream waits at `gate`, or has passed it, since it was last closed."""
        await self._gate(gate).reached.wait()

    async def until(self, condition: Callable[[deque[SeenRequest]], bool]) -> None:
        """Wait until `condition` holds for the requests seen."""
        async with self._news:
            await self._news.wait_for(lambda: condition(self.requests))

    @property
    def prompts(self) -> list[str]:
        """Return the newest prompt of each request for a message, oldest request first."""
        bodies = [seen.body for seen in self.requests if seen.path == "/v1/messages" and seen.body]
        return [read_conversation(body).prompt for body in bodies]

    def _gate(self, name: str) -> _GateState:
        return self._gates.setdefault(name, _GateState())

    async def _note(self, request: web.Request) -> dict[str, Any] | None:
        self._last_used = time.monotonic()
        try:
            body = json.loads(await request.read() or b"null")
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else None
        async with self._news:
            self.requests.append(SeenRequest(request.method, request.path, dict(request.headers), body))
            self._news.notify_all()
        return body

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await self._note(request)
        try:
            conversation = read_conversation(body or {})
        except (KeyError, TypeError, ValueError) as error:
            return _refuse(Refusal(400, "invalid_request_error", f"DEMO: not understood: {error!r}", None))
        reply = next_reply(conversation, failures=self._failures[conversation.key])
        if isinstance(reply, Refusal):
            self._failures[conversation.key] += 1
            return _refuse(reply)
        if not conversation.stream:
            return web.json_response(whole_body(reply))
        self._streams += 1
        try:
            return await self._stream(request, reply, conversation.key)
        finally:
            self._streams -= 1
            self._last_used = time.monotonic()

    async def _stream(self, request: web.Request, reply: Message, key: str) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers={**headers, "request-id": f"req_demo{reply.ident}"})
        await response.prepare(request)
        delay_s = 0.0
        try:
            for item in stream_frames(reply):
                match item:
                    case Frame(data=data, is_delta=is_delta):
                        if is_delta and delay_s:
                            await asyncio.sleep(delay_s)
                        await response.write(data)
                    case Pace(ms=ms):
                        delay_s = ms / 1000
                    case Gate(name=name):
                        await self._wait_at(name, response)
                    case Break(how=how):
                        # Counted before the cut: the client's next try may come before this line could run
                        # after it.
                        self._failures[key] += 1
                        await asyncio.sleep(_BEFORE_BREAK_S)
                        if how == "drop":
                            _cut_connection(request)
                        return response
            await response.write_eof()
        except ClientConnectionError:
            pass
        return response

    async def _wait_at(self, name: str, response: web.StreamResponse) -> None:
        gate = self._gate(name)
        gate.reached.set()
        while not gate.released.is_set():
            try:
                async with asyncio.timeout(_PING_EVERY_S):
                    await gate.released.wait()
            except TimeoutError:
                # As the real API does while it is silent.
                await response.write(PING.data)

    async def _count_tokens(self, request: web.Request) -> web.Response:
        body = await self._note(request)
        return web.json_response({"input_tokens": len(json.dumps(body)) // 4})

    async def _hello(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.json_response({"message": "hello"})

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"service": "demo-model", "identity": self._identity})

    async def _reached(self, request: web.Request) -> web.Response:
        await self.reached(request.match_info["gate"])
        return web.json_response({})

    async def _release(self, request: web.Request) -> web.Response:
        self.release(request.match_info["gate"])
        return web.json_response({})

    async def _nothing(self, request: web.Request) -> web.Response:
        await self._note(request)
        return _refuse(Refusal(404, "not_found_error", "DEMO: there is nothing here", None))


def _refuse(refusal: Refusal) -> web.Response:
    headers = {} if refusal.after_s is None else {"retry-after": str(refusal.after_s)}
    return web.json_response(error_body(refusal), status=refusal.status, headers=headers)


def _cut_connection(request: web.Request) -> None:
    # Not `abort`: it would drop data that was written before the cut.
    if request.transport is not None:
        request.transport.close()
