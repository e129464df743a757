"""Find in the CLI's error output why it ended by itself: the refusals that a person can act on."""

import re
from enum import StrEnum

from sessions.claude.api_message import cleaned


class StartRefusal(StrEnum):
    """The reason that the CLI, or the sandbox around it, prints before it ends by itself."""

    MESSAGE_GONE = "message_gone"
    CONVERSATION_GONE = "conversation_gone"
    CONVERSATION_TAKEN = "conversation_taken"
    DIRECTORY_GONE = "directory_gone"
    BYPASS_AS_ROOT = "bypass_as_root"
    NOT_INSIDE = "not_inside"
    NO_SANDBOX = "no_sandbox"


_SAID = {
    StartRefusal.MESSAGE_GONE: re.compile(r"No message found with message\.uuid"),
    StartRefusal.CONVERSATION_GONE: re.compile(r"No conversation found with session ID"),
    StartRefusal.CONVERSATION_TAKEN: re.compile(r"Session ID \S{1,60} is already in use"),
    StartRefusal.DIRECTORY_GONE: re.compile(r"current directory no longer exists"),
    # Before the general line of bwrap below: the first that is found counts.
    StartRefusal.NOT_INSIDE: re.compile(r"bwrap: execvp|\$@: not found|exec: \S{1,200}: not found"),
    StartRefusal.NO_SANDBOX: re.compile(r"^bwrap: ", re.MULTILINE),
    StartRefusal.BYPASS_AS_ROOT: re.compile(r"--dangerously-skip-permissions cannot be used with root"),
}


def start_refusal(stderr: str) -> StartRefusal | None:
    """Return the refusal in `stderr`; None if it has no known one."""
    return next((refusal for refusal, said in _SAID.items() if said.search(stderr)), None)


def last_words(stderr: str) -> str:
    """Return the last line of `stderr`, cleaned for people who see the session; empty if there is no line."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    return cleaned(lines[-1]).rstrip(".") if lines else ""
