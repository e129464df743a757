"""Whether a session may lose its process now: one answer for everybody who wants to park it. Pure.

Parked, a session keeps its conversation and its prompts; what runs in the background, or is promised, is lost.
"""

from sessions.state import Snapshot


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
