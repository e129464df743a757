"""Sessions with checkpoints: their policy, and what tests ask of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from sessions.checkpointing import CheckpointPolicy
from sessions.session import Session
from tests.sessions.running_core import (
    DEADLINE_S,
    RunningCore,
    running_core,
)
from workdirs.checkpoint_model import Reason
from workdirs.checkpoint_rules import CheckpointRules, RetentionAges
from workdirs.model import Caps


def policy_in(directory: Path, **changes: float) -> CheckpointPolicy:
    rules = CheckpointRules(directory / "checkpoints", Caps(), RetentionAges())
    return CheckpointPolicy(rules, **changes)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path)) as running:
        yield running


async def listed(core: RunningCore, session: Session) -> list[c.CheckpointInfo]:
    page: c.CheckpointPage = await core.do(c.ListCheckpoints(session_id=session.id))
    return list(reversed(page.checkpoints))


async def end_taken(core: RunningCore, session: Session, turn: str = "") -> None:
    """Wait for the checkpoint of a turn's end. It comes after the session says that it is idle."""
    async with asyncio.timeout(DEADLINE_S):
        while (Reason.TURN_END, turn) not in {  # noqa: ASYNC110
            (each.reason, turn and each.turn_id) for each in await listed(core, session)
        }:
            await asyncio.sleep(0.02)  # there is no event
