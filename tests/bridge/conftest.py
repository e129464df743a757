"""Shared by tests of `init` and `doctor`: a place without settings, and a Discord."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.cli_home import install_scripted_cli
from tests.fakes.discord_server import FakeDiscord

_FROM_OUTSIDE = ("DISCORD", "ALLOWED", "ANTHROPIC", "CLAUDE", "DATA_DIR", "DATABASE", "WORKSPACE")


@pytest.fixture
def clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work directory with a `claude` on PATH, and no setting from outside."""
    for name in list(os.environ):
        if name.startswith(_FROM_OUTSIDE):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SANDBOX", "off")
    programs = tmp_path / "bin"
    programs.mkdir()
    install_scripted_cli(programs)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as running:
        yield running
