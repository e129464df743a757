"""Find the `claude` command, check its version, and ask it whether it has a login.

Runs the command only for `--version` and `auth status`, each with a time limit. Cancelling ends the child, too.
"""

import asyncio
import importlib.util
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from machine.awake_timeout import awake_timeout
from sessions.claude.errors import CliBroken, CliMissing, CliTooOld, NeedsProgram
from sessions.claude.wire import decode, flag_of, text_of
from texts.os_text import decoded

# The oldest version whose wire format this package was measured against.
MINIMUM_VERSION = (2, 1, 300)

_VERSION = re.compile(r"v?((\d{1,9})\.(\d{1,9})\.(\d{1,9}))(?:-[\w.]{1,60})?( \(Claude Code\))?")
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_OBJECT_BEGINS = re.compile(r"^[ \t]{0,20}\{", re.MULTILINE)
# Each try decodes the rest of the output: a hostile wrapper could otherwise make it quadratic.
_OBJECTS_TRIED = 20
# Messages of env and the shells: env: 'node': No such file or directory; sh: 1: node: not found.
_NOT_FOUND = re.compile(
    r"(?<![\w.+-])([\w.+-]{1,64})['’]?: (?:command )?(?:not found|No such file or directory)"
)
# A shell and `env` end with this code if they find no program.
_NOT_FOUND_CODE = 127
# CLAUDE_COMMAND may name any program: one that prints without end must not fill the memory.
_MAX_OUTPUT_BYTES = 64 * 1024
_REAP_S = 2.0


class Cli(msgspec.Struct, frozen=True):
    """A working `claude`: the command that starts it, and its version."""

    command: tuple[str, ...]
    version: str


class LoggedIn(msgspec.Struct, frozen=True):
    """Claude has a login. `method` is the CLI's name for it: api_key, oauth_token, claude.ai, third_party …"""

    method: str


class NotLoggedIn(msgspec.Struct, frozen=True):
    """Claude has no login in this environment, and no key is set."""


class LoginUnknown(msgspec.Struct, frozen=True):
    """The CLI did not report whether it has a login. `reason` is a sentence."""

    reason: str


Login = LoggedIn | NotLoggedIn | LoginUnknown


