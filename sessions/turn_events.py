"""Events about turns: a prompt is queued, changed, sent, run and ended, and Claude adds blocks to it."""

import msgspec

from sessions.model import (
    Attachment,
    Block,
    Payer,
    TokenUsage,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.troubles import Failure


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
    """A cut turn is queued again, as the next to be sent. It keeps its old uuid and its blocks.

    `origin` is the face's key for the request to go on.
    """

    turn_id: TurnId
    kind: TurnKind
    author_id: str
    prompt_uuid: str
    next_ordinal: int
    origin: str = ""


class TurnHeldBack(msgspec.Struct, frozen=True, tag="turn_held_back"):
    """A usage limit refused a sent prompt before Claude answered: it waits as the next, under a new uuid.

    The CLI has the prompt under its old uuid, and is rewound to before it when the next prompt is sent.
    """

    turn_id: TurnId
    prompt_uuid: str


class TurnEdited(msgspec.Struct, frozen=True, tag="turn_edited"):
    """The text of a waiting prompt was replaced."""

    turn_id: TurnId
    prompt: str


class TurnMovedToFront(msgspec.Struct, frozen=True, tag="turn_moved_to_front"):
    """A waiting prompt was moved to the front."""

    turn_id: TurnId


class TurnWithdrawn(msgspec.Struct, frozen=True, tag="turn_withdrawn"):
    """A waiting prompt was withdrawn. `by` is an actor, or a sentence."""

    turn_id: TurnId
    by: str


class TurnSent(msgspec.Struct, frozen=True, tag="turn_sent"):
    """The prompt is in the input log of host `host` (or will be: its row is written with this event).

    `context` tells people of the context that precedes it; empty if there is none, or if it was sent before.
    """

    turn_id: TurnId
    host: int
    context: str = ""


class TurnStarted(msgspec.Struct, frozen=True, tag="turn_started"):
    """The CLI works on the prompt."""

    turn_id: TurnId


class BackgroundTurnStarted(msgspec.Struct, frozen=True, tag="background_turn_started"):
    """Claude began a turn without a prompt, because background work reported."""

    turn_id: TurnId
    number: int


class BlockAdded(msgspec.Struct, frozen=True, tag="block_added"):
    """A whole block of a turn; `uuid` is its row in the main thread of Claude's transcript, or empty.

    Blocks are shown in the order of their ordinals. A block that was read back later may have `before`: it is
    shown directly before the block with that ordinal, after earlier blocks with the same `before`. The stored
    body leaves `block` out: it is in the `blocks` row.
    """

    turn_id: TurnId
    ordinal: int
    block: Block
    uuid: str = ""
    before: int | None = None


class RequestFailed(msgspec.Struct, frozen=True, tag="request_failed"):
    """Claude's service, or the CLI, reported an error in the running turn. The turn's end tells the outcome."""

    turn_id: TurnId
    failure: Failure


class TurnEnded(msgspec.Struct, frozen=True, tag="turn_ended"):
    """A turn has ended. Costs are this turn's own; `model` is the session's model at that time.

    If it did not succeed, `failure` says what went wrong on Claude's side, or `reason` is a sentence.
    """

    turn_id: TurnId
    status: TurnStatus
    reason: str = ""
    cost_usd: float = 0.0
    # The CLI's running total after this turn: the next turn's cost is what it grows by.
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
        """The cost, if it is only a list price that is not billed."""
        return self.cost_usd if self.payer is Payer.LOGIN else 0.0


class TurnContinued(msgspec.Struct, frozen=True, tag="turn_continued"):
    """A cut turn runs again; `how` is a sentence."""

    turn_id: TurnId
    how: str


class TurnFilesCounted(msgspec.Struct, frozen=True, tag="turn_files_counted"):
    """The number of files that a turn changed is known: its checkpoints see what Bash did, too."""

    turn_id: TurnId
    files: int


TurnEvent = (
    TurnQueued
    | TurnElsewhere
    | TurnRequeued
    | TurnHeldBack
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
    | TurnFilesCounted
)
