"""Describe the processes that Claude's tools left running: a dev server, a `nohup` loop, a cut test run."""

from collections.abc import Sequence

from backends.base import LeftRunning
from sessions.claude.shell_command import shown_command
from sessions.model import LeftProcess

_MOST_NAMED = 5
_MOST_CHARACTERS = 120


def left_process(found: LeftRunning) -> LeftProcess:
    """Return the process with the command that Claude gave, on one line and shortened."""
    words = " ".join(shown_command(found.command).split())
    return LeftProcess(found.pid, words if len(words) <= _MOST_CHARACTERS else f"{words[:_MOST_CHARACTERS]}…")


def sentence_about_ended(left: Sequence[LeftProcess]) -> str:
    """Return the sentence about the processes that were ended with Claude's process."""
    named = "; ".join(each.command for each in left[:_MOST_NAMED])
    more = f"; and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return f"Claude's tools had left something running. It was ended with Claude's process: {named}{more}."
