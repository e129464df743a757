"""Events about a session's process: its begin and end, and what runs or is promised besides turns."""

import msgspec

from sessions.model import LeftProcess, McpServer, Schedule


class HostStarted(msgspec.Struct, frozen=True, tag="host_started"):
    """Host `number` runs the conversation from here on; `continues` says that a cut turn goes on in it."""

    number: int
    continues: bool = False


class HostEnded(msgspec.Struct, frozen=True, tag="host_ended"):
    """Host `number` is over. `code` is None when nobody could note it; `reason` is a sentence, or empty."""

    number: int
    code: int | None
    reason: str


class BackgroundTasksChanged(msgspec.Struct, frozen=True, tag="background_tasks_changed"):
    """The tasks that run in the background now: all of them, not the difference."""

    task_ids: tuple[str, ...]


class LeftRunningChanged(msgspec.Struct, frozen=True, tag="left_running_changed"):
    """What Claude's tools have left running besides its own tasks: all of it, not the difference."""

    processes: tuple[LeftProcess, ...]


class SchedulesChanged(msgspec.Struct, frozen=True, tag="schedules_changed"):
    """What Claude has promised to do later, and what it has asked for: all of it, not the difference."""

    schedules: tuple[Schedule, ...]


class ServersListed(msgspec.Struct, frozen=True, tag="servers_listed"):
    """The MCP servers of the process, with their states: all of them, not the difference."""

    servers: tuple[McpServer, ...]


ProcessEvent = (
    HostStarted | HostEnded | BackgroundTasksChanged | LeftRunningChanged | SchedulesChanged | ServersListed
)
