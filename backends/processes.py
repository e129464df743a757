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


def tree(table: Mapping[int, ProcessRow], roots: Iterable[ProcessId]) -> set[ProcessId]:
    """The living of `roots`, everything below them, and everything in their process sessions.

    A child whose parent died keeps its session, so it is found as long as one of its session is a root or
    below one. This process and its session are never part of it.
    """
    own_session = os.getsid(0)
    others = {pid: row for pid, row in table.items() if pid != os.getpid()}
    known = {root.pid for root in roots if root.pid in others and others[root.pid].process == root}
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
