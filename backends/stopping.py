"""Ending a host's whole tree: what the program started may have groups, sessions and parents of its own."""

import asyncio
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import machine
from backends import processes
from backends.base import Unkillable
from backends.deaths import DeathWatch
from backends.directory import MARKER, HostDirectory
from backends.left_running import processes_left_running
from machine import ProcessId, ProcessRow

# How long the shell may take to write the exit code and to end the follower once the program is dead.
_SHELL_END_S = 2.0

# SIGKILL is not instant: the kernel needs time to take a big process down, however little the caller gives.
_LEAST_KILL_S = 2.0


@dataclass(slots=True)
class HostTree:
    """All processes of one host, found anew at each look; who was seen is not lost by losing its parent.

    Nor is who was never seen: a shell that is killed may have begun a child since the last look.
    """

    directory: HostDirectory
    _seen: set[ProcessId] = field(default_factory=set)
    _sessions: dict[int, ProcessId | None] = field(default_factory=dict)
    _table: dict[int, ProcessRow] = field(default_factory=dict)

    def living(self) -> set[ProcessId]:
        """Everything of the host that runs now."""
        marked = machine.this().carrying(MARKER, self.directory.key)
        followers = machine.this().writing_to(self.directory.fifo)
        roots = self._seen | marked | followers | self._recorded()
        self._table = machine.this().read_table()
        self._seen = processes.tree(self._table, roots, self._sessions)
        self._sessions = processes.sessions_of(self._table, self._seen) | self._sessions
        return set(self._seen)

    def of_program(self) -> set[ProcessId]:
        """What runs of the host without its shell, what that runs, and its follower: they end by themselves."""
        living, pids = self.living(), self.directory.pids()
        followers = machine.this().writing_to(self.directory.fifo)
        if pids is None:
            return living - followers
        own = {pids.shell, pids.follower}
        if pids.shell in living:
            # The `mv` by which it gives the exit code its name, for one: without that, the code would be lost.
            own |= {each for each in living if self._table[each.pid].parent == pids.shell.pid}
        return living - followers - (own - {pids.program})

    def _recorded(self) -> set[ProcessId]:
        pids = self.directory.pids()
        return {pids.shell, pids.program, pids.follower} if pids else set()


async def end_tree(directory: HostDirectory, deaths: DeathWatch, grace_s: float) -> None:
    """TERM, KILL after `grace_s`, while the shell may end by itself.

    Raises `Unkillable` for what lives after another `grace_s`, at least 2 s.
    """
    tree = HostTree(directory)
    kill_s = max(grace_s, _LEAST_KILL_S)
    if not await _signalled_to_death(tree.of_program, signal.SIGTERM, deaths, grace_s):
        await _signalled_to_death(tree.of_program, signal.SIGKILL, deaths, kill_s)
    # The shell writes the exit code before it ends: killing it at once would lose that.
    try:
        async with asyncio.timeout(_SHELL_END_S):
            await deaths.all_died(tree.living())
    except TimeoutError:
        pass
    if not await _signalled_to_death(tree.living, signal.SIGKILL, deaths, kill_s):
        left = tree.living()
        if left:
            raise Unkillable(sorted(process.pid for process in left))


async def end_left_running(
    directory: HostDirectory, session: int | None, deaths: DeathWatch, grace_s: float
) -> None:
    """TERM, KILL after `grace_s`, for what tools left running. Raises `Unkillable` as `end_tree` does."""
    find = partial(processes_left_running, directory, session)
    kill_s = max(grace_s, _LEAST_KILL_S)
    if await _signalled_to_death(find, signal.SIGTERM, deaths, grace_s):
        return
    if not await _signalled_to_death(find, signal.SIGKILL, deaths, kill_s) and (left := find()):
        raise Unkillable(sorted(process.pid for process in left))


async def kill_now(these: Iterable[ProcessId], deaths: DeathWatch) -> None:
    """SIGKILL exactly `these` and return when they are dead."""
    condemned = set(these)
    for process in condemned:
        machine.this().send_signal(process, signal.SIGKILL)
    await deaths.all_died(condemned)


async def _signalled_to_death(
    living: Callable[[], set[ProcessId]], number: signal.Signals, deaths: DeathWatch, within_s: float
) -> bool:
    """Signal each that `living` finds, once, also those that come later; whether none is left in time."""
    signalled: set[ProcessId] = set()
    try:
        async with asyncio.timeout(within_s):
            while found := living():
                for process in found - signalled:
                    machine.this().send_signal(process, number)
                signalled |= found
                await deaths.all_died(found)
    except TimeoutError:
        return not living()
    return True
