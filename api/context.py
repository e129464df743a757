"""Commands on the context of prompts: the text that Claude reads before them."""

import msgspec

from api.access import Action
from api.command import Nothing, SessionCommand
from sessions.stored import ContextKind


class ContextView(msgspec.Struct, frozen=True):
    """The context of one turn, as Claude read it. A turn without context has no `kind` and an empty `text`.

    `is_on`: later prompts tell Claude what changed.
    """

    is_on: bool
    kind: ContextKind | None = None
    text: str = ""


class ShowChanges(SessionCommand[ContextView], frozen=True, tag="show_changes", kw_only=True):
    """Return the context of a turn; of the newest turn that has one if `turn_id` is empty."""

    action = Action.VIEW
    reply = ContextView
    audited = False
    turn_id: str = ""


class SwitchChanges(SessionCommand[Nothing], frozen=True, tag="switch_changes", kw_only=True):
    """Tell Claude with each prompt what changed in the files since its last turn, or stop telling it."""

    action = Action.PROMPT
    reply = Nothing
    on: bool


ContextCommand = ShowChanges | SwitchChanges
"""The commands of this file."""
