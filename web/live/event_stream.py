"""Server-sent events for scripts: the core's events of a session, as JSON, with `Last-Event-ID` to go on.

Source: HTML standard, section 9.2. `curl -N` is enough to follow a session.
"""

import asyncio
from contextlib import aclosing

import msgspec
from aiohttp import web

import api as c
from api.access import Actor
from sessions.events import Numbered
from texts.whole_numbers import LARGEST, whole_number
from web.doors import Watcher
from web.guard import actor_now
from web.problems import Refused
from web.routing import Call, Count

_BEAT_S = 20.0
_MOST_STREAMS = 64
"""Open streams of one login or token."""


class EventQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`after` is the last event that you have; the header `Last-Event-ID` goes before it."""

    after: Count = 0


async def events(call: Call) -> web.StreamResponse:
    """Follow a session as server-sent events.

    An `event` is a stored event with its number as id, a `partial` is text that grows.
    """
    query: EventQuery = call.query
    last = whole_number(call.request.headers.get("Last-Event-ID", ""), LARGEST)
    after = query.after if last is None else last
    # Asked for before the answer begins: a refusal must still be able to be one.
    info = await call.perform(c.GetSession(session_id=call.session_id))
    # No await from the count to `watching`: otherwise streams opened at once would all pass.
    if call.parts.doors.watched(call.principal, Watcher.STREAM) >= _MOST_STREAMS:
        raise Refused(429, "too_many_streams", f"At most {_MOST_STREAMS} streams may be open at once.")
    # nginx keeps a response until its buffer is full, unless it is told otherwise.
    response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    with call.parts.doors.watching(call.principal, Watcher.STREAM) as ended:
        await response.prepare(call.request)
        # The sender cannot have an event that has not happened yet: the database may be an older copy.
        await _send_until(ended, call, min(after, info.last_event), response)
    return response


async def _send_until(ended: asyncio.Event, call: Call, after: int, response: web.StreamResponse) -> None:
    sending = asyncio.create_task(_send(call, after, response, ended), name="web event stream")
    # A quiet session sends nothing for hours; a login that has ended must close the stream all the same.
    over = asyncio.create_task(ended.wait(), name="web login watch")
    try:
        await asyncio.wait([sending, over], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, over):
            task.cancel()
        await asyncio.gather(sending, over, return_exceptions=True)


async def _send(call: Call, after: int, response: web.StreamResponse, ended: asyncio.Event) -> None:
    lock = asyncio.Lock()

    async def who() -> Actor:
        if ended.is_set():
            raise Refused(401, "login_needed", "Log in first.")
        return await actor_now(call.parts, call.principal)

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            async with lock:
                # A comment line: clients skip it, and proxies see that the connection is alive.
                await response.write(b": beat\n\n")

    beating = asyncio.create_task(beat(), name="web beat")
    try:
        async with aclosing(call.parts.core.follow(who, call.session_id, after)) as feed:
            async for item in feed:
                head = (
                    f"id: {item.number}\nevent: event\n" if isinstance(item, Numbered) else "event: partial\n"
                )
                async with lock:
                    await response.write(head.encode() + b"data: " + msgspec.json.encode(item) + b"\n\n")
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
