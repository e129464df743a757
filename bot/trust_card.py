"""Cards on a project's trust: the question if it brings more than text, and the present decision. Pure."""

from api import ProjectTrust, SessionInfo
from api.words.trust import TRUST_WORDS
from bot.bodies import Button, Card, Control, PostWish, Row, Style, Verb
from bot.cards import QUIET, WAITING
from bot.markdown.cards import escape_inline
from bot.subjects import UnitKind, subject_of
from bot.wording import moment, person
from sessions.events import Noticed
from sessions.model import Trust

NOT_NOW = "not_now"
_MOST_LISTED = 25
_MOST_CHARS = 3_300


def trust_question(event: Noticed, number: int, session_id: str, admin_id: int | None) -> PostWish:
    """Return the post that asks for a decision on the project's trust. Its creation pings one admin."""
    lines = [escape_inline(line, 220) for line in event.text.split("\n")]
    ping = f"<@{admin_id}> " if admin_id is not None else ""
    title = f"{ping}**This project brings more than text**"
    text = "\n".join(lines)[:_MOST_CHARS]
    footer = "-# An admin decides. `/settings trust` shows it again, and changes it later."
    return PostWish(
        subject_of(UnitKind.NOTICE, number),
        0,
        Card((title, text, footer), (_buttons(session_id, event.about),), accent=WAITING),
        ping=admin_id,
    )


def _buttons(session_id: str, content_hash: str) -> tuple[Button, ...]:
    def button(answer: str, label: str, style: Style = Style.SECONDARY) -> Button:
        # The hash binds the decision to what was listed: hooks that came since then are not trusted by it.
        return Button(Control(Verb.TRUST, session_id, answer, content_hash), label, style)

    return (
        button(Trust.TRUSTED, "Trust", Style.DANGER),
        button(Trust.INSTRUCTIONS, "Instructions only"),
        button(NOT_NOW, "Not now"),
    )


def trust_card(info: SessionInfo, found: ProjectTrust) -> Card:
    """Return the card of the present trust in the session's project, with a button for each other decision."""
    lines = [f"The project {escape_inline(found.project, 80)} is {TRUST_WORDS[found.trust]}."]
    if found.decided_by:
        lines.append(f"-# Decided by {person(found.decided_by)} {moment(found.decided_ms)}")
    if found.runs:
        lines += ["It brings:", *(f"- {escape_inline(each, 220)}" for each in found.runs[:_MOST_LISTED])]
        if len(found.runs) > _MOST_LISTED:
            lines.append(f"- and {len(found.runs) - _MOST_LISTED} more")
    if found.nested and found.trust is Trust.INSTRUCTIONS:
        named = escape_inline(", ".join(found.nested), 300)
        lines.append(f"-# Claude is told to read these when it works there: {named}")
    others = [state for state in (Trust.TRUSTED, Trust.INSTRUCTIONS, Trust.CLOSED) if state is not found.trust]
    labels = {Trust.TRUSTED: "Trust", Trust.INSTRUCTIONS: "Instructions only", Trust.CLOSED: "Close"}
    row: Row = tuple(
        Button(Control(Verb.TRUST, info.id, state, found.content_hash), labels[state]) for state in others
    )
    return Card(("\n".join(lines)[:_MOST_CHARS],), (row,), accent=WAITING if found.is_wanted else QUIET)
