"""Run a shell command beside a session: in its work directory and sandbox, never in the bridge.

Work-flow checks and the like use it. The command has nothing to do with the session's host: it needs no live
process, and does not end with it.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from backends.base import BackendError, LaunchRefused
from backends.commands.model import CommandEnd, CommandNotStarted, CommandSpec
from sessions.claude.errors import ClaudeError
from sessions.driver import CommandPlace
from sessions.errors import CommandRefused
from sessions.session_port import SessionPort
from sessions.uploads import make_uploads, uploads_of
from sessions.work_directory import check_work_directory, shared_git_directory

SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command to run once. `name` is its identity in the session: a-z, 0-9 and `-`, at most 64 characters.

    `text` is a script for `/bin/sh`. It is ended after `timeout_s`. The first and the last `max_bytes / 2` of
    its output are kept.
    """

    name: str
    text: str
    timeout_s: float
    max_bytes: int = 1 << 20


async def run_shell_command(session: SessionPort, asked: ShellCommand) -> CommandEnd:
    """Run a command in the session's work directory and sandbox, with its Claude's environment.

    Its stdin is empty. When it ends, for whatever reason, all processes that it started are ended; after
    `timeout_s` it is ended. stdout and stderr are kept together in a file (`CommandEnd.output`).

    The command does not depend on the bridge: cancelling this, or killing the bridge, leaves it running
    within its time. Another call with the same name never starts it again: it waits for the same run, or
    returns its stored end, until `forget`. So a caller that was killed calls again with the same name.

    Raises `WorkDirectoryRefused`, and `CommandRefused` with a sentence if it cannot be started.
    """
    around, snapshot = session.around, session.snapshot
    if around.commands is None:
        raise CommandRefused("this bridge runs no commands")
    # As before each process: a link may have taken the directory's place since the last one.
    directory = check_work_directory(
        Path(snapshot.work_directory), around.workspace_root, around.private_places
    )
    uploads = uploads_of(around.run_directory, session.id)
    await asyncio.to_thread(make_uploads, uploads)
    writable = await asyncio.to_thread(shared_git_directory, directory)
    try:
        place = CommandPlace(directory, readable=(uploads,), writable=writable)
        program = await around.driver.command(place, (SHELL, "-c", asked.text))
        return await around.commands.run(
            CommandSpec(
                session_id=session.id,
                name=asked.name,
                argv=program.argv,
                cwd=directory,
                environment=program.environment,
                timeout_s=asked.timeout_s,
                max_bytes=asked.max_bytes,
                access=program.access,
            )
        )
    except (LaunchRefused, CommandNotStarted) as error:
        raise CommandRefused(error.reason) from error
    except (ClaudeError, BackendError, OSError) as error:
        raise CommandRefused("this machine cannot start it now") from error


async def forget_shell_command(session: SessionPort, name: str) -> None:
    """Stop the command and remove its output. Call it once the result is stored elsewhere. No-op if unknown."""
    if session.around.commands is not None:
        await session.around.commands.forget(session.id, name)
