"""Admission to the control socket: by uid, by descent, and by a key in the first line.

A process that Claude's tools started is refused whether it knows a key or not: it must not act as a person. A
process that cleans its environment and outlives its parents is not recognized: against that, only a sandbox,
which hides socket and keys, is a wall.
"""

import asyncio
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from api import Core, NoteRefusal, wire
from api.access import Actor, Role
from bridge import control_socket
from bridge.control_keys import ControlKeys, KeyKind
from sessions.errors import CoreLost, SessionError
from storage import StorageError

log = logging.getLogger(__name__)

_DOOR = "use_the_control_socket"
_FIRST_LINE_S = 5.0
_WRONG_KEY = "The bridge does not accept this process: its key is wrong. Start the program again."


@dataclass(frozen=True, slots=True)
class Peer:
    """An admitted client: the actor of its user, and whether it may speak for other people."""

    actor: Actor
    may_name: bool


class Entrance:
    """Decides which clients are served. Every refusal of a process of this user is audited."""

    def __init__(self, core: Core, data_dir: Path, keys: ControlKeys, *, first_line_s: float = _FIRST_LINE_S):
        self._core = core
        self._data_dir = data_dir
        self._keys = keys
        self._first_line_s = first_line_s

    async def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Peer | None:
        """Return the client at the other end, or None if it must not be served. Sends the refusal's reason."""
        connection = writer.get_extra_info("socket")
        if not control_socket.peer_is_owner(connection):
            return None
        try:
            # In a thread: it reads /proc for each ancestor. Before the greeting: a hostile client learns
            # nothing, not even the protocol.
            host = await asyncio.to_thread(control_socket.host_of_peer, connection, self._data_dir)
        except control_socket.PeerGone:
            if await self._is_held(reader):
                await self._note(Actor("terminal:gone", "control", Role.NOBODY))
            return None
        if host:
            log.warning("connection from within a session refused", extra={"session": host.partition("/")[0]})
            await self._note(Actor(f"host:{host}", "control", Role.NOBODY))
            return None
        writer.write(wire.encoded(wire.Hello(wire.PROTOCOL, os.getpid())))
        peer = control_socket.peer_actor(connection)
        kind = await self._key(reader)
        if kind is None:
            log.warning("connection without the key refused")
            await self._note(Actor(peer.user_id, "control", Role.NOBODY))
            writer.write(wire.encoded(wire.Failed(0, CoreLost.__name__, _WRONG_KEY)))
            return None
        writer.write(wire.encoded(wire.Entered()))
        return Peer(peer, may_name=kind is KeyKind.WEB)

    async def _is_held(self, reader: asyncio.StreamReader) -> bool:
        """Whether somebody still has the other end, so that the client did not just give up."""
        try:
            async with asyncio.timeout(self._first_line_s):
                return bool(await reader.read(1))
        except TimeoutError:
            return True
        except ConnectionError:
            return False

    async def _key(self, reader: asyncio.StreamReader) -> KeyKind | None:
        """Return the kind of the key in the first line; None if it is wrong, too long or late."""
        try:
            async with asyncio.timeout(self._first_line_s):
                line = await reader.readuntil(b"\n")
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None
        # `readuntil` allows a longer line than any key is.
        if len(line) > wire.MAX_ENTER_BYTES:
            return None
        try:
            return self._keys.kind_of(wire.first_line.decode(line).key)
        except (ValueError, RecursionError):
            return None

    async def _note(self, actor: Actor) -> None:
        # A refusal stands even if the audit cannot be written now.
        with suppress(SessionError, StorageError):
            await self._core.perform(actor, NoteRefusal(door=_DOOR))
