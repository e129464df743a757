"""The events of a session, as numbered facts: one stream that is stored, replayed and shown.

A durable event is applied to the snapshot (`state.apply`), written with its rows in one transaction, and
published with its number after the commit. Only `PartialText` is on the bus and never stored: the growing
text of a block that Claude is still writing. After a restart it is rebuilt from the host's log.
"""

import msgspec

from sessions.model import (
    Activity,
    Ask,
    AskId,
    Blocker,
    Decision,
    GrowingKind,
    Lifecycle,
    Payer,
    PermissionMode,
    SessionId,
    ShareLevel,
    TitleSource,
    Trust,
    TurnId,
)
from sessions.process_events import *
from sessions.run_shown import RunShown
from sessions.topics import Topic
from sessions.troubles import Failure, Limit
from sessions.turn_events import *


# A test holds names and types of these fields to those of the snapshot.
class SetsFields(msgspec.Struct, frozen=True):
    """An event whose fields are fields of the snapshot: `apply` sets them, and needs no case for the event."""


class SessionCreated(msgspec.Struct, frozen=True, tag="session_created"):
    """The session exists. `key` is unique among sessions that have not ended, or empty."""

    user_id: str
    channel_id: str
    key: str
    title: str
    project: str
    work_directory: str
    model: str
    mode: PermissionMode


class LifecycleChanged(msgspec.Struct, frozen=True, tag="lifecycle_changed"):
    """The session went from one lifecycle to another. `cause` is text for people; no code reads it.

    For a move to `stopping`, `leads_to` is the lifecycle after it, and with `keeps_turn` the next process
    takes up the turn that the move cuts. `handed_over`: until our next turn, the conversation may grow in a
    terminal.
    """

    old: Lifecycle
    new: Lifecycle
    cause: str
    leads_to: Lifecycle | None = None
    keeps_turn: bool = False
    handed_over: bool = False


class SessionRestored(msgspec.Struct, frozen=True, tag="session_restored"):
    """An ended session is back, parked, at the place `key` (empty: no place). The only way out of `ended`."""

    channel_id: str
    key: str


class ActivityChanged(msgspec.Struct, frozen=True, tag="activity_changed"):
    """Claude's activity changed. If it is blocked, `blocker` is the kind of obstacle, and `failure` or
    `limit` is the cause.
    """

    old: Activity
    new: Activity
    cause: str
    blocker: Blocker | None = None
    failure: Failure | None = None
    limit: Limit | None = None


class Branched(msgspec.Struct, frozen=True, tag="branched"):
    """This session continues a turn of another session: after `last_uuid` of `conversation_id`."""

    parent: SessionId
    parent_turn: TurnId
    conversation_id: str
    last_uuid: str


class ConversationChanged(msgspec.Struct, frozen=True, tag="conversation_changed"):
    """The session has another conversation from here on. `cause`: new, cli (the CLI reported it), import,
    adopt, branch (from a row that the CLI's own fork does not find)."""

    conversation_id: str
    cause: str


class WentOnFrom(msgspec.Struct, frozen=True, tag="went_on_from"):
    """The next prompt follows this turn, one of several answers to the last prompt."""

    turn_id: TurnId
    conversation_id: str
    prompt_uuid: str
    last_uuid: str


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """The session works in another directory from here on. Its history names files below `moved_from`."""

    project: str
    work_directory: str
    moved_from: str


class OwnCopyMade(msgspec.Struct, frozen=True, tag="own_copy_made"):
    """This branch has files of its own. Its history names files below `parent_directory`, which is not its own.

    Claude's tools may not touch the directories of `keeps_out_of`. `parent_directory` is empty for a branch
    that shares the directory of such a branch.
    """

    work_directory: str
    parent_directory: str
    keeps_out_of: tuple[str, ...]


class Imported(msgspec.Struct, frozen=True, tag="imported"):
    """Turns were imported from a file or from Claude's own transcript. The same commit writes their rows."""

    source: str
    turns: int
    next_turn: int
    message_count: int
    cost_usd: float
    last_prompt_uuid: str
    list_price_usd: float = 0.0


class PayerChanged(SetsFields, frozen=True, tag="payer_changed"):
    """Another payer pays for the turns from here on."""

    payer: Payer


class CostCarriedOver(msgspec.Struct, frozen=True, tag="cost_carried_over"):
    """The CLI's running total starts at `total_usd`: earlier processes spent it, not a turn of this one."""

    total_usd: float


class AskOpened(msgspec.Struct, frozen=True, tag="ask_opened"):
    """Claude waits for an answer."""

    ask: Ask


