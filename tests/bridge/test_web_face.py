"""The web face in the program: settings that open it too far, the link, a taken port, nothing without it."""

import asyncio
import re
import socket
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import replace  # noqa: TID251
from pathlib import Path

import aiohttp
import pytest

from api import CreateSession, MakeLoginLink, ReadPresence
from api.access import Actor, Role
from bridge.cli_core import Dashboard, Place, reached_core
from bridge.control_socket import local_actor
from bridge.machine_checks import check_dashboard
from bridge.ownership import OwnerKind
from bridge.settings import Settings
from bridge.settings_errors import SettingsWrong
from bridge.settings_loading import settings_from
from bridge.web_face import DEFAULT_PORT, WebRefused, web_face, web_options
from bridge.wiring import CoreOptions, open_core
from sessions.errors import NotAllowed, WebOff
from tests.test_project import PROJECT
from tests.web.test_kill import end_programs
from web.parts import WebOptions


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return replace(settings_from({}), data_dir=tmp_path / "data", database_path=tmp_path / "data" / "s.db")


async def test_a_link_logs_in_and_is_made_only_while_the_face_runs(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with open_core(replace(settings, web_port=port), CoreOptions(OwnerKind.SCRIPT)) as core:
        with pytest.raises(WebOff):
            await core.service.perform(local_actor(), MakeLoginLink())
        session = "01890000-0000-7000-8000-000000000001"
        async with web_face(core), aiohttp.ClientSession() as http:
            link = await core.service.perform(local_actor(), MakeLoginLink(session_id=session))
            address, _, code = link.url.partition("#")
            assert address == f"http://127.0.0.1:{port}/login?next=%2Fchat%2F{session}"
            body = {"code": code, "confirmed": True}
            origin = {"Origin": f"http://127.0.0.1:{port}"}
            async with http.post(f"http://127.0.0.1:{port}/api/logins", json=body, headers=origin) as answer:
                assert (await answer.json())["userId"] == local_actor().user_id
            with pytest.raises(NotAllowed):
                await core.service.perform(Actor("discord:1", "discord", Role.NOBODY), MakeLoginLink())
            with pytest.raises(WebRefused, match="WEB_PORT"):
                async with web_face(core):
                    pass
        with pytest.raises(WebOff):
            await core.service.perform(local_actor(), MakeLoginLink())


async def test_other_faces_learn_who_looks_in_a_browser_while_the_face_runs(settings: Settings) -> None:
    async with open_core(settings, CoreOptions(OwnerKind.SCRIPT)) as core:
        session = await core.service.perform(local_actor(), CreateSession(channel_id="terminal"))
        wish = ReadPresence(session_id=session.id)
        async with web_face(core, WebOptions(0)) as parts:
            tab = object()
            parts.presence.come(session.id, tab, "discord:1")
            assert (await core.service.perform(local_actor(), wish)).user_ids == ("discord:1",)
            parts.presence.go(session.id, tab)
            assert (await core.service.perform(local_actor(), wish)).user_ids == ()
            parts.presence.come(session.id, tab, "discord:1")
        assert (await core.service.perform(local_actor(), wish)).user_ids == ()


async def test_a_terminal_serves_the_dashboard_if_its_port_is_set_and_goes_on_if_the_port_is_taken(
    settings: Settings,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = Place(replace(settings, web_port=port), demo=False)
    said: list[str] = []
    async with reached_core(place, said.append, dashboard=Dashboard.AS_SET) as core:
        link = await core.perform(local_actor(), MakeLoginLink())
        assert link.url.startswith(f"http://127.0.0.1:{port}/login#")
    with socket.create_server(("127.0.0.1", port)):
        async with reached_core(place, said.append, dashboard=Dashboard.AS_SET) as core:
            with pytest.raises(WebOff):
                await core.perform(local_actor(), MakeLoginLink())
    assert f"port {port} cannot be used" in said[-1]


async def test_a_newcomer_without_a_port_is_offered_the_dashboard_on_loopback(settings: Settings) -> None:
    place, said = Place(replace(settings, web_host="0.0.0.0"), demo=False), list[str]()
    addresses: list[str] = []
    for dashboard in (Dashboard.AS_SET, Dashboard.OFFERED):
        async with AsyncExitStack() as stack:
            if dashboard is Dashboard.OFFERED:
                with suppress(OSError):  # taken by another program, which is just as good
                    stack.enter_context(socket.create_server(("127.0.0.1", DEFAULT_PORT)))
            core = await stack.enter_async_context(reached_core(place, said.append, dashboard=dashboard))
            with suppress(WebOff):
                addresses.append((await core.perform(local_actor(), MakeLoginLink())).url)
    (address,) = addresses
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/login#[\w-]+", address)
    assert f":{DEFAULT_PORT}/" not in address
    assert said[-1].startswith("In a browser, too; this link logs you in once, within five minutes: http://127")


def test_an_address_that_everybody_could_reach_is_refused(settings: Settings) -> None:
    with pytest.raises(WebRefused, match="WEB_URL"):
        web_options(replace(settings, web_host="0.0.0.0"))
    options = web_options(replace(settings, web_host="0.0.0.0", web_url="https://claude.example.org/at/home"))
    assert (options.address, options.base_path) == ("https://claude.example.org/at/home", "/at/home")


def test_an_unencrypted_address_must_be_wished_for_and_be_one_address(settings: Settings) -> None:
    wished = replace(settings, web_insecure=True)
    with pytest.raises(WebRefused, match="one address"):
        web_options(replace(wished, web_host="0.0.0.0"))
    options = web_options(replace(wished, web_host="192.168.1.5"))
    assert "192.168.1.5:8765" in options.hosts
    assert options.origins >= {"http://192.168.1.5:8765"}
    assert not options.is_secure
    assert check_dashboard(replace(wished, web_host="192.168.1.5", web_port=1)) != []
    assert check_dashboard(replace(wished, web_port=1)) == []


def test_a_path_is_below_the_address_and_both_agree(settings: Settings) -> None:
    at = replace(settings, web_base_path="/x/y")
    assert web_options(at).address == "http://127.0.0.1:8765/x/y"
    outside = web_options(replace(at, web_url="https://claude.example.org"))
    assert (outside.address, outside.base_path) == ("https://claude.example.org/x/y", "/x/y")
    assert web_options(replace(at, web_url="https://a.example/x/y")).address == "https://a.example/x/y"
    with pytest.raises(WebRefused, match="different paths"):
        web_options(replace(at, web_url="https://a.example/z"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web_base_path", "x"),
        ("web_base_path", "/x//y"),
        ("web_base_path", "/../x"),
        ("web_base_path", "/x?y"),
        ("web_trusted_proxies", "10.0.0.1, proxy.example"),
    ],
)
def test_what_is_no_path_or_no_proxy_is_no_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong, match=name.upper()):
        settings_from({name: value})


@pytest.mark.parametrize(
    "url",
    [
        "http://claude.example.org",
        "claude.example.org",
        "https://",
        "https://a@b.example",
        "https://b.example/?x=1",
    ],
)
def test_an_address_without_encryption_is_no_setting(url: str) -> None:
    with pytest.raises(SettingsWrong, match="WEB_URL"):
        settings_from({"web_url": url})


_IDLE_FACE = """
import asyncio, sys, time
import aiohttp, bridge.cli_run, bridge.wiring
print([name for name in sys.modules if name.partition(".")[0] == "web"])
begun = time.process_time()
from bridge.web_face import serving
from web.parts import WebOptions, WebParts

async def idle():
    async with serving(lambda served: WebParts(None, None, None, served), WebOptions(0)) as parts:
        for _ in range(9):
            await asyncio.sleep(0)
        print(time.process_time() - begun)
        print([name for name in ("aiohttp.web", "markdown_it", "pygments", "web.table") if name in sys.modules])
        async with aiohttp.ClientSession() as http, http.get(f"{parts.options.address}/login") as answer:
            print(answer.status, "web.table" in sys.modules, "markdown_it" in sys.modules)

asyncio.run(idle())
"""


def test_the_web_face_is_loaded_when_somebody_comes() -> None:
    """Nothing of it without the setting; with it a port, in at most 80 ms of CPU time; all of it if called."""
    command = (sys.executable, "-c", _IDLE_FACE)
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    without, cpu_s, idle, called = done.stdout.splitlines()
    assert (without, idle, called) == ("[]", "[]", "200 True False")
    assert float(cpu_s) <= 0.08


async def test_the_command_serves_and_a_second_one_joins(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "WEB_PORT": str(port)}
    command = (sys.executable, "-m", "bridge", "web", "--demo")
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.DEVNULL}
    # Run from the project, kept elsewhere.
    environment |= {"PYTHONPATH": str(PROJECT)}
    first = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=environment, **pipes)  # type: ignore[arg-type]
    try:
        assert first.stdout is not None
        async with asyncio.timeout(60):
            link = (await first.stdout.readline()).decode()
            assert link.startswith(f"http://127.0.0.1:{port}/login#")
            second = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=environment, **pipes)  # type: ignore[arg-type]
            said, _ = await second.communicate()
        assert second.returncode == 0
        assert said.decode().startswith(f"http://127.0.0.1:{port}/login#")
        assert said.decode() != link
    finally:
        first.terminate()
        await first.wait()
        await end_programs(tmp_path)  # the demo model outlives the bridge
