"""The WebSocket of a tab: it tells what happens, acts go over HTTP. Source: RFC 6455; messages: `frames`.

A tab that reads slowly is cut off and comes back with its last event number; nothing waits for it here.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from aiohttp import WSMsgType, web

from api.access import Action, Actor, Role
from sessions.errors import NotAllowed, SessionError, SessionNotFound
from storage import StorageError
from web.doors import Watcher
from web.guard import actor_now
from web.live import frames as f
from web.live.list_feed import list_steps
from web.live.pulse import BEAT_S, PULSE
from web.live.shared_feed import FEEDS, Encoded, Looker
from web.problems import Refused, problem_of
from web.routing import Call

RUN = uuid.uuid4().hex[:12]
MOST_SOCKETS = 8
"""Open sockets of one login or token."""
MOST_SUBSCRIPTIONS = 64
MOST_FRAME_BYTES = 64 * 2**10
_SEND_S = 10.0
_UNSENT_BYTES = 16 * 2**10
"""Bytes that wait in a socket's buffer, beyond which its tab gets the next frame when they are sent."""
# Codes from 4000 on are free for applications (RFC 6455, 7.4.2); live.js knows the first of these.
_LOGIN_ENDED = 4401
_TOO_SLOW = 4408


async def live(call: Call) -> web.StreamResponse:
    """Follow sessions live over a WebSocket: see the messages in docs/web.md."""
    # No await from the count to `watching`: otherwise sockets opened at once would all pass.
    if call.parts.doors.watched(call.principal, Watcher.SOCKET) >= MOST_SOCKETS:
        raise Refused(429, "too_many_sockets", f"At most {MOST_SOCKETS} tabs may be open with one login.")
    # Not compressed: with compression a frame depends on the connection's earlier ones, and tabs share frames.
    socket = web.WebSocketResponse(max_msg_size=MOST_FRAME_BYTES, autoping=True, compress=False)
    tab = _Tab(call, socket)
    with call.parts.doors.watching(call.principal, Watcher.SOCKET, tab.end) as ended:
        await socket.prepare(call.request)
        await tab.run(ended)
    return socket


