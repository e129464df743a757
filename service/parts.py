"""The parts with which the service carries out commands: the sessions, and the rules above them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from api.access import Actor, Role
from service.linking import LoginLinks
from service.quotas import Budget
from service.refusal_bound import RefusalBound
from sessions.manager import SessionManager

AXES = ("Role", "Understanding", "Logic", "Elements", "Mood", "Audience", "Performance")
"""The axes of RULEMAP."""


class FolderRules(msgspec.Struct, frozen=True):
    """`axes` are the names that a score may have.

    `copy_as` is the directory in each project that gets a copy of the folders for people; empty: no copy.
    """

    axes: tuple[str, ...] = AXES
    copy_as: str = ""


class BackupKeeping(msgspec.Struct, frozen=True):
    """The number of backups that stay; see `archives.rotation.BackupRules`. A number that is None keeps all."""

    daily: int | None = 14
    weekly: int = 8
    sessions_days: int | None = None


class FolderLocks(msgspec.Struct, frozen=True):
    """One lock a session: views are made and written inside it, so an older view never comes last."""

    of_session: dict[str, asyncio.Lock] = msgspec.field(default_factory=dict)

    def of(self, session_id: str) -> asyncio.Lock:
        """Return the lock of a session, or of a project's file by its directory."""
        return self.of_session.setdefault(session_id, asyncio.Lock())


async def _no_sandboxes(directory: str) -> None:
    """Do nothing: no sandbox has a limited network."""


async def _nobody(user_id: str) -> Actor:
    """Return the person without any right: nobody said how to learn of theirs."""
    return Actor(user_id, "workflow", Role.NOBODY)


class WorkflowParts(msgspec.Struct, frozen=True):
    """The parts that only work-flows need. `person` returns somebody by id with their rights as of now."""

    data_dir: Path
    person: Callable[[str], Awaitable[Actor]] = _nobody


class ServiceParts(msgspec.Struct, frozen=True):
    """The parts that all commands share. No file handed out may contain one of `secrets`, such as tokens.

    `ask_again_s` is the longest time in seconds between two checks of an actor who follows a session.
    Without `workflows` there are no work-flows. `sites_changed` tells the sandboxes of a work directory that
    the hosts that they may reach have changed.
    `copy_database` copies the database and returns the copy's path. `copy_elsewhere` copies a backup to another
    place and returns the exit code of the command that did it.
    """

    manager: SessionManager
    budget: Budget = msgspec.field(default_factory=Budget)
    secrets: tuple[str, ...] = ()
    refusals: RefusalBound = msgspec.field(default_factory=RefusalBound)
    links: LoginLinks = msgspec.field(default_factory=LoginLinks)
    # Under the minute that `following.py` promises: the question itself takes time.
    ask_again_s: float = 50.0
    folder_rules: FolderRules = msgspec.field(default_factory=FolderRules)
    folder_locks: FolderLocks = msgspec.field(default_factory=FolderLocks)
    backup_keeping: BackupKeeping = msgspec.field(default_factory=BackupKeeping)
    copy_database: Callable[[], Awaitable[Path]] | None = None
    copy_elsewhere: Callable[[Path], Awaitable[int]] | None = None
    sites_changed: Callable[[str], Awaitable[None]] = _no_sandboxes
    workflows: WorkflowParts | None = None
