"""A core whose Claude is the real CLI in a sandbox, with the policy that the product makes of settings."""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from backends.sandbox.proxy.inside import model_of
from backends.sandbox.proxy.state import ProxyPlaces
from bridge.demo.model import DemoModel
from bridge.sandbox_network import NetworkRules, SandboxNetwork
from bridge.sandboxing import Sandboxing, arrange
from bridge.settings import Settings
from bridge.settings_loading import settings_from
from sessions.session import Session
from tests.fakes.cli_home import make_cli_home
from tests.sessions.running_core import CoreParts, RunningCore, reached, running_core


def settings_for(directory: Path, **written: str) -> Settings:
    """Settings of a bridge in `directory`; `written` are further ones, by their fields' names."""
    core = directory / "core"
    places = {"data_dir": str(core), "workspace_root": str(directory / "workspaces"), "sandbox_tools": "off"}
    return settings_from({**places, **written})


def sandboxing_for(directory: Path, **written: str) -> Sandboxing:
    settings = settings_for(directory, **written)
    private = (settings.data_dir, directory / "home", directory / "claude")
    return arrange(settings, private, settings.data_dir / "sandbox")


@asynccontextmanager
async def sandboxed_core(
    directory: Path, demo: DemoModel, *, policy: dict[str, Any] | None = None, **written: str
) -> AsyncIterator[RunningCore]:
    """A running core; `written` are settings such as `sandbox="bwrap"`, `policy` changes of the manager's."""
    home = make_cli_home(directory, demo.base_url)
    environment = {**home.environment, "PATH": os.environ["PATH"]}
    arranged = sandboxing_for(directory, **{"sandbox": "bwrap", **written})
    network = _Network(arranged, environment)
    parts = CoreParts(
        command=home.binary,
        claude=home.config,
        environment=environment,
        wrappers=(arranged.wrapper,) if arranged.wrapper else (),
        sandbox=network.options,
    )
    changes = {"workspace_root": directory / "workspaces", **(policy or {})}
    async with running_core(directory / "core", parts, **changes) as core, network.of(core):
        yield core


async def measured(session: Session, *, beyond: int = 0) -> int:
    """Wait until Claude has told how full its context is: no request after the turn is open then.

    A host that a test freezes earlier holds the next prompt up until that request is given up.
    """
    return (await reached(session, lambda now: now.context_used > beyond)).context_used


class _Network:
    """The limited network of a core, as the wiring makes it; nothing if the settings leave it open."""

    def __init__(self, arranged: Sandboxing, environment: Mapping[str, str]) -> None:
        self.options = arranged.options
        self._places = ProxyPlaces(arranged.policy.proxy) if arranged.policy.proxy is not None else None
        self._rules = NetworkRules(arranged.policy.network, (), model_of(environment))
        self._made: SandboxNetwork | None = None
        if self._places is not None and self.options is not None:
            self.options = replace(self.options, open_network=self._open)

    async def _open(self, work_directory: Path) -> None:
        assert self._made is not None
        await self._made.open(work_directory)

    @asynccontextmanager
    async def of(self, core: RunningCore) -> AsyncIterator[None]:
        """Have the network of `core` inside the block; end the proxy with it."""
        if self._places is None:
            yield
            return
        self._made = SandboxNetwork(core.db, self._places, self._rules)
        msgspec.structs.force_setattr(core.service._parts, "sites_changed", self._made.changed)
        try:
            async with self._made.kept(core.manager):
                yield
        finally:
            end_proxy(self._places)


def proxy_pid(places: ProxyPlaces) -> int:
    """The process that holds the lock of the proxy. Raises `ValueError` or `OSError` if there is none."""
    inode = (places.root / "serve.lock").stat().st_ino
    (line,) = [each for each in Path("/proc/locks").read_text().splitlines() if f":{inode} " in each]
    return int(line.split()[4])


def end_proxy(places: ProxyPlaces) -> None:
    """Kill the proxy, if one runs."""
    with suppress(ValueError, OSError):
        os.kill(proxy_pid(places), signal.SIGKILL)
