"""What a face refused before it asked the core."""

from api.access import Action
from api.command import Command, Nothing


class NoteRefusal(Command[Nothing], frozen=True, tag="note_refusal", kw_only=True):
    """Write down that the actor was turned away at `door`, a word such as `use_the_bot`.

    Bounded, because anybody can come again and again: one row an hour for each person, a hundred for all.
    """

    action = Action.NOTE_REFUSAL
    reply = Nothing
    audited = False
    door: str


RefusalsCommand = NoteRefusal
"""The commands of this file."""
