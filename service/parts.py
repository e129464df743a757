"""What the service carries commands out with: the sessions, and the rules that hold above them."""

from dataclasses import dataclass, field

from service.quotas import Budget
from service.refusal_bound import RefusalBound
from sessions.manager import SessionManager


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """One for all commands. `secrets` are values that no file handed out may contain, such as tokens.

    `ask_again_s` is how long who follows a session goes on without being asked again who they are.
    """

    manager: SessionManager
    budget: Budget = field(default_factory=Budget)
    secrets: tuple[str, ...] = ()
    refusals: RefusalBound = field(default_factory=RefusalBound)
    ask_again_s: float = 50.0
