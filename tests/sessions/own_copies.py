"""A project with git, a session in it, and branches with files of their own."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from sessions.checkpointing import CheckpointPolicy
from sessions.session import Session
from tests.sessions.running_core import RunningCore, running_core
from workdirs.checkpoint_rules import CheckpointRules, RetentionAges
from workdirs.merge_choices import Strategy
from workdirs.model import Caps


def checkpoints(directory: Path) -> CheckpointPolicy:
    return CheckpointPolicy(CheckpointRules(directory / "checkpoints", Caps(), RetentionAges()), wait_s=20)


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


class Work:
    """A session in a repository, and what tests do there."""

    def __init__(self, core: RunningCore) -> None:
        self.core = core
        self.root = core.directory / "workspaces" / "default"
        self.root.mkdir(parents=True, exist_ok=True)

    def repository(self) -> None:
        git(self.root, "init", "-q")
        (self.root / "a").write_text("1\n2\n3\n")
        (self.root / ".gitignore").write_text(".attachments\n")
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "base")

    async def branch(self, parent: Session, title: str = "Try it") -> Session:
        info = await self.core.do(c.Branch(session_id=parent.id, channel_id="b", title=title))
        assert info.has_own_copy
        return await self.core.manager.get_session(info.id)

    async def preview(self, branch: Session, strategy: Strategy = Strategy.SQUASH) -> c.MergePreview:
        seen: c.MergePreview = await self.core.do(c.PreviewMerge(session_id=branch.id, strategy=strategy))
        return seen

    async def merge(self, branch: Session, message: str = "") -> c.MergeResult:
        seen = await self.preview(branch)
        command = c.MergeBranch(
            session_id=branch.id, strategy=seen.strategy, digest=seen.digest, message=message
        )
        merged: c.MergeResult = await self.core.do(command)
        return merged


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    async with running_core(tmp_path / "core", checkpoints=checkpoints(tmp_path)) as core:
        yield Work(core)
