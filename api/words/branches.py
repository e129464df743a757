"""Words on branches and merges, as plain lines that every face shows; and the prompt on conflicts."""

from collections.abc import Mapping, Sequence

from api.branching import BranchChanges, BranchInfo, MergePreview, MergeResult, SetUp
from api.checkpointing import FileChange
from workdirs.merge_choices import WhyBlocked

MOST_LISTED = 15
_MOST_IN_PROMPT = 20

WHY_BLOCKED: Mapping[WhyBlocked, str] = {
    WhyBlocked.CHANGED: "has changes that no commit has",
    WhyBlocked.STAGED: "has changes that are staged",
    WhyBlocked.IN_THE_WAY: "a file lies there that git does not know",
    WhyBlocked.FILTERED: "goes through a filter or gets other line ends, which only git itself can do",
    WhyBlocked.SUBMODULE: "is a submodule",
}


def branch_line(branch: BranchInfo) -> str:
    """Return a line on a branch: its changes, its turns, its git branch."""
    changed = "changes not known" if branch.changed is None else _totals(branch)
    git = branch.git_branch or "a plain copy, without git"
    state = ", has ended" if branch.has_ended else ""
    turns = f"{branch.turns} turn{'' if branch.turns == 1 else 's'}"
    return f"{branch.title or branch.name}: {changed}, {turns}, {git}{state}"


def changes_lines(changes: BranchChanges) -> list[str]:
    """Return the lines on a branch's changed files."""
    return _file_lines(changes.files, changes.more) or ["Nothing has changed since the branch began."]


def preview_lines(preview: MergePreview) -> list[str]:
    """Return the lines on what a merge would do, with what keeps it from landing first."""
    lines = [f"{preview.branch} → {preview.target} ({preview.strategy})"]
    if preview.conflicts:
        count = len(preview.conflicts)
        counted = "1 conflict" if count == 1 else f"{count} conflicts"
        lines.append(f"{counted}; nothing can be merged before that is resolved:")
        lines += [f"- {each.path}: {each.kind}" for each in preview.conflicts[:MOST_LISTED]]
    elif preview.blocked:
        lines.append(f"These files of {preview.target} are in the way, so nothing can be merged yet:")
        lines += [f"- {each.path} {WHY_BLOCKED[each.why]}" for each in preview.blocked[:MOST_LISTED]]
    elif not preview.files:
        lines.append("There is nothing to merge.")
    lines += _file_lines(preview.files, preview.more)
    if preview.has_uncommitted:
        lines.append("What the branch has not committed is committed first.")
    return lines


def message_lines(preview: MergePreview) -> list[str]:
    """Return the drafted message of a merge that can land, with a line on its author; empty without one."""
    if not preview.can_land or not preview.message:
        return []
    by = "Message of the commit, by Claude:" if preview.by_claude else "Message of the commit:"
    return [by, *preview.message.splitlines()]


def set_up_lines(set_up: SetUp) -> list[str]:
    """Return the lines on what setting a branch up would run, and whether somebody agreed to it."""
    commands = " and ".join(f"`{each}`" for each in set_up.commands)
    agreed = (
        "Somebody agreed to this, with the files as they are now."
        if set_up.is_agreed
        else "Nobody has agreed to this yet, with the files as they are now."
    )
    return [
        f"Claude would run {commands} in this branch.",
        f"These files say what it runs: {', '.join(set_up.files)}.",
        agreed,
    ]


def merge_words(result: MergeResult) -> str:
    """Return the sentence on a merge that landed or was undone."""
    done = f"{result.target} has it now." if result.files else f"{result.target} is as before the merge."
    if not result.left:
        return done
    named = ", ".join(result.left[:MOST_LISTED])
    return f"{done} These files changed in the last moment and were left alone: {named}."


def resolving_prompt(preview: MergePreview) -> str:
    """Return the prompt that asks the Claude of a branch to resolve its conflicts in its own directory."""
    listed = "\n".join(f"- {each.path}: {each.kind}" for each in preview.conflicts[:_MOST_IN_PROMPT])
    first = "Commit your own changes first. " if preview.has_uncommitted else ""
    return (
        f"Merging your branch {preview.branch} into {preview.target} conflicts. Resolve it here, in your own "
        f"directory: {first}Run `git merge {preview.target}`, resolve the conflicts so that both sides keep "
        f"their meaning, run the tests, and commit the merge. The conflicts:\n{listed}"
    )


def set_up_prompt(commands: Sequence[str]) -> str:
    """Return the prompt that asks the Claude of a branch to install its dependencies."""
    named = ", then ".join(f"`{each}`" for each in commands)
    return f"Install the dependencies of this copy: run {named} here. Say in one sentence whether it worked."


def _file_lines(files: Sequence[FileChange], more: int) -> list[str]:
    lines = [f"- {each.path} {each.kind}{_counts(each)}" for each in files[:MOST_LISTED]]
    left = more + max(0, len(files) - MOST_LISTED)
    return [*lines, f"- and {left} more"] if left else lines


def _counts(change: FileChange) -> str:
    return "" if change.added is None or change.removed is None else f" +{change.added} −{change.removed}"


def _totals(branch: BranchInfo) -> str:
    files = f"{branch.changed} file{'' if branch.changed == 1 else 's'}"
    return f"{files} +{branch.added} −{branch.removed}"
