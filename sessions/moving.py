"""Taking a session to another project: its directory was renamed, or its work goes on elsewhere.

The conversation is kept. Its history names files by absolute paths, so Claude is told of the move with the next
prompt, once.
"""

from collections.abc import Sequence

NOTE_BEGINS, NOTE_ENDS = "<bridge-note>", "</bridge-note>"


def note_of_move(moved_from: Sequence[str], work_directory: str) -> str:
    """What Claude is told before the first prompt after a move; empty if there was none."""
    if not moved_from:
        return ""
    before = ", ".join(moved_from)
    return (
        f"{NOTE_BEGINS}The project's directory is now {work_directory}. Earlier in this conversation it was "
        f"{before}: read absolute paths from before this point as paths below the new directory.{NOTE_ENDS}"
    )
