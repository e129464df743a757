"""The parts with which the service carries out commands: the sessions, and the rules above them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from api.access import Actor, Role
from service.linking import LoginLinks
from service.quotas import Budget
from service.refusal_bound import RefusalBound
from sessions.manager import SessionManager

AXES = ("Role", "Understanding", "Logic", "Elements", "Mood", "Audience", "Performance")
"""The axes of RULEMAP."""


@dataclass(frozen=True, slots=True)
class FolderRules:
    """`axes` are the names that a score may have.

    `copy_as` is the directory in each project that gets a copy of the folders for people; empty: no copy.
    """

    axes: tuple[str, ...] = AXES
    copy_as: str = ""


@dataclass(frozen=True, slots=True)
class FolderLocks:
    """One lock a session: views are made and written inside it, so an older view never comes last."""

    of_session: dict[str, asyncio.Lock] = field(default_factory=dict)

    def of(self, session_id: str) -> asyncio.Lock:
        """Return the lock of a session, or of a project's file by its directory."""
        return self.of_session.setdefault(session_id, asyncio.Lock())


async def _no_sandboxes(directory: str) -> None:
    """Do nothing: no sandbox has a limited network."""


async def _nobody(user_id: str) -> Actor:
    """Return the person without any right: nobody said how to learn of theirs."""
    return Actor(user_id, "workflow", Role.NOBODY)


@dataclass(frozen=True, slots=True)
class WorkflowParts:
    """What work-flows need besides. `person` returns somebody by id with their rights as of now."""

    data_dir: Path
    person: Callable[[str], Awaitable[Actor]] = _nobody


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """The parts that all commands share. No file handed out may contain one of `secrets`, such as tokens.

    `ask_again_s` is the longest time in seconds between two checks of an actor who follows a session.
    Without `workflows` there are no work-flows. `sites_changed` tells the sandboxes of a work directory that
    the hosts that they may reach have changed.
    """

    manager: SessionManager
    budget: Budget = field(default_factory=Budget)
    secrets: tuple[str, ...] = ()
    refusals: RefusalBound = field(default_factory=RefusalBound)
    links: LoginLinks = field(default_factory=LoginLinks)
    ask_again_s: float = 50.0
    folder_rules: FolderRules = field(default_factory=FolderRules)
    folder_locks: FolderLocks = field(default_factory=FolderLocks)
    sites_changed: Callable[[str], Awaitable[None]] = _no_sandboxes
    workflows: WorkflowParts | None = None
