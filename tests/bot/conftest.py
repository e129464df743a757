"""Fixtures of the tests of the Discord face's view."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "UPDATE_SNAPSHOTS"


@pytest.fixture
def check_snapshot() -> Callable[[str, str], None]:
    """Compare a text with `snapshots/<name>.txt`; with UPDATE_SNAPSHOTS=1 write it instead."""

    def check(name: str, text: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get(UPDATE) == "1":
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no snapshot {name}; run once with {UPDATE}=1 and review it"
        assert text == path.read_text(encoding="utf-8")

    return check
