"""The files of the proxy: which projects it serves, and where its sockets are.

    proxy/lists/KEY.json    the hosts of one project, written by the bridge in one step
    proxy/entered/KEY/PID   a sandbox that it listens in (`entered.py`)
    proxy/doors/KEY/        the sockets of that project; a sandbox shows this directory, and no other
    proxy/control.sock      for the bridge: open a door, tell what was wanted

The doors are directories: a proxy that is started again puts new sockets into them, and running sandboxes see
those.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from backends.sandbox.proxy.hosts import HostList, Target

_KEPT_S = 60 * 24 * 3600.0
PROXY_SOCKET, MODEL_SOCKET = "proxy.sock", "model.sock"
"""The sockets in a door: for CONNECT requests, and straight to a model that speaks plain HTTP."""
ENTER_SOCKET = "enter.sock"
"""The socket in a door at which the launcher of a sandbox asks the proxy to listen inside."""


class ProxyPlaces(msgspec.Struct, frozen=True):
    """The paths of the proxy in `root`."""

    root: Path

    @property
    def control(self) -> Path:
        """The socket for the bridge."""
        return self.root / "control.sock"

    @property
    def lists(self) -> Path:
        """The directory of the projects' lists."""
        return self.root / "lists"

    def entered(self, key: str) -> Path:
        """The directory of the project's sandboxes that the proxy listens in."""
        return self.root / "entered" / key

    def door(self, key: str) -> Path:
        """The directory of the project's sockets."""
        return self.root / "doors" / key


def key_of(work_directory: Path) -> str:
    """Return the project's name in the proxy: the same at every start, safe in a path."""
    return hashlib.sha256(os.fsencode(work_directory)).hexdigest()[:24]


def is_key(text: str) -> bool:
    """Whether `text` is a name that `key_of` makes."""
    return re.fullmatch(r"[0-9a-f]{24}", text) is not None


def save_list(places: ProxyPlaces, key: str, hosts: HostList) -> None:
    """Store the list of a project in one step."""
    model = [hosts.model.host, hosts.model.port] if hosts.model is not None else None
    mirrors = sorted({(each.host, each.port) for each in hosts.mirrors})
    text = json.dumps({"names": sorted(set(hosts.names)), "model": model, "mirrors": mirrors})
    places.lists.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = places.lists / f".{secrets.token_hex(4)}.tmp"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    # A proxy that reads meanwhile gets the old list or the new one: half a list would allow nothing.
    draft.replace(_path(places, key))


def load_list(places: ProxyPlaces, key: str) -> HostList:
    """Return the list of a project. One that cannot be read allows nothing."""
    try:
        content = json.loads(_path(places, key).read_text())
        model = Target(str(content["model"][0]), int(content["model"][1])) if content["model"] else None
        mirrors = tuple(Target(str(host), int(port)) for host, port in content.get("mirrors", ()))
        return HostList(tuple(map(str, content["names"])), model, mirrors)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return HostList()


def keys_in_use(places: ProxyPlaces) -> Iterator[str]:
    """Yield the projects that were opened in the last two months. Lists and doors of others are removed."""
    oldest = time.time() - _KEPT_S
    for path in sorted(places.lists.glob("*.json")):
        if not is_key(path.stem):
            continue
        if path.stat().st_mtime >= oldest:
            yield path.stem
        else:
            shutil.rmtree(places.door(path.stem), ignore_errors=True)
            shutil.rmtree(places.entered(path.stem), ignore_errors=True)
            path.unlink(missing_ok=True)


def _path(places: ProxyPlaces, key: str) -> Path:
    return places.lists / f"{key}.json"
