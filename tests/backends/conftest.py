"""Fixtures of the tests of hosts."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends import tmux_server
from tests.backends.kit import TMUX_PATIENCE_S, Kit


@pytest.fixture(autouse=True)
def patient_with_tmux() -> Iterator[None]:
    # Not the test's own `monkeypatch`: it would be older than `kit`, which then ends without tmux on PATH.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tmux_server, "_ANSWER_S", TMUX_PATIENCE_S)
        yield


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(tmp_path)
    yield kit
    await kit.take_down()
