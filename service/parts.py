"""The parts with which the service carries out commands: the sessions, and the rules above them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from service.linking import LoginLinks
from service.quotas import Budget
from service.refusal_bound import RefusalBound
from sessions.manager import SessionManager


async def _no_sandboxes(directory: str) -> None:
    """Do nothing: no sandbox has a limited network."""


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """The parts that all commands share. No file handed out may contain one of `secrets`, such as tokens.

    `ask_again_s` is the longest time in seconds between two checks of an actor who follows a session.
    `sites_changed` tells the sandboxes of a work directory that the hosts that they may reach have changed.
    """

    manager: SessionManager
    budget: Budget = field(default_factory=Budget)
    secrets: tuple[str, ...] = ()
    refusals: RefusalBound = field(default_factory=RefusalBound)
    links: LoginLinks = field(default_factory=LoginLinks)
    ask_again_s: float = 50.0
    sites_changed: Callable[[str], Awaitable[None]] = _no_sandboxes
