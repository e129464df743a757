"""A backend in memory: hosts with the two logs, and programs that are Python objects in this process.

`FakeMachine` outlives a bridge: hand the same one to the next `FakeBackend`, as a restart would find it.
Everything happens in callbacks on the event loop: no process, no file, no time. `Program` runs in a host.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from backends.base import (
    HostExit,
    HostGone,
    HostRef,
    HostUsage,
    InputLine,
    Launched,
    LaunchFailed,
    LaunchSpec,
    LeftRunning,
    LogCut,
    OutputLine,
    Unkillable,
)

Key = tuple[str, int]


class Program(Protocol):
    """The program of a host. It prints and ends through the functions that it was made with."""

    def take(self, line: bytes) -> None:
        """Read one line of input, without its newline."""
        ...

    def ended(self) -> None:
        """The process is gone: print nothing more."""
        ...


Start = Callable[[LaunchSpec, Callable[[bytes], None], Callable[[int], None]], Program]


@dataclass
class FakeProcess:
    """A host: its logs, its program, who feeds it. `exit` is set once it has ended."""

    spec: LaunchSpec
    input: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)
    exit: HostExit | None = None
    program: Program | None = None
    fed: int = 0
    has_follower: bool = True
    unkillable: bool = False
    left: list[LeftRunning] = field(default_factory=list)
    frozen: bool = False
    _waiting: list["asyncio.Future[None]"] = field(default_factory=list)

    def print(self, data: bytes) -> None:
        assert not self.frozen, "it was frozen while it had something to do"
        if self.exit is None:
            self.output += data
            self.tell()

    def end(self, code: int | None) -> None:
        if self.exit is None:
            self.exit = HostExit(code, "")
            if self.program is not None:
                self.program.ended()
            self.tell()

    def feed_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._feed)

    def _feed(self) -> None:
        while self.exit is None and self.has_follower and self.program is not None and not self.frozen:
            newline = self.input.find(b"\n", self.fed)
            if newline < 0:
                return
            line = bytes(self.input[self.fed : newline])
            self.fed = newline + 1
            self.program.take(line)

    def tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def news(self) -> None:
        """Wait until something about the host changes."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


class FakeMachine:
    """Every host that was ever started, alive or not.

    `refuse` makes launches fail with that reason; while `launching` is cleared they take as long as that.
    """

    def __init__(self, start: Start) -> None:
        self.start = start
        self.hosts: dict[Key, FakeProcess] = {}
        self.refuse = ""
        self.launching = asyncio.Event()
        self.launching.set()
        self.launches = 0

    def living(self) -> list[FakeProcess]:
        return [each for each in self.hosts.values() if each.exit is None]

    def reboot(self, *, wipe: bool = False) -> None:
        """End everything without a trace of how; with `wipe` the logs are gone too."""
        for each in self.living():
            each.end(None)
        if wipe:
            self.hosts.clear()


class FakeHost:
    """The port's `Host` over a `FakeProcess`."""

    def __init__(self, process: FakeProcess) -> None:
        self.process = process

    @property
    def ref(self) -> HostRef:
        return HostRef("fake", json.dumps([self.session_id, self.number]))

    @property
    def session_id(self) -> str:
        return self.process.spec.session_id

    @property
    def number(self) -> int:
        return self.process.spec.number

    def launched(self) -> Launched:
        spec = self.process.spec
        return Launched(spec.argv, spec.cwd, spec.title)

    async def send(self, line: InputLine) -> None:
        size = len(self.process.input)
        if size < line.start:
            raise LogCut(Path("input.ndjson"), expected=line.start, actual=size)
        self.thaw()
        self.process.input += line.data[size - line.start :]
        self.process.feed_soon()

    def input_size(self) -> int:
        return len(self.process.input)

    async def lines(self, offset: int) -> AsyncIterator[Sequence[OutputLine]]:
        process = self.process
        if offset > len(process.output) or (offset and process.output[offset - 1 : offset] != b"\n"):
            raise LogCut(Path("output.ndjson"), expected=offset, actual=len(process.output))
        while True:
            batch: list[OutputLine] = []
            while (newline := process.output.find(b"\n", offset)) >= 0:
                batch.append(OutputLine(bytes(process.output[offset:newline]), newline + 1))
                offset = newline + 1
            if batch:
                yield batch
            elif process.exit is not None:
                return
            else:
                await process.news()

    def alive(self) -> bool:
        return self.process.exit is None

    async def follower_died(self) -> None:
        while self.process.has_follower or self.process.exit is not None:
            await self.process.news()

    async def feed_from(self, offset: int) -> None:
        if offset > len(self.process.input):
            raise LogCut(Path("input.ndjson"), expected=offset, actual=len(self.process.input))
        self.process.fed, self.process.has_follower = offset, True
        self.thaw()

    async def kill(self, grace_s: float) -> None:
        self.thaw()
        if self.process.unkillable:
            raise Unkillable([4711])
        self.process.left.clear()
        self.process.end(143)

    async def wait(self) -> HostExit:
        while self.process.exit is None:
            await self.process.news()
        return self.process.exit

    def left_running(self) -> Sequence[LeftRunning]:
        return tuple(self.process.left)

    async def end_left_running(self, grace_s: float) -> None:
        self.process.left.clear()

    def usage(self) -> HostUsage:
        return HostUsage(0, 0.0, 0) if self.process.exit is not None else HostUsage(1 << 20, 0.1, 3)

    async def freeze(self, if_still: Callable[[], bool]) -> bool:
        self.process.frozen = self.process.exit is None and if_still()
        return self.process.frozen

    def thaw(self) -> None:
        self.process.frozen = False
        self.process.feed_soon()

    def terminal_hint(self) -> str:
        return ""


class FakeBackend:
    """The port's `Backend` on a `FakeMachine`."""

    name = "fake"

    def __init__(self, machine: FakeMachine) -> None:
        self.machine = machine

    async def launch(self, spec: LaunchSpec) -> FakeHost:
        key = (spec.session_id, spec.number)
        await self.machine.launching.wait()
        if self.machine.refuse:
            raise LaunchFailed(spec.argv[0], reason=self.machine.refuse)
        if key in self.machine.hosts:
            raise LaunchFailed(spec.argv[0], reason="the host's directory exists already")
        self.machine.launches += 1
        process = self.machine.hosts[key] = FakeProcess(spec)
        process.program = self.machine.start(spec, process.print, process.end)
        return FakeHost(process)

    async def attach(self, ref: HostRef) -> FakeHost:
        try:
            session_id, number = json.loads(ref.address)
            return FakeHost(self.machine.hosts[session_id, number])
        except (ValueError, KeyError):
            raise HostGone(ref.address) from None

    async def survivors(self, besides: Container[HostRef] = ()) -> Sequence[HostRef]:
        return [ref for each in self.machine.living() if (ref := FakeHost(each).ref) not in besides]

    async def find(self, session_id: str, number: int) -> HostRef | None:
        process = self.machine.hosts.get((session_id, number))
        return FakeHost(process).ref if process is not None else None

    async def remove(self, ref: HostRef) -> bool:
        session_id, number = json.loads(ref.address)
        process = self.machine.hosts.get((session_id, number))
        if process is not None and process.exit is None:
            return False
        self.machine.hosts.pop((session_id, number), None)
        return True

    async def close(self) -> None:
        return
