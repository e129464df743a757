"""The buttons whose click is the whole decision: each verb with its decision and look. Pure."""

from collections.abc import Mapping

from api.words.asks import answer_label, offered, worded
from bot.ask_face import AskFace
from bot.bodies import Button, Style, Verb
from sessions.model import (
    Allow,
    AllowSession,
    ApprovePlan,
    AskBody,
    Decision,
    Deny,
    FollowLink,
    Postpone,
    RevisePlan,
)

DECISIONS: Mapping[Verb, tuple[Decision, Style]] = {
    Verb.ALLOW: (Allow(), Style.SUCCESS),
    Verb.ALLOW_SESSION: (AllowSession(), Style.SECONDARY),
    Verb.APPROVE_PLAN: (ApprovePlan(), Style.SUCCESS),
    Verb.APPROVE_EDITS: (ApprovePlan(accept_edits=True), Style.SECONDARY),
    Verb.FOLLOW_LINK: (FollowLink(), Style.SUCCESS),
    Verb.DENY: (Deny(), Style.DANGER),
    Verb.POSTPONE: (Postpone(), Style.SECONDARY),
}
"""In the order in which a card shows them. A decision that needs more than a click is not listed."""


def decision_buttons(face: AskFace, body: AskBody) -> tuple[Button, ...]:
    """Return a button for each listed decision that the ask offers, and one for words of one's own."""
    possible = offered(body)
    buttons = (
        face.button(verb, answer_label(decision, body), style)
        for verb, (decision, style) in DECISIONS.items()
        if decision in possible
    )
    match worded(body, ""):
        case RevisePlan():
            return (*buttons, face.button(Verb.REVISE_PLAN, answer_label(RevisePlan(""))))
        case Deny():
            return (*buttons, face.button(Verb.DENY_NOTE, answer_label(Deny("…"))))
        case _:
            return tuple(buttons)
