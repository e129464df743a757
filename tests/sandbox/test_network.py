"""Claude, the real CLI, in a sandbox that reaches only the model and listed hosts, through our proxy."""

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

import api as c
from backends.sandbox.model import Network
from backends.sandbox.proxy.inside import model_of
from backends.sandbox.proxy.process import ensure_proxy
from backends.sandbox.proxy.state import ProxyPlaces
from bridge.demo.model import DemoModel
from bridge.sandbox_network import NetworkRules, SandboxNetwork
from sessions.model import Allow, SiteState, ToolOutput, TurnStatus
from sessions.session import Session
from tests.fakes.cli_home import make_cli_home
from tests.sandbox.world import sandboxing_for
from tests.sessions.running_core import CoreParts, RunningCore, idle, reached, running_core

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]


def pid_of(places: ProxyPlaces) -> int:
    """The process that holds the lock of the proxy."""
    inode = (places.root / "serve.lock").stat().st_ino
    (line,) = [each for each in Path("/proc/locks").read_text().splitlines() if f":{inode} " in each]
    return int(line.split()[4])


@pytest.fixture
async def demo() -> AsyncIterator[DemoModel]:
    async with DemoModel() as running:
        yield running


@asynccontextmanager
async def core_with(
    network: Network, directory: Path, demo: DemoModel
) -> AsyncIterator[tuple[RunningCore, SandboxNetwork]]:
    home = make_cli_home(directory, demo.base_url)
    arranged = sandboxing_for(directory, sandbox="bwrap", sandbox_network=network.value)
    assert arranged.options is not None
    assert arranged.wrapper is not None
    assert arranged.policy.proxy is not None
    places, made = ProxyPlaces(arranged.policy.proxy), list[SandboxNetwork]()

    async def open_network(work_directory: Path) -> None:
        await made[0].open(work_directory)

    environment = {**home.environment, "PATH": os.environ["PATH"]}
    parts = CoreParts(
        command=home.binary,
        claude=home.config,
        environment=environment,
        wrappers=(arranged.wrapper,),
        sandbox=replace(arranged.options, open_network=open_network),
    )
    rules = NetworkRules(network, (), model_of(environment))
    try:
        async with running_core(directory / "core", parts, workspace_root=directory / "workspaces") as core:
            made.append(SandboxNetwork(core.db, places, rules))
            object.__setattr__(core.service._parts, "sites_changed", made[0].changed)
            async with made[0].kept(core.manager):
                yield core, made[0]
    finally:
        with suppress(ValueError, OSError):
            os.kill(pid_of(places), signal.SIGKILL)


async def printed(core: RunningCore, session: Session, command: str) -> str:
    """What a command of Claude's Bash prints."""
    turn = await core.say(session, f"demo:bash {command}")
    asked = await reached(session, lambda now: bool(now.asks) or (now.is_idle and not now.queue))
    for ask in asked.asks:
        await session.answer(ask.id, Allow(), by="ann")
    await idle(session)
    view = await core.do(c.ReadTurn(session_id=session.id, turn_id=turn))
    return "".join(each.block.shown for each in view.blocks if isinstance(each.block, ToolOutput))


TRY = "curl -sS -m 20 -o /dev/null https://{host}/ 2>&1"


async def test_a_host_that_is_not_listed_is_asked_about_and_reached_once_it_is_allowed(
    tmp_path: Path, demo: DemoModel
) -> None:
    async with core_with(Network.LISTED, tmp_path, demo) as (core, _):
        session = await core.session()
        turn = await core.ask(session, "demo:text through the door")
        assert await core.status(turn) is TurnStatus.DONE
        assert "403" in await printed(core, session, TRY.format(host="new.invalid"))
        await core.noticed(session, "site_wanted")
        await core.do(c.DecideSite(session_id=session.id, name="new.invalid", allow=True))
        # The same process, at once: allowed now, though no such host exists.
        assert "502" in await printed(core, session, TRY.format(host="new.invalid"))
        straight = "curl -sS -m 5 --noproxy '*' http://10.0.0.1/ 2>&1"
        direct = await printed(core, session, f"{straight}; curl -sS {demo.base_url}/demo/health 2>&1")
        assert "identity" in direct, "the model's own address is reached"
        assert "10.0.0.1" in direct
        (site,) = (await core.do(c.ReadSites(session_id=session.id))).sites
        assert (site.name, site.state) == ("new.invalid", SiteState.ALLOWED)


async def test_the_model_alone(tmp_path: Path, demo: DemoModel) -> None:
    async with core_with(Network.MODEL, tmp_path, demo) as (core, network):
        session = await core.session()
        turn = await core.ask(session, "demo:text there")
        assert await core.status(turn) is TurnStatus.DONE
        assert "403" in await printed(core, session, TRY.format(host="github.com"))
        assert await core.notices(session) == []

        # A proxy that is killed in a turn is replaced, and the CLI asks its model again.
        gate = "held"
        turn = await core.say(session, f"demo:text before demo:gate {gate} demo:text after")
        await demo.reached(gate)
        os.kill(pid_of(network.places), signal.SIGKILL)
        began = time.monotonic()
        await ensure_proxy(network.places)
        demo.release(gate)
        await idle(session)
        assert await core.status(turn) is TurnStatus.DONE
        print(f"recovered after {time.monotonic() - began:.1f} s")
        assert session.snapshot.host == 1
