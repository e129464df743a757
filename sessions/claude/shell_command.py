"""The command that Claude's Bash tool was given, out of the command line of the shell that runs it.

The CLI runs `bash -c "source SNAPSHOT … && eval 'COMMAND' < /dev/null && pwd -P >| FILE"`.
"""

_BEGIN, _END = " && eval '", "' < /dev/null && pwd -P"
_QUOTE = "'\\''"


def shown_command(command_line: str) -> str:
    """`command_line` as people know it: Claude's own command if it is one of Claude's shells."""
    _, begun, rest = command_line.partition(_BEGIN)
    command, ended, _ = rest.rpartition(_END)
    # A command line that was cut before its end has the command all the same.
    inner = command if ended else rest
    return inner.replace(_QUOTE, "'") if begun else command_line