class AskDecided(msgspec.Struct, frozen=True, tag="ask_decided"):
    """A person or a deadline answered the ask. The answer is sent with this event.

    `through` is the user whose process spoke for the person over the control socket; empty if none did.
    `face` is where they answered: discord, web, terminal …; empty for a deadline, and in older sessions.
    """

    ask_id: AskId
    decision: Decision
    by: str
    through: str = ""
    face: str = ""


class AskWithdrawn(msgspec.Struct, frozen=True, tag="ask_withdrawn"):
    """The ask no longer needs an answer. `cause` is a sentence."""

    ask_id: AskId
    cause: str


class Noticed(msgspec.Struct, frozen=True, tag="noticed"):
    """A notice for people.

    `text` is a sentence; it is empty if `failure` or `limit` has the facts. `about` names the subject for the
    answers that a face offers: the content hash of a project's offer, the name of a wanted host.
    """

    topic: Topic
    text: str = ""
    until_ms: int | None = None
    failure: Failure | None = None
    limit: Limit | None = None
    about: str = ""


class TrustChanged(msgspec.Struct, frozen=True, tag="trust_changed"):
    """The trust in the project from this process on.

    `wanted`: the content hash of a project's offer that a person should decide on, or empty.
    """

    trust: Trust
    wanted: str = ""


class ModelChanged(SetsFields, frozen=True, tag="model_changed"):
    """Another model from the next turn on."""

    model: str


class ModeChanged(SetsFields, frozen=True, tag="mode_changed"):
    """Another permission mode, at once."""

    mode: PermissionMode


class TitleChanged(msgspec.Struct, frozen=True, tag="title_changed"):
    """The session's title changed: a person or Claude chose it, else it comes from the first prompt."""

    title: str
    by_person: bool
    by_claude: bool = False

    @property
    def source(self) -> TitleSource:
        """The origin of the title."""
        if self.by_person:
            return TitleSource.PERSON
        return TitleSource.CLAUDE if self.by_claude else TitleSource.PROMPT


class SharesChanged(msgspec.Struct, frozen=True, tag="shares_changed"):
    """A user or group id has share `level` on the session from here on; with None, its share ends."""

    grantee: str
    level: ShareLevel | None
    by: str


class ReviewChanged(msgspec.Struct, frozen=True, tag="review_changed"):
    """A comment was pinned to a line of a turn's changes, or removed."""

    by: str


class PinChanged(SetsFields, frozen=True, tag="pin_changed"):
    """The session was pinned or unpinned."""

    pinned: bool


class ChangesSwitched(msgspec.Struct, frozen=True, tag="changes_switched"):
    """Whether prompts tell Claude what changed in the files; from the next prompt on."""

    on: bool


class LookBegan(msgspec.Struct, frozen=True, tag="look_began"):
    """The turn surveys the project in plan mode. Afterwards the session has `mode` again."""

    turn_id: TurnId
    mode: PermissionMode


class LookEnded(msgspec.Struct, frozen=True, tag="look_ended"):
    """The turn that surveyed the project is over. The same commit stores its answer."""


class ProjectSurveyed(SetsFields, frozen=True, tag="project_surveyed"):
    """The bridge looked at the project for the first prompt. `wants_guide`: it has no guidance and no docs."""

    wants_guide: bool


class CommandsListed(SetsFields, frozen=True, tag="commands_listed"):
    """Claude's own slash commands that this conversation offers now."""

    commands: tuple[str, ...]


class RunChanged(msgspec.Struct, frozen=True, tag="run_changed"):
    """The work-flow run of this session looks like this now."""

    run: RunShown


class ContextMeasured(msgspec.Struct, frozen=True, tag="context_measured"):
    """The size of the context after a turn, in tokens."""

    used_tokens: int
    window_tokens: int


# Stored for ever under their tags: no tag or field is renamed, and a new field has a default for older rows.
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
    | OwnCopyMade
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
    | ReviewChanged
    | PinChanged
    | ChangesSwitched
    | LookBegan
    | LookEnded
    | ProjectSurveyed
    | CommandsListed
    | ContextMeasured
    | RunChanged
)


class Numbered(msgspec.Struct, frozen=True, tag="event"):
    """A durable event of one session. Numbers rise by one and never repeat."""

    session_id: SessionId
    number: int
    at_ms: int
    event: Event


class PartialText(msgspec.Struct, frozen=True, tag="partial"):
    """New text of a block that Claude is writing now, after durable event `after`.

    `added` goes in at character `start` of block `key`; a `start` of 0 replaces the block's text. With `void`,
    drop all partial text of the turn shown so far: the CLI repeats the API call. `key` names the block within
    the turn, so that a late subscriber can tell whether it has the beginning.
    """

    session_id: SessionId
    after: int
    turn_id: TurnId
    key: str
    kind: GrowingKind
    start: int
    added: str
    void: bool = False


Feed = Numbered | PartialText
