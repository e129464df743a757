"""The program without a face of its own: `House.core` runs it to have an owner of the data directory."""

import asyncio
import sys

from bridge.cli_core import finish
from bridge.cli_run import run_with
from bridge.wiring import OpenCore


async def say_that_it_is_open(core: OpenCore) -> None:
    print("open", flush=True)
    await asyncio.Event().wait()


def run() -> int:
    """For the nursery, and below for a process that tests do not keep."""
    return finish(lambda settings: run_with(settings, [say_that_it_is_open]))


if __name__ == "__main__":
    sys.exit(run())
