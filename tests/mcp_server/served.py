"""A core with its control socket, and `claude-bridge mcp` as agents start it."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace  # noqa: TID251 (a dataclass)
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.control import ControlServer
from bridge.ownership import OwnerKind, owning
from mcp_server.in_session import SessionToolbox
from tests.sessions.checkpointed import policy_in
from tests.sessions.running_core import CoreParts, RunningCore, running_core

if TYPE_CHECKING:
    from mcp import Client

PROJECT = Path(__file__).parents[2]


@asynccontextmanager
async def served_core(directory: Path, parts: CoreParts | None = None) -> AsyncIterator[RunningCore]:
    """Run a core that other processes reach, as a bridge does."""
    parts = replace(parts or CoreParts(), tools=SessionToolbox)
    async with running_core(directory, parts, checkpoints=policy_in(directory)) as core:
        with owning(directory, OwnerKind.BOT):
            async with ControlServer(core.service, directory):
                yield core


def environment(directory: Path) -> dict[str, str]:
    """Return the variables of a program that finds the core in `directory`."""
    elsewhere = directory.parent / "elsewhere"  # settings refuse a workspace or a home inside of DATA_DIR
    elsewhere.mkdir(exist_ok=True)
    places = {"DATA_DIR": str(directory), "WORKSPACE_ROOT": str(elsewhere), "HOME": str(elsewhere)}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **places}


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "bridge", "mcp", *flags]


def client(directory: Path, *flags: str) -> "Client":
    """Return the SDK's own client on a new server process."""
    # Its import takes a second, and every worker collects this file.
    from mcp import Client, StdioServerParameters

    argv = command(*flags)
    return Client(
        StdioServerParameters(command=argv[0], args=argv[1:], env=environment(directory), cwd=str(directory))
    )
