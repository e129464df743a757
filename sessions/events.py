"""What happens to a session, as numbered facts: the one stream that is stored, replayed and shown.

A durable event is applied to the snapshot (`state.apply`), written with its rows in one transaction, and
published after the commit with its number. `PartialText` is the one thing on the bus that is not stored:
the growing text of a block that is still being written, rebuilt from the host's log after a restart.
"""

import msgspec

from sessions.model import (
    Activity,
    Ask,
    AskId,
    Blocker,
    Decision,
    Lifecycle,
    Payer,
    PermissionMode,
    SessionId,
    ShareLevel,
    Trust,
    TurnId,
)
from sessions.process_events import BackgroundTasksChanged as BackgroundTasksChanged
from sessions.process_events import HostEnded as HostEnded
from sessions.process_events import HostStarted as HostStarted
from sessions.process_events import LeftRunningChanged as LeftRunningChanged
from sessions.process_events import ProcessEvent
from sessions.process_events import SchedulesChanged as SchedulesChanged
from sessions.process_events import ServersListed as ServersListed
from sessions.topics import Topic
from sessions.troubles import Failure, Limit
from sessions.turn_events import BackgroundTurnStarted as BackgroundTurnStarted
from sessions.turn_events import BlockAdded as BlockAdded
from sessions.turn_events import RequestFailed as RequestFailed
from sessions.turn_events import TurnContinued as TurnContinued
from sessions.turn_events import TurnEdited as TurnEdited
from sessions.turn_events import TurnElsewhere as TurnElsewhere
from sessions.turn_events import TurnEnded as TurnEnded
from sessions.turn_events import TurnEvent
from sessions.turn_events import TurnMovedToFront as TurnMovedToFront
from sessions.turn_events import TurnQueued as TurnQueued
from sessions.turn_events import TurnRequeued as TurnRequeued
from sessions.turn_events import TurnSent as TurnSent
from sessions.turn_events import TurnStarted as TurnStarted
from sessions.turn_events import TurnWithdrawn as TurnWithdrawn


class SessionCreated(msgspec.Struct, frozen=True, tag="session_created"):
    """The session exists; `key` is unique among sessions that have not ended, or empty."""

    user_id: str
    channel_id: str
    key: str
    title: str
    project: str
    work_directory: str
    model: str
    mode: PermissionMode


class LifecycleChanged(msgspec.Struct, frozen=True, tag="lifecycle_changed"):
    """The session went from one lifecycle to another; `cause` is words for people, nothing is read from it.

    A move to `stopping` says where it leads, and whether the next process takes up the turn that it cuts.
    `handed_over`: from here to our next turn the conversation may grow in a terminal.
    """

    old: Lifecycle
    new: Lifecycle
    cause: str
    leads_to: Lifecycle | None = None
    keeps_turn: bool = False
    handed_over: bool = False


class SessionRestored(msgspec.Struct, frozen=True, tag="session_restored"):
    """An ended session is back, parked, at the place `key` (empty: none): the one way out of `ended`."""

    channel_id: str
    key: str


class ActivityChanged(msgspec.Struct, frozen=True, tag="activity_changed"):
    """What Claude does changed; `blocker` says by what it is held back when it is blocked, `failure`
    or `limit` why.
    """

    old: Activity
    new: Activity
    cause: str
    blocker: Blocker | None = None
    failure: Failure | None = None
    limit: Limit | None = None


class Branched(msgspec.Struct, frozen=True, tag="branched"):
    """This session goes on from a turn of another: after `last_uuid` of `conversation_id`."""

    parent: SessionId
    parent_turn: TurnId
    conversation_id: str
    last_uuid: str


class ConversationChanged(msgspec.Struct, frozen=True, tag="conversation_changed"):
    """The session has another conversation from here on. `cause`: new, cli (it says so), import, adopt,
    branch (from a row that the CLI's own fork does not find)."""

    conversation_id: str
    cause: str


class WentOnFrom(msgspec.Struct, frozen=True, tag="went_on_from"):
    """The next prompt follows this turn, one of several answers to the last prompt."""

    turn_id: TurnId
    conversation_id: str
    prompt_uuid: str
    last_uuid: str


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """The session works in another directory from here on; its history names files below `moved_from`."""

    project: str
    work_directory: str
    moved_from: str


