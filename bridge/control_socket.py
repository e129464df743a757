"""The control socket's file: where it is, how to get at it under a long path, and who is at its other end.

A unix socket's address holds 107 bytes, on macOS 103. A file with a longer path is reached through a link with
a short name, which is gone again at once: any DATA_DIR and any TMPDIR will do, and the socket lies where it
belongs.
"""

import os
import pwd
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import machine
from api.access import Actor, Role
from backends.directory import MARKER
from machine.port import Connected
from sessions.errors import CoreLost

_NAME = "control.sock"
_LONGEST_ADDRESS = 103  # macOS; Linux takes 107
_BACKLOG = 64
_LONGEST_DESCENT = 64
_ALWAYS_SHORT = "/tmp"  # noqa: S108 - the link is in a directory of its own there, mode 0700


class SocketRefused(Exception):
    """The control socket cannot be made; the message is a sentence."""


def listen(data_dir: Path) -> socket.socket:
    """A listening socket at `<data>/run/control.sock`, mode 0600. The caller owns `data_dir`.

    A file that an earlier owner left is replaced. Raises `SocketRefused`.
    """
    path = data_dir / "run" / _NAME
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _address(path) as address:
            listener.bind(address)
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        why = error.strerror or error  # an address that is too long has no number, and so no text of the system
        raise SocketRefused(f"The control socket cannot be made in DATA_DIR: {why}.") from error
    return listener


def remove(data_dir: Path) -> None:
    """Remove the socket's file; it may be gone."""
    with suppress(OSError):
        (data_dir / "run" / _NAME).unlink()


def connect(data_dir: Path) -> socket.socket:
    """A connection to the owner of `data_dir`. Raises `CoreLost` when nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(data_dir / "run" / _NAME) as address:
            connection.connect(address)
    except (OSError, SocketRefused) as error:
        connection.close()
        raise CoreLost("The bridge that uses this data directory does not answer.") from error
    connection.setblocking(False)
    return connection


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """An address of `path` that is short enough, inside the block."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    longest_name = len(f"/bridge-12345678/run/{path.name}")
    fits = len(os.fsencode(tempfile.gettempdir())) + longest_name <= _LONGEST_ADDRESS
    with tempfile.TemporaryDirectory(prefix="bridge-", dir=None if fits else _ALWAYS_SHORT) as short:
        link = Path(short, "run")
        link.symlink_to(path.parent.absolute(), target_is_directory=True)
        yield str(link / path.name)


def peer_is_owner(connection: Connected) -> bool:
    """Whether the other end runs as this user or root. Raises `OSError` if the system does not say."""
    return machine.this().peer_uid(connection) in (0, os.getuid())


def host_of_peer(connection: Connected, data_dir: Path) -> str:
    """The host of `data_dir` that the process at the other end comes from, `<session>/<number>`; empty if none.

    Claude's tools run as the same user, so the uid says nothing of them. What they start carries the host's
    marker, or has a parent that does. A process that cleans its environment and lets its parents die gets by:
    this is a hurdle, a sandbox is the wall.
    """
    this, pid = machine.this(), machine.this().peer_pid(connection)
    for _ in range(_LONGEST_DESCENT):
        if pid is None or pid <= 1:
            return ""
        host = this.variable_of(pid, MARKER)
        # The marker of another bridge is no matter of ours: people develop this one with Claude.
        if host and (data_dir / "run" / host).is_dir():
            return host
        row = this.read_process(pid)
        pid = row.parent if row is not None else None
    return ""


def local_actor() -> Actor:
    """Who sits at this machine's terminal: an admin, because whoever has the uid has the files anyway."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Actor(user_id=f"terminal:{name}", face="terminal", role=Role.ADMIN)
