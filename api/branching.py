"""Commands on branches with files of their own: list, compare, merge, undo a merge, remove."""

import msgspec

from api.access import Action
from api.checkpointing import FileChange
from api.command import Nothing, SessionCommand
from api.prompting import Accepted
from api.reading import WorkPlace
from sessions.model import SessionId
from workdirs.merge_choices import Strategy, WhyBlocked
from workdirs.merge_output import ConflictKind


class BranchInfo(msgspec.Struct, frozen=True):
    """A branch of a session. `changed` counts its files that differ from its beginning; None if not known.

    `git_branch` is empty for a plain copy, which cannot be merged.
    """

    session_id: SessionId
    channel_id: str
    title: str
    name: str
    git_branch: str
    target: str
    cost_usd: float
    list_price_usd: float
    turns: int
    has_ended: bool
    changed: int | None = None
    added: int = 0
    removed: int = 0


class Branches(msgspec.Struct, frozen=True):
    """Branches, newest first."""

    branches: tuple[BranchInfo, ...]


class BranchChanges(msgspec.Struct, frozen=True):
    """The files of a branch that differ from its beginning. `more` were left out."""

    files: tuple[FileChange, ...]
    more: int = 0


class MergeConflict(msgspec.Struct, frozen=True):
    """A conflict, and git's words on it."""

    path: str
    kind: ConflictKind
    words: str


class BlockedFile(msgspec.Struct, frozen=True):
    """A file that is not clean where the target is checked out."""

    path: str
    why: WhyBlocked


class MergePreview(msgspec.Struct, frozen=True):
    """A merge as it would go now. `digest` names it for `MergeBranch`.

    It can land without `conflicts` and `blocked`; without `files` there is nothing to merge. If
    `has_uncommitted`, the uncommitted changes of the branch are committed first. `subjects` are first lines of
    its commits. `message` is a draft for the new commit, which people may edit; it is empty for a rebase.
    `by_claude`: Claude wrote it. `can_undo`: a merge of the branch stands, and `UndoMerge` takes it back.
    """

    branch: str
    target: str
    strategy: Strategy
    files: tuple[FileChange, ...]
    conflicts: tuple[MergeConflict, ...]
    blocked: tuple[BlockedFile, ...]
    subjects: tuple[str, ...]
    has_uncommitted: bool
    digest: str
    more: int = 0
    message: str = ""
    by_claude: bool = False
    can_undo: bool = False

    @property
    def can_land(self) -> bool:
        """Whether `MergeBranch` would succeed as things are."""
        return bool(self.files) and not self.conflicts and not self.blocked


class MergeResult(msgspec.Struct, frozen=True):
    """A merge that landed or was undone. `left` are files that somebody changed in the last moment."""

    target: str
    files: int
    left: tuple[str, ...] = ()


class BranchReport(msgspec.Struct, frozen=True):
    """A draft that tells the parent's Claude of a branch; `parent_id` is the session to send it to.

    `by_claude`: Claude wrote what was decided and what is open. Else it is made of what is stored.
    """

    parent_id: SessionId
    text: str
    by_claude: bool = False


class ListBranches(SessionCommand[Branches], frozen=True, tag="list_branches", kw_only=True):
    """Return the session's branches with files of their own; with `with_changes` also how much each changed.

    Sessions that the actor may not view are left out.
    """

    action = Action.VIEW
    reply = Branches
    audited = False
    with_changes: bool = False


class CompareBranch(SessionCommand[BranchChanges], frozen=True, tag="compare_branch", kw_only=True):
    """Return the files of a branch that differ from its beginning. Raises `BranchRefused`."""

    action = Action.VIEW
    reply = BranchChanges
    audited = False


class PreviewMerge(SessionCommand[MergePreview], frozen=True, tag="preview_merge", kw_only=True):
    """Return what merging the branch into the git branch that it began at would do. Raises `BranchRefused`.

    With `asks_claude`, Claude drafts the message of a squash beside its conversation, under the conditions of
    `DraftReport`. Else the draft is made of the branch's title and its commits.
    """

    # For the look. That Claude is asked takes the right to prompt as well, because it costs money.
    action = Action.VIEW
    reply = MergePreview
    audited = False
    strategy: Strategy = Strategy.SQUASH
    asks_claude: bool = False


