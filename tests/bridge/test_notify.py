"""Messages to the service manager, on a real socket."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bridge.notify import notify, tell_service_manager, watchdog_s


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        address = str(tmp_path / "notify")
        listening.bind(address)
        listening.setblocking(False)
        yield listening, address


def test_states_are_one_datagram_of_lines(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    assert notify("READY=1", "STATUS=well", environment={"NOTIFY_SOCKET": address})
    assert listening.recv(1000) == b"READY=1\nSTATUS=well"


def test_an_abstract_name_is_reached_too() -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        name = f"notify-{os.getpid()}"
        listening.bind(f"\0{name}")
        assert notify("READY=1", environment={"NOTIFY_SOCKET": f"@{name}"})
        assert listening.recv(1000) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    assert not notify("READY=1", environment=environment)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "many"}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_counts_only_for_this_process(environment: dict[str, str], expected: float | None) -> None:
    assert watchdog_s(environment) == expected


async def test_ready_comes_first_signs_of_life_follow_and_the_end_is_told(
    manager: tuple[socket.socket, str],
) -> None:
    listening, address = manager
    loop = asyncio.get_running_loop()
    telling = asyncio.create_task(tell_service_manager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000"}))
    async with asyncio.timeout(60):
        assert (await loop.sock_recv(listening, 1000)).startswith(b"READY=1\n")
        for _ in range(3):
            assert await loop.sock_recv(listening, 1000) == b"WATCHDOG=1"
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        while (last := await loop.sock_recv(listening, 1000)) == b"WATCHDOG=1":
            pass
    assert last == b"STOPPING=1"


async def test_without_a_watchdog_only_the_beginning_and_the_end_are_told(
    manager: tuple[socket.socket, str],
) -> None:
    listening, address = manager
    loop = asyncio.get_running_loop()
    telling = asyncio.create_task(tell_service_manager({"NOTIFY_SOCKET": address}))
    async with asyncio.timeout(60):
        assert (await loop.sock_recv(listening, 1000)).startswith(b"READY=1\n")
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        assert await loop.sock_recv(listening, 1000) == b"STOPPING=1"
