"""The way out of a sandbox with a limited network: what stands inside, and what the program is told. Pure.

The launcher inside asks the proxy, at the project's door, to listen on the sandbox's own loopback. A model on
this machine, or one that speaks plain HTTP, gets a port of its own: the proxy is for https to other machines.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from backends.sandbox.proxy.hosts import Target
from backends.sandbox.proxy.state import ENTER_SOCKET, MODEL_SOCKET, PROXY_SOCKET, ProxyPlaces, key_of

_DOOR_INSIDE = Path("/run/network")
_PORTS = (3128, 3129)
_FIRST_FREE = 1024
_BASE_URL, _VENDOR = "ANTHROPIC_BASE_URL", Target("api.anthropic.com", 443)
_LOOPBACK = "127.0.0.1"
_NOT_PROXIED = (_LOOPBACK, "localhost", "::1")
"""Programs inside the sandbox are reached under these names, without the proxy."""


class WayOut(msgspec.Struct, frozen=True):
    """`shown` are paths outside with their places inside, read-only.

    `asks` is for the launcher: the socket inside at which it asks for a network, and what it says there.
    """

    environment: Mapping[str, str]
    asks: tuple[str, str] | None = None
    shown: tuple[tuple[Path, Path], ...] = ()


def model_of(environment: Mapping[str, str]) -> Target:
    """Return the address of the model that a CLI with this environment asks."""
    url = urlsplit(environment.get(_BASE_URL, ""))
    if not url.hostname:
        return _VENDOR
    return Target(url.hostname, url.port or (80 if url.scheme == "http" else 443))


def way_out(places: ProxyPlaces, work_directory: Path, environment: Mapping[str, str]) -> WayOut:
    """Return what a program with `environment` needs to reach the network through its project's door."""
    model = model_of(environment)
    url = urlsplit(environment.get(_BASE_URL, ""))
    ports = {}
    told = {}
    if url.scheme == "http" or model.host in _NOT_PROXIED:
        # Without rights no program listens on a lower port.
        port = model.port if model.port >= _FIRST_FREE else model.port + 10_000
        ports[port] = MODEL_SOCKET
        # A certificate names the host, plain HTTP does not.
        host = _LOOPBACK if url.scheme == "http" else url.hostname
        told[_BASE_URL] = f"{url.scheme}://{host}:{port}{url.path}"
    port = next(each for each in _PORTS if each not in ports)
    ports[port] = PROXY_SOCKET
    address = f"http://{_LOOPBACK}:{port}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        told |= {name: address, name.lower(): address}
    told |= {"NO_PROXY": ",".join(_NOT_PROXIED), "no_proxy": ",".join(_NOT_PROXIED)}
    ask = " ".join(f"{number}={name}" for number, name in ports.items())
    return WayOut(
        asks=(str(_DOOR_INSIDE / ENTER_SOCKET), f"{ask}\n"),
        shown=((places.door(key_of(work_directory)), _DOOR_INSIDE),),
        environment={**environment, **told},
    )
