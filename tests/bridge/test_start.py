"""The modules of a start: each costs CPU time and memory at every start, so they are bounded.

A room or a feature that no start needs is imported by the function that first uses it: see `service/entry.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
_OPENS_A_CORE = """
import asyncio, sys
from bridge.__main__ import main  # as the program begins
from bridge.ownership import OwnerKind
from bridge.settings_loading import load_settings
from bridge.wiring import CoreOptions, open_core
{more}

async def start():
    async with open_core(load_settings(), CoreOptions(OwnerKind.{kind}, logs_on_stderr=False)):
        print(*sys.modules)

asyncio.run(start())
"""
# With the commands, which the client adds before it says who it is.
_BOT = "import bridge.discord_face; " + "; ".join(
    f"import bot.cogs.{path.stem}" for path in sorted(PROJECT.glob("bot/cogs/[a-z]*.py"))
)
# The demo, the terminal's screen, exports and figures are loaded by those who use them.
NEVER_AT_A_START = {
    "aiohttp.web", "bridge.demo.process", "bridge.metrics", "bridge.settings_example", "console.chat",
    "html.entities", "libtmux", "markdown_it", "prompt_toolkit", "pydantic", "pygments", "rich",
    "service.administering", "service.branching", "service.checkpointing", "service.exporting",
    "sessions.adoption", "sessions.archive_trial", "sessions.branching", "sessions.merging",
    "sessions.own_copies", "sessions.restoring", "structlog", "tomllib", "workdirs.checkpoints",
    "workdirs.directories", "workdirs.git", "workdirs.merging", "workdirs.restores", "workdirs.survey",
}  # fmt: skip
ROOMS_USED_LATER = {"archives", "mcp_server", "web", "workflows"}
"""No module of these rooms is loaded by a start that does not use them."""


@pytest.mark.parametrize(
    ("kind", "more", "also_never", "at_most"),
    [
        pytest.param("BOT", _BOT, set[str](), 886, id="bot"),
        pytest.param("CHAT", "import console.once", {"aiohttp", "discord"}, 515, id="chat_once"),
    ],
)
def test_a_start_loads_nothing_that_it_does_not_use(
    tmp_path: Path, kind: str, more: str, also_never: set[str], at_most: int
) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", _OPENS_A_CORE.format(kind=kind, more=more)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(PROJECT), "BACKEND": "pty"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "sessions.manager" in loaded
    assert sorted((NEVER_AT_A_START | also_never) & set(loaded)) == []
    assert [name for name in loaded if name.partition(".")[0] in ROOMS_USED_LATER] == []
    assert len(loaded) <= at_most, f"{len(loaded)} modules"


def test_the_program_does_not_load_the_library_of_cpp(tmp_path: Path) -> None:
    code = (
        "from bridge.__main__ import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: import aiohttp; print(open('/proc/self/maps').read())"
    )
    maps = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "multidict" in maps
    assert "libstdc++" not in maps
