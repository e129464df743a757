"""The present state of a session, except for the texts (they are in `turns` and `blocks`).

A `Snapshot` is stored as JSON in `sessions.data`, in the transaction that stores the events that led to it.
Only `state.apply` makes the next one. `leads_to` and `keeps_turn` are set only while a session is stopping (see
`LifecycleChanged`); `reason` is a text for people.
"""

import msgspec

from sessions.model import (
    Activity,
    AskId,
    Blocker,
    LeftProcess,
    Lifecycle,
    McpServer,
    Payer,
    PermissionMode,
    Progress,
    Schedule,
    SessionId,
    Standing,
    TitleSource,
    Trust,
    TurnId,
    TurnKind,
)
from sessions.run_shown import RunShown
from sessions.troubles import Failure, Limit, LimitShare

# Also STOPPING: until its end is recorded, the process takes memory and owns the conversation.
HOLDS_SLOT = frozenset({Lifecycle.STARTING, Lifecycle.LIVE, Lifecycle.STOPPING})


class QueuedTurn(msgspec.Struct, frozen=True):
    """A prompt that waits; its text is in the `turns` row."""

    turn_id: TurnId
    prompt_uuid: str
    kind: TurnKind
    author_id: str
    rewind_to: str | None = None
    next_ordinal: int = 0


class RunningTurn(msgspec.Struct, frozen=True):
    """A turn that the CLI has or works on. `prompt_uuid` is empty for a background turn.

    `taken_up`: an earlier host ended during the turn, so the CLI may resume it before rereading the prompt.
    `follows` is the turn that began before this one.
    """

    turn_id: TurnId
    prompt_uuid: str
    kind: TurnKind
    next_ordinal: int = 0
    started_ms: int = 0
    first_text_ms: int | None = None
    last_uuid: str = ""
    host: int = 0
    taken_up: bool = False
    failure: Failure | None = None
    author_id: str = ""
    follows: TurnId | None = None


class Look(msgspec.Struct, frozen=True):
    """A turn that surveys the project, and the permission mode that the session has again afterwards."""

    turn_id: TurnId
    mode: PermissionMode


class OpenAsk(msgspec.Struct, frozen=True):
    """An unanswered ask; its body is in the `asks` row. `of_server`: an MCP server asks, not Claude."""

    id: AskId
    request_id: str
    host: int
    opened_ms: int
    of_server: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """One session's state. `next_event` and `next_turn` are the numbers that come next; `last_turn` began last.

    `told_limit` is the last limit that the process met: the CLI tells a limit only once.
    `unanswered` is a prompt in the CLI's conversation that waits again: the CLI is rewound to before it.
    `process_cost_usd` is the CLI's present running total. `list_price_usd` is the part of `cost_usd` that
    no API key paid. Claude's tools may not touch the directories of `keeps_out_of`: they are other sessions'.
    """

    id: SessionId
    # Each field has a default, so that rows of older versions decode.
    user_id: str = ""
    channel_id: str = ""
    key: str = ""
    title: str = ""
    pinned: bool = False
    project: str = ""
    work_directory: str = ""
    model: str = ""
    mode: PermissionMode = PermissionMode.DEFAULT
    lifecycle: Lifecycle = Lifecycle.PARKED
    activity: Activity = Activity.IDLE
    blocker: Blocker | None = None
    reason: str = ""
    leads_to: Lifecycle | None = None
    keeps_turn: bool = False
    handed_over: bool = False
    conversation_id: str = ""
    conversation_begun: bool = False
    fork_conversation: str = ""
    fork_uuid: str = ""
    host: int = 0
    sent: RunningTurn | None = None
    running: RunningTurn | None = None
    queue: tuple[QueuedTurn, ...] = ()
    asks: tuple[OpenAsk, ...] = ()
    background_tasks: tuple[str, ...] = ()
    left_running: tuple[LeftProcess, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    commands: tuple[str, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    last_turn: TurnId | None = None
    goes_on_from: TurnId | None = None
    last_prompt_uuid: str = ""
    unanswered: str = ""
    last_uuid: str = ""
    process_cost_usd: float = 0.0
    cost_usd: float = 0.0
    list_price_usd: float = 0.0
    payer: Payer = Payer.KEY
    context_used: int = 0
    context_window: int = 0
    message_count: int = 0
    next_event: int = 1
    next_turn: int = 1
    limit: Limit | None = None
    told_limit: Limit | None = None
    limit_until_ms: int = 0
    limit_shares: tuple[LimitShare, ...] = ()
    extra_usage_until_ms: int | None = 0  # 0: no extra usage was told yet; None: told without a time
    moved_from: tuple[str, ...] = ()
    keeps_out_of: tuple[str, ...] = ()
    tells_changes: bool = True
    look: Look | None = None
    wants_guide: bool = False
    project_is_gone: bool = False
    refused_turns: int = 0
    last_good_turn: str = ""
    created_ms: int = 0
    last_activity_ms: int = 0
    trust: Trust = Trust.INSTRUCTIONS
    trust_wanted: str = ""
    titled_by: TitleSource | None = None
    progress: Progress = Progress()
    work_flow: RunShown | None = None

    @property
    def current(self) -> RunningTurn | None:
        """The turn that Claude works on, else the turn that was sent to it."""
        return self.running or self.sent

    @property
    def promised(self) -> tuple[Schedule, ...]:
        """The schedules that Claude carries out by itself, as long as its process lives."""
        return tuple(each for each in self.schedules if each.next_ms is not None)

    @property
    def holds_slot(self) -> bool:
        """Whether the session counts against MAX_SESSIONS."""
        return self.lifecycle in HOLDS_SLOT

    @property
    def is_idle(self) -> bool:
        """Whether a prompt could be sent now."""
        live = self.lifecycle is Lifecycle.LIVE
        return live and self.current is None and self.activity is Activity.IDLE

    @property
    def look_is_next(self) -> bool:
        """Whether the next prompt surveys the project, and Claude could still change files in it."""
        is_next = self.look is not None and bool(self.queue) and self.queue[0].turn_id == self.look.turn_id
        return is_next and self.mode is not PermissionMode.PLAN

    @property
    def look_is_over(self) -> bool:
        """Whether the turn that surveys the project has ended, or was taken back."""
        if self.look is None or any(each.turn_id == self.look.turn_id for each in self.queue):
            return False
        return self.current is None or self.current.turn_id != self.look.turn_id

    @property
    def standing(self) -> Standing:
        """Lifecycle and activity in three groups; derived, never stored as truth."""
        if self.lifecycle in (Lifecycle.ENDED, Lifecycle.FAILED):
            return Standing.STOPPED
        busy = self.current is not None or bool(self.queue) or self.activity is not Activity.IDLE
        return Standing.ACTIVE if busy else Standing.IDLE
