"""Draft the message of the commit that a merge makes, from the title and the commits of the branch."""

import re
from collections.abc import Sequence

from workdirs.merge_choices import Strategy

UNCOMMITTED = "Uncommitted changes"
MOST_CHARS = 10_000
_MOST_SUBJECTS = 20
_MOST_OF_A_SUBJECT = 72
_FENCE = re.compile(r"```[a-z]*\n(.*?)\n?```", re.DOTALL)
MESSAGE_QUESTION = (
    "Your branch is about to be merged as one commit. Write the message of that commit. Its first line says in"
    " at most 72 characters what changes. After an empty line, say in at most 120 words why, and what a"
    " reviewer should check; no list of files. Follow the style of the repository's other commit messages if"
    " you know it. Answer with the message only; change nothing and use no tool."
)


def merge_message(strategy: Strategy, branch: str, title: str, subjects: Sequence[str]) -> str:
    """Return the message for a merge of the git branch `branch`; empty for a rebase, which keeps its messages.

    A squash of one commit has its subject, one of several the session's title and all subjects.
    """
    plain = f"Merge the branch {branch}"
    match strategy:
        case Strategy.REBASE:
            return ""
        case Strategy.MERGE:
            return plain
        case Strategy.SQUASH:
            pass
    ours = (UNCOMMITTED, in_progress(branch))
    named = [each for each in subjects if each not in ours]
    if len(named) == 1:
        return named[0]
    first = " ".join(title.removesuffix("(branch)").split())[:_MOST_OF_A_SUBJECT] or plain
    listed = [f"- {each}" for each in named[:_MOST_SUBJECTS]]
    if len(named) > _MOST_SUBJECTS:
        listed.append(f"- and {len(named) - _MOST_SUBJECTS} more")
    return "\n".join((first, "", *listed)) if listed else first


def in_progress(branch: str) -> str:
    """Return the subject of the commit of what the git branch `branch` had not committed at a merge."""
    return f"Work in progress of {branch}"


def message_of_answer(answer: str) -> str:
    """Return the message in Claude's answer, without the code block that it may stand in."""
    fenced = _FENCE.fullmatch(answer.strip())
    return (fenced[1] if fenced else answer).strip()[:MOST_CHARS]
