"""Inside a sandbox: pass connections to ports of its own loopback on to unix sockets, beside the given program.

    python -I -S relay.py PORT=SOCKET… -- PROGRAM [ARGUMENT…]

Becomes the program; the relay is a child of it and ends with it. Imports little and nothing of ours: a start
costs some ten milliseconds, and it holds a few megabytes. The network namespace is the sandbox's own, so no
other program of the machine can connect. If the proxy was killed, connections fail and the relay stays.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import select
import sys
import time

_CHUNK = 65536
_MOST_HELD = 4 * _CHUNK
_NOT_LISTENING = 125
_FULL_S = 0.05


def main(arguments: list[str]) -> None:
    """Start the relay and become the program."""
    at = arguments.index("--")
    doors = []
    for word in arguments[:at]:
        port, _, path = word.partition("=")
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen(128)
        listener.setblocking(False)
        doors.append((listener, path))
    # Opened before the fork: the relay cannot miss the program's end.
    program_end = os.pidfd_open(os.getpid())
    if os.fork() == 0:
        _let_go()
        Relay(doors, program_end).run()
        os._exit(0)
    os.close(program_end)
    for listener, _ in doors:
        listener.close()
    program = arguments[at + 1 :]
    os.execvpe(program[0], program, _given_environment())  # noqa: S606


def _given_environment() -> dict[bytes, bytes]:
    """Return the environment as it was given: in the locale C, Python itself adds LC_CTYPE to `os.environ`."""
    with open("/proc/self/environ", "rb") as file:
        words = file.read().split(b"\0")
    return {name: value for name, sign, value in (word.partition(b"=") for word in words) if sign}


def _let_go() -> None:
    """Let go of what belongs to the program: its streams and its signals."""
    for number in (_signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGPIPE):
        _signal.signal(number, _signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


class _Way:
    """One end of a connection, and the bytes that wait to be sent to it."""

    def __init__(self, end: _socket.socket) -> None:
        self.end = end
        self.number = end.fileno()
        self.other: _Way = self
        self.waiting = b""
        self.has_ended = False
        self.closes = False
        self.watched = 0


class Relay:
    """Accepts at each listener and connects to its door; one thread, no buffer above a bound."""

    def __init__(self, doors: list[tuple[_socket.socket, str]], program_end: int) -> None:
        self._doors = {listener.fileno(): (listener, path) for listener, path in doors}
        self._ways: dict[int, _Way] = {}
        self._poll = select.epoll()
        self._program_end = program_end
        for number in (*self._doors, program_end):
            self._poll.register(number, select.EPOLLIN)

    def run(self) -> None:
        """Relay until the program has ended."""
        while True:
            for number, _ in self._poll.poll():
                if number == self._program_end:
                    return
                if number in self._doors:
                    self._accept(*self._doors[number])
                elif number in self._ways:
                    self._serve(self._ways[number])

    def _accept(self, listener: _socket.socket, path: str) -> None:
        try:
            number, _ = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - `socket` would cost as much as all the rest
        except OSError:
            # No descriptor is free: the connection waits, and would be reported again at once.
            time.sleep(_FULL_S)
            return
        inner = _socket.socket(fileno=number)
        inner.setblocking(False)
        # Without this each answer of the model waits 40 ms for an acknowledgement.
        inner.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        outer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            outer.connect(path)
        except OSError:
            inner.close()
            outer.close()
            return
        outer.setblocking(False)
        one, two = _Way(inner), _Way(outer)
        one.other, two.other = two, one
        for way in (one, two):
            self._ways[way.number] = way
            self._watch(way)

    def _serve(self, way: _Way) -> None:
        try:
            if way.waiting:
                way.waiting = way.waiting[way.end.send(way.waiting) :]
            if not way.has_ended and len(way.other.waiting) < _MOST_HELD:
                self._read(way)
        except BlockingIOError:
            pass
        except OSError:
            self._close(way)
            return
        for each in (way, way.other):
            if each.closes and not each.waiting:
                each.closes = False
                try:
                    each.end.shutdown(_socket.SHUT_WR)
                except OSError:
                    self._close(way)
                    return
        if way.has_ended and way.other.has_ended and not way.waiting and not way.other.waiting:
            self._close(way)
            return
        self._watch(way)
        self._watch(way.other)

    def _read(self, way: _Way) -> None:
        chunk = way.end.recv(_CHUNK)
        if not chunk:
            way.has_ended = way.other.closes = True
            return
        way.other.waiting += chunk
        try:
            way.other.waiting = way.other.waiting[way.other.end.send(way.other.waiting) :]
        except BlockingIOError:
            return

    def _watch(self, way: _Way) -> None:
        readable = not way.has_ended and len(way.other.waiting) < _MOST_HELD
        wished = (select.EPOLLIN if readable else 0) | (select.EPOLLOUT if way.waiting else 0)
        if wished and way.watched:
            self._poll.modify(way.number, wished)
        elif wished:
            self._poll.register(way.number, wished)
        elif way.watched:
            # An end that has hung up is reported even if nothing is asked for: without this, for ever.
            self._poll.unregister(way.number)
        way.watched = wished

    def _close(self, way: _Way) -> None:
        for each in (way, way.other):
            if self._ways.pop(each.number, None) is not None:
                each.end.close()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, ValueError, IndexError, OverflowError) as reason:
        sys.stderr.write(f"relay: {reason}\n")
        sys.stderr.flush()
        os._exit(_NOT_LISTENING)
