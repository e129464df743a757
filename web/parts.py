"""The parts of the web face that every request uses, and its options."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from api import Core
from api.access import ActorSource
from web.act_keys import ActKeys
from web.doors import Doors
from web.live.presence import Presence
from web.people import People
from web.principals import ActorLookup
from web.rates import Rates
from web.rendering import Renderer


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Where the web face is reached.

    `port` is the port that it listens on; `url` is the address from outside, if a proxy stands before it;
    `base_path` is the path below which everything lies, without a slash at its end. `proxies` are the addresses
    whose header X-Forwarded-For is believed.
    """

    port: int
    host: str = "127.0.0.1"
    url: str = ""
    base_path: str = ""
    proxies: frozenset[str] = frozenset()

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it over https."""
        return urlsplit(self.url).scheme == "https"

    @property
    def address(self) -> str:
        """The address for people, without a slash at its end."""
        if self.url:
            return self.url.rstrip("/")
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "localhost") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self.base_path}"

    @property
    def hosts(self) -> frozenset[str]:
        """The values of the Host header that a request may have. Any other is a rebound name."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        names = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]", own.lower())}
        return frozenset({urlsplit(self.url).netloc.lower()} if self.url else names)

    @property
    def origins(self) -> frozenset[str]:
        """The values of the Origin header that a request may have."""
        scheme = urlsplit(self.url).scheme if self.url else "http"
        return frozenset(f"{scheme}://{host}" for host in self.hosts)

    @property
    def cookie(self) -> str:
        """The name of the login's cookie; `__Host-` makes browsers refuse it from another host or over http."""
        # The port is in the name, because cookies know no ports: bridges on one machine would share one cookie.
        return "__Host-bridge" if self.is_secure else f"bridge-{self.port}"


Jump = Callable[[str, str], Awaitable[str]]
"""Return the address in Discord of a session's turn, by their ids; empty if it is not there."""


async def no_jump(_session_id: str, _turn_id: str) -> str:
    """The jump of a face without Discord."""
    return ""


Headers = Sequence[tuple[bytes, bytes]]
Agents = Callable[[ActorSource, Headers, bytes, bool], Awaitable[tuple[int, Headers, bytes]]]
"""Answer an MCP request of an actor with its headers and body. The flag: it may change something.

Return status, headers and body."""


@dataclass(frozen=True, slots=True)
class WebParts:
    """The parts of handlers. `lookup` tells who a user id is now; the `Rates` count requests.

    Set `wanted` when somebody will come soon: the application is loaded then.
    """

    core: Core
    doors: Doors
    lookup: ActorLookup
    options: WebOptions
    people: People = field(default_factory=People)
    jump: Jump = no_jump
    agents: Agents | None = None
    presence: Presence = field(default_factory=Presence)
    renderer: Renderer = field(default_factory=Renderer)
    # For each login or token.
    commands: Rates = field(default_factory=lambda: Rates(60, 60.0))
    openings: Rates = field(default_factory=lambda: Rates(120, 60.0))
    # For each address; a valid code always logs in, whoever else tries at the same address. There is no bound
    # for all addresses together: strangers would use it up, and nobody could log in. Codes have 256 bits, and
    # looking one up costs as much as looking up the cookie of any request.
    logins: Rates = field(default_factory=lambda: Rates(10, 60.0))
    # Messages to all sockets of a login; a tab sends a few in a minute.
    wishes: Rates = field(default_factory=lambda: Rates(600, 60.0))
    act_keys: ActKeys = field(default_factory=ActKeys)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
