"""Hosts that outlive the bot: `tests/fakes/fake_backend.py` behind latency, torn writes and the bot's death."""

from collections.abc import AsyncIterator, Container, Sequence
from pathlib import Path

from backends.base import HostExit, HostRef, InputLine, InputNotWritten, LaunchSpec, LogCut, OutputLine
from tests.fakes.fake_backend import FakeBackend, FakeHost, FakeMachine, FakeProcess
from tests.simulation.life import Life

_INPUT, _OUTPUT = Path("input.ndjson"), Path("output.ndjson")
_QUICK_S = 0.01
_LAUNCH_S = 0.5
_TAIL_S = 0.06


class SimulatedHost(FakeHost):
    """A host as one life of the bot has it."""

    def __init__(self, process: FakeProcess, life: Life) -> None:
        super().__init__(process)
        self._life = life

    @property
    def _name(self) -> str:
        return f"{self.session_id[-4:]}/{self.number}"

    async def send(self, line: InputLine) -> None:
        await self._life.lasts(_QUICK_S)
        process, chance = self.process, self._life.world.chance
        size = len(process.input)
        if size < line.start:
            raise LogCut(_INPUT, expected=line.start, actual=size)
        self.thaw()
        missing = line.data[size - line.start :]
        is_full = self._life.world.faults.disk_is_full
        if missing and chance.random() < (0.6 if is_full else 0.2):
            half = chance.randrange(len(missing))
            process.input += missing[:half]
            self._life.effect("half an input", f"{self._name} {half}")
            missing = missing[half:]
            if is_full:
                raise InputNotWritten(_INPUT, reason="No space left on device")
        process.input += missing
        process.feed_soon()
        self._life.effect("input", f"{self._name} {line.start}")
        await self._life.lasts(_QUICK_S)

    async def lines(self, offset: int) -> AsyncIterator[Sequence[OutputLine]]:
        process = self.process
        if offset > len(process.output):
            raise LogCut(_OUTPUT, expected=offset, actual=len(process.output))
        while True:
            ended = process.exit is not None
            batch: list[OutputLine] = []
            most = self._life.world.chance.choice((1, 2, 5, 100))
            while len(batch) < most and (newline := process.output.find(b"\n", offset)) >= 0:
                batch.append(OutputLine(bytes(process.output[offset:newline]), newline + 1))
                offset = newline + 1
            if batch:
                yield batch
                await self._life.lasts(_TAIL_S)
            elif ended:
                return
            else:
                await process.news()
                await self._life.lasts(_TAIL_S)

    async def feed_from(self, offset: int) -> None:
        await self._life.lasts(_QUICK_S)
        await super().feed_from(offset)
        self._life.effect("follower", self._name)

    async def kill(self, grace_s: float) -> None:
        await self._life.lasts(_LAUNCH_S)
        await super().kill(grace_s)
        self._life.effect("killed", self._name)
        await self._life.lasts(_QUICK_S)

    async def wait(self) -> HostExit:
        ended = await super().wait()
        await self._life.lasts(_TAIL_S)
        return ended


class SimulatedBackend(FakeBackend):
    """The backend of one life. A second living host of one session is a failure of the bot's."""

    def __init__(self, machine: FakeMachine, life: Life) -> None:
        super().__init__(machine)
        self._life = life

    async def launch(self, spec: LaunchSpec) -> FakeHost:
        await self._life.lasts(_LAUNCH_S)
        others = [each for each in self.machine.living() if each.spec.session_id == spec.session_id]
        if others:
            self._life.world.blame("a second process for one session", spec.session_id)
        await super().launch(spec)
        process = self.machine.hosts[spec.session_id, spec.number]
        self._life.world.ever[spec.session_id, spec.number] = process
        self._life.effect("launch", f"{spec.session_id[-4:]}/{spec.number}")
        await self._life.lasts(_LAUNCH_S)
        return SimulatedHost(process, self._life)

    async def attach(self, ref: HostRef) -> FakeHost:
        await self._life.lasts(_QUICK_S)
        return SimulatedHost((await super().attach(ref)).process, self._life)

    async def survivors(self, besides: Container[HostRef] = ()) -> Sequence[HostRef]:
        await self._life.lasts(_QUICK_S)
        return await super().survivors(besides)

    async def find(self, session_id: str, number: int) -> HostRef | None:
        await self._life.lasts(_QUICK_S)
        return await super().find(session_id, number)

    async def remove(self, ref: HostRef) -> bool:
        await self._life.lasts(_QUICK_S)
        removed = await super().remove(ref)
        self._life.effect("removed", ref.address)
        return removed
