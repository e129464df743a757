"""Row values: turns, contexts, asks, hosts, inputs, rules and trust as they are stored."""

from enum import StrEnum

import msgspec

from backends.base import HostRef, InputLine
from sessions.model import (
    Ask,
    AskStatus,
    Attachment,
    Decision,
    Payer,
    Rule,
    RuleScope,
    SessionId,
    SiteState,
    TokenUsage,
    Trust,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.troubles import Failure


class StoredTurn(msgspec.Struct, frozen=True):
    """A turn as it is stored, without its blocks. `context` tells people what else Claude read before it.

    `changed_files` counts the files that its checkpoints saw change; 0 if that is not known.
    """

    id: TurnId
    session_id: SessionId
    number: int
    kind: TurnKind
    status: TurnStatus
    author_id: str
    prompt: str
    prompt_uuid: str
    attachments: tuple[Attachment, ...]
    conversation_id: str
    last_uuid: str
    alternative_of: TurnId | None
    reason: str
    cost_usd: float
    usage: TokenUsage
    queued_ms: int
    started_ms: int | None
    ended_ms: int | None
    duration_ms: int
    first_text_ms: int | None
    origin: str = ""
    payer: Payer = Payer.KEY
    failure: Failure | None = None
    context: str = ""
    changed_files: int = 0

    @property
    def list_price_usd(self) -> float:
        """The cost, if it is only a list price that is not billed."""
        return self.cost_usd if self.payer is Payer.LOGIN else 0.0


class ContextKind(StrEnum):
    """The kinds of context before a prompt: facts on the project, or changes since Claude's last turn."""

    SURVEY = "survey"
    CHANGES = "changes"


class StoredContext(msgspec.Struct, frozen=True):
    """The text that Claude read before the prompt of a turn, and the line on it that people see."""

    turn_id: TurnId
    kind: ContextKind
    text: str
    shown: str
    made_ms: int


class Purpose(StrEnum):
    """The purpose of a request beside the conversation."""

    DIGEST = "digest"
    SUMMARY = "summary"
    CONFLICT = "conflict"
    COMMIT_MESSAGE = "commit_message"


class BranchStatus(StrEnum):
    """The state of a branch with files of its own."""

    MAKING = "making"
    MADE = "made"
    REMOVING = "removing"
    REMOVED = "removed"


class MergeStatus(StrEnum):
    """The state of a merge."""

    LANDING = "landing"
    LANDED = "landed"
    UNDOING = "undoing"
    UNDONE = "undone"
    FAILED = "failed"


class StoredBranch(msgspec.Struct, frozen=True):
    """A session with files of its own. `git_branch` and `target` are full refs; empty: it cannot be merged.

    `checkpoint` has its files as they were at the beginning, `last_merged` its commit at the last squash.
    """

    session_id: SessionId
    parent_id: SessionId
    name: str
    directory: str
    parent_directory: str
    git_branch: str
    target: str
    checkpoint: str
    last_merged: str
    status: BranchStatus
    made_ms: int


class StoredMerge(msgspec.Struct, frozen=True):
    """A merge: `target` goes from `old_commit` to `new_commit`. `merged_before`: `last_merged` until then."""

    id: str
    session_id: SessionId
    target: str
    strategy: str
    old_commit: str
    new_commit: str
    source_commit: str
    merged_before: str
    by_user: str
    status: MergeStatus
    began_ms: int


class StoredAsk(msgspec.Struct, frozen=True):
    """An ask with its status and decision. `decided_through`, `decided_face`: see `AskDecided`."""

    ask: Ask
    session_id: SessionId
    status: AskStatus
    decision: Decision | None
    decided_by: str
    closed_ms: int | None
    decided_through: str = ""
    decided_face: str = ""


class HostStatus(StrEnum):
    """The state of a host's row: stored before the launch, launched, ended."""

    LAUNCHING = "launching"
    LIVE = "live"
    ENDED = "ended"


class StoredHost(msgspec.Struct, frozen=True):
    """A host row. `ref` is None until the launch has been stored, even if the host runs already."""

    number: int
    ref: HostRef | None
    status: HostStatus
    # Every line before this offset of the output log is in the rows.
    applied: int
    # The message that streamed then begins here: it is read again, so that its growing text can go on.
    replay_from: int


class StoredInput(msgspec.Struct, frozen=True):
    """A line for a host, and the token by which the output log acknowledges it."""

    number: int
    line: InputLine
    token: str
    acknowledged: bool


class StoredRule(msgspec.Struct, frozen=True):
    """A stored permission rule, with its scope, its giver and the time.

    A rule of a project (`session_id` None) holds in the sessions that `given_by` owns in `work_directory`; with
    `for_all`, in the sessions of all users there.
    """

    id: int
    scope: RuleScope
    session_id: SessionId | None
    work_directory: str
    rule: Rule
    given_by: str
    for_all: bool
    given_ms: int


class StoredSite(msgspec.Struct, frozen=True):
    """A host of the internet that sandboxes of the project in `directory` wanted; when, or when decided."""

    directory: str
    name: str
    state: SiteState
    decided_by: str
    at_ms: int


class StoredTrust(msgspec.Struct, frozen=True):
    """A decision on the project in `directory`, made for its content at that time (`content_hash`)."""

    directory: str
    state: Trust
    content_hash: str
    decided_by: str
    decided_ms: int
