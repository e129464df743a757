"""`claude-bridge completion SHELL`: a script that completes our words in a shell, made from the parser."""

import argparse
from collections.abc import Iterator, Mapping
from typing import assert_never

from bridge.invocation import Shell

_NAME = "claude-bridge"
_FUNCTION = "_claude_bridge"

Words = Mapping[str, tuple[str, ...]]
"""The words that can come next, by the words before: the commands, or the commands and an option."""


def script(parser: argparse.ArgumentParser, shell: Shell) -> str:
    """Return the script for `shell`."""
    commands, choices = dict(_commands(parser, "")), dict(_choices(parser, ""))
    match shell:
        case Shell.BASH:
            return _bash(commands, choices)
        case Shell.ZSH:
            return _zsh(commands, choices)
        case Shell.FISH:
            return _fish(commands, choices)
        case _:
            assert_never(shell)


def _commands(parser: argparse.ArgumentParser, before: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield for each command its subcommands, its positional choices and its options."""
    below = _below(parser)
    actions = parser._actions  # noqa: SLF001 (argparse has no other way)
    given = [str(each) for action in actions if not action.option_strings for each in action.choices or ()]
    flags = [flag for action in actions for flag in action.option_strings]
    # A positional's choices may be the names of the commands: each word once.
    yield before, tuple(dict.fromkeys((*given, *flags)))
    for name, each in below.items():
        yield from _commands(each, f"{before} {name}")


def _choices(parser: argparse.ArgumentParser, before: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield for each option with choices the choices."""
    for action in parser._actions:  # noqa: SLF001 (argparse has no other way)
        # The empty choice is a default, and no word that a shell could complete.
        for flag in action.option_strings if action.choices else ():
            yield f"{before} {flag}", tuple(str(each) for each in action.choices or () if each)
    for name, each in _below(parser).items():
        yield from _choices(each, f"{before} {name}")


def _below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 (argparse has no other way)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def _bash(commands: Words, choices: Words) -> str:
    # `-o default` goes on with file names where none of our words fits.
    return f"""\
{_FUNCTION}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} line= words= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$line ${{COMP_WORDS[i]}}" in
            {_patterns(commands)}) line="$line ${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$line" in
{_cases(commands, 'words="{}"')}
    esac
    case "$line ${{COMP_WORDS[COMP_CWORD - 1]}}" in
{_cases(choices, 'words="{}"')}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F {_FUNCTION} {_NAME}
"""


def _zsh(commands: Words, choices: Words) -> str:
    # `compadd` fails if no word fits; then zsh offers file names.
    return f"""\
#compdef {_NAME}
{_FUNCTION}() {{
    local line= i
    local -a found
    for ((i = 2; i < CURRENT; i++)); do
        case "$line ${{words[i]}}" in
            {_patterns(commands)}) line="$line ${{words[i]}}" ;;
        esac
    done
    case "$line" in
{_cases(commands, "found=({})")}
    esac
    case "$line ${{words[CURRENT - 1]}}" in
{_cases(choices, "found=({})")}
    esac
    compadd -a found || _files
}}
compdef {_FUNCTION} {_NAME}
"""


def _fish(commands: Words, choices: Words) -> str:
    known = " ".join(_quoted(line) for line in commands if line)
    cases = [
        f"            case {_quoted(line)}\n                set found {' '.join(words)}"
        for line, words in {**commands, **choices}.items()
    ]
    lines = "\n".join(cases)
    # `-f` keeps fish from offering file names beside our words. So paths are completed by the function itself.
    return f"""\
function _{_FUNCTION}_words
    set -l line ""
    set -l found
    set -l typed (commandline -opc)
    for word in $typed[2..-1]
        if contains -- "$line $word" {known}
            set line "$line $word"
        end
    end
    for each in "$line" "$line $typed[-1]"
        switch "$each"
{lines}
        end
    end
    set -l current (commandline -ct)
    set -l fitting (string match -- "$current*" $found)
    if test (count $fitting) -gt 0
        printf "%s\\n" $fitting
    else
        __fish_complete_path $current
    end
end
complete -c {_NAME} -f -a "(_{_FUNCTION}_words)"
"""


def _patterns(commands: Words) -> str:
    return " | ".join(_quoted(line) for line in commands if line)


def _cases(words: Words, sets: str) -> str:
    lines = (f"        {_quoted(line)}) {sets.format(' '.join(each))} ;;" for line, each in words.items())
    return "\n".join(lines)


def _quoted(line: str) -> str:
    return f'"{line}"'
