"""The parts that all sessions of a manager share."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from backends.base import Backend
from backends.commands.model import CommandRunner
from sessions.account_limits import AccountLimits
from sessions.bus import Bus
from sessions.bypass import BypassRule
from sessions.checkpointing import SessionCheckpoints
from sessions.clock import Clock
from sessions.conversations import Conversations
from sessions.driver import Driver
from sessions.listed_models import ListedModels
from sessions.machine_reserve import MachineReserve
from sessions.tools import Toolbox
from sessions.trust import TrustPolicy
from storage import Database


class Patience(msgspec.Struct, frozen=True):
    """How long a session waits, in seconds: for a start, an answer, an end; and idle, until it is parked.

    After `freeze_s` without activity its process is frozen; never if `freeze_s` is None.
    """

    # The CLI gives its first answer only after the user's SessionStart hooks (measured).
    start_s: float = 120.0
    request_s: float = 30.0
    stop_s: float = 5.0
    idle_s: float = 300.0
    freeze_s: float | None = 20.0


class Dependencies(msgspec.Struct, frozen=True):
    """The shared parts: one instance for all sessions."""

    db: Database
    bus: Bus
    backend: Backend
    driver: Driver
    clock: Clock
    conversations: Conversations
    resources: MachineReserve
    run_directory: Path
    workspace_root: Path
    private_places: tuple[Path, ...]
    patience: Patience
    continue_cut_turns: bool
    trust: TrustPolicy
    bypass: BypassRule
    limits: AccountLimits
    surveys: bool
    asks_for_titles: bool
    checkpoints: SessionCheckpoints | None
    commands: CommandRunner | None
    sandbox_news: Callable[[], str] | None
    tools: Toolbox | None
    models: ListedModels = msgspec.field(default_factory=ListedModels)
