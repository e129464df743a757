"""Move a session to another project, or after a rename of its directory.

The conversation is kept. Its history names files by absolute paths, so Claude is told of the move with the next
prompt, once.
"""

from collections.abc import Sequence


def note_of_move(moved_from: Sequence[str], work_directory: str) -> str:
    """Return the note that precedes the first prompt after a move; empty if the session was not moved."""
    if not moved_from:
        return ""
    before = ", ".join(moved_from)
    return (
        f"The project's directory is now {work_directory}. Earlier in this conversation it was "
        f"{before}: read absolute paths from before this point as paths below the new directory."
    )
