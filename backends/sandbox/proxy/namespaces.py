"""Listen inside the network namespace of a sandbox, from outside: no process of ours has to stay inside.

A process of the sandbox's own user may enter the user namespace that owns the sandbox's network, and with it
the network. A child does so, makes the sockets and passes them back. A socket stays in the namespace that it
was made in. See namespaces(7), setns(2), ioctl_ns(2).
"""

import ctypes
import fcntl
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_GET_OWNER = 0xB701  # NS_GET_USERNS
_BACKLOG = 128
_ANSWER_S = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


def listeners_in(pid: int, ports: Sequence[int]) -> list[socket.socket]:
    """Return a listening socket for each of `ports` on the loopback of the network of process `pid`.

    Blocks for some milliseconds. Raises `OSError`, also if `pid` is in the network of this process.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # A child, because a process that has entered a user namespace cannot go back.
        child = os.fork()
        if child == 0:
            # Nothing may leave this block: the child would run on as a second proxy.
            with suppress(BaseException):
                _make(pid, ports, theirs)
            os._exit(0)
        theirs.close()
        ours.settimeout(_ANSWER_S)
        try:
            _, descriptors, _, _ = socket.recv_fds(ours, 1, len(ports))
        finally:
            os.waitpid(child, 0)
    made = [socket.socket(fileno=each) for each in descriptors]
    if len(made) != len(ports):
        for each in made:
            each.close()
        raise OSError(f"the network of process {pid} cannot be entered")
    for each in made:
        each.setblocking(False)
    return made


def _make(pid: int, ports: Sequence[int], back: socket.socket) -> None:
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.path.samestat(os.fstat(network), Path("/proc/self/ns/net").stat()):
        return
    # The program itself is in a further user namespace, which owns nothing.
    owner = fcntl.ioctl(network, _GET_OWNER)
    # The user namespace first: only its capabilities allow entering the network that it owns.
    for namespace, kind in ((owner, _NEW_USER), (network, _NEW_NETWORK)):
        if _libc.setns(namespace, kind) != 0:
            return
    listeners = []
    for port in ports:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
        listeners.append(listener)
    socket.send_fds(back, [b"x"], [each.fileno() for each in listeners])
