"""Draft the report on a branch for the session that it came from: Claude's words if it was asked, and rows."""

from collections.abc import Iterator, Sequence

from api.branching import BranchChanges
from api.words.branches import changes_lines
from sessions.model import Text, TurnKind, TurnStatus
from sessions.rows.transcript import WholeTurn
from sessions.snapshot import Snapshot
from sessions.stored import StoredBranch, StoredMerge

MOST_TURNS = 50
_MOST_CHARS = 3_500
_MOST_WRITTEN = 1_800
DIGEST_QUESTION = (
    "You work in a branch of another session. Write a digest for the Claude of that session, who knows nothing"
    " of what happened here. Use Markdown, at most 200 words, and exactly two sections: `## Decisions`, each"
    " with its reason, and `## Open questions`. Leave out a list of changed files, which is added. Answer with"
    " the digest only; change nothing and use no tool."
)
_MOST_PROMPTS = 10
_MOST_OF_A_PROMPT = 160
_MOST_OF_THE_ANSWER = 1_500


def draft_report(
    snapshot: Snapshot,
    branch: StoredBranch,
    turns: Sequence[WholeTurn],
    changes: BranchChanges,
    merge: StoredMerge | None,
    *,
    written: str = "",
) -> str:
    """Return the report. `turns` are the branch's own, newest first; `merge` its last one that stands.

    `written` is what Claude wrote on decisions and open questions. The files and the turns come from rows also
    then, because a model may name files that it did not change.
    """
    words = [f"\n{written[:_MOST_WRITTEN]}"] if written else []
    lines = [
        *_head(snapshot, branch, merge),
        *words,
        *_files(changes),
        *_prompts(turns),
        # Claude's digest stands in place of the last answer.
        *([] if written else _answer(turns)),
        *_open(snapshot),
    ]
    return "\n".join(lines)[:_MOST_CHARS]


def _head(snapshot: Snapshot, branch: StoredBranch, merge: StoredMerge | None) -> Iterator[str]:
    on = f", on the git branch {branch.git_branch.removeprefix('refs/heads/')}" if branch.git_branch else ""
    yield f"Report of the branch “{snapshot.title or branch.name}”. It worked on a copy of these files{on}."
    if merge is None:
        yield "Nothing of it is merged here."
    else:
        yield f"It was merged into {merge.target.removeprefix('refs/heads/')} ({merge.strategy})."


def _prompts(turns: Sequence[WholeTurn]) -> Iterator[str]:
    asked = [each.turn for each in reversed(turns) if each.turn.kind is TurnKind.PROMPT and each.turn.prompt]
    if asked:
        yield f"\nIts turns (session {turns[0].turn.session_id}):"
    for turn in asked[-_MOST_PROMPTS:]:
        words = " ".join(turn.prompt.split())
        cut = "…" if len(words) > _MOST_OF_A_PROMPT else ""
        yield f"- turn {turn.number}: {words[:_MOST_OF_A_PROMPT]}{cut}"


def _files(changes: BranchChanges) -> Iterator[str]:
    yield "\nChanged files:"
    yield from changes_lines(changes)


def _answer(turns: Sequence[WholeTurn]) -> Iterator[str]:
    for each in turns:
        texts = [placed.block.text for placed in each.blocks if isinstance(placed.block, Text)]
        # A turn that was cut may end in the middle of a thought.
        if each.turn.status is TurnStatus.DONE and texts:
            yield f"\nIts last answer (turn {each.turn.number}):"
            yield texts[-1].strip()[:_MOST_OF_THE_ANSWER]
            return


def _open(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.asks:
        yield f"\nOpen: {len(snapshot.asks)} questions of Claude wait for an answer there."
    if snapshot.queue or snapshot.current is not None:
        yield "\nOpen: the branch is still at work."
