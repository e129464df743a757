"""Processes as hosts need them: whether one lives, and which ones belong to a tree.

`machine` asks the system, `deaths.py` waits for a death, `stopping.py` ends a tree.
"""

import os
from collections.abc import Iterable, Mapping

import machine
from machine import ProcessId, ProcessRow

# Process 1 inside waits for all the others.
_PROGRAM_INSIDE, _RELAY_INSIDE = 2, 3
_RELAY = "/run/relay.py"


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs. A zombie does not."""
    row = machine.this().read_process(process.pid)
    return row is not None and row.process == process and not row.zombie


def program_inside(sandbox: ProcessId, table: Mapping[int, ProcessRow]) -> ProcessId | None:
    """Return the living program that a sandbox was made for; None if it has ended.

    `sandbox` is the sandbox's process 1. The program is always the second process in it, and its child.
    """
    if sandbox.pid not in table or table[sandbox.pid].process != sandbox:
        return None
    children = (row.process for row in table.values() if row.parent == sandbox.pid)
    return next(
        (child for child in children if machine.this().innermost_pid(child.pid) == _PROGRAM_INSIDE), None
    )


def relay_inside(program: ProcessId, table: Mapping[int, ProcessRow]) -> ProcessId | None:
    """Return the relay of a sandbox with a limited network that an earlier version made, or None.

    `program` is the program inside. It forked the relay before anything else ran there.
    """
    children = (row.process for row in table.values() if row.parent == program.pid)
    return next(
        (
            child
            for child in children
            if machine.this().innermost_pid(child.pid) == _RELAY_INSIDE
            and _RELAY in machine.this().command_of(child.pid)
        ),
        None,
    )


def tree(
    table: Mapping[int, ProcessRow],
    roots: Iterable[ProcessId],
    earlier: Mapping[int, ProcessId | None] | None = None,
) -> set[ProcessId]:
    """Return the living processes of `roots`, all below them, and all in their process sessions.

    A child whose parent died keeps its process session. So it is found if a process of that session is a root
    or below one. It is also found by `earlier`, an earlier result of `sessions_of`, even if those are all dead.
    The result never contains this process or its session.
    """
    # A tree is there to be ended: one root in our own session would take the bridge along. Kernel threads have
    # session 0.
    own_session = os.getsid(0)
    others = {pid: row for pid, row in table.items() if pid != os.getpid()}
    known = {root.pid for root in roots if root.pid in others and others[root.pid].process == root}
    # While a member lives, the system does not reuse the session's number as a pid. A new leader means its end.
    lasting = {
        number
        for number, leader in (earlier or {}).items()
        if number not in table or table[number].process == leader
    }
    known |= {pid for pid, row in others.items() if row.session in lasting - {own_session, 0}}
    while True:
        sessions = {others[pid].session for pid in known} - {own_session, 0}
        more = {
            pid
            for pid, row in others.items()
            if pid not in known and (row.parent in known or row.session in sessions)
        }
        if not more:
            return {others[pid].process for pid in known}
        known |= more


def sessions_of(table: Mapping[int, ProcessRow], members: Iterable[ProcessId]) -> dict[int, ProcessId | None]:
    """Return the process sessions of `members`, all in `table`, each with its leader if that is alive."""
    numbers = {table[member.pid].session for member in members} - {0}
    return {number: table[number].process if number in table else None for number in numbers}
