"""`/retry` in the terminal: ask the last prompt again.

If its answer changed files, the person says first whether they are put back.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import api as c
from api.access import Actor
from api.words.checkpoints import put_back_question
from console.core_commands import NotUnderstood
from sessions.errors import PromptRefused
from sessions.model import TurnKind

# Reports of background work and commands are turns, too: the last prompt may lie some turns back.
_RECENT = 10


class RetryFiles(StrEnum):
    """Choices for the files that the dropped answer changed. With ASK the person decides, if it changed any."""

    ASK = ""
    KEEP = "keep"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Retry:
    """Drop the last answer and ask again."""

    files: RetryFiles


def parse_retry(word: str) -> Retry | NotUnderstood:
    """Return the command with what follows `/retry`."""
    if word not in set(RetryFiles):
        return NotUnderstood("Say /retry, /retry keep or /retry back.")
    return Retry(RetryFiles(word))


async def retry(
    core: c.Core, actor: Actor, remark: Callable[[str], None], session_id: str, files: RetryFiles
) -> None:
    """Ask again, or print the question. Raises `PromptRefused` if the files cannot be put back."""
    if files is not RetryFiles.KEEP:
        page = await core.perform(actor, c.ReadTurns(session_id=session_id, limit=_RECENT, with_blocks=False))
        last = next((each.turn for each in page.turns if each.turn.kind is TurnKind.PROMPT), None)
        if last is not None:
            puts_back = files is RetryFiles.BACK
            rewind = c.RewindFiles(session_id=session_id, turn_id=last.id, dry_run=not puts_back)
            changed = await core.perform(actor, rewind)
            # Before the prompt is asked again: Claude would begin on files that nobody put back.
            if puts_back and changed.refused:
                raise PromptRefused(changed.refused)
            # Nothing is dropped so far: the answer stays until the person has decided about the files.
            if changed.paths and not puts_back:
                remark(f"{put_back_question(changed)} /retry back, or /retry keep.")
                return
    await core.perform(actor, c.Regenerate(session_id=session_id, origin=f"terminal:{uuid.uuid4()}"))
