"""The limited network of sandboxes: the hosts of each project, and the proxy that keeps to them.

The proxy runs on its own (`backends/sandbox/proxy`). Here its lists are written, it is restarted when it has
ended, and the names that it refused reach a session.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backends.sandbox.model import Network
from backends.sandbox.proxy.hosts import HostList, Target
from backends.sandbox.proxy.process import ProxyUnavailable, ensure_proxy, open_door, wanted
from backends.sandbox.proxy.state import ProxyPlaces, key_of
from bridge.background_task import kept_running
from sessions import rows
from sessions.claude.errors import NetworkUnavailable
from sessions.errors import SessionError
from sessions.manager import SessionManager
from sessions.model import SiteState
from sessions.sites import want_site
from storage import Database, StorageError

if TYPE_CHECKING:
    from bridge.package_hosts import LearnedHosts

log = logging.getLogger(__name__)

LOGIN = ("api.anthropic.com", "console.anthropic.com", "platform.claude.com", "claude.ai")
"""The vendor's model, and the hosts at which Claude renews its login."""
GIT = (
    *("github.com", ".github.com", ".githubusercontent.com", "gitlab.com", ".gitlab.com"),
    *("bitbucket.org", ".bitbucket.org", "codeberg.org", "git.sr.ht"),
)
"""Git hosts that `listed` always has."""
REGISTRIES = (
    *("crates.io", "index.crates.io", "static.crates.io", "static.rust-lang.org"),
    *("rubygems.org", ".rubygems.org", "repo.maven.apache.org", "repo1.maven.org", "plugins.gradle.org"),
    *("packagist.org", "repo.packagist.org", "api.nuget.org", "hex.pm", "repo.hex.pm"),
)
"""Package registries that `listed` always has. Those of Python, Node and Go come from the tools themselves
(`package_hosts.py`): on machines that build this project they are mirrors, and no file here may name them."""

_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """The settings: how much of the network, the hosts of SANDBOX_HOSTS, and the address of the model.

    `learn` returns the hosts of the machine's package tools. It blocks.
    """

    network: Network
    hosts: Sequence[str]
    model: Target
    learn: "Callable[[], Sequence[LearnedHosts]]" = tuple


@dataclass(slots=True)
class SandboxNetwork:
    """Opens the network of a project to its sandboxes, as far as the settings and people's decisions allow.

    `prefix` is HOST_PREFIX: the proxy outlives the bridge's unit as hosts do.
    """

    db: Database
    places: ProxyPlaces
    rules: NetworkRules
    prefix: Sequence[str] = ()
    _directories: dict[str, str] = field(default_factory=dict)
    _learning: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self, work_directory: Path) -> None:
        """Let the next sandbox of a project reach what it may. Raises `NetworkUnavailable`."""
        try:
            await self._open(str(work_directory))
        except (ProxyUnavailable, OSError) as error:
            log.exception("no network for sandboxes")
            raise NetworkUnavailable from error

    async def changed(self, directory: str) -> None:
        """Let running sandboxes of a project reach what people decided. An error is logged: it holds later."""
        try:
            await self._open(directory)
        except (ProxyUnavailable, OSError):
            log.exception("a decision on a host holds from the next start only")

    async def _open(self, directory: str) -> None:
        self._directories[key_of(Path(directory))] = directory
        names, mirrors = [*LOGIN], list[Target]()
        if self.rules.network is Network.LISTED:
            known = await rows.load_sites(self.db, directory)
            allowed = [each.name for each in known if each.state is SiteState.ALLOWED]
            names += [*GIT, *REGISTRIES, *self.rules.hosts, *allowed]
            # One at a time: sessions that start together would each ask every package tool.
            async with self._learning:
                learned = await asyncio.to_thread(self.rules.learn)
            names += [host.host for each in learned if each.is_built_in for host in each.hosts]
            # Apart from the names: this user set them, so they may lie in a private network, where no name may
            # lead.
            mirrors = [host for each in learned if not each.is_built_in for host in each.hosts]
        hosts = HostList(names, self.rules.model, mirrors)
        await open_door(self.places, Path(directory), hosts, self.prefix)

    @asynccontextmanager
    async def kept(self, manager: SessionManager) -> AsyncIterator[None]:
        """Keep the proxy running inside the block, and ask about the names that it refuses."""
        async with kept_running(lambda: self._keep(manager), "network of sandboxes"):
            yield

    async def _keep(self, manager: SessionManager) -> None:
        while True:
            with suppress(OSError):
                try:
                    # At once: sandboxes that outlived the last bridge may need it.
                    await ensure_proxy(self.places, self.prefix)
                    await self._ask(manager)
                except ProxyUnavailable as error:
                    log.warning("proxy not running", extra={"why": str(error)})
            # A proxy that cannot start would otherwise be tried without a pause.
            await asyncio.sleep(_AGAIN_S)

    async def _ask(self, manager: SessionManager) -> None:
        """Ask about refused names until the proxy ends."""
        async with aclosing(wanted(self.places)) as names:
            async for key, name in names:
                # With SANDBOX_NETWORK=model nobody can allow a host, so nobody is asked.
                if self.rules.network is not Network.LISTED:
                    continue
                try:
                    if (directory := await self._directory(key)) is not None:
                        await want_site(manager, directory, name)
                except (SessionError, StorageError):
                    log.exception("not asked about a host")

    async def _directory(self, key: str) -> str | None:
        """Return the work directory of a project from its name in the proxy."""
        if key not in self._directories:
            # A sandbox that outlived the last bridge.
            known = await rows.load_work_directories(self.db)
            self._directories |= {key_of(Path(each)): each for each in known}
        return self._directories.get(key)
