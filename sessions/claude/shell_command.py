"""Extract the command of Claude's Bash tool from the command line of the shell that runs it.

The CLI runs `bash -c "source SNAPSHOT … && eval 'COMMAND' < /dev/null && pwd -P >| FILE"`.
"""

_BEGIN, _END = " && eval '", "' < /dev/null && pwd -P"
_QUOTE = "'\\''"


def shown_command(command_line: str) -> str:
    """Return Claude's own command if the command line is one of Claude's shells; else all of it."""
    _, begun, rest = command_line.partition(_BEGIN)
    command, ended, _ = rest.rpartition(_END)
    # A command line cut off before its end still has the beginning of the command.
    inner = command if ended else rest
    return inner.replace(_QUOTE, "'") if begun else command_line