class _Tab:
    """One open socket."""

    def __init__(self, call: Call, socket: web.WebSocketResponse) -> None:
        self._call = call
        self._socket = socket
        self._has_ended = False
        self._closing: asyncio.Task[None] | None = None
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._looker = Looker(call.principal.user_id, self._who, self._take_at_once)
        # By subscription: a tab may follow one session in several.
        self._shown: dict[str, str] = {}

    async def run(self, ended: asyncio.Event) -> None:
        # The login may have ended during the handshake.
        if ended.is_set():
            return
        await self._send(f.Hello(f.PROTOCOL, RUN, BEAT_S))
        pulse = self._call.request.app[PULSE]
        pulse.add(self)
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    break
                await self._take(message.data)
        finally:
            pulse.remove(self)
            # A copy: each task takes itself out of the table at its end.
            tasks = [*self._streams.values(), *([self._closing] if self._closing is not None else ())]
            for task in self._streams.values():
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, text: str) -> None:
        try:
            wish = f.wishes.decode(text)
        except (ValueError, RecursionError):
            await self._socket.close(code=1007, message=b"not understood")
            return
        # Counted for the login, not for the socket: eight sockets have no more than one.
        if self._call.parts.wishes.wait_s(self._call.principal.id):
            await self._socket.close(code=1008, message=b"too many messages")
            return
        match wish:
            case f.Subscribe():
                if len(self._streams) >= MOST_SUBSCRIPTIONS or wish.sub in self._streams:
                    await self._send(f.Closed(wish.sub, "too_many"))
                    return
                task = asyncio.create_task(self._stream(wish), name="web subscription")
                # Taken out of the table only when it has ended: its name is in use until then.
                self._streams[wish.sub] = task
                task.add_done_callback(lambda _: self._streams.pop(wish.sub, None))
            case f.Unsubscribe():
                if stream := self._streams.get(wish.sub):
                    stream.cancel()
            case f.Look():
                # Before the feeds are told: one that begins later reads it here.
                self._looker.is_visible = wish.visible
                for session_id in set(self._shown.values()):
                    self._call.request.app[FEEDS].look(session_id, self._looker)
            case f.Ping():
                await self._send(f.Beat(int(time.time() * 1000)))

    async def _stream(self, wish: f.Subscribe) -> None:
        try:
            async with aclosing(self._steps(wish)) as steps:
                async for payload in steps:
                    await self._send_payload(payload)
        except (NotAllowed, Refused):
            await self._send(f.Closed(wish.sub, "not_allowed"))
        except SessionNotFound:
            # The same answer for both: it must not tell which sessions exist.
            await self._send(f.Closed(wish.sub, "not_allowed"))
        # The tab has gone; its reader of messages notices, too, and ends the rest.
        except (ConnectionError, TimeoutError):
            pass
        except (SessionError, StorageError) as error:
            await self._send(f.Closed(wish.sub, problem_of(error).code))
        except Exception as error:
            await self._send(f.Closed(wish.sub, problem_of(error).code))
        finally:
            self._shown.pop(wish.sub, None)

    async def _steps(self, wish: f.Subscribe) -> AsyncGenerator[bytes, None]:
        """Yield the frames of a subscription, encoded."""
        if wish.session:
            feeds = self._call.request.app[FEEDS]
            self._shown[wish.sub] = wish.session
            async with aclosing(feeds.frames(self._looker, wish.sub, wish.session, wish.after)) as frames:
                async for frame in frames:
                    yield frame.payload
            return
        async with aclosing(list_steps(self._call.parts, self._who, wish.sub)) as steps:
            async for step in steps:
                yield msgspec.json.encode(step)

    async def _who(self) -> Actor:
        """Return the reader as of now: the login may have ended, and the role may be gone."""
        if self._has_ended:
            raise Refused(401, "login_needed", "Log in first.")
        return await self._call.parts.lookup(self._call.principal.user_id, False)

    def end(self) -> None:
        """Close the socket: the login has ended, or the person may no longer use the bridge."""
        # A task, because `Doors` calls this without waiting: a slow socket must not hold up the logout.
        if self._closing is None:
            self._has_ended = True
            self._closing = asyncio.create_task(self._close(), name="web login ended")

    async def _close(self) -> None:
        for stream in self._streams.values():
            stream.cancel()
        await self._socket.close(code=_LOGIN_ENDED, message=b"login ended")

    async def beat(self) -> None:
        """Send a sign of life."""
        await self._send(f.Beat(int(time.time() * 1000)))

    async def look_again(self) -> None:
        """End feeds that the reader lost the right to see, and the socket of a login that has grown too old.

        Discord takes roles away without telling anybody.
        """
        try:
            # Asked of Discord now: an answer that is kept may be a minute old.
            actor = await actor_now(self._call.parts, self._call.principal, fresh=True)
            if actor.role is Role.NOBODY:
                self.end()
                return
            for sub, session_id in list(self._shown.items()):
                if not await self._call.parts.core.may(actor, Action.VIEW, session_id):
                    if stream := self._streams.get(sub):
                        stream.cancel()
                    await self._send(f.Closed(sub, "not_allowed"))
        except Exception:  # the login has ended, or nobody knows who the reader is
            self.end()

    async def _send(self, frame: f.Frame) -> None:
        await self._send_payload(msgspec.json.encode(frame))

    async def _send_payload(self, payload: bytes) -> None:
        """Send an encoded frame; a tab that does not take it in time is cut off."""
        # A tab that does not read makes its send wait in here; `_take_at_once` sees that by the lock.
        async with self._sending:
            if self._socket.closed:
                return
            try:
                async with asyncio.timeout(_SEND_S):
                    await self._socket.send_frame(payload, WSMsgType.TEXT)
            except TimeoutError:
                # The page comes back with its last event number, so nothing is kept for it here.
                await self._socket.close(code=_TOO_SLOW, message=b"too slow")
            except ConnectionError:
                pass

    def _take_at_once(self, frame: Encoded) -> bool:
        """Write a whole WebSocket frame to the connection, unless earlier ones still wait there.

        Sending to a thousand tabs through their tasks takes three times the CPU time. aiohttp writes each frame
        of its own in one piece, too, so frames never mix.
        """
        # Asked for each time: it is None once the connection is lost.
        transport = self._call.request.transport
        if transport is None or transport.is_closing() or self._socket.closed or self._has_ended:
            return False
        # A frame of the tab's own task is on its way, or earlier ones still wait: this one must not be first.
        if self._sending.locked() or transport.get_write_buffer_size() > _UNSENT_BYTES:
            return False
        transport.write(frame.wire)
        return True
