"""Events about a session's process: its start and end, its background work and its schedules."""

import msgspec

from sessions.model import LeftProcess, McpServer, Schedule
from sessions.troubles import LimitShare


class HostStarted(msgspec.Struct, frozen=True, tag="host_started"):
    """Host `number` runs the conversation from now on. With `continues`, a cut turn goes on in it."""

    number: int
    continues: bool = False


class HostEnded(msgspec.Struct, frozen=True, tag="host_ended"):
    """Host `number` has ended. `code` is None if no exit code is recorded; `reason` is a sentence, or empty."""

    number: int
    code: int | None
    reason: str


class BackgroundTasksChanged(msgspec.Struct, frozen=True, tag="background_tasks_changed"):
    """The complete list of background tasks that run now."""

    task_ids: tuple[str, ...]


class LeftRunningChanged(msgspec.Struct, frozen=True, tag="left_running_changed"):
    """The complete list of processes that Claude's tools left running; background tasks are not among them."""

    processes: tuple[LeftProcess, ...]


class SchedulesChanged(msgspec.Struct, frozen=True, tag="schedules_changed"):
    """The complete list of Claude's schedules, requested ones included."""

    schedules: tuple[Schedule, ...]


class ServersListed(msgspec.Struct, frozen=True, tag="servers_listed"):
    """The complete list of the process's MCP servers, with their states."""

    servers: tuple[McpServer, ...]


class LimitSharesTold(msgspec.Struct, frozen=True, tag="limit_shares_told"):
    """How much of the account's usage limits is used, after the request that reported it."""

    shares: tuple[LimitShare, ...]


ProcessEvent = (
    HostStarted
    | HostEnded
    | BackgroundTasksChanged
    | LeftRunningChanged
    | SchedulesChanged
    | ServersListed
    | LimitSharesTold
)
