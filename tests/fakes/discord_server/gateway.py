"""The gateway: WebSocket connections, sessions that outlive them, replay on RESUME, faults of this side."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

from aiohttp import WSMsgType, web

from . import message_payload, payloads
from .connection import SENDS_PER_MINUTE, Connection, Op, Session
from .model import Json
from .site import Site
from .world import PRIVILEGED, Event, Intent

_DAY_S = 86_400.0
_KNOWN_INTENTS = (1 << 26) - 1


class Gateway:
    """All sessions of the bot. `identifies` are the times of its IDENTIFYs, `presences` what it set."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.sessions: dict[str, Session] = {}
        self.connections: list[Connection] = []
        self.identifies: list[float] = []
        self.resumes = 0
        self.attempts = 0
        self.presences: list[Json] = []
        self.token_was_reset = False
        self._refuse_identifies = 0
        self._refuse_resumes = 0
        self._close_next: int | None = None
        site.world.listen(self._dispatch)
        site.identifies_left = self.identifies_left

    # What a test asks for

    @property
    def connected(self) -> bool:
        """Whether a bot with a session is listening now."""
        return any(one.connection is not None for one in self.sessions.values())

    def identifies_left(self) -> int:
        """The session starts that are left today."""
        since = self._site.clock.now() - _DAY_S
        used = sum(at > since for at in self.identifies)
        return max(0, self._site.settings.session_starts_per_day - used)

    def drop(self, code: int = 4000) -> None:
        """Close every connection with `code`; 4004, 4014 and the like end the bot."""
        for connection in list(self.connections):
            connection.close(code)
            self._detach(connection)

    def abort(self) -> None:
        """Cut every connection without a word."""
        for connection in list(self.connections):
            connection.abort()
            self._detach(connection)

    def zombie(self) -> None:
        """Keep the connections open and say nothing more on them, no heartbeat answers either."""
        for connection in self.connections:
            connection.zombie = True

    def reconnect(self) -> None:
        """Op 7: ask the bot to come back and resume."""
        self._send_all({"op": Op.RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9: the session is gone, or may be resumed."""
        if not resumable:
            for session in list(self.sessions.values()):
                self._forget(session)
        self._send_all({"op": Op.INVALID_SESSION, "d": resumable})

    def refuse_identifies(self, times: int) -> None:
        """Answer the next `times` IDENTIFYs with INVALID_SESSION."""
        self._refuse_identifies = times

    def refuse_resumes(self, times: int) -> None:
        """Answer the next `times` RESUMEs with INVALID_SESSION, so that what was missed is lost."""
        self._refuse_resumes = times

    def close_next(self, code: int) -> None:
        """Close the next IDENTIFY with `code`."""
        self._close_next = code

    # Serving

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.attempts += 1
        compress = self._site.settings.compress and request.query.get("compress") == "zlib-stream"
        socket = web.WebSocketResponse(max_msg_size=0, autoping=True)
        await socket.prepare(request)
        connection = Connection(socket, request, compress=compress)
        self.connections.append(connection)
        writer = asyncio.create_task(connection.write(), name="fake gateway writer")
        try:
            interval = self._site.settings.heartbeat_interval_ms
            connection.send({"op": Op.HELLO, "d": {"heartbeat_interval": interval}})
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(connection, json.loads(message.data))
        finally:
            self._gone(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    def _receive(self, connection: Connection, payload: Json) -> None:
        now = self._site.clock.now()
        if len(connection.sent_at) == SENDS_PER_MINUTE and now - connection.sent_at[0] < 60:
            connection.close(4008, "You are being rate limited.")
            return
        connection.sent_at.append(now)
        match payload["op"]:
            case Op.HEARTBEAT:
                connection.send({"op": Op.HEARTBEAT_ACK, "d": None})
            case Op.IDENTIFY:
                self._identify(connection, payload["d"])
            case Op.RESUME:
                self._resume(connection, payload["d"])
            case Op.PRESENCE:
                self.presences.append(payload["d"])
                self._site.world.changed()
            case Op.REQUEST_MEMBERS:
                self._send_members(connection, payload["d"])
            case _:
                connection.close(4001, "Unknown opcode.")

    def _identify(self, connection: Connection, data: Json) -> None:
        refusal = self._refusal(data)
        if refusal is not None:
            connection.close(*refusal)
            return
        if self._refuse_identifies > 0 or self._too_soon():
            self._refuse_identifies = max(0, self._refuse_identifies - 1)
            self.identifies.append(self._site.clock.now())
            connection.send({"op": Op.INVALID_SESSION, "d": False})
            return
        self.identifies.append(self._site.clock.now())
        session = Session(secrets.token_hex(16), int(data["intents"]))
        session.connection, connection.session = connection, session
        self.sessions[session.id] = session
        guilds = [one for one in self._site.world.guilds.values() if self._site.world.bot.id in one.members]
        ready = {
            "v": 10,
            "user": payloads.own_user(self._site.world.bot),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self._site.gateway_url,
            "session_type": "normal",
            "private_channels": [],
            "application": {
                "id": str(self._site.world.application_id),
                "flags": self._site.settings.application_flags,
            },
        }
        self._push(session, "READY", ready)
        if session.intents & Intent.GUILDS:
            for guild in guilds:
                self._push(session, "GUILD_CREATE", self._site.world.guild_create(guild))
        self._site.world.changed()

    def _refusal(self, data: Json) -> tuple[int, str] | None:
        if self._close_next is not None:
            code, self._close_next = self._close_next, None
            return code, "Closed by the test."
        if data.get("token") != self._site.settings.token or self.token_was_reset:
            return 4004, "Authentication failed."
        if self.identifies_left() == 0:
            # Discord ends all sessions and makes the token useless.
            self.token_was_reset = True
            return 4004, "Authentication failed."
        if int(data["intents"]) & ~_KNOWN_INTENTS:
            return 4013, "Invalid intent(s)."
        if int(data["intents"]) & PRIVILEGED & ~self._granted():
            return 4014, "Disallowed intent(s)."
        return None

    def _granted(self) -> int:
        settings, granted = self._site.settings, 0
        if settings.message_content_intent:
            granted |= Intent.MESSAGE_CONTENT
        if settings.members_intent:
            granted |= Intent.GUILD_MEMBERS
        if settings.presences_intent:
            granted |= Intent.GUILD_PRESENCES
        return granted

    def _too_soon(self) -> bool:
        wait = self._site.settings.identify_every_s
        return bool(self.identifies) and self._site.clock.now() - self.identifies[-1] < wait

    def _resume(self, connection: Connection, data: Json) -> None:
        if data.get("token") != self._site.settings.token:
            connection.close(4004, "Authentication failed.")
            return
        session = self._resumable(data["session_id"])
        if self._refuse_resumes > 0 or session is None:
            self._refuse_resumes = max(0, self._refuse_resumes - 1)
            connection.send({"op": Op.INVALID_SESSION, "d": False})
            return
        if session.connection is not None:
            session.connection.close(4000, "Resumed elsewhere.")
            session.connection.session = None
        session.connection, connection.session, session.lost_at = connection, session, None
        self.resumes += 1
        for sequence, event in session.events:
            if sequence > (data.get("seq") or 0):
                connection.send(event)
        self._push(session, "RESUMED", {"_trace": []})
        self._site.world.changed()

    def _resumable(self, session_id: str) -> Session | None:
        session = self.sessions.get(session_id)
        if session is None:
            return None
        lost = session.lost_at
        if lost is not None and self._site.clock.now() - lost > self._site.settings.resume_window_s:
            self._forget(session)
            return None
        return session

    def _dispatch(self, event: Event) -> None:
        for session in list(self.sessions.values()):
            if self._resumable(session.id) is None:
                continue
            if event.intent and not session.intents & event.intent:
                continue
            data = event.data
            if event.private and not session.intents & Intent.MESSAGE_CONTENT:
                data = message_payload.hidden_from_bot(data, self._site.world.bot.id)
            self._push(session, event.name, data)

    def _push(self, session: Session, name: str, data: Any) -> None:
        session.sequence += 1
        # Through JSON now: later changes of the model must not change what was announced.
        event = json.loads(json.dumps({"op": Op.DISPATCH, "t": name, "s": session.sequence, "d": data}))
        session.events.append((session.sequence, event))
        if session.connection is not None:
            session.connection.send(event)

    def _send_members(self, connection: Connection, data: Json) -> None:
        guild = self._site.world.guilds.get(int(data["guild_id"]))
        if guild is None or connection.session is None:
            return
        wanted = {int(user) for user in _listed(data.get("user_ids"))}
        prefix = data.get("query")
        members = [
            payloads.member(one)
            for one in guild.members.values()
            if one.user.id in wanted or (prefix is not None and one.user.name.startswith(prefix))
        ]
        chunk: Json = {"guild_id": str(guild.id), "members": members, "chunk_index": 0, "chunk_count": 1}
        self._push(connection.session, "GUILD_MEMBERS_CHUNK", {**chunk, "nonce": data.get("nonce")})

    def _send_all(self, payload: Json) -> None:
        for connection in self.connections:
            connection.send(payload)

    def _forget(self, session: Session) -> None:
        self.sessions.pop(session.id, None)
        if session.connection is not None:
            session.connection.session = None

    def _gone(self, connection: Connection) -> None:
        self.connections.remove(connection)
        session = connection.session
        # A bot that closes with 1000 or 1001 gives its session up.
        if session is not None and connection.socket.close_code in (1000, 1001):
            self._forget(session)
        self._detach(connection)

    def _detach(self, connection: Connection) -> None:
        """From now on the session, if it has one, waits to be resumed."""
        session, connection.session = connection.session, None
        if session is not None and session.connection is connection:
            session.connection = None
            session.lost_at = self._site.clock.now()
        self._site.world.changed()


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
