"""End a host's whole tree, even processes with other process groups, sessions and parents."""

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

# The shell's time, after the program's death, to write the exit code and to end the follower.
_SHELL_END_S = 2.0

# A lower limit for the caller's time: the kernel needs a while to end a big process even on SIGKILL.
_LEAST_KILL_S = 2.0


@dataclass(slots=True)
class HostTree:
    """All processes of one host, looked up anew each time.

    A process that was seen before stays known even if it loses its parent. A process that was never seen is
    found by its process session, for example if a shell started it just before it was killed.
    """

    directory: HostDirectory
    _seen: set[ProcessId] = field(default_factory=set)
    _sessions: dict[int, ProcessId | None] = field(default_factory=dict)
    _table: dict[int, ProcessRow] = field(default_factory=dict)
    _followers: set[ProcessId] = field(default_factory=set)

    @property
    def seen(self) -> set[ProcessId]:
        """The running processes of the host at the last look. A look reads all processes of the machine."""
        return set(self._seen)

    def living(self) -> set[ProcessId]:
        """Return all running processes of the host."""
        marked = machine.this().carrying(MARKER, self.directory.key)
        self._followers = machine.this().writing_to(self.directory.fifo)
        roots = self._seen | marked | self._followers | self._recorded()
        # After the searches: a process that an older table lacks would be dropped.
        self._table = machine.this().read_table()
        self._seen = processes.tree(self._table, roots, self._sessions)
        # Of two entries the earlier one counts: the leader that was seen first is the true one.
        self._sessions = processes.sessions_of(self._table, self._seen) | self._sessions
        return self.seen

    def of_program(self) -> set[ProcessId]:
        """Return the host's processes except its shell, the shell's own children and the follower.

        Those end by themselves. So do bwrap and its process 1, once everything inside has ended; a bwrap that
        ended first would leave Claude running and an exit code that is not Claude's.
        """
        living, pids = self.living(), self.directory.pids()
        followers = self._followers
        if pids is None:
            return living - followers
        own = {pids.shell, pids.follower}
        if pids.shell in living:
            # Among these is the `mv` that gives the exit code its name: killing it would lose the code.
            own |= {each for each in living if self._table[each.pid].parent == pids.shell.pid}
        around = {pids.program, pids.sandbox} if pids.sandbox in living else set()
        return living - followers - (own - {pids.program}) - around

    def sandbox(self) -> set[ProcessId]:
        """Return the living process 1 of the host's sandbox, as a set. Everything inside dies with it."""
        pids = self.directory.pids()
        return {pids.sandbox} & self.living() if pids and pids.sandbox else set()

    def _recorded(self) -> set[ProcessId]:
        pids = self.directory.pids()
        return pids.own if pids else set()


async def end_tree(directory: HostDirectory, deaths: DeathWatch, grace_s: float) -> None:
    """End the tree: TERM, after `grace_s` KILL. The shell may end by itself meanwhile.

    Raises `Unkillable` for processes that live after another `grace_s` (at least 2 s).
    """
    tree = HostTree(directory)
    kill_s = max(grace_s, _LEAST_KILL_S)
    if not await signalled_to_death(tree.of_program, signal.SIGTERM, deaths, grace_s):
        # The sandbox first: nothing inside can start more processes than are killed.
        await kill_now(tree.sandbox(), deaths)
        await signalled_to_death(tree.of_program, signal.SIGKILL, deaths, kill_s)
    # Let the shell end by itself: killing it at once would lose the exit code that it writes. What began since
    # the last look is found by the next one.
    try:
        async with asyncio.timeout(_SHELL_END_S):
            await deaths.all_died(tree.seen)
    except TimeoutError:
        pass
    if not await signalled_to_death(tree.living, signal.SIGKILL, deaths, kill_s):
        left = tree.living()
        if left:
            raise Unkillable(sorted(process.pid for process in left))


async def end_left_running(
    directory: HostDirectory, session: int | None, deaths: DeathWatch, grace_s: float
) -> None:
    """End processes that tools left running: TERM, after `grace_s` KILL. Raises as `end_tree`."""
    find = partial(processes_left_running, directory, session)
    kill_s = max(grace_s, _LEAST_KILL_S)
    if await signalled_to_death(find, signal.SIGTERM, deaths, grace_s):
        return
    if not await signalled_to_death(find, signal.SIGKILL, deaths, kill_s) and (left := find()):
        raise Unkillable(sorted(process.pid for process in left))


async def kill_now(these: Iterable[ProcessId], deaths: DeathWatch) -> None:
    """Send SIGKILL to exactly `these` and return when they are dead."""
    condemned = set(these)
    for process in condemned:
        machine.this().send_signal(process, signal.SIGKILL)
    await deaths.all_died(condemned)


async def signalled_to_death(
    living: Callable[[], set[ProcessId]], number: signal.Signals, deaths: DeathWatch, within_s: float
) -> bool:
    """Signal each process of `living` once, late ones included. Return whether all died in time."""
    signalled: set[ProcessId] = set()
    try:
        async with asyncio.timeout(within_s):
            # Look again after each round: what the dying started last is signalled, too.
            while found := living():
                for process in found - signalled:
                    machine.this().send_signal(process, number)
                signalled |= found
                await deaths.all_died(found)
    except TimeoutError:
        return not living()
    return True
