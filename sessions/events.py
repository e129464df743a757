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
    Attachment,
    Block,
    Blocker,
    Decision,
    Lifecycle,
    Payer,
    PermissionMode,
    SessionId,
    ShareLevel,
    TokenUsage,
    Trust,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.process_events import BackgroundTasksChanged as BackgroundTasksChanged  # noqa: PLC0414 (handed on)
from sessions.process_events import HostEnded as HostEnded  # noqa: PLC0414 (handed on)
from sessions.process_events import HostStarted as HostStarted  # noqa: PLC0414 (handed on)
from sessions.process_events import LeftRunningChanged as LeftRunningChanged  # noqa: PLC0414 (handed on)
from sessions.process_events import SchedulesChanged as SchedulesChanged  # noqa: PLC0414 (handed on)
from sessions.topics import Topic
from sessions.troubles import Failure, Limit


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


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """The session works in another directory from here on; its history names files below `moved_from`."""

    project: str
    work_directory: str
    moved_from: str


class TurnQueued(msgspec.Struct, frozen=True, tag="turn_queued"):
    """A prompt is accepted. `origin` is the face's key for it, `rewind_to` the prompt that it replaces."""

    turn_id: TurnId
    number: int
    kind: TurnKind
    author_id: str
    prompt: str
    prompt_uuid: str
    origin: str
    attachments: tuple[Attachment, ...] = ()
    alternative_of: TurnId | None = None
    rewind_to: str | None = None
    front: bool = False


class Imported(msgspec.Struct, frozen=True, tag="imported"):
    """Turns came in from a file or from Claude's own transcript; their rows are written beside."""

    source: str
    turns: int
    next_turn: int
    message_count: int
    cost_usd: float
    last_prompt_uuid: str
    list_price_usd: float = 0.0


class TurnElsewhere(msgspec.Struct, frozen=True, tag="turn_elsewhere"):
    """A turn that happened in a terminal while the session was handed over; its blocks follow."""

    turn_id: TurnId
    number: int
    prompt: str
    prompt_uuid: str
    last_uuid: str
    kind: TurnKind = TurnKind.ELSEWHERE
    status: TurnStatus = TurnStatus.DONE


class TurnRequeued(msgspec.Struct, frozen=True, tag="turn_requeued"):
    """A turn that was cut is to go on: it is the next to be sent, under its old uuid, after its old blocks.

    `origin` is the face's key for the wish that it goes on.
    """

    turn_id: TurnId
    kind: TurnKind
    author_id: str
    prompt_uuid: str
    next_ordinal: int
    origin: str = ""


class TurnEdited(msgspec.Struct, frozen=True, tag="turn_edited"):
    """A prompt that waits has another text."""

    turn_id: TurnId
    prompt: str


class TurnMovedToFront(msgspec.Struct, frozen=True, tag="turn_moved_to_front"):
    """A prompt that waits is the next."""

    turn_id: TurnId


class TurnWithdrawn(msgspec.Struct, frozen=True, tag="turn_withdrawn"):
    """A prompt that waited is no longer wanted. `by` is an actor, or a sentence."""

    turn_id: TurnId
    by: str


class TurnSent(msgspec.Struct, frozen=True, tag="turn_sent"):
    """The prompt is in the input log of host `host` (or will be: its row is written with this event)."""

    turn_id: TurnId
    host: int


class TurnStarted(msgspec.Struct, frozen=True, tag="turn_started"):
    """The CLI works on the prompt."""

    turn_id: TurnId


class BackgroundTurnStarted(msgspec.Struct, frozen=True, tag="background_turn_started"):
    """Claude began a turn that nobody asked for, because background work reported."""

    turn_id: TurnId
    number: int


class BlockAdded(msgspec.Struct, frozen=True, tag="block_added"):
    """A whole block of a turn; `uuid` is its row in the main thread of Claude's transcript, or empty.

    Blocks stand in the order of their ordinals. One that was read back later may have `before`: it stands
    before the block with that ordinal, behind others that do. In the stored body `block` is left out: it is in
    the `blocks` row.
    """

    turn_id: TurnId
    ordinal: int
    block: Block
    uuid: str = ""
    before: int | None = None


class RequestFailed(msgspec.Struct, frozen=True, tag="request_failed"):
    """Claude's service, or the CLI, reported an error in the running turn; its end says what came of it."""

    turn_id: TurnId
    failure: Failure


class TurnEnded(msgspec.Struct, frozen=True, tag="turn_ended"):
    """A turn is over. Costs are this turn's own; `model` is the session's when it ended.

    Where it was not simply done, `failure` says what went wrong at Claude's side, or `reason` is a sentence.
    """

    turn_id: TurnId
    status: TurnStatus
    reason: str = ""
    cost_usd: float = 0.0
    process_cost_usd: float = 0.0
    usage: TokenUsage = TokenUsage()
    duration_ms: int = 0
    first_text_ms: int | None = None
    last_uuid: str = ""
    context_window: int | None = None
    payer: Payer = Payer.KEY
    failure: Failure | None = None
    model: str = ""

    @property
    def list_price_usd(self) -> float:
        """The cost, if it is a list price that nobody is billed."""
        return self.cost_usd if self.payer is Payer.LOGIN else 0.0


class TurnContinued(msgspec.Struct, frozen=True, tag="turn_continued"):
    """A turn that was cut runs again; `how` is a sentence."""

    turn_id: TurnId
    how: str


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
    SessionCreated
    | LifecycleChanged
    | SessionRestored
    | ActivityChanged
    | HostStarted
    | HostEnded
    | Branched
    | ConversationChanged
    | Moved
    | TurnQueued
    | Imported
    | TurnElsewhere
    | TurnRequeued
    | TurnEdited
    | TurnMovedToFront
    | TurnWithdrawn
    | TurnSent
    | TurnStarted
    | BackgroundTurnStarted
    | BlockAdded
    | RequestFailed
    | TurnEnded
    | TurnContinued
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
    | BackgroundTasksChanged
    | LeftRunningChanged
    | SchedulesChanged
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
