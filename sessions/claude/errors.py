"""The errors of Claude's command line: one class per decision that a caller can take.

Every message is a sentence that a person can act on. The only path in it is the operator's configured command.
"""


class ClaudeError(Exception):
    """The root of all errors that `sessions.claude` raises."""


class CliMissing(ClaudeError):
    """No `claude` was found. `configured` is the value of CLAUDE_COMMAND, or empty if it is not set."""

    def __init__(self, configured: str = "") -> None:
        where = (
            f"CLAUDE_COMMAND names {configured!r}, which is no program on this machine"
            if configured
            else "The claude command is not on PATH and the `cli` extra is not installed"
        )
        super().__init__(f"{where}. Install Claude Code, or set CLAUDE_COMMAND to the command that starts it.")
        self.configured = configured


class CliTooOld(ClaudeError):
    """The `claude` that was found is too old for the bridge."""

    def __init__(self, found: str, needed: str) -> None:
        super().__init__(f"Claude Code {found} is too old: {needed} or newer is needed. Run `claude update`.")
        self.found = found
        self.needed = needed


class CliBroken(ClaudeError):
    """The `claude` that was found prints no version: it cannot start, hangs, or is another program."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The claude command does not work: {reason}. Run `claude --version` by hand to see what it says."
        )
        self.reason = reason


class NeedsProgram(CliBroken):
    """The `claude` that was found is a script, and its interpreter (mostly node) is not on PATH."""

    def __init__(self, program: str) -> None:
        super().__init__(f"it needs {program}, and {program} is not on the PATH that Claude gets")
        self.program = program


class BadLaunch(ClaudeError):
    """A value must not reach the CLI's command line or input."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"{name} cannot be {value[:80]!r}")
        self.name = name
        self.value = value


class NetworkUnavailable(ClaudeError):
    """The proxy of sandboxes cannot be started, so a sandbox would have no network."""

    def __init__(self) -> None:
        super().__init__(
            "Claude was not started: the proxy for SANDBOX_NETWORK does not run. The bridge’s log says why."
        )


class TranscriptMissing(ClaudeError):
    """Claude has no transcript of the conversation: deleted after its retention time, or never begun."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"Claude has no transcript of conversation {conversation_id[:64]} on this machine.")
        self.conversation_id = conversation_id
