"""Runs commands on this machine. Each has a keeper (`keeper.py`) and a directory.

The directory is `<run>/<session>/commands/<name>`. The keeper outlives the bridge, enforces the command's time,
and ends everything that the command started. So this file only starts keepers, waits for them, and clears up
after those that were killed.
"""

import asyncio
import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import machine
from backends import processes
from backends.base import LaunchSpec
from backends.commands.keeper import READY, Request, Result, write_result
from backends.commands.model import (
    CommandEnd,
    CommandNotStarted,
    CommandOutput,
    CommandSpec,
    Exited,
    Lost,
    Stopped,
    TimedOut,
)
from backends.deaths import DeathWatch
from backends.directory import MARKER
from backends.sandbox.model import Mechanism
from backends.stopping import signalled_to_death
from backends.wrappers import LaunchWrapper, wrapped
from machine import ProcessId

log = logging.getLogger(__name__)

_START_S = 30.0
_KILL_S = 10.0
_POLL_S = 0.02
_COMPLAINT_BYTES = 4000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SESSION = re.compile(r"[0-9a-f-]{36}")
_PACKAGES = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class _Place:
    """The directory of one command, and what its small files say."""

    run: Path
    session_id: str
    name: str

    def __post_init__(self) -> None:
        if not _SESSION.fullmatch(self.session_id) or not _NAME.fullmatch(self.name):
            raise CommandNotStarted("its session or its name is not one")

    @property
    def key(self) -> str:
        """The value of the marker of its processes: its path below `run`."""
        return f"{self.session_id}/commands/{self.name}"

    @property
    def path(self) -> Path:
        return self.run / self.key

    def processes(self) -> Mapping[str, ProcessId]:
        """Return the recorded processes by role; empty before the start and after a reboot."""
        try:
            lines = [line.split() for line in (self.path / "pid").read_text("ascii", "replace").splitlines()]
            words = {role: rest for role, *rest in lines}
            if words.pop("boot") != [machine.this().boot_id()]:
                return {}
            return {role: ProcessId(int(pid), start) for role, (pid, start) in words.items()}
        except (OSError, ValueError, KeyError):
            return {}

    def end(self) -> CommandEnd | None:
        """Return the stored end; None before it is stored."""
        try:
            found = msgspec.json.decode((self.path / "result.json").read_bytes(), type=Result)
        except (OSError, ValueError, RecursionError):
            return None
        output = CommandOutput(self.path / "output", found.printed_bytes, found.is_cut)
        match found.how:
            case "exited":
                return Exited(found.code, output)
            case "timed_out":
                return TimedOut(output)
            case "stopped":
                return Stopped(output)
            case _:
                return Lost(output)

    def was_started(self) -> bool:
        """Whether the command has ever run, or was found lost."""
        return (self.path / "pid").exists() or (self.path / "result.json").exists()

    def kept_bytes(self) -> int:
        with suppress(OSError):
            return (self.path / "output").stat().st_size
        return 0


