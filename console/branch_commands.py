"""Parses `/branch` and the commands on branches. Pure; `typed_input.py` carries the commands out."""

from dataclasses import dataclass

import api as c
from api.words.branches import (
    branch_line,
    changes_lines,
    merge_words,
    message_lines,
    preview_lines,
    set_up_lines,
)
from console.core_commands import NotUnderstood, OfSession
from workdirs.merge_choices import Strategy

GUIDE = {
    "/branch new [same]": "go on in a new session with a copy of the files; same: in the same directory",
    "/branch pick NAME": "open a branch of this session and show what merging it would do",
    "/branches": "list the branches of the session that have files of their own",
    "/compare": "list the files that this branch changed since it began",
    "/merge [HOW]": f"show what merging this branch would do: {', '.join(Strategy)}",
    "/merge HOW CODE [MESSAGE]": "merge it as it was shown; /unmerge takes that back",
    "/merge message": "the same preview, with a message of the commit that Claude writes",
    "/resolve": "ask Claude in this branch to resolve the conflicts of its merge",
    "/setup [CODE]": "show how the dependencies of this branch are installed; with its code: do it",
    "/report": "draft a report on this branch for the session that it came from",
    "/remove-branch [unmerged]": "end this branch, remove its directory; unmerged: even if merged nowhere",
}
NAMES = frozenset(
    {"branch", "branches", "compare", "merge", "unmerge", "report", "remove-branch", "resolve", "setup"}
)
_REMOVED = "The branch is removed. Its files stay in a checkpoint."


@dataclass(frozen=True, slots=True)
class NewBranch:
    """Go on in a branch of the open session: with its own copy of the files, or in the same directory."""

    own_copy: bool = True


@dataclass(frozen=True, slots=True)
class PickBranch:
    """Open the branch of this name, and show what merging it would do."""

    name: str


BranchCommand = NewBranch | PickBranch | OfSession | NotUnderstood


def parse_branch(name: str, rest: str) -> BranchCommand:
    """Return the meaning of one of the commands of `NAMES`."""
    return _branch(rest) if name == "branch" else _of_branch(name, rest.split())


def _branch(rest: str) -> BranchCommand:
    match rest.split():
        case ["new"]:
            return NewBranch()
        case ["new", "same"]:
            return NewBranch(own_copy=False)
        case ["pick", name]:
            return PickBranch(name)
        case ["list"]:
            return _of_branch("branches", [])
        case ["undo"]:
            return _of_branch("unmerge", [])
        case ["remove", *rest_of_it]:
            return _of_branch("remove-branch", rest_of_it)
        case ["compare" | "merge" | "report" as name, *rest_of_it]:
            return _of_branch(name, rest_of_it)
        case _:
            return NotUnderstood(
                "Say it like this: /branch new, list, pick NAME, compare, merge, report, remove."
            )


def _of_branch(name: str, words: list[str]) -> OfSession | NotUnderstood:
    match name, words:
        case "branches", []:
            return OfSession(lambda id_, _: c.ListBranches(session_id=id_, with_changes=True), _branch_lines)
        case "compare", []:
            return OfSession(
                lambda id_, _: c.CompareBranch(session_id=id_),
                lambda changes: "\n".join(changes_lines(changes)),
            )
        case "unmerge", []:
            return OfSession(lambda id_, _: c.UndoMerge(session_id=id_), merge_words)
        case "report", []:
            return OfSession(lambda id_, _: c.DraftReport(session_id=id_), lambda draft: draft.text)
        case "remove-branch", []:
            return OfSession(lambda id_, _: c.RemoveBranch(session_id=id_), lambda _: _REMOVED)
        case "remove-branch", ["unmerged"]:
            return OfSession(
                lambda id_, _: c.RemoveBranch(session_id=id_, even_unmerged=True), lambda _: _REMOVED
            )
        case "merge", ["message"]:
            return OfSession(lambda id_, _: c.PreviewMerge(session_id=id_, asks_claude=True), merge_preview)
        # Also without a word: the usual strategy is previewed then.
        case "merge", [*given] if set(given[:1]) <= set(Strategy):
            how = Strategy(given[0]) if given else Strategy.SQUASH
            # A merge needs the code of a preview, so that people get what they have seen, or a refusal.
            if len(given) < 2:
                return OfSession(lambda id_, _: c.PreviewMerge(session_id=id_, strategy=how), merge_preview)
            code, message = given[1], " ".join(given[2:])
            return OfSession(
                lambda id_, _: c.MergeBranch(session_id=id_, strategy=how, digest=code, message=message),
                merge_words,
            )
        case "resolve", []:
            return OfSession(lambda id_, origin: c.ResolveMerge(session_id=id_, origin=origin))
        case "setup", []:
            return OfSession(lambda id_, _: c.ReadSetUp(session_id=id_), _set_up)
        # The code is that of the listed commands: a consent holds for what was read and for nothing newer.
        case "setup", [code]:
            return OfSession(lambda id_, origin: c.SetUpBranch(session_id=id_, origin=origin, digest=code))
        case _:
            return NotUnderstood(f"Say it like this: /merge {Strategy.SQUASH}, for example.")


def _branch_lines(found: c.Branches) -> str:
    return "\n".join(map(branch_line, found.branches)) or "No branch of this session has files of its own."


def _set_up(found: c.SetUp) -> str:
    return "\n".join((*set_up_lines(found), f"To have it run: /setup {found.digest}"))


def merge_preview(preview: c.MergePreview) -> str:
    """Return the lines on what a merge would do, with the command that does it."""
    lines = [*preview_lines(preview), *message_lines(preview)]
    if preview.can_land:
        lines.append(f"To merge it like this: /merge {preview.strategy} {preview.digest}")
    return "\n".join(lines)
