"""The ports of work-flows to the rest: the core, the actor of a person, a session's events, its sandbox."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.access import Actor, ActorSource
from api.core import Core
from api.run_model import Check, CheckResult
from sessions.events import Numbered
from sessions.run_shown import RunShown

FollowEvents = Callable[[ActorSource, str, int], AsyncGenerator[Numbered, None]]
"""Yield a session's stored events above a number, then live ones; no partial text. Raises as `Core.follow`."""

RunCheck = Callable[[str, str, Check, float], Awaitable[CheckResult]]
"""Run a command in the sandbox of a session, for so many seconds at most. Its failure is a result, no error.

The second argument is its identity: a repeat with the same one never starts it again, but waits for it or
returns its result, until `forget_check`.
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the room; `bridge` and `service` fill them.

    `actor_of` returns a person as of now: a role that was taken away counts at once. `announce` tells the faces
    of a session what its run looks like now. `found_checks` names the project's own commands. `project_of`
    returns the directory of a project that is trusted, None otherwise.
    """

    core: Core
    actor_of: Callable[[str], Awaitable[Actor]]
    follow: FollowEvents
    run_check: RunCheck
    forget_check: Callable[[str, str], Awaitable[None]]
    announce: Callable[[str, RunShown], Awaitable[None]]
    found_checks: Callable[[str], Awaitable[Sequence[Check]]]
    now_ms: Callable[[], int]
    data_dir: Path
