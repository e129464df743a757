"""Find the processes that tools started and left running: a dev server, a loop behind `nohup`, a test run.

Tools run in process sessions of their own, and all processes carry the host's marker. Processes in the host's
own session, such as a server that the program talks to over pipes, serve the program: they and their children
do not count. On macOS, which hides environments, processes that lost their parent are not found.
"""

from collections.abc import Mapping

import machine
from backends import processes
from backends.base import LeftRunning
from backends.directory import MARKER, HostDirectory, HostPids
from machine import ProcessId, ProcessRow

_MOST_CHARACTERS = 1000


def left_running(directory: HostDirectory, session: int | None) -> list[LeftRunning]:
    """Return the topmost processes left running, oldest first. Reads the process table: blocks briefly.

    `session` is the program's own process session; None if the host was never seen alive.
    """
    left = _left(directory, session)
    # On Linux a start is a number written as text: the shorter one is the smaller.
    tops = sorted(
        (row for row in left.values() if row.parent not in left),
        key=lambda row: (len(row.process.start), row.process.start, row.process.pid),
    )
    shown = [(row.process, machine.this().command_of(row.process.pid)) for row in tops]
    # Without a command line, the process has ended since the table was read.
    return [LeftRunning(each.pid, each.start, words[:_MOST_CHARACTERS]) for each, words in shown if words]


def processes_left_running(directory: HostDirectory, session: int | None) -> set[ProcessId]:
    """Return all processes left running, their children included."""
    return {row.process for row in _left(directory, session).values()}


def _left(directory: HostDirectory, session: int | None) -> dict[int, ProcessRow]:
    pids = directory.pids()
    marked = machine.this().carrying(MARKER, directory.key)
    # After the search: a process that an older table lacks would be dropped.
    table = machine.this().read_table()
    own_ids = _own(pids, table)
    rows = {each.pid: table[each.pid] for each in processes.tree(table, marked | own_ids)}
    own = {each.pid for each in own_ids if each.pid in rows and rows[each.pid].process == each}
    serving = _serving(rows, session, own)
    left = {pid: row for pid, row in rows.items() if pid not in own | serving}
    if left:
        # A new follower may not be recorded yet. Looked for only here, because usually nothing is left.
        followers = machine.this().writing_to(directory.fifo)
        left = {pid: row for pid, row in left.items() if row.process not in followers}
    return left


def _serving(rows: Mapping[int, ProcessRow], session: int | None, own: set[int]) -> set[int]:
    """The processes in the host's own process session, and all their descendants."""
    serving = {pid for pid, row in rows.items() if row.session == session and pid not in own}
    while more := {pid for pid, row in rows.items() if pid not in serving | own and row.parent in serving}:
        serving |= more
    return serving


def _own(pids: HostPids | None, table: Mapping[int, ProcessRow]) -> set[ProcessId]:
    if pids is None:
        return set()
    inside = processes.program_inside(pids.sandbox, table) if pids.sandbox else None
    return pids.own | ({inside} if inside else set())
