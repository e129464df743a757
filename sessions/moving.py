"""Move a session to another project, or after a rename of its directory.

The conversation is kept. Its history names files by absolute paths, so Claude is told of the move with the next
prompt, once.
"""

from collections.abc import Sequence


def note_of_move(moved_from: Sequence[str], work_directory: str, keeps_out_of: Sequence[str] = ()) -> str:
    """Return the note that precedes the first prompt after a move; empty if the session was not moved.

    `keeps_out_of` are directories of other sessions, of which this session has a copy.
    """
    if not moved_from:
        return ""
    before = ", ".join(moved_from)
    if set(moved_from) & set(keeps_out_of):
        return (
            f"You work on a copy of the project's files now, in {work_directory}. Earlier in this conversation "
            f"they were in {before}: read absolute paths from before this point as paths below the new "
            "directory. The old directory belongs to another session: do not read or change its files."
        )
    return (
        f"The project's directory is now {work_directory}. Earlier in this conversation it was "
        f"{before}: read absolute paths from before this point as paths below the new directory."
    )
