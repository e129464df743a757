"""Drafts the summary of a session: Claude's words if it can be asked beside the conversation, else rows."""

from collections.abc import Iterator

import api as c
from service.parts import ServiceParts
from service.session_folders import take_in_changes
from sessions.model import Text, TurnKind
from sessions.rows import folders as folder_rows
from sessions.rows.transcript import WholeTurn, load_transcript
from sessions.session import Session
from sessions.side_requests import ask_aside
from sessions.stored import Purpose
from sessions.stored_folders import NoteKind
from texts.os_text import decoded

_QUESTION = (
    "This session is about to end. Write its summary for the people who go on from here, in Markdown, in at"
    " most 250 words: what was done, what was decided and why, what is open. Name files by their paths. Answer"
    " with the summary only; change nothing and use no tool."
)
_MOST_TURNS = 50
_MOST_PROMPTS = 10
_MOST_FILES = 20
_MOST_OF_A_PROMPT = 160
_MOST_OF_THE_ANSWER = 1_500


async def ask_claude(session: Session) -> str:
    """Return Claude's draft; empty if it has no process, works, or gives none. Raises `ClaudeUnavailable`."""
    # Beside the conversation, which stays as it is. A process is not woken for it: the draft by rule is
    # enough.
    return (await ask_aside(session, Purpose.SUMMARY, _QUESTION))[: c.MAX_SUMMARY]


async def made_of_rows(parts: ServiceParts, session: Session) -> str:
    """Return a draft made of what is stored: prompts, files, decisions, the last answer. No model is asked."""
    db = parts.manager.db
    page = await load_transcript(db, session.id, before=None, limit=_MOST_TURNS, with_blocks=True)
    artifacts = await take_in_changes(parts, session.id)
    notes = await folder_rows.load_notes(db, session.id)
    lines = [*_prompts(page.turns)]
    if artifacts:
        lines.append("\n## Files")
        listed = list(artifacts.values())[:_MOST_FILES]
        lines += [f"- {each.kind.value}: {decoded(each.path)}" for each in listed]
        if len(artifacts) > len(listed):
            lines.append(f"- and {len(artifacts) - len(listed):,} more")
    if decisions := [each for each in notes if each.kind is NoteKind.DECISION]:
        lines += ["\n## Decisions", *(f"- {each.title}" for each in decisions)]
    lines += _answer(page.turns)
    return "\n".join(lines).strip()[: c.MAX_SUMMARY]


def _prompts(turns: tuple[WholeTurn, ...]) -> Iterator[str]:
    asked = [each.turn for each in reversed(turns) if each.turn.kind is TurnKind.PROMPT and each.turn.prompt]
    if asked:
        yield "## Asked"
    for turn in asked[-_MOST_PROMPTS:]:
        words = " ".join(turn.prompt.split())
        yield f"- {words[:_MOST_OF_A_PROMPT]}{'…' if len(words) > _MOST_OF_A_PROMPT else ''}"


def _answer(turns: tuple[WholeTurn, ...]) -> Iterator[str]:
    for turn in turns:
        texts = [each.block.text for each in turn.blocks if isinstance(each.block, Text) and each.block.text]
        if texts:
            yield "\n## Claude's last answer"
            # Its end: an answer says last what came out.
            yield texts[-1][-_MOST_OF_THE_ANSWER:]
            return
