"""The files of the proxy: which projects it serves, and where its sockets are.

    proxy/lists/KEY.json    the hosts of one project, written by the bridge in one step
    proxy/doors/KEY/        the sockets of that project; a sandbox shows this directory, and no other
    proxy/control.sock      for the bridge: is it alive, read the lists again, tell what was wanted

The doors are directories: a proxy that is started again puts new sockets into them, and running sandboxes see
those.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backends.sandbox.proxy.hosts import HostList, Target

PROXY_SOCKET, MODEL_SOCKET = "proxy.sock", "model.sock"
"""The sockets in a door: for CONNECT requests, and straight to a model that speaks plain HTTP."""


@dataclass(frozen=True, slots=True)
class ProxyPlaces:
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

    def door(self, key: str) -> Path:
        """The directory of the project's sockets."""
        return self.root / "doors" / key


def key_of(work_directory: Path) -> str:
    """Return the project's name in the proxy: the same at every start, safe in a path."""
    return hashlib.sha256(os.fsencode(work_directory)).hexdigest()[:24]


def save_list(places: ProxyPlaces, key: str, hosts: HostList) -> bool:
    """Store the list of a project in one step. Return False if it is stored already."""
    model = [hosts.model.host, hosts.model.port] if hosts.model is not None else None
    text = json.dumps({"names": sorted(set(hosts.names)), "model": model})
    path = places.lists / f"{key}.json"
    places.lists.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if path.read_text() == text:
            return False
    except OSError:
        pass
    draft = path.with_name(f".{secrets.token_hex(4)}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
    return True


def load_lists(places: ProxyPlaces) -> Iterator[tuple[str, HostList]]:
    """Yield the projects with their lists. One that cannot be read allows nothing."""
    for path in sorted(places.lists.glob("[0-9a-f]*.json")):
        yield path.stem, _read(path)


def _read(path: Path) -> HostList:
    try:
        content = json.loads(path.read_text())
        model = Target(str(content["model"][0]), int(content["model"][1])) if content["model"] else None
        return HostList(tuple(map(str, content["names"])), model)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return HostList()
