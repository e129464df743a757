"""The WebSocket of a tab: it only reads. Source: RFC 6455; the messages are in `frames`.

A tab that reads slowly is cut off and comes back with its last event number; nothing waits for it here.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import msgspec
from aiohttp import WSMsgType, web

import api as c
from api.access import Actor, Role
from sessions.errors import NotAllowed, SessionError, SessionNotFound
from storage import StorageError
from web.live import frames as f
from web.live.list_feed import list_steps
from web.live.session_feed import session_steps
from web.pages import fragments
from web.problems import Refused, problem_of
from web.routing import Call

RUN = uuid.uuid4().hex[:12]
BEAT_S = 20.0
MOST_SOCKETS = 8
"""Open sockets of one login or token."""
MOST_SUBSCRIPTIONS = 64
MOST_FRAME_BYTES = 64 * 2**10
_SEND_S = 10.0
_LOOK_AGAIN_S = 60.0
_LOGIN_ENDED = 4401
_TOO_SLOW = 4408


async def live(call: Call) -> web.StreamResponse:
    """Follow sessions live over a WebSocket: see the messages in docs/web.md."""
    if call.parts.doors.watched(call.principal) >= MOST_SOCKETS:
        raise Refused(429, "too_many_sockets", f"At most {MOST_SOCKETS} tabs may be open with one login.")
    socket = web.WebSocketResponse(max_msg_size=MOST_FRAME_BYTES, autoping=True, compress=False)
    ended = call.parts.doors.watch(call.principal)
    try:
        await socket.prepare(call.request)
        await _Tab(call, socket, ended).run()
    finally:
        call.parts.doors.unwatch(call.principal, ended)
    return socket


class _Tab:
    """One open socket."""

    def __init__(self, call: Call, socket: web.WebSocketResponse, ended: asyncio.Event) -> None:
        self._call = call
        self._socket = socket
        self._ended = ended
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._visible = True
        self._shown: set[str] = set()

    async def run(self) -> None:
        await self._send(f.Hello(f.PROTOCOL, RUN, BEAT_S))
        watching = asyncio.create_task(self._close_when_over(), name="web login watch")
        beating = asyncio.create_task(self._beat(), name="web beat")
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    break
                await self._take(message.data)
        finally:
            tasks = [watching, beating, *self._streams.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, text: str) -> None:
        try:
            wish = f.wishes.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            await self._socket.close(code=1007, message=b"not understood")
            return
        match wish:
            case f.Subscribe():
                if len(self._streams) >= MOST_SUBSCRIPTIONS or wish.sub in self._streams:
                    await self._send(f.Closed(wish.sub, "too_many"))
                    return
                task = asyncio.create_task(self._stream(wish), name="web subscription")
                self._streams[wish.sub] = task
                task.add_done_callback(lambda _: self._streams.pop(wish.sub, None))
            case f.Unsubscribe():
                if stream := self._streams.get(wish.sub):
                    stream.cancel()
            case f.Look():
                self._visible = wish.visible
                for session_id in self._shown:
                    self._note_presence(session_id)
            case f.Ping():
                await self._send(f.Beat(int(time.time() * 1000)))

    async def _stream(self, wish: f.Subscribe) -> None:
        showing = asyncio.create_task(self._show_people(wish), name="web presence") if wish.session else None
        try:
            async with aclosing(self._steps(wish)) as steps:
                async for step in steps:
                    await self._send(step)
        except (NotAllowed, Refused):
            await self._send(f.Closed(wish.sub, "not_allowed"))
        except SessionNotFound:
            # The same answer for both: it must not tell which sessions exist.
            await self._send(f.Closed(wish.sub, "not_allowed"))
        except (ConnectionError, TimeoutError):
            pass
        except (SessionError, StorageError) as error:
            await self._send(f.Closed(wish.sub, problem_of(error).code))
        except Exception as error:
            await self._send(f.Closed(wish.sub, problem_of(error).code))
        finally:
            if showing is not None:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)

    async def _show_people(self, wish: f.Subscribe) -> None:
        """Tell the tab who else looks at the session, and the others that this reader does."""
        parts, session_id = self._call.parts, wish.session
        # Who may not see the session is neither told of others nor shown to them.
        await parts.core.perform(await self._who(), c.GetSession(session_id=session_id))
        self._shown.add(session_id)
        told: tuple[str, ...] = ()
        try:
            with parts.presence.watched(session_id) as changed:
                self._note_presence(session_id)
                while True:
                    others = parts.presence.others(session_id, self._call.principal.user_id)
                    if others != told:
                        told = others
                        await parts.people.learn(others)
                        line = fragments.presence(others, parts.people.names)
                        await self._send(f.Step(wish.sub, (f.Put("presence", line),)))
                    await changed.wait()
                    changed.clear()
        finally:
            self._shown.discard(session_id)
            parts.presence.go(session_id, self)

    def _note_presence(self, session_id: str) -> None:
        presence = self._call.parts.presence
        if self._visible:
            presence.come(session_id, self, self._call.principal.user_id)
        else:
            presence.go(session_id, self)

    def _steps(self, wish: f.Subscribe) -> AsyncGenerator[f.Step, None]:
        if not wish.session:
            return list_steps(self._call.parts, self._who, wish.sub)
        return session_steps(self._call.parts, self._who, wish.sub, wish.session, wish.after)

    async def _who(self) -> Actor:
        """Return the reader as of now: the login may have ended, and the role may be gone."""
        if self._ended.is_set():
            raise Refused(401, "login_needed", "Log in first.")
        return await self._call.parts.lookup(self._call.principal.user_id, False)

    async def _close_when_over(self) -> None:
        """Close the socket once the login ends, or the person may no longer use the bridge."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _LOOK_AGAIN_S)
            if self._ended.is_set() or not await self._is_welcome():
                for stream in self._streams.values():
                    stream.cancel()
                await self._socket.close(code=_LOGIN_ENDED, message=b"login ended")
                return

    async def _is_welcome(self) -> bool:
        principal = self._call.principal
        with suppress(Exception):
            return (await self._call.parts.lookup(principal.user_id, True)).role is not Role.NOBODY
        return False

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            await self._send(f.Beat(int(time.time() * 1000)))

    async def _send(self, frame: f.Frame) -> None:
        """Send a frame; a tab that does not take it in time is cut off."""
        async with self._sending:
            if self._socket.closed:
                return
            try:
                async with asyncio.timeout(_SEND_S):
                    await self._socket.send_str(msgspec.json.encode(frame).decode())
            except TimeoutError:
                await self._socket.close(code=_TOO_SLOW, message=b"too slow")
            except ConnectionError:
                pass
