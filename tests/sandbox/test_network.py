"""Claude, the real CLI, in a sandbox that reaches only the model and listed hosts, through our proxy."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
import machine
from backends.directory import HostDirectory
from backends.sandbox.proxy.state import ProxyPlaces
from bridge.cli_core import demo_or_not
from bridge.control_socket import local_actor
from bridge.demo.model import DemoModel
from bridge.ownership import OwnerKind
from bridge.settings_loading import settings_from
from bridge.wiring import CoreOptions, open_core
from sessions.model import Allow, Lifecycle, SiteState, ToolOutput, TurnStatus
from sessions.session import Session
from tests.fakes.cli_home import cli_binary
from tests.sandbox.world import end_proxy, proxy_pid, sandboxed_core
from tests.sessions.running_core import RunningCore, idle, reached

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]


@pytest.fixture
async def demo() -> AsyncIterator[DemoModel]:
    async with DemoModel() as running:
        yield running


async def printed(core: RunningCore, session: Session, command: str) -> str:
    """Run a command in Claude's Bash, and return its output."""
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
    async with sandboxed_core(tmp_path, demo, sandbox_network="listed") as core:
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


async def test_a_proxy_that_is_killed_in_a_turn_is_replaced_and_the_turn_goes_on(
    tmp_path: Path, demo: DemoModel
) -> None:
    async with sandboxed_core(tmp_path, demo, sandbox_network="model") as core:
        session = await core.session()
        turn = await core.ask(session, "demo:text there")
        assert await core.status(turn) is TurnStatus.DONE
        assert "403" in await printed(core, session, TRY.format(host="github.com"))
        assert await core.notices(session) == [], "without a list nobody is asked"
        run = session.run
        assert run is not None
        assert run.host.left_running() == [], "no process of ours is inside"
        pids = HostDirectory(core.run, session.id, 1).pids()
        assert pids is not None
        assert pids.sandbox is not None
        assert machine.this().memory_bytes([pids.program.pid, pids.sandbox.pid]) < 1 << 20
        assert await run.host.freeze(lambda: True), "and holds up no freeze"
        turn = await core.say(session, "demo:text before demo:gate held demo:text after")
        await demo.reached("held")
        os.kill(proxy_pid(ProxyPlaces(core.directory / "sandbox" / "proxy")), signal.SIGKILL)
        demo.release("held")
        await idle(session)
        assert await core.status(turn) is TurnStatus.DONE
        assert session.snapshot.host == 1, "the same process"


async def test_the_whole_bridge_limits_the_network_and_sandboxes_outlive_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in os.environ if each.startswith(("ANTHROPIC", "CLAUDE"))]:
        monkeypatch.delenv(name)
    (tmp_path / "workspaces").mkdir()
    real = settings_from(
        {
            "data_dir": str(tmp_path / "data"),
            "workspace_root": str(tmp_path / "workspaces"),
            "sandbox": "bwrap",
            "sandbox_network": "model",
            "claude_command": str(cli_binary()),
            "sandbox_tools": "off",
            "min_free_memory": "0M",
            "min_free_disk": "0M",
            "backend": "pty",
        }
    )
    settings = demo_or_not(real, demo=True)
    options = CoreOptions(OwnerKind.BOT, demo=True, logs_on_stderr=False, say=lambda _: None)
    me, places = local_actor(), ProxyPlaces(settings.data_dir / "sandbox" / "proxy")
    try:
        async with open_core(settings, options) as opened:
            made = await opened.service.perform(me, c.CreateSession(channel_id="c"))
            prompt = c.SendMessage(session_id=made.id, content="demo:text one", origin="1")
            await opened.service.perform(me, prompt)
            session = await opened.manager.get_session(made.id)
            await idle(session)
            info = await opened.service.perform(me, c.GetSession(session_id=made.id))
            assert info.lifecycle is Lifecycle.LIVE
        end_proxy(places)
        async with open_core(settings, options) as opened:
            session = await opened.manager.get_session(made.id)
            prompt = c.SendMessage(session_id=made.id, content="demo:text two", origin="2")
            await opened.service.perform(me, prompt)
            await idle(session)
            turns = (await opened.service.perform(me, c.ReadTurns(session_id=made.id))).turns
            assert [each.turn.status for each in turns] == [TurnStatus.DONE] * 2
            assert session.snapshot.host == 1
            await opened.service.perform(me, c.Clear(session_id=made.id))
    finally:
        end_proxy(places)
        shutil.rmtree(tmp_path / "data")  # the demo model ends when its directory is gone