class MergeBranch(SessionCommand[MergeResult], frozen=True, tag="merge_branch", kw_only=True):
    """Merge the branch as it was previewed. `digest` comes from the preview.

    The new commit gets `message`, or without one the draft made of the branch's title and its commits.
    Raises `MergeOutdated` if the branch or its target changed since, `BranchRefused` if it cannot land.
    """

    action = Action.MANAGE
    reply = MergeResult
    strategy: Strategy
    digest: str
    message: str = ""


class ResolveMerge(SessionCommand[Accepted], frozen=True, tag="resolve_merge", kw_only=True):
    """Ask Claude in the branch to merge the target there and to resolve the conflicts; it is a prompt.

    The request is kept as one on a conflict. Raises `BranchRefused` without conflicts, and the errors of
    `SendMessage`.
    """

    action = Action.PROMPT
    reply = Accepted
    strategy: Strategy = Strategy.SQUASH
    origin: str


class CommitBranch(SessionCommand[WorkPlace], frozen=True, tag="commit_branch", kw_only=True):
    """Commit all that the branch's directory has beyond its last commit; return branch and commit.

    The repository's hooks, filters and signatures do not run. Raises `BranchRefused`, `CheckpointRefused`.
    """

    action = Action.PROMPT
    reply = WorkPlace
    message: str


class UndoMerge(SessionCommand[MergeResult], frozen=True, tag="undo_merge", kw_only=True):
    """Take the branch's last merge back. Raises `BranchRefused`, also if somebody committed since."""

    action = Action.MANAGE
    reply = MergeResult


class DraftReport(SessionCommand[BranchReport], frozen=True, tag="draft_report", kw_only=True):
    """Draft a report on the branch for its parent: decisions, changed files, open questions, its turns.

    With `asks_claude`, Claude writes the decisions and questions beside its conversation, if the actor may
    prompt the branch and Claude is idle; a parked session is woken. Else the draft has the last answer instead.
    Sends nothing: a person reads it first, and sends it as a prompt. Raises `BranchRefused`.
    """

    # As in `PreviewMerge`: asking Claude takes the right to prompt as well.
    action = Action.VIEW
    reply = BranchReport
    audited = False
    asks_claude: bool = True


class SetUp(msgspec.Struct, frozen=True):
    """The commands that would install a branch's dependencies, and the `files` that say what they run.

    `digest` names the commands with the contents of the files. `is_agreed`: somebody agreed to exactly these.
    """

    commands: tuple[str, ...]
    files: tuple[str, ...]
    digest: str
    is_agreed: bool = False


class ReadSetUp(SessionCommand[SetUp], frozen=True, tag="read_set_up", kw_only=True):
    """Return what would install the dependencies of a branch's own copy. Runs nothing.

    Raises `BranchRefused` if the project is not trusted or has no lock file.
    """

    action = Action.VIEW
    reply = SetUp
    audited = False


class SetUpBranch(SessionCommand[Accepted], frozen=True, tag="set_up_branch", kw_only=True):
    """Ask Claude to install the dependencies of a branch's own copy, as its lock files name them.

    `digest` is the one of `ReadSetUp`: with it the person agrees to these commands and files, and that is kept
    for the project. Without it somebody must have agreed to exactly these before. It is a prompt, so Claude
    asks for the command as for any other. Raises `SetUpNotAgreed`, `BranchRefused` as `ReadSetUp`, and the
    errors of `SendMessage`.
    """

    action = Action.PROMPT
    reply = Accepted
    origin: str
    digest: str = ""


class RemoveBranch(SessionCommand[Nothing], frozen=True, tag="remove_branch", kw_only=True):
    """End the session of a branch and remove its directory. A checkpoint keeps the files, a ref the commits.

    Raises `BranchUnmerged` if it has work that is merged nowhere, unless `even_unmerged`; `BranchRefused`,
    `CheckpointRefused` if no checkpoint can be taken. Then nothing is removed.
    """

    action = Action.MANAGE
    reply = Nothing
    even_unmerged: bool = False


BranchingCommand = (
    ListBranches
    | CompareBranch
    | PreviewMerge
    | MergeBranch
    | CommitBranch
    | UndoMerge
    | DraftReport
    | ResolveMerge
    | ReadSetUp
    | SetUpBranch
    | RemoveBranch
)
"""The commands of this file."""