def find_command(configured: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that starts Claude: `configured` (CLAUDE_COMMAND), or the first one found.

    The search covers PATH, the directory of Claude's own installer (missing in a service manager's PATH), and
    the `cli` extra. `configured` is split like a shell command; `~` and `$HOME` work. Raises `CliMissing`.
    """
    path = environment.get("PATH", os.defpath)
    if configured.strip():
        try:
            # os.path keeps a bare name bare, which pathlib does not.
            first, *rest = (os.path.expanduser(os.path.expandvars(each)) for each in shlex.split(configured))  # noqa: PTH111
        except ValueError as error:
            raise CliMissing(configured) from error
        program = shutil.which(first, path=path)
        if program is None:
            raise CliMissing(configured)
        # Sessions run in other directories, where a relative path would name another file.
        return (str(Path(program).absolute()), *rest)
    installed = Path(environment.get("HOME") or os.sep, ".local", "bin")
    program = shutil.which("claude", path=path) or shutil.which("claude", path=str(installed)) or _bundled()
    if program is None:
        raise CliMissing
    return (program,)


def typed_name(command: Sequence[str]) -> str:
    """Return the shell command for a person in this directory to run `command`: a bare name if PATH has it."""
    program = Path(command[0])
    beside = Path(sys.prefix) / "bin" / program.name
    if program.name == "claude" and shutil.which("claude"):
        shown = "claude"
    elif beside.exists() and beside.samefile(program):
        shown = os.path.relpath(beside)
    else:
        shown = str(program)
    return shlex.join((shown, *command[1:]))


async def locate(configured: str, environment: Mapping[str, str], *, limit_s: float = 20.0) -> Cli:
    """Find and check the `claude` to use. `environment` is the child's; `limit_s` bounds `--version`.

    Raises `CliMissing`, `CliBroken` (it hangs, fails or prints no version), `NeedsProgram` or `CliTooOld`.
    """
    command = find_command(configured, environment)
    try:
        async with awake_timeout(limit_s):
            ran = await _run((*command, "--version"), environment)
    except TimeoutError as error:
        raise CliBroken(f"it said nothing for {limit_s:.0f} seconds") from error
    except OSError as error:
        # The kernel says ENOENT for a script whose interpreter is missing, just as for a missing script.
        if isinstance(error, FileNotFoundError) and (program := _interpreter(Path(command[0]))):
            raise NeedsProgram(program) from error
        raise CliBroken(f"it cannot be started ({error.strerror or error})") from error
    if ran.code == _NOT_FOUND_CODE and (missing := _NOT_FOUND.findall(ran.stderr)):
        raise NeedsProgram(missing[-1])
    found = _said_version(ran.stdout)
    if ran.code != 0 or found is None:
        raise CliBroken(f"it ended with code {ran.code} and named no version")
    version, *numbers, _ = found.groups()
    if tuple(map(int, numbers)) < MINIMUM_VERSION:
        raise CliTooOld(version, ".".join(map(str, MINIMUM_VERSION)))
    return Cli(command, version)


def _said_version(output: str) -> re.Match[str] | None:
    """Return the match of Claude's version in the output of `--version`, or None.

    The version is a line of its own. A wrapper may print other versions before it, such as node's.
    """
    lines = [_COLOUR.sub("", line).strip() for line in output.splitlines()]
    found = [match for match in map(_VERSION.fullmatch, lines) if match]
    return next((match for match in found if match[5]), found[-1] if found else None)


def _interpreter(script: Path) -> str:
    """Return the program that the first line of `script` names; empty if the file is not a script."""
    with suppress(OSError), script.open("rb") as file:
        first_line = decoded(file.read(256).partition(b"\n")[0])
        if words := first_line.removeprefix("#!").split():
            return Path(words[0]).name if first_line.startswith("#!") else ""
    return ""


async def login_status(
    command: Sequence[str], environment: Mapping[str, str], *, limit_s: float = 20.0
) -> Login:
    """Ask `claude auth status` whether Claude has a login in `environment`. No output of it raises an error.

    Works offline: a login that the vendor has withdrawn since still counts.
    """
    try:
        async with awake_timeout(limit_s):
            ran = await _run((*command, "auth", "status", "--json"), environment)
    except TimeoutError:
        return LoginUnknown(f"`claude auth status` said nothing for {limit_s:.0f} seconds.")
    except OSError as error:
        return LoginUnknown(f"`claude auth status` cannot be started ({error.strerror or error}).")
    # A wrapper may print text before the answer, even with a brace of its own.
    for start in islice(_OBJECT_BEGINS.finditer(ran.stdout), _OBJECTS_TRIED):
        said, _ = decode(ran.stdout[start.start() :].encode())
        if isinstance(said, Mapping) and isinstance(said.get("loggedIn"), bool):
            return LoggedIn(text_of(said, "authMethod")) if flag_of(said, "loggedIn") else NotLoggedIn()
    return LoginUnknown(f"`claude auth status` ended with code {ran.code} and gave no known answer.")


class _Ran(msgspec.Struct, frozen=True):
    code: int
    stdout: str
    stderr: str


async def _run(argv: Sequence[str], environment: Mapping[str, str]) -> _Ran:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A group of its own, for `killpg` below; Ctrl-C in the bridge's terminal does not reach it either.
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        output, errors = await asyncio.gather(_read_some(process.stdout), _read_some(process.stderr))
        return _Ran(await process.wait(), decoded(output), decoded(errors))
    finally:
        if process.returncode is None:
            # The whole group: CLAUDE_COMMAND may be a script, and its child would keep running.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # asyncio reports a process as ended only once its pipes are read to the end. A child that left the
            # group may still hold one: then stop waiting.
            with suppress(TimeoutError):
                async with asyncio.timeout(_REAP_S):
                    await process.communicate()


async def _read_some(stream: asyncio.StreamReader) -> bytes:
    """Read the stream to its end, and return its first `_MAX_OUTPUT_BYTES`."""
    output = b""
    while piece := await stream.read(_MAX_OUTPUT_BYTES):
        # Read on past the limit: a program that cannot write would never end.
        output += piece[: _MAX_OUTPUT_BYTES - len(output)]
    return output


def _bundled() -> str | None:
    # Only find the package: importing it costs half a second and 60 MB.
    try:
        spec = importlib.util.find_spec("claude_agent_sdk")
    except (ImportError, ValueError):
        return None
    for directory in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(directory) / "_bundled" / "claude"
        if program.is_file() and os.access(program, os.X_OK):
            return str(program)
    return None
