"""Decide whether a session's process may be ended or frozen now. Pure.

All code that parks a session asks here. Parking keeps the conversation and the prompts; background work and
schedules are lost. Freezing loses nothing, but a frozen process does nothing either.
"""

from collections.abc import Iterable

from sessions.model import SERVER_FAILED
from sessions.snapshot import Snapshot


def may_be_parked(snapshot: Snapshot) -> bool:
    """Whether nothing would be lost, and no prompt delayed, by ending the process now."""
    return loses_nothing(snapshot) and not snapshot.queue


def loses_nothing(snapshot: Snapshot) -> bool:
    """Whether nothing would be lost by ending the process now. Prompts may wait: another process gets them."""
    return is_done_with_turns(snapshot) and not snapshot.left_running and not snapshot.promised


def is_done_with_turns(snapshot: Snapshot) -> bool:
    """Whether Claude neither works nor waits for its tasks. Schedules and what tools left do not count."""
    return snapshot.is_idle and not snapshot.background_tasks


def may_be_given_up(snapshot: Snapshot) -> bool:
    """Whether at most schedules or processes left running keep the process. In time its place may be taken."""
    return is_done_with_turns(snapshot) and not snapshot.queue


def may_be_frozen(snapshot: Snapshot) -> bool:
    """Whether the process may be frozen until the next line for it: it waits for nothing else."""
    # A server may wait for the CLI, and a schedule fires by the CLI's clock: neither wakes a frozen process.
    has_servers = any(each.state != SERVER_FAILED for each in snapshot.mcp_servers)
    return may_be_parked(snapshot) and not has_servers and not snapshot.schedules


def longest_idle(snapshots: Iterable[Snapshot], *, since_ms: int) -> Snapshot | None:
    """Return the session to park first when memory is needed; None if none is idle since `since_ms`."""
    idle = (each for each in snapshots if may_be_parked(each) and each.last_activity_ms <= since_ms)
    return min(idle, key=lambda each: each.last_activity_ms, default=None)
