"""Whether a session may lose its process now, or have it stand still. Pure.

One answer for everybody who wants to park a session: parked, it keeps its conversation and its prompts; what
runs in the background, or is promised, is lost. A frozen process loses nothing, but does nothing either.
"""

from collections.abc import Iterable

from sessions.claude.lines import SERVER_FAILED
from sessions.snapshot import Snapshot


def may_be_parked(snapshot: Snapshot) -> bool:
    """Whether nothing would be lost, and no prompt delayed, by ending the process now."""
    return loses_nothing(snapshot) and not snapshot.queue


def loses_nothing(snapshot: Snapshot) -> bool:
    """The same where the next prompt is to go to another process anyway."""
    return is_done_with_turns(snapshot) and not snapshot.left_running and not snapshot.promised


def is_done_with_turns(snapshot: Snapshot) -> bool:
    """Whether Claude neither works nor waits for its own tasks; something may be left running, or promised."""
    return snapshot.is_idle and not snapshot.background_tasks


def may_be_given_up(snapshot: Snapshot) -> bool:
    """Whether only what is left running or promised keeps the process: its place may be taken, in the end."""
    return is_done_with_turns(snapshot) and not snapshot.queue


def may_be_frozen(snapshot: Snapshot) -> bool:
    """Whether the process may stand still until it is sent a line: it waits for nothing else."""
    has_servers = any(each.state != SERVER_FAILED for each in snapshot.mcp_servers)
    return may_be_parked(snapshot) and not has_servers and not snapshot.schedules


def longest_idle(snapshots: Iterable[Snapshot], *, since_ms: int) -> Snapshot | None:
    """The session that is parked first when its memory is needed; None if none is idle since `since_ms`."""
    idle = (each for each in snapshots if may_be_parked(each) and each.last_activity_ms <= since_ms)
    return min(idle, key=lambda each: each.last_activity_ms, default=None)
