"""The caches of a project's sandboxes go when nobody needs them, and not earlier."""

import os
import time
from pathlib import Path

import pytest

from bridge.sandbox_caches import KEPT_S, remove_unused_caches
from sessions.claude.sandbox_access import state_directory
from tests.sessions.running_core import running_core

DAY_S = 24 * 3600


@pytest.mark.parametrize(
    ("has_session", "runs", "unused_s", "stays"),
    [
        (True, False, KEPT_S - 60, True),
        (True, False, KEPT_S + 60, False),
        (True, True, KEPT_S + 60, True),
        (False, False, DAY_S - 60, True),
        (False, False, DAY_S + 60, False),
    ],
)
async def test_a_cache_stays_as_long_as_it_may_be_needed(
    tmp_path: Path, has_session: bool, runs: bool, unused_s: float, stays: bool
) -> None:
    async with running_core(tmp_path / "core") as core:
        work = tmp_path / "elsewhere"
        if has_session:
            work = Path((await core.session()).snapshot.work_directory)
        state = core.directory / "sandbox"
        place = state_directory(state, work)
        # As Go leaves its cache: read-only directories.
        locked = place / "home/go/pkg"
        locked.mkdir(parents=True)
        (locked / "mod").touch()
        locked.chmod(0o500)
        ours = [state / "proxy", state / "blank"]
        for each in ours:
            each.mkdir()
        at = time.time() - unused_s
        for each in (place, *ours):
            os.utime(each, (at, at))
        removed = await remove_unused_caches(core.db, state, [str(work)] if runs else [])
        assert (place.exists(), removed) == (stays, 0 if stays else 1)
        assert all(each.exists() for each in ours)
