"""Processes as hosts need them: whether one lives, and what belongs to a tree.

What the system knows of them is `machine`; waiting for a death is `deaths.py`, ending a tree `stopping.py`.
"""

import os
from collections.abc import Iterable, Mapping

import machine
from machine import ProcessId, ProcessRow


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs. A zombie does not."""
    row = machine.this().read_process(process.pid)
    return row is not None and row.process == process and not row.zombie


def tree(
    table: Mapping[int, ProcessRow],
    roots: Iterable[ProcessId],
    earlier: Mapping[int, ProcessId | None] | None = None,
) -> set[ProcessId]:
    """The living of `roots`, everything below them, and everything in their process sessions.

    A child whose parent died keeps its session, so it is found as long as one of its session is a root or
    below one; or by `earlier`, as `sessions_of` gave it at an earlier look, even when all of them are dead.
    This process and its session are never part of it.
    """
    own_session = os.getsid(0)
    others = {pid: row for pid, row in table.items() if pid != os.getpid()}
    known = {root.pid for root in roots if root.pid in others and others[root.pid].process == root}
    # The number of a session is no pid again while one of it lives: a new leader means that it has ended.
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
    """The process sessions of `members`, who are in `table`, each with its leader if that one lives."""
    numbers = {table[member.pid].session for member in members} - {0}
    return {number: table[number].process if number in table else None for number in numbers}
