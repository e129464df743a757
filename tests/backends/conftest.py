"""Fixtures of the tests of hosts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends import tmux_server
from tests.backends.kit import TMUX_PATIENCE_S, Kit


@pytest.fixture(autouse=True)
def patient_with_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tmux_server, "_ANSWER_S", TMUX_PATIENCE_S)


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(tmp_path)
    yield kit
    await kit.take_down()
