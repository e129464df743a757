"""The command that records what a face refused without asking the core."""

from api.access import Action
from api.command import Command, Nothing


class NoteRefusal(Command[Nothing], frozen=True, tag="note_refusal", kw_only=True):
    """Record that the actor was refused at `door`, a word such as `use_the_bot`.

    Bounded, because anybody can repeat it: one row an hour for each person, a hundred an hour for all.
    """

    action = Action.NOTE_REFUSAL
    reply = Nothing
    audited = False
    door: str


RefusalsCommand = NoteRefusal
"""The commands of this file."""