class Imported(msgspec.Struct, frozen=True, tag="imported"):
    """Turns came in from a file or from Claude's own transcript; their rows are written beside."""

    source: str
    turns: int
    next_turn: int
    message_count: int
    cost_usd: float
    last_prompt_uuid: str
    list_price_usd: float = 0.0


class PayerChanged(msgspec.Struct, frozen=True, tag="payer_changed"):
    """Turns are paid for in another way from here on."""

    payer: Payer


class CostCarriedOver(msgspec.Struct, frozen=True, tag="cost_carried_over"):
    """The CLI's running total stands at this from here on, without a turn: earlier processes spent it."""

    total_usd: float


class AskOpened(msgspec.Struct, frozen=True, tag="ask_opened"):
    """Claude waits for an answer."""

    ask: Ask


class AskDecided(msgspec.Struct, frozen=True, tag="ask_decided"):
    """Somebody, or a deadline, answered the ask; the answer is sent with this event."""

    ask_id: AskId
    decision: Decision
    by: str


class AskWithdrawn(msgspec.Struct, frozen=True, tag="ask_withdrawn"):
    """Nobody needs to answer any more; `cause` is a sentence."""

    ask_id: AskId
    cause: str


class Noticed(msgspec.Struct, frozen=True, tag="noticed"):
    """Something that people should know.

    `text` is a sentence for people; it is empty where `failure` or `limit` says what happened.
    `about` names what it concerns, for the answers that a face offers: the content hash of a project's offer.
    """

    topic: Topic
    text: str = ""
    until_ms: int | None = None
    failure: Failure | None = None
    limit: Limit | None = None
    about: str = ""


class TrustChanged(msgspec.Struct, frozen=True, tag="trust_changed"):
    """What of the project counts from this process on.

    `wanted`: somebody should decide on what the project brings; it is the hash of that content, or empty.
    """

    trust: Trust
    wanted: str = ""


class ModelChanged(msgspec.Struct, frozen=True, tag="model_changed"):
    """Another model from the next turn on."""

    model: str


class ModeChanged(msgspec.Struct, frozen=True, tag="mode_changed"):
    """Another permission mode, at once."""

    mode: PermissionMode


class TitleChanged(msgspec.Struct, frozen=True, tag="title_changed"):
    """The session is called this. `by_person`: somebody chose it; else it was made of the first prompt."""

    title: str
    by_person: bool


class SharesChanged(msgspec.Struct, frozen=True, tag="shares_changed"):
    """The session is shared with a user or group id for `level` from here on, or no longer (None)."""

    grantee: str
    level: ShareLevel | None
    by: str


class PinChanged(msgspec.Struct, frozen=True, tag="pin_changed"):
    """The session is pinned from now on, or no more."""

    pinned: bool


class CommandsListed(msgspec.Struct, frozen=True, tag="commands_listed"):
    """Claude's own slash commands that this conversation offers now."""

    commands: tuple[str, ...]


class ContextMeasured(msgspec.Struct, frozen=True, tag="context_measured"):
    """How full the context was after a turn, in tokens."""

    used_tokens: int
    window_tokens: int


Event = (
    ProcessEvent
    | TurnEvent
    | SessionCreated
    | LifecycleChanged
    | SessionRestored
    | ActivityChanged
    | Branched
    | ConversationChanged
    | WentOnFrom
    | Moved
    | Imported
    | PayerChanged
    | CostCarriedOver
    | AskOpened
    | AskDecided
    | AskWithdrawn
    | Noticed
    | TrustChanged
    | ModelChanged
    | ModeChanged
    | TitleChanged
    | SharesChanged
    | PinChanged
    | CommandsListed
    | ContextMeasured
)


class Numbered(msgspec.Struct, frozen=True, tag="event"):
    """A durable event of one session: numbers rise by one and never repeat."""

    session_id: SessionId
    number: int
    at_ms: int
    event: Event


class PartialText(msgspec.Struct, frozen=True, tag="partial"):
    """The block that is being written now, after durable event `after`.

    `added` goes in at character `start` of block `key`; a `start` of 0 begins it anew. `void` says that all
    partial text of the turn shown so far is to be dropped (the API call is tried again). `key` names the
    block within the turn, so that a late joiner can tell whether it has the beginning.
    """

    session_id: SessionId
    after: int
    turn_id: TurnId
    key: str
    kind: str
    start: int
    added: str
    void: bool = False


Feed = Numbered | PartialText
