"""The proxy's door: passes on what is listed, to the address that it checked; stays up whatever clients do."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from backends.sandbox.proxy import server as module
from backends.sandbox.proxy.hosts import HostList, Target
from backends.sandbox.proxy.server import Door, Internet
from backends.sandbox.proxy.state import MODEL_SOCKET, PROXY_SOCKET
from backends.sandbox.proxy.tunnel import Streams

DEADLINE_S = 60


class Lab(Internet):
    """Names with the addresses that a test gives them; every public address is one server on loopback."""

    def __init__(self) -> None:
        self.names: dict[str, list[Sequence[str]]] = {}
        self.reached: list[tuple[str, int]] = []
        self.ours: set[str] = set()
        self.port = 0

    def is_here(self, address: str) -> bool:
        return address in self.ours or super().is_here(address)

    async def addresses(self, name: str, port: int) -> Sequence[str]:
        answers = self.names.get(name)
        if not answers:
            raise socket.gaierror(-2, "unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect(self, host: str, port: int) -> Streams:
        self.reached.append((host, port))
        return await asyncio.open_connection("127.0.0.1", self.port)


class World:
    """A door, the lab behind it, and an echo server that counts."""

    def __init__(self, root: Path) -> None:
        self.lab = Lab()
        self.wanted: list[str] = []
        self.path = root / "door"
        model, mirror = Target("model.internal", 8443), Target("mirror.internal", 8444)
        hosts = HostList(("example.org", ".listed.org"), model, (mirror,))
        self.door = Door(self.path, hosts, self.wanted.append, self.lab)

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write(b"-end")
        writer.close()

    async def client(self, name: str = PROXY_SOCKET) -> Streams:
        return await asyncio.open_unix_connection(str(self.path / name))

    async def said(self, raw: bytes) -> bytes:
        """All that the proxy answers to `raw` until it closes."""
        reader, writer = await self.client()
        async with asyncio.timeout(DEADLINE_S):
            writer.write(raw)
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

    async def tunnel(self, host: str, port: int = 443) -> Streams:
        """A tunnel that stands."""
        reader, writer = await self.client()
        writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())
        async with asyncio.timeout(DEADLINE_S):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        return reader, writer


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.lab.names = {"example.org": [["93.184.216.34"]], "a.listed.org": [["2606:4700::1"]]}
    far = await asyncio.start_server(world.echo, "127.0.0.1", 0)
    world.lab.port = far.sockets[0].getsockname()[1]
    await world.door.open()
    yield world
    await world.door.close()
    far.close()


def connect(host: str, port: int = 443) -> bytes:
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def test_a_listed_name_is_reached_and_bytes_go_both_ways_to_their_ends(world: World) -> None:
    reader, writer = await world.tunnel("EXAMPLE.org.")
    writer.write(b"x" * 3_000_000)
    writer.write_eof()
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b"x" * 3_000_000 + b"-end"
    writer.close()
    assert world.lab.reached == [("93.184.216.34", 443)]


@pytest.mark.parametrize(
    ("host", "answers", "words"),
    [
        ("example.org", [["127.0.0.1"]], b"this machine or its network"),
        ("example.org", [["169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1"]], b"this machine"),
        ("a.listed.org", [["fd00::1"]], b"this machine"),
        ("example.org", [[]], b"this machine"),
        ("b.listed.org", [], b"cannot be found"),
        ("other.org", [["93.184.216.34"]], b"not among the hosts"),
        ("93.184.216.34", [["93.184.216.34"]], b"no addresses"),
        ("model.internal", [["93.184.216.34"]], b"not among the hosts"),  # on another port than the model's
    ],
)
async def test_what_may_not_be_reached_is_refused_in_words_and_nothing_is_connected(
    world: World, host: str, answers: list[Sequence[str]], words: bytes
) -> None:
    world.lab.names[host] = answers
    said = await world.said(connect(host))
    assert said.startswith((b"HTTP/1.1 403", b"HTTP/1.1 502"))
    assert words in said
    assert world.lab.reached == []


@pytest.mark.parametrize("answer", ["10.0.0.7", "fd00::7", "::ffff:192.168.0.7", "93.184.216.34"])
async def test_a_mirror_is_reached_in_a_private_network_too_but_on_its_port_only(
    world: World, answer: str
) -> None:
    world.lab.names["mirror.internal"] = [[answer]]
    assert b"not among the hosts" in await world.said(connect("mirror.internal"))
    _, writer = await world.tunnel("MIRROR.internal.", 8444)
    writer.close()
    assert world.lab.reached == [(answer, 8444)]


@pytest.mark.parametrize(
    "answer", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:127.0.0.1"]
)
async def test_a_mirror_is_never_this_machine(world: World, answer: str) -> None:
    world.lab.names["mirror.internal"] = [[answer]]
    assert b"this machine" in await world.said(connect("mirror.internal", 8444))
    assert world.lab.reached == []


async def test_this_machine_is_refused_at_its_public_and_private_addresses_too(world: World) -> None:
    world.lab.ours = {"93.184.216.34", "10.0.0.7"}
    assert b"this machine" in await world.said(connect("example.org"))
    world.lab.names["mirror.internal"] = [["10.0.0.7"]]
    assert b"this machine" in await world.said(connect("mirror.internal", 8444))
    assert world.lab.reached == []


@pytest.mark.parametrize(
    ("address", "is_here"), [("127.0.0.2", True), ("192.0.2.7", False), ("2001:db8::7", False), ("x", False)]
)
def test_an_address_is_here_if_this_machine_has_it(address: str, is_here: bool) -> None:
    assert Internet().is_here(address) is is_here


async def test_of_several_addresses_only_the_public_ones_are_tried(world: World) -> None:
    world.lab.names["example.org"] = [["10.0.0.1", "::1", "1.1.1.1"]]
    _, writer = await world.tunnel("example.org")
    writer.close()
    assert world.lab.reached == [("1.1.1.1", 443)]


async def test_a_resolver_that_answers_otherwise_the_second_time_gains_nothing(world: World) -> None:
    world.lab.names["example.org"] = [["1.1.1.1"], ["127.0.0.1"]]
    _, writer = await world.tunnel("example.org")
    writer.close()
    assert world.lab.reached == [("1.1.1.1", 443)]
    assert b"this machine" in await world.said(connect("example.org"))


async def test_the_model_is_reached_in_any_network_but_on_its_port_only(
    world: World,
) -> None:
    _, writer = await world.tunnel("Model.internal", 8443)
    writer.close()
    reader, writer = await world.client(MODEL_SOCKET)
    writer.write(b"POST / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.readuntil(b"\r\n\r\n") == b"POST / HTTP/1.1\r\n\r\n"
    writer.close()
    assert world.lab.reached == [("model.internal", 8443)] * 2
    world.door.hosts = HostList()
    reader, writer = await world.client(MODEL_SOCKET)
    assert await reader.read() == b"", "without a model there is no way"
    writer.close()


async def test_a_refused_name_is_told_once_and_made_up_names_without_end_are_not(world: World) -> None:
    for host in ("new.org", "NEW.org.", "new.org", "93.184.216.34", "example.org:22"):
        await world.said(connect(host))
    assert world.wanted == ["new.org"]
    for number in range(300):
        world.door._tell(f"{number}.org")
    assert len(world.wanted) == 200


async def test_a_refused_request_is_the_last_of_its_connection(world: World) -> None:
    said = await world.said(connect("other.org") + connect("example.org"))
    assert said.count(b"HTTP/1.1") == 1
    assert world.lab.reached == []


async def test_bytes_after_the_request_belong_to_the_tunnel(world: World) -> None:
    reader, writer = await world.client()
    writer.write(connect("example.org") + connect("other.org"))
    writer.write_eof()
    async with asyncio.timeout(DEADLINE_S):
        said = await reader.read()
    writer.close()
    assert said.endswith(connect("other.org") + b"-end")
    assert world.wanted == []


async def test_a_head_that_is_too_long_slow_or_never_complete_is_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await world.said(b"CONNECT example.org:443 HTTP/1.1\r\nA: " + b"x" * 20_000 + b"\r\n\r\n") == b""
    monkeypatch.setattr(module, "_HEAD_S", 0.1)
    slow = [await world.client() for _ in range(20)]
    for _, writer in slow:
        writer.write(b"CONNECT exam")
    for reader, writer in slow:
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.read() == b""
        writer.close()
    assert not world.door.is_used


async def test_too_many_connections_are_refused_and_free_ones_serve_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_AT_ONCE", 3)
    held = [await world.tunnel("example.org") for _ in range(3)]
    assert await world.said(connect("example.org")) == b""
    for _, writer in held:
        writer.close()
    async with asyncio.timeout(DEADLINE_S):
        while world.door.is_used:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    _, writer = await world.tunnel("example.org")
    writer.close()


async def test_a_tunnel_in_which_nothing_happens_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_S", 0.1)
    reader, writer = await world.tunnel("example.org")
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()