@dataclass(slots=True)
class Commands:
    """`CommandRunner` below the directory `run` of all hosts; `wrappers` are those of hosts."""

    run_directory: Path
    wrappers: Sequence[LaunchWrapper] = ()
    _deaths: DeathWatch = field(default_factory=DeathWatch)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def run(self, spec: CommandSpec) -> CommandEnd:
        place = _Place(self.run_directory, spec.session_id, spec.name)
        async with self._locks.setdefault(place.key, asyncio.Lock()):
            await self._settled(place)
            if not place.was_started():
                await self._start(place, spec)
        # Without the lock: `stop` needs it while the command runs.
        return await self._ended(place)

    async def stop(self, session_id: str, name: str) -> None:
        place = _Place(self.run_directory, session_id, name)
        async with self._locks.setdefault(place.key, asyncio.Lock()):
            await self._settled(place)
        if place.path.is_dir() and place.end() is None:
            keeper = place.processes().get("keeper")
            if keeper is not None:
                machine.this().send_signal(keeper, signal.SIGTERM)
            await self._ended(place)

    async def forget(self, session_id: str, name: str) -> None:
        await self.stop(session_id, name)
        place = _Place(self.run_directory, session_id, name)
        await asyncio.to_thread(shutil.rmtree, place.path, ignore_errors=True)
        with suppress(OSError):
            place.path.parent.rmdir()
        self._locks.pop(place.key, None)

    async def stop_all(self, session_id: str = "") -> None:
        running = [each for each in _places(self.run_directory, session_id or "*") if each.end() is None]
        await asyncio.gather(*(self.stop(each.session_id, each.name) for each in running))

    async def sweep(self) -> int:
        cut = 0
        for place in await asyncio.to_thread(lambda: list(_places(self.run_directory))):
            if place.end() is not None:
                continue
            await self._settled(place)
            # It never ran: no result is written, so that the next `run` starts it.
            if not place.was_started():
                await self._end_all(place)
            elif not _is_kept(place):
                await self._clear_up(place)
                cut += 1
        return cut

    async def _settled(self, place: _Place) -> None:
        """Wait, bounded, for a keeper whose starter died before it was told that the command runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                while (  # noqa: ASYNC110 - nothing tells
                    place.path.is_dir()
                    and not place.was_started()
                    and machine.this().carrying(MARKER, place.key)
                ):
                    await asyncio.sleep(_POLL_S)

    async def _start(self, place: _Place, spec: CommandSpec) -> None:
        if place.path.exists():  # a start that was cut
            await self._undo(place)
        try:
            # Each for this user alone: `parents` would make the ones above with the user's own mask.
            for directory in (place.path.parents[1], place.path.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.path.mkdir(mode=0o700)
        except OSError as error:
            raise CommandNotStarted(f"its directory cannot be made: {error.strerror}") from error
        try:
            said = await self._told(place, self._wrapped(place, spec), spec)
        except Exception:
            await self._undo(place)
            raise
        if said != READY:
            await self._undo(place)
            raise CommandNotStarted(said.decode("utf-8", "replace"))

    def _wrapped(self, place: _Place, spec: CommandSpec) -> LaunchSpec:
        host = LaunchSpec(
            session_id=spec.session_id,
            number=0,
            directory=place.path,
            argv=spec.argv,
            cwd=spec.cwd,
            environment=spec.environment,
            access=spec.access,
        )
        return wrapped(host, self.wrappers)

    async def _told(self, place: _Place, host: LaunchSpec, spec: CommandSpec) -> bytes:
        """Start a keeper, hand it the command over its stdin, and return its answer."""
        request = Request(
            key=place.key,
            argv=host.argv,
            cwd=str(host.cwd),
            environment={**host.environment, MARKER: place.key},
            timeout_s=spec.timeout_s,
            max_bytes=spec.max_bytes,
            is_in_bwrap=host.enclosure.mechanism is Mechanism.BWRAP,
        )
        argv = (
            *host.shell_prefix,
            sys.executable,
            "-m",
            "backends.commands.keeper",
            str(place.path.absolute()),
        )
        try:
            keeper = await asyncio.create_subprocess_exec(
                *argv,
                # The marker, so that its connections to the control socket are refused and a sweep finds it.
                env={"PATH": os.defpath, "PYTHONPATH": str(_PACKAGES), MARKER: place.key},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            async with asyncio.timeout(_START_S):
                # The command and its environment go over stdin: all users can read arguments.
                said, complaint = await keeper.communicate(msgspec.json.encode(request))
        except TimeoutError:
            return b"its keeper did not come up in time"
        except OSError as error:
            return f"its keeper cannot be started: {error.strerror}".encode()
        return said or _ended_at_once(place, keeper.returncode, complaint)

    async def _undo(self, place: _Place) -> None:
        await self._end_all(place)
        shutil.rmtree(place.path, ignore_errors=True)

    async def _ended(self, place: _Place) -> CommandEnd:
        """Wait for the command's end; clear up if its keeper was killed."""
        keeper = place.processes().get("keeper")
        if keeper is not None and place.end() is None:
            await self._deaths.died(keeper)
        if (end := place.end()) is None:
            await self._clear_up(place)
            end = place.end()
        return end or Lost(CommandOutput(place.path / "output", 0, is_cut=False))

    async def _clear_up(self, place: _Place) -> None:
        await self._end_all(place)
        if place.path.is_dir():
            log.warning("command lost", extra={"session": place.session_id})
            await asyncio.to_thread(
                write_result, place.path, Result("lost", 0, place.kept_bytes(), is_cut=False)
            )

    async def _end_all(self, place: _Place) -> None:
        sessions: dict[int, ProcessId | None] = {}

        def living() -> set[ProcessId]:
            roots = machine.this().carrying(MARKER, place.key) | set(place.processes().values())
            table = machine.this().read_table()
            found = processes.tree(table, roots, sessions)
            sessions.update(processes.sessions_of(table, found))
            return found

        if not await signalled_to_death(living, signal.SIGKILL, self._deaths, _KILL_S):
            log.error("processes of a command outlived SIGKILL", extra={"session": place.session_id})


def _ended_at_once(place: _Place, code: int | None, complaint: bytes) -> bytes:
    """Log why a keeper ended before it answered, as its directory is removed; return what to say of it."""
    with suppress(OSError):
        complaint += (place.path / "keeper.log").read_bytes()
    why = complaint[-_COMPLAINT_BYTES:].decode("utf-8", "replace")
    log.error("keeper failed", extra={"session": place.session_id, "code": code, "why": why})
    return b"its keeper ended at once (%d)" % (code or 0)


def _is_kept(place: _Place) -> bool:
    keeper = place.processes().get("keeper")
    return keeper is not None and processes.is_alive(keeper)


def _places(run: Path, session_id: str = "*") -> Iterator[_Place]:
    for path in sorted(run.glob(f"{session_id}/commands/*")):
        with suppress(CommandNotStarted):
            yield _Place(run, path.parents[1].name, path.name)
