"""The control socket: the same core from afar; nothing that a client does or leaves undone harms it."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

import api as c
from api import wire
from api.access import Action, unchanging
from bridge import control_socket
from bridge.control import ControlServer
from bridge.control_client import ControlClient, connected
from bridge.control_keys import KeyKind, read_key
from sessions import errors
from sessions import events as e
from sessions.model import GrowingKind, TurnId
from sessions.topics import Topic
from storage import DatabaseFull
from tests.bridge.control_kit import ME, SESSION, FakeCore, client, core, data_dir

__all__ = ["client", "core", "data_dir"]
DEADLINE_S = 60


class RawLine:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, *lines: bytes) -> None:
        for line in lines:
            self.writer.write(line + b"\n")
        await self.writer.drain()

    async def answer(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            return dict(json.loads(await self._reader.readline()))


@pytest.fixture
async def raw(core: FakeCore, data_dir: Path) -> AsyncIterator[RawLine]:
    reader, writer = await asyncio.open_unix_connection(sock=control_socket.connect(data_dir))
    line = RawLine(reader, writer)
    assert await line.answer() == {"type": "hello", "protocol": wire.PROTOCOL, "pid": os.getpid()}
    await line.send(wire.encoded(wire.Enter(read_key(data_dir, KeyKind.TERMINAL))).strip())
    assert await line.answer() == {"type": "entered"}
    yield line
    writer.close()


async def until(claim: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not claim():  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.01)


async def test_a_command_and_its_reply_travel_with_the_actor(core: FakeCore, client: ControlClient) -> None:
    core.answer = c.Accepted(TurnId("t"), 3)
    command = c.SendMessage(session_id=SESSION, content="\u2028\n é 🎉", origin="o")
    assert await client.perform(ME, command) == core.answer
    assert core.asked == [(ME, command)]


async def test_who_may_is_asked_from_afar_too(core: FakeCore, client: ControlClient) -> None:
    assert [await client.may(ME, Action.PROMPT, each) for each in (SESSION, "other")] == [True, False]
    assert core.asked_rights == [(ME, Action.PROMPT, SESSION), (ME, Action.PROMPT, "other")]


async def pieces_of(*data: bytes) -> AsyncGenerator[bytes, None]:
    for each in data:
        yield each


async def test_files_travel_whole_in_both_directions_beside_other_requests(
    core: FakeCore, client: ControlClient
) -> None:
    data = os.urandom(3 * wire.PIECE_BYTES + 7)
    wish = c.PutFile(session_id=SESSION, folder="f", name="n", media_type="text/plain")
    stored = await client.put_file(ME, wish, pieces_of(data[:10], b"", data[10:]))
    assert (stored.path, stored.size, core.files["f", "n"]) == ("f/n", len(data), data)
    async with aclosing(client.get_file(ME, c.GetFile(session_id=SESSION, path="f/n"))) as pieces:
        assert b"".join([piece async for piece in pieces]) == data
    with pytest.raises(errors.FileRefused, match="is not there"):
        await anext(client.get_file(ME, c.GetFile(session_id=SESSION, path="f/other")))


async def test_a_file_whose_sender_goes_away_is_not_taken_for_whole(core: FakeCore, raw: RawLine) -> None:
    wish = c.PutFile(session_id=SESSION, folder="f", name="n")
    await raw.send(
        wire.encoded(wire.Put(id=1, wish=wish)).strip(), wire.encoded(wire.Piece(1, b"half")).strip()
    )
    raw.writer.close()
    await until(lambda: core.ended_early)
    assert core.files == {}


def every_error() -> list[errors.SessionError]:
    made: list[errors.SessionError] = [
        errors.SessionNotFound("id"),
        errors.TurnNotFound("t"),
        errors.IllegalMove("Sending", "ended"),
        errors.NotAllowed(Action.MANAGE),
        errors.AlreadyDecided("a", "discord:1"),
        errors.WrongAnswer("plan"),
        errors.FormRefused("Code", "is required"),
        errors.LimitReached("Used up.", opens_ms=5),
        errors.WorkDirectoryRefused("x", "it does not exist"),
    ]
    known = {type(error) for error in made}
    plain = [kind for kind in errors.SessionError.__subclasses__() if kind not in known]
    return [*made, *(kind("A sentence.") for kind in plain if kind.__init__ is errors.SessionError.__init__)]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
async def test_a_refusal_arrives_as_the_same_error(
    core: FakeCore, client: ControlClient, error: errors.SessionError
) -> None:
    core.answer = error
    with pytest.raises(type(error)) as caught:
        await client.perform(ME, c.Interrupt(session_id=SESSION))
    assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))


async def test_unexpected_errors_arrive_as_an_incident_and_storage_errors_as_their_sentence(
    core: FakeCore, client: ControlClient
) -> None:
    core.answer = ValueError("secret detail")
    with pytest.raises(errors.SessionError, match=r"incident [0-9a-f]{8}") as caught:
        await client.perform(ME, c.Interrupt(session_id=SESSION))
    assert "secret" not in str(caught.value)
    core.answer = DatabaseFull("The disk is full.")
    with pytest.raises(errors.SessionError, match=r"^The disk is full\.$"):
        await client.perform(ME, c.Interrupt(session_id=SESSION))


async def test_events_come_from_the_number_asked_for_and_a_closed_follower_is_let_go(
    core: FakeCore, client: ControlClient
) -> None:
    core.produced = [e.Numbered(SESSION, n, 0, e.Noticed(Topic.OTHER, f"event {n}")) for n in range(1, 6)]
    core.produced.append(e.PartialText(SESSION, 5, TurnId("t"), "k", GrowingKind.TEXT, 0, "grow"))
    async with aclosing(client.follow(unchanging(ME), SESSION, 2)) as feed:
        seen = [await anext(feed) for _ in range(4)]
        assert seen == core.produced[2:]
    await until(lambda: core.following == 0)
    with pytest.raises(errors.SessionNotFound):
        await anext(client.follow(unchanging(ME), "other", 0))


async def test_a_reader_that_does_not_read_stalls_neither_the_core_nor_others(
    core: FakeCore, client: ControlClient, raw: RawLine
) -> None:
    core.endless = True
    await raw.send(wire.encoded(wire.Follow(id=1, session_id=SESSION, after=0)).strip())
    taken = -1
    while taken != core.taken:
        taken = core.taken
        await asyncio.sleep(0.1)
    # What one connection may hold: its queue and the buffers of the socket.
    assert taken < 200
    async with asyncio.timeout(DEADLINE_S):
        assert await client.perform(ME, c.Interrupt(session_id=SESSION)) == c.Stopped(True)


async def test_more_requests_than_are_served_at_once_wait_their_turn(
    core: FakeCore, client: ControlClient
) -> None:
    core.waits.clear()
    asked = [asyncio.create_task(client.perform(ME, c.Interrupt(session_id=SESSION))) for _ in range(100)]
    await until(lambda: len(core.asked) == 32)
    core.waits.set()
    assert await asyncio.gather(*asked) == [c.Stopped(True)] * 100


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"[]",
        b'{"type":"perform","id":7}',
        b'{"type":"perform","id":7,"command":{"type":"format_disk"}}',
        b'{"type":"perform","id":7,"command":{"type":"interrupt","session_id":5}}',
        b'{"type":"unheard of","id":7}',
        b'\xff\xfe{"id":7}',
        b"[" * 100_000,
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
async def test_a_line_that_is_no_request_is_refused_and_the_next_is_served(
    core: FakeCore, raw: RawLine, line: bytes
) -> None:
    command = json.dumps({"type": "interrupt", "session_id": SESSION})
    await raw.send(line, f'{{"type":"perform","id":8,"command":{command}}}'.encode())
    refused = await raw.answer()
    assert refused["type"] == "failed"
    assert refused["id"] in (0, 7)
    assert "cannot be understood" in refused["sentence"]
    assert await raw.answer() == {"type": "reply", "id": 8, "body": {"was_running": True}}
    # Without an actor it is done for the person at this machine.
    assert core.asked[0][0] == control_socket.local_actor()


async def test_a_request_that_never_ends_is_refused_and_the_connection_closed(
    core: FakeCore, client: ControlClient, raw: RawLine
) -> None:
    async def send_for_ever() -> None:
        while True:
            raw.writer.write(b"x" * (1 << 20))
            await raw.writer.drain()

    with pytest.raises(ConnectionError):
        await send_for_ever()
    assert await client.perform(ME, c.Interrupt(session_id=SESSION)) == c.Stopped(True)


async def test_a_client_that_only_sends_and_closes_its_side_still_gets_its_answers(
    core: FakeCore, raw: RawLine
) -> None:
    await raw.send(b'{"type":"perform","id":1,"command":{"type":"interrupt","session_id":"s"}}')
    raw.writer.write_eof()
    assert (await raw.answer())["id"] == 1


async def test_cancel_ends_a_subscription_and_only_that(core: FakeCore, raw: RawLine) -> None:
    core.produced = [e.Numbered(SESSION, 1, 0, e.Noticed(Topic.OTHER, "one"))]
    for number in (1, 2):
        await raw.send(wire.encoded(wire.Follow(id=number, session_id=SESSION, after=0)).strip())
        assert (await raw.answer())["id"] == number
    await raw.send(b'{"type":"cancel","id":1}', b'{"type":"cancel","id":9}')
    await until(lambda: core.following == 1)


async def test_the_end_of_the_owner_is_told_to_everybody_who_waits(data_dir: Path) -> None:
    core = FakeCore()
    core.waits.clear()
    async with AsyncExitStack() as server:
        await server.enter_async_context(ControlServer(core, data_dir))
        async with connected(data_dir) as client, aclosing(client.follow(unchanging(ME), SESSION, 0)) as feed:
            asked = asyncio.create_task(client.perform(ME, c.Interrupt(session_id=SESSION)))
            following = asyncio.ensure_future(anext(feed))
            await until(lambda: core.asked and core.following)
            await server.aclose()
            for waiting in (asked, following):
                with pytest.raises(errors.CoreLost):
                    await waiting
            with pytest.raises(errors.CoreLost):
                await client.perform(ME, c.Interrupt(session_id=SESSION))


async def test_nobody_listening_and_another_version_are_a_lost_core(data_dir: Path) -> None:
    with pytest.raises(errors.CoreLost):
        async with connected(data_dir):
            pass

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(wire.encoded(wire.Hello(wire.PROTOCOL + 1, 1)))
        writer.close()

    server = await asyncio.start_unix_server(greet, sock=control_socket.listen(data_dir))
    async with server:
        with pytest.raises(errors.CoreLost, match="another version"):
            async with connected(data_dir):
                pass
