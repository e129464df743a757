"""Runs the checks of work-flows in the sandbox of a session, and cuts what they print."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import assert_never

import api as c
from backends.commands.model import CommandEnd, Exited, Lost, Stopped, TimedOut
from sessions.errors import CommandRefused, SessionError
from sessions.manager import SessionManager
from sessions.shell_commands import ShellCommand, forget_shell_command, run_shell_command
from texts.redaction import Redactor
from texts.unseen import without_unseen

MOST_BYTES = 256 * 1024
_SHOWN_BYTES = 8_000
_TRIES = 2


class RunChecks:
    """The checks of runs. A check never runs in the bridge: `run_shell_command` says where."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager

    async def run(self, session_id: str, name: str, check: c.Check, seconds: float) -> c.CheckResult:
        """Run `check`; see `workflows.ports.RunCheck`. Raises `SessionNotFound`, `WorkDirectoryRefused`."""
        session = await self._manager.get_session(session_id)
        # Not the clock of the day, which may be set while a check runs.
        begun, wish = time.monotonic(), ShellCommand(name, check.command, seconds, MOST_BYTES)
        try:
            end = await run_shell_command(session, wish)
            for _ in range(_TRIES):
                if not isinstance(end, Lost):
                    break
                # It was cut off, which says nothing about the work: from the beginning, then.
                await forget_shell_command(session, name)
                end = await run_shell_command(session, wish)
        except CommandRefused as refused:
            return c.CheckResult(check.name, check.command, None, trouble=f"It was not run: {refused}")
        output = await asyncio.to_thread(_shown, end.output.path)
        code, trouble = _outcome(end, seconds)
        return c.CheckResult(check.name, check.command, code, output, time.monotonic() - begun, trouble)

    async def forget(self, session_id: str, name: str) -> None:
        """Remove what the check printed. No error if it is gone."""
        with suppress(SessionError):
            await forget_shell_command(await self._manager.get_session(session_id), name)


def _outcome(end: CommandEnd, seconds: float) -> tuple[int | None, str]:
    match end:
        case Exited(code=code):
            return code, ""
        case TimedOut():
            return None, f"It was ended after {seconds:.0f} s."
        case Stopped():
            return None, "It was stopped."
        case Lost():
            return None, "It was cut off: the machine was restarted, or the program that kept it was killed."
        case _:
            assert_never(end)


def _shown(path: Path) -> str:
    """Return the end of the output as text for people and for Claude, without secrets."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            # A check that fails says why at its end.
            file.seek(max(0, size - _SHOWN_BYTES))
            data = file.read()
    except OSError:
        return ""
    text = without_unseen(data.decode("utf-8", "replace"))
    return Redactor().redact(text)
