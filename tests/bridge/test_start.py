"""The modules of a start: each costs CPU time and memory at every start, so they are bounded."""

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
# The demo, the terminal's screen, exports and figures are loaded by those who use them.
NEVER_AT_A_START = {
    "aiohttp.web", "bridge.demo.process", "bridge.metrics", "console.chat", "libtmux", "markdown_it",
    "prompt_toolkit", "pydantic", "pygments", "rich", "structlog",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "more", "also_never", "at_most"),
    [
        pytest.param("BOT", "import bridge.discord_face", set[str](), 900, id="bot"),
        pytest.param("CHAT", "import console.once", {"aiohttp", "discord"}, 555, id="chat_once"),
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
    assert len(loaded) <= at_most, f"{len(loaded)} modules"
