"""A client of the core: `api.Core` over the control socket of the process that owns the data directory."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar, assert_never, cast

import msgspec

from api import AnyCommand, Command, FeedOfAll, GetFile, Position, PutFile, wire
from api.access import Action, Actor, ActorSource
from bridge import control_socket
from bridge.background_task import running
from bridge.control_keys import KeyKind, read_key
from sessions.errors import CoreLost, SessionError
from sessions.events import Feed
from sessions.model import Attachment

R = TypeVar("R")

_GREETING_S = 10.0


class AnotherVersion(CoreLost):
    """The running bridge has another protocol version: only a restart of it helps."""

    def __init__(self) -> None:
        super().__init__("The bridge that runs is of another version. Restart it, then try again.")


class KeyUnreadable(CoreLost):
    """This process cannot read the key that the running bridge asks for."""

    def __init__(self) -> None:
        super().__init__("The key of the running bridge cannot be read. Use the account that runs the bridge.")


class ControlClient:
    """Implements `api.Core`. Made by `connected`. Every method may raise `CoreLost` as well."""

    def __init__(self, data_dir: Path, key: KeyKind, line: "_Line") -> None:
        self._data_dir = data_dir
        self._key = key
        self._line = line
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._lost = False

    async def perform(self, actor: Actor, command: Command[R]) -> R:
        """See `api.Core.perform`."""
        wish = cast("AnyCommand", command)
        body = await self._asked(wire.Perform(id=next(self._ids), command=wish, actor=_named(actor)))
        return cast("R", msgspec.json.decode(body, type=command.reply))

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        """See `api.Core.may`."""
        request = wire.May(id=next(self._ids), action=action, session_id=session_id, actor=_named(actor))
        return msgspec.json.decode(await self._asked(request), type=bool)

    async def _asked(self, request: wire.Perform | wire.May) -> msgspec.Raw:
        if self._lost:
            raise _lost()
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        try:
            await self._line.send(request)
            return await answer
        finally:
            self._waiting.pop(request.id, None)

    async def put_file(self, actor: Actor, wish: PutFile, content: AsyncIterable[bytes]) -> Attachment:
        """See `api.Core.put_file`. On a connection of its own: a file delays nothing else."""
        async with _connected_line(self._data_dir, self._key) as line:
            await line.send(wire.Put(id=1, wish=wish, actor=_named(actor)))
            # Read while sending: a refusal can come before the file is sent.
            answered = asyncio.create_task(_answer(line), name="control file")
            try:
                async for data in content:
                    # The caller may yield pieces of any size, and a piece is one line of JSON.
                    for begin in range(0, len(data), wire.PIECE_BYTES):
                        await line.send(wire.Piece(1, data[begin : begin + wire.PIECE_BYTES]))
                    if answered.done():
                        break  # the file was refused: the rest is not needed
                else:
                    await line.send(wire.Piece(1, b""))
                return msgspec.json.decode(await answered, type=wish.reply)
            finally:
                answered.cancel()

    async def get_file(self, actor: Actor, wish: GetFile) -> AsyncGenerator[bytes, None]:
        """See `api.Core.get_file`. On a connection of its own."""
        async with _connected_line(self._data_dir, self._key) as line:
            await line.send(wire.Get(id=1, wish=wish, actor=_named(actor)))
            async with aclosing(line.responses()) as responses:
                async for response in responses:
                    match response:
                        case wire.Piece():
                            yield response.data
                        case wire.Reply():
                            return
                        case wire.Failed():
                            raise wire.rebuilt(response)
                        case _:
                            continue
        # Neither an end nor an error came: the file is cut here, and must not look whole.
        raise _lost()

    async def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        """See `api.Core.follow`. On a connection of its own, so that a slow reader delays nothing else."""
        request = wire.Follow(id=1, session_id=session_id, after=after, actor=_named(await who()))
        async with aclosing(self._followed(request)) as happened:
            async for response in happened:
                if isinstance(response, wire.Happened):
                    yield response.feed

    async def follow_all(
        self, who: ActorSource, after: Position | None, *, growing: bool = True
    ) -> AsyncGenerator[FeedOfAll, None]:
        """See `api.Core.follow_all`. On a connection of its own."""
        request = wire.FollowAll(id=1, after=after, growing=growing, actor=_named(await who()))
        async with aclosing(self._followed(request)) as happened:
            async for response in happened:
                if isinstance(response, wire.HappenedSomewhere):
                    yield response.feed

    async def _followed(self, request: wire.Follow | wire.FollowAll) -> AsyncGenerator[wire.Response, None]:
        """Yield the answers to `request`."""
        async with _connected_line(self._data_dir, self._key) as line:
            await line.send(request)
            async with aclosing(line.responses()) as responses:
                async for response in responses:
                    if isinstance(response, wire.Failed):
                        raise wire.rebuilt(response)
                    yield response
        raise _lost()

    async def _read(self) -> None:
        """Hand answers to the calls that wait for them, until the connection ends."""
        try:
            async with aclosing(self._line.responses()) as responses:
                async for response in responses:
                    self._hand_over(response)
        finally:
            # Before the waiting calls fail: a call that begins meanwhile must not wait for a reader that has
            # ended.
            self._lost = True
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_lost())

    def _hand_over(self, response: wire.Response) -> None:
        if not isinstance(response, wire.Reply | wire.Failed):
            return
        answer = self._waiting.get(response.id)
        # Its caller was cancelled, or has given up.
        if answer is None or answer.done():
            return
        match response:
            case wire.Reply():
                answer.set_result(response.body)
            case wire.Failed():
                answer.set_exception(wire.rebuilt(response))
            case _:
                assert_never(response)


async def _answer(line: "_Line") -> msgspec.Raw:
    async with aclosing(line.responses()) as responses:
        async for response in responses:
            match response:
                case wire.Reply():
                    return response.body
                case wire.Failed():
                    raise wire.rebuilt(response)
                case _:
                    continue
    raise _lost()


@asynccontextmanager
async def connected(data_dir: Path, key: KeyKind = KeyKind.TERMINAL) -> AsyncIterator[ControlClient]:
    """Yield a client of the process that owns `data_dir`.

    Raises `CoreLost` if no process answers, or if this one cannot show the key that it asks for.
    """
    async with _connected_line(data_dir, key) as line:
        client = ControlClient(data_dir, key, line)
        async with running(client._read(), "control client"):  # noqa: SLF001  its maker
            yield client


class _Line:
    """A connection that carries messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, request: wire.Enter | wire.Request) -> None:
        line = wire.encoded(request)
        # The server would stop reading there, and everything else on this connection with it.
        if len(line) > wire.MAX_LINE_BYTES:
            raise SessionError("The request is too long.")
        try:
            self._writer.write(line)
            await self._writer.drain()
        except ConnectionError as error:
            raise _lost() from error

    async def responses(self) -> AsyncGenerator[wire.Response, None]:
        """Yield messages until the connection ends. May be called again: no message that was read is lost."""
        async with aclosing(wire.lines(self._reader)) as lines:
            async for line in lines:
                yield wire.responses.decode(line)

    async def enter(self, read_key: Callable[[], str]) -> None:
        """Read the greeting, then show the key. Raises `AnotherVersion`, and `CoreLost` if either fails."""
        hello = await self._next()
        if not isinstance(hello, wire.Hello) or hello.protocol != wire.PROTOCOL:
            raise AnotherVersion
        try:
            # Only now: the key belongs to the process that greeted, an earlier one had another.
            key = read_key()
        except OSError as error:
            raise KeyUnreadable from error
        await self.send(wire.Enter(key))
        match await self._next():
            case wire.Entered():
                return
            case wire.Failed() as failed:
                raise wire.rebuilt(failed)
            case _:
                raise AnotherVersion

    async def _next(self) -> wire.Response:
        try:
            async with asyncio.timeout(_GREETING_S):
                response: wire.Response = wire.responses.decode(await self._reader.readline())
        # `ValueError`: also a line longer than asyncio's buffer. Whatever listens there, it is no bridge.
        except (TimeoutError, ConnectionError, ValueError, RecursionError) as error:
            raise _lost() from error
        return response


@asynccontextmanager
async def _connected_line(data_dir: Path, key: KeyKind) -> AsyncIterator[_Line]:
    # Connected first: under a long path the address is a link that exists only during that call.
    reader, writer = await asyncio.open_unix_connection(sock=control_socket.connect(data_dir))
    try:
        line = _Line(reader, writer)
        await line.enter(lambda: read_key(data_dir, key))
        yield line
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def _named(actor: Actor) -> wire.Named:
    return wire.Named(actor.user_id, actor.face)


def _lost() -> CoreLost:
    return CoreLost("The connection to the bridge ended; Claude's work goes on without it.")
