"""Checkpoints and restores with their rows on a real database, and a process of them that can be killed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.schema import schema
from storage import Database
from tests.fresh_database import lay_out
from workdirs.checkpoint_model import Checkpoint, CheckpointId, Note, Place, Reason, Restored, Scope
from workdirs.checkpoint_rules import CheckpointRules, RetentionAges
from workdirs.checkpoints import Checkpoints
from workdirs.model import Caps
from workdirs.restores import Restores, RestoreWish

DAY_MS = 86_400_000
UNDO = "undo"


@dataclass
class Time:
    """A clock that a test sets."""

    ms: int = 1_800_000_000_000

    def now(self) -> int:
        return self.ms


@dataclass
class Ledger:
    """The service of one work directory."""

    home: Path
    checkpoints: Checkpoints
    restores: Restores
    time: Time

    @property
    def place(self) -> Place:
        return Place(self.home / "work", self.home / "work")

    async def take(self, reason: Reason = Reason.MANUAL, owner: str = "s1", anchor: str = "") -> Checkpoint:
        return await self.checkpoints.take(self.place, Note(owner, anchor, reason))

    def wish(self, target: CheckpointId, scope: Scope = None) -> RestoreWish:
        return RestoreWish(self.place, target, scope, "s1", "here")

    async def restore(self, target: CheckpointId, scope: Scope = None) -> Restored:
        wish = self.wish(target, scope)
        return await self.restores.restore(wish, (await self.restores.preview(wish)).digest)

    async def undo(self) -> Restored:
        last = await self.restores.last("s1")
        assert last is not None
        wish = await self.restores.undo_wish(self.wish(last[1]), *last)
        return await self.restores.restore(wish, (await self.restores.preview(wish)).digest)


@asynccontextmanager
async def open_ledger(home: Path, caps: Caps | None = None) -> AsyncIterator[Ledger]:
    time = Time()
    rules = CheckpointRules(home / "checkpoints", caps or Caps(), RetentionAges(), (home / "private",))
    lay_out(home / "data" / "sessions.db")
    async with Database.open(home / "data" / "sessions.db", schema()) as database:
        checkpoints = Checkpoints(database, rules, time.now)
        yield Ledger(home, checkpoints, Restores(checkpoints), time)


async def _restore(home: Path, target: str) -> None:
    """Restore to the checkpoint, or take the last restore back."""
    async with open_ledger(home) as ledger:
        if target == UNDO:
            await ledger.undo()
        else:
            await ledger.restore(CheckpointId(target))


if __name__ == "__main__":
    asyncio.run(_restore(Path(sys.argv[1]), sys.argv[2]))
