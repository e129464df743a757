"""The control socket's file: its path, access to it under a long path, and the identity of the other end.

A unix socket's address holds 107 bytes, on macOS 103. A file with a longer path is reached through a link with
a short name, which is removed again at once. So any DATA_DIR and any TMPDIR work.
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
    """Return a listening socket at `<data>/run/control.sock`, mode 0600. The caller owns `data_dir`.

    A file that an earlier owner left is replaced. Raises `SocketRefused`.
    """
    path = data_dir / "run" / _NAME
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Only the owner of the data directory comes here, so the file is a dead process's.
        path.unlink(missing_ok=True)
        with _address(path) as address:
            listener.bind(address)
        # Before `listen`: until then, nobody can connect, whatever the umask was.
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        why = error.strerror or error  # the error for a too long address has no errno, and so no strerror
        raise SocketRefused(f"The control socket cannot be made in DATA_DIR: {why}.") from error
    return listener


def remove(data_dir: Path) -> None:
    """Delete the socket's file. No error if it no longer exists."""
    with suppress(OSError):
        (data_dir / "run" / _NAME).unlink()


def connect(data_dir: Path) -> socket.socket:
    """Connect to the owner of `data_dir`. Raises `CoreLost` if no process listens."""
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
    """Yield an address of `path` that is short enough; it is valid inside the block."""
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
    """Whether the other end runs as this user or root. Raises `OSError` if the system cannot tell."""
    return machine.this().peer_uid(connection) in (0, os.getuid())


class PeerGone(Exception):
    """The process that connected has ended, so nobody can tell where it came from."""


def host_of_peer(connection: Connected, data_dir: Path) -> str:
    """Return the host in `data_dir`, `<session>/<number>`, that started the peer process; empty if none did.

    Claude's tools run as the same user, so the uid tells nothing. Their processes carry the host's marker
    or have a parent that does. A process that cleans its environment and outlives its parents is not detected:
    this check is a hurdle, only a sandbox is a wall. Raises `PeerGone`: a child can hold the connection then.
    """
    this, pid = machine.this(), machine.this().peer_pid(connection)
    peer = this.read_process(pid) if pid is not None and pid > 1 else None
    if pid is not None and pid > 1 and (peer is None or peer.zombie):
        raise PeerGone
    # Bounded: parents can change while we look, and a chain may be made long on purpose.
    for _ in range(_LONGEST_DESCENT):
        if pid is None or pid <= 1:
            return ""
        host = this.variable_of(pid, MARKER)
        # The marker of another bridge does not count: developers run this bridge from inside Claude.
        if host and (data_dir / "run" / host).is_dir():
            return host
        row = this.read_process(pid)
        pid = row.parent if row is not None else None
    return ""


def peer_actor(connection: Connected) -> Actor:
    """Return the actor at the other end: an admin, because its uid can read all files anyway."""
    return _terminal_actor(machine.this().peer_uid(connection))


def local_actor() -> Actor:
    """Return the actor at this machine's terminal: an admin, because this uid can read all files anyway."""
    return _terminal_actor(os.getuid())


def _terminal_actor(uid: int) -> Actor:
    try:
        # A container may run under a uid that has no name.
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Actor(user_id=f"terminal:{name}", face="terminal", role=Role.ADMIN)
