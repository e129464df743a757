"""The control socket's server: other processes of the same user reach the core through it.

Implements the protocol of `api/wire.py`. A client that reads slowly delays only itself: its answers wait in a
bounded queue, the events of a session that it follows wait in the database, and its requests stay unread.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, assert_never

import msgspec
from msgspec.structs import replace

from api import Command, Core, Nothing, wire
from api.access import Actor, Role
from bridge import control_socket
from bridge.control_entrance import Entrance, Peer
from bridge.control_keys import ControlKeys, make_keys, remove_keys
from sessions.errors import CoreLost, SessionError
from storage import StorageError

log = logging.getLogger(__name__)

# Bounds for one client: answers that wait, requests at work, and pieces of a file in memory.
_QUEUED_ANSWERS = 64
_AT_ONCE = 32
_PIECES_HELD = 4


ActorNamed = Callable[[wire.Named], Awaitable[Actor]]
"""Return the actor of a person that a client names, with the present role. Raises `SessionError` if unknown."""


async def nobody_else(named: wire.Named) -> Actor:
    """Return the person `named` without any right."""
    # The default: without a way to ask for roles, nobody gets one by being named.
    return Actor(named.user_id, named.face, Role.NOBODY)


class ControlServer:
    """Serves `core` on the socket of `data_dir` while it is entered. Raises `SocketRefused` on entry.

    `actor_named` gives the role of the people that the web process speaks for.
    """

    def __init__(self, core: Core, data_dir: Path, actor_named: ActorNamed = nobody_else) -> None:
        self._core = core
        self._data_dir = data_dir
        self._actor_named = actor_named
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        # Before the socket listens: a client that is connected then finds the present keys.
        keys = _made_keys(self._data_dir)
        listener = control_socket.listen(self._data_dir)
        self._entrance = Entrance(self._core, self._data_dir, keys)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        # Before the connections end: no new client may find a socket that nobody serves.
        control_socket.remove(self._data_dir)
        remove_keys(self._data_dir)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A separate task: the one that asyncio starts for a connection reports its cancellation as an error.
        task = asyncio.create_task(self._serve_peer(reader, writer), name="control connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        await asyncio.wait([task])
        writer.close()

    async def _serve_peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (peer := await self._entrance.admit(reader, writer)) is not None:
                await _Connection(self._core, peer, self._actor_named, reader, writer).run()
        except Exception:
            log.exception("control connection broke")


def _made_keys(data_dir: Path) -> ControlKeys:
    try:
        return make_keys(data_dir)
    except OSError as error:
        why = error.strerror or error
        raise control_socket.SocketRefused(f"The control socket's key cannot be written: {why}.") from error


class _Connection:
    """One client."""

    def __init__(
        self,
        core: Core,
        peer: Peer,
        actor_named: ActorNamed,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._core = core
        self._peer = peer
        self._actor_named = actor_named
        self._reader = reader
        self._writer = writer
        self._answers: asyncio.Queue[wire.Response] = asyncio.Queue(_QUEUED_ANSWERS)
        self._follows: dict[int, asyncio.Task[None]] = {}
        self._pieces: dict[int, asyncio.Queue[bytes]] = {}
        self._gone = False
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Serve until the client is gone; its open requests are still carried out."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(), name="control answers")
            await self._take_all(tasks)
            # Set before the queues are woken: an end of the pieces must read as a cut file, not as a whole one.
            self._gone = True
            for pieces in list(self._pieces.values()):
                await pieces.put(b"")
            for follow in self._follows.values():
                follow.cancel()
            # Every place taken back means that no request is at work any more.
            for _ in range(_AT_ONCE):
                await self._free.acquire()
            await self._answers.join()
            writing.cancel()

    async def _take_all(self, tasks: asyncio.TaskGroup) -> None:
        """Read requests until the connection ends. Nothing is read after a request that is too long."""
        try:
            async with aclosing(wire.lines(self._reader, most_bytes=wire.MAX_LINE_BYTES)) as lines:
                async for line in lines:
                    await self._take(line, tasks)
        # The rest of the line cannot be told from the next one.
        except wire.LineTooLong:
            await self._refuse(0, "The request is too long.")

    async def _write(self) -> None:
        """Send answers as fast as the client takes them; once it is gone, drop them."""
        gone = False
        while True:
            answer = await self._answers.get()
            try:
                if not gone:
                    self._writer.write(wire.encoded(answer))
                    await self._writer.drain()
            # Go on taking answers: a request that waits to put one could not end otherwise.
            except ConnectionError:
                gone = True
            finally:
                self._answers.task_done()

    async def _take(self, line: bytes, tasks: asyncio.TaskGroup) -> None:
        try:
            request = wire.requests.decode(line)
        except (ValueError, RecursionError) as error:
            await self._refuse(_id_of(line), f"The request cannot be understood: {error}.")
            return
        match request:
            case wire.Perform() | wire.May():
                await self._free.acquire()
                # As a task: requests of one client must not wait for each other.
                tasks.create_task(self._perform(request), name="control request")
            case wire.Put() | wire.Get() if request.id in self._pieces:
                await self._refuse(request.id, "This id is in use.")
            case wire.Put() | wire.Get():
                await self._free.acquire()
                self._pieces[request.id] = asyncio.Queue(_PIECES_HELD)
                tasks.create_task(self._transfer(request), name="control file")
            case wire.Piece():
                # This wait stops all reading on this connection until the file's pieces are stored.
                if (pieces := self._pieces.get(request.id)) is not None:
                    await pieces.put(request.data)
            case wire.Follow() | wire.FollowAll() if (
                len(self._follows) >= _AT_ONCE or request.id in self._follows
            ):
                await self._refuse(request.id, "This connection follows too many sessions.")
            case wire.Follow() | wire.FollowAll():
                task = tasks.create_task(self._follow(request), name="control subscription")
                self._follows[request.id] = task
                task.add_done_callback(lambda _: self._follows.pop(request.id, None))
            case wire.Cancel():
                if follow := self._follows.get(request.id):
                    follow.cancel()
            case _:
                assert_never(request)

    async def _perform(self, request: wire.Perform | wire.May) -> None:
        try:
            done = await self._done(request)
            answer: wire.Response = wire.Reply(request.id, msgspec.Raw(msgspec.json.encode(done)))
        except Exception as error:
            answer = _failed(request.id, error)
        finally:
            self._free.release()
        await self._answers.put(answer)

    async def _transfer(self, request: wire.Put | wire.Get) -> None:
        try:
            actor = await self._actor(request.actor)
            if isinstance(request, wire.Put):
                content = self._content(self._pieces[request.id])
                done: object = await self._core.put_file(actor, request.wish, content)
            else:
                async with aclosing(self._core.get_file(actor, request.wish)) as pieces:
                    async for piece in pieces:
                        await self._answers.put(wire.Piece(request.id, piece))
                done = Nothing()
            answer: wire.Response = wire.Reply(request.id, msgspec.Raw(msgspec.json.encode(done)))
        except Exception as error:
            answer = _failed(request.id, error)
        finally:
            self._free.release()
            # Empty the queue, so that the reader that waits to add a piece can go on.
            left = self._pieces.pop(request.id)
            while not left.empty():
                left.get_nowait()
        await self._answers.put(answer)

    async def _content(self, pieces: asyncio.Queue[bytes]) -> AsyncGenerator[bytes, None]:
        """Yield the file that a client sends. Raises `CoreLost` if the connection ends first."""
        while piece := await pieces.get():
            yield piece
        if self._gone:
            raise CoreLost("The file did not come whole.")

    async def _done(self, request: wire.Perform | wire.May) -> object:
        actor = await self._actor(request.actor)
        if isinstance(request, wire.May):
            return await self._core.may(actor, request.action, request.session_id)
        command: Command[Any] = request.command
        return await self._core.perform(actor, command)

    async def _follow(self, request: wire.Follow | wire.FollowAll) -> None:
        try:
            async with aclosing(self._happening(request)) as messages:
                async for message in messages:
                    await self._answers.put(message)
        except Exception as error:
            await self._answers.put(_failed(request.id, error))

    async def _happening(
        self, request: wire.Follow | wire.FollowAll
    ) -> AsyncGenerator[wire.Happened | wire.HappenedSomewhere, None]:
        # Asked again by the core while the client follows: rights may be taken back.
        async def who() -> Actor:
            return await self._actor(request.actor)

        if isinstance(request, wire.Follow):
            async with aclosing(self._core.follow(who, request.session_id, request.after)) as feed:
                async for item in feed:
                    yield wire.Happened(request.id, item)
        else:
            async with aclosing(self._core.follow_all(who, request.after, growing=request.growing)) as changes:
                async for change in changes:
                    yield wire.HappenedSomewhere(request.id, change)

    async def _actor(self, named: wire.Named | None) -> Actor:
        """Return the actor of a request. A person whom this client may not name has no rights."""
        own = self._peer.actor
        if named is None:
            return own
        # Always allowed: a client that names its own user changes only the face.
        if named.user_id == own.user_id:
            return replace(own, face=named.face)
        actor = await (self._actor_named if self._peer.may_name else nobody_else)(named)
        return replace(actor, through=own.user_id)

    async def _refuse(self, request_id: int, sentence: str) -> None:
        await self._answers.put(wire.Failed(request_id, SessionError.__name__, sentence))


class _OnlyId(msgspec.Struct):
    id: int = 0


def _id_of(line: bytes) -> int:
    """Return the id of an invalid request; 0 if it has none."""
    try:
        return msgspec.json.decode(line, type=_OnlyId).id
    except (ValueError, RecursionError):
        return 0


def _failed(request_id: int, error: Exception) -> wire.Failed:
    if isinstance(error, SessionError):
        return wire.failure(request_id, error)
    if isinstance(error, StorageError):
        return wire.failure(request_id, SessionError(str(error)))
    # A client gets a number, the log gets the error: its text may hold paths or words of prompts.
    incident = uuid.uuid4().hex[:8]
    log.error("request failed", extra={"incident": incident}, exc_info=error)
    return wire.failure(request_id, SessionError(f"Something went wrong (incident {incident})."))
