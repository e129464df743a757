"""Runs BACKUP_COMMAND, which copies a backup to another place."""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

NOT_STARTED = 127
_DEADLINE_S = 6 * 3600.0


async def run_backup_command(command: Sequence[str], path: Path) -> int:
    """Run the command with `path` as its last argument, and return its exit code.

    It gets no variable with a token of ours. 127 if it does not start, 124 if it takes longer than six hours.
    """
    # The command is an operator's own script: what it needs of the environment, nobody here knows.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DISCORD_")}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            str(path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            # Ctrl-C in the bridge's terminal must not cut a copy that may take hours.
            start_new_session=True,
        )
    except OSError as error:
        log.warning("BACKUP_COMMAND does not start", extra={"error": error.errno})
        return NOT_STARTED
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await process.wait()
    except TimeoutError:
        return 124
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
